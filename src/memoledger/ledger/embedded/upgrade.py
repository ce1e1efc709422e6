"""From an older major version of PostgreSQL to this program's, with `pg_upgrade`.

The new contents are built beside the old ones, which are only read; they change places at the end.
A crash before that leaves the old ledger as it was; a crash while they change places is finished
by the next start.
"""

from __future__ import annotations

import re
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from memoledger.ledger.embedded.configuration import machine_memory_bytes, write_configuration
from memoledger.ledger.embedded.failures import folder_errors, full, in_use, outdated
from memoledger.ledger.embedded.folder import SUPERUSER, DataFolder, build
from memoledger.ledger.embedded.postmaster import (
    bring_up,
    connection_string,
    take_down,
)
from memoledger.ledger.embedded.processes import foreign_server
from memoledger.ledger.embedded.programs import SERVER_MAJOR, Programs, installation
from memoledger.model.errors import DataFolderError

_EXTENSION_SCRIPT = "update_extensions.sql"
_SPARE = 1.2
"""How much larger than the old contents the new ones are allowed to become while being built."""


@dataclass(frozen=True, slots=True)
class UpgradeReport:
    """What an upgrade did: versions before and after, and where the old contents are kept.

    `previous` is None when the folder was of this version already. It can be deleted once the
    upgraded ledger has proved itself; the user's own `postgresql.conf` is in it.
    """

    from_major: int
    to_major: int
    previous: Path | None


def upgrade_folder(folder: DataFolder) -> UpgradeReport:
    """Upgrade `folder`; the caller holds its transition and users locks.

    Raises:
        DataFolderInUse, DataFolderFull, DataFolderOutdated, DataFolderError: as
            `EmbeddedServer.upgrade` says.
    """
    _require_stopped(folder)
    folder.resume()
    major = folder.major()
    if major is None:
        raise DataFolderError(
            f"There is no ledger in {folder.path} to upgrade.",
            remedy="Name the data folder of an existing ledger.",
            data_dir=str(folder.path),
        )
    if major == SERVER_MAJOR:
        return UpgradeReport(major, major, previous=None)
    if major > SERVER_MAJOR or installation(major) is None:
        raise outdated(folder.path, major, SERVER_MAJOR, upgradable=False)
    _require_room(folder)
    old, new = Programs.of(major, folder.account), Programs.of(SERVER_MAJOR, folder.account)
    _shut_down_cleanly(folder, old)
    try:
        _convert(folder, old, new)
    except DataFolderError:
        folder.discard_new()
        raise
    return UpgradeReport(major, SERVER_MAJOR, previous=_change_places(folder, major, new))


def _require_stopped(folder: DataFolder) -> None:
    with folder.lock("server") as server_lock:
        # Nobody has the ledger open, so a server of ours was left behind by a killed process.
        if not take_down(folder, server_lock):
            raise in_use(folder.path, "by a server that does not stop")
        foreign = foreign_server(folder.path)
    if foreign is not None:
        raise in_use(folder.path, f"by a server that was started by hand (process {foreign.pid})")


def _require_room(folder: DataFolder) -> None:
    with folder_errors(folder.path):
        needed = sum(
            file.lstat().st_size
            for entry in folder.path.iterdir()
            if entry != folder.private
            for file in (entry, *entry.rglob("*"))
            if not file.is_dir()
        )
        free = shutil.disk_usage(folder.path).free
    if free < needed * _SPARE:
        raise full(
            folder.path,
            f"an upgrade needs room for a second copy, {needed * _SPARE / 1e6:.0f} MB, "
            f"and {free / 1e6:.0f} MB are free",
        )


def _shut_down_cleanly(folder: DataFolder, old: Programs) -> None:
    """Let the old server recover if it was killed; `pg_upgrade` takes only what was shut down."""
    if "shut down\n" in _control_value(folder, old, "Database cluster state"):
        return
    with folder.lock("server") as server_lock:
        bring_up(folder, old, server_lock, configure=lambda: None)
    with folder.lock("server") as server_lock:
        take_down(folder, server_lock)


def _convert(folder: DataFolder, old: Programs, new: Programs) -> None:
    """Build the new contents in `folder.new`, with page checksums even if the old had none."""
    checksums = _control_value(folder, old, "Data page checksum version").strip() != "0"
    folder.discard_new()
    # Both must agree during the upgrade. Adding them to the new side afterwards leaves the old
    # side as it is, for a way back.
    build(folder, new, [] if checksums else ["--no-data-checksums"])
    with folder_errors(folder.path):
        work = folder.private / "upgrade"
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir(0o700)
        folder.account.take(work)
        sockets = Path(tempfile.mkdtemp(prefix="memoledger-", dir="/tmp"))
        folder.account.take(sockets)
    try:
        _run_pg_upgrade(folder, old, new, work, sockets)
    finally:
        shutil.rmtree(sockets, ignore_errors=True)
    if not checksums:
        new.run("pg_checksums", ["--enable", "-D", str(folder.new)], data_dir=folder.path)


def _run_pg_upgrade(
    folder: DataFolder, old: Programs, new: Programs, work: Path, sockets: Path
) -> None:
    new.run(
        "pg_upgrade",
        [
            "--old-bindir",
            str(old.root / "bin"),
            "--new-bindir",
            str(new.root / "bin"),
            "--old-datadir",
            str(folder.path),
            "--new-datadir",
            str(folder.new),
            "--username",
            SUPERUSER,
            "--socketdir",
            str(sockets),
        ],
        data_dir=folder.path,
        cwd=work,
    )


def _change_places(folder: DataFolder, major: int, new: Programs) -> Path:
    with folder_errors(folder.path):
        script = folder.private / "upgrade" / _EXTENSION_SCRIPT
        taken = {entry.name for entry in folder.private.iterdir()}
        names = (f"old-{major}" + (f"-{count}" if count else "") for count in range(1_000))
        name = next(name for name in names if name not in taken)
    previous = folder.replace_contents(name)
    if script.exists():
        _update_extensions(folder, new, script)
    shutil.rmtree(script.parent, ignore_errors=True)
    return previous


def _update_extensions(folder: DataFolder, new: Programs, script: Path) -> None:
    """Run the statements that `pg_upgrade` wrote for extensions with a newer version."""

    def configure() -> None:
        with folder_errors(folder.path):
            write_configuration(
                folder.path, {}, folder.account, memory_bytes=machine_memory_bytes()
            )

    with folder.lock("server") as server_lock:
        running = bring_up(folder, new, server_lock, configure)
    conninfo = connection_string(running, folder.path, user=SUPERUSER, database=SUPERUSER)
    try:
        new.run(
            "psql",
            ["--no-psqlrc", "--set", "ON_ERROR_STOP=1", "--file", str(script), conninfo],
            data_dir=folder.path,
        )
    finally:
        with folder.lock("server") as server_lock:
            take_down(folder, server_lock)


def _control_value(folder: DataFolder, programs: Programs, name: str) -> str:
    """The value of `name` in what `pg_controldata` prints, with its end of line."""
    output = programs.run("pg_controldata", ["-D", str(folder.path)], data_dir=folder.path)
    found = re.search(rf"^{re.escape(name)}:\s*(.*\n)", output, re.MULTILINE)
    return found.group(1) if found else ""
