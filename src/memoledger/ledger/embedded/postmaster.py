"""One PostgreSQL server process: launched, waited for, recognised and stopped."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from psycopg.conninfo import make_conninfo
from psycopg.pq import PGconn, Ping

from memoledger.ledger.embedded.failures import (
    OUTPUT_TAIL_CHARS,
    failure_from_output,
    folder_errors,
    in_use,
)
from memoledger.ledger.embedded.folder import SUPERUSER, DataFolder
from memoledger.ledger.embedded.locks import FolderLock
from memoledger.ledger.embedded.processes import (
    PidFile,
    end_orphans,
    foreign_server,
    is_idling,
    is_server_of,
)
from memoledger.ledger.embedded.programs import Programs, clean_environment, execution_errors
from memoledger.ledger.embedded.socket_folder import (
    PORT,
    choose_socket_folder,
    remove_leftover_socket,
    remove_socket_folder,
)
from memoledger.model.errors import LedgerUnavailable

START_WAIT_MAX_S = 3_600
"""How long a server that is alive may take to recover from a crash before we report it."""

UNREACHABLE_WAIT_S = 10
"""How long a server that should answer may not answer."""

ORPHAN_WAIT_S = 2
"""How long the processes of a killed server may take to notice before they are ended."""

STOP_WAIT_S = 60
"""How long a shutdown may take to write everything out before it is cut short."""

HANGING_CHECKS = 8
"""How many times in a row a server that shuts down may be found idling before it is cut short."""

_HANGING_CHECK_S = 0.5
_CALM_PINGS = 3
_PING_TIMEOUT_S = 5
_POLL_S = 0.01
_REPORT_EVERY_S = 10

_log = logging.getLogger(__name__)

_children: list[subprocess.Popen[bytes]] = []
"""Servers launched by this process, kept so that they are not left as zombies when they end."""


def bring_up(
    folder: DataFolder, programs: Programs, server_lock: FolderLock, configure: Callable[[], None]
) -> PidFile:
    """Attach to the server of `folder`, or launch one, and return when it takes connections.

    Args:
        folder: the data folder, complete; the caller holds its transition lock.
        programs: the PostgreSQL that made the folder.
        server_lock: the folder's server lock, open and not held.
        configure: writes the configuration; called only before a launch.

    Raises:
        DataFolderInUse: a server has the folder and cannot be reached from here.
        DataFolderFull, DataFolderUnwritable, DataFolderError: PostgreSQL gave up.
        LedgerUnavailable: it is still recovering after an hour.
    """
    _reap()
    begun = time.monotonic()
    while True:
        if server_lock.try_alone():
            foreign = foreign_server(folder.path)
            if foreign is None:
                configure()
                return _launch_and_wait(folder, programs, server_lock)
            server_lock.release()
            return _require_reachable(folder, foreign)
        running = _answering(folder.path)
        if running is not None:
            return running
        _while_held(folder, waited_s=time.monotonic() - begun)
        time.sleep(_POLL_S)


def take_down(folder: DataFolder, server_lock: FolderLock) -> bool:
    """Stop the folder's server and wait until nothing of it is left.

    A server that somebody else started by hand is left alone. The caller holds the transition
    lock; `server_lock` is open and not held, and is held on return if the server is gone.

    Returns whether no server of ours is left.
    """
    if server_lock.try_alone():
        _reap()
        return True
    running = PidFile.read(folder.path)
    _let_settle(folder.path)
    for number, patience_s in ((signal.SIGINT, STOP_WAIT_S), (signal.SIGQUIT, UNREACHABLE_WAIT_S)):
        told = _signal_server(folder.path, number)
        if _wait_until_gone(folder, server_lock, patience_s if told else UNREACHABLE_WAIT_S):
            _reap()
            if running is not None and running.socket_folder is not None:
                remove_socket_folder(running.socket_folder, folder.path)
            return True
        _log.warning("PostgreSQL in %s did not stop (%s)", folder.path, number.name)
        if not told:
            break
    return False


def connection_string(running: PidFile, folder: Path, *, user: str, database: str) -> str:
    """The libpq keywords that reach the server through its socket, whatever PG* variables say."""
    return make_conninfo(
        "",
        host=str(running.socket_folder or folder),
        # An empty value keeps libpq from taking PGHOSTADDR, which would win over the socket.
        hostaddr="",
        port=running.port,
        user=user,
        dbname=database,
        sslmode="disable",
        gssencmode="disable",
    )


def _launch_and_wait(folder: DataFolder, programs: Programs, server_lock: FolderLock) -> PidFile:
    logged = _log_sizes(folder)
    process = _launch(folder, programs, server_lock)
    begun = time.monotonic()
    reported_s = 0.0
    while process.poll() is None:
        running = _answering(folder.path)
        if running is not None and running.pid == process.pid:
            return running
        waited_s = time.monotonic() - begun
        if waited_s > START_WAIT_MAX_S:
            raise _still_recovering(folder.path)
        if waited_s - reported_s > _REPORT_EVERY_S:
            reported_s = waited_s
            _log.info("PostgreSQL is still starting in %s after %.0f s", folder.path, waited_s)
        time.sleep(_POLL_S)
    _reap()
    raise failure_from_output("Starting PostgreSQL", folder.path, _logged_since(folder, logged))


def _launch(
    folder: DataFolder, programs: Programs, server_lock: FolderLock
) -> subprocess.Popen[bytes]:
    """Start the server in a session of its own, holding the server lock.

    `pg_ctl` is not used: its time limit knows nothing of recovery, and a path with a quote or a
    space has to survive the shell it starts.
    """
    with folder_errors(folder.path):
        _clear_leftovers(folder.path)
        socket_folder = choose_socket_folder(folder.path, folder.account)
        remove_leftover_socket(socket_folder)
        (folder.log / "start.log").unlink(missing_ok=True)
        output = (folder.log / "start.log").open("xb")
        folder.account.take(folder.log / "start.log")
    with output, execution_errors("postgres"):
        process = subprocess.Popen(
            _command(programs, folder.path, socket_folder),
            env=clean_environment(),
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C in the terminal is not meant for the server
            pass_fds=(server_lock.descriptor,),
            umask=0o077,
            user=folder.account.switch_user,
            group=folder.account.switch_group,
            extra_groups=folder.account.switch_extra_groups,
        )
    # From here on the server's own copy of the open file holds the lock, and ours must not.
    server_lock.close()
    _children.append(process)
    return process


def _command(programs: Programs, data_dir: Path, socket_folder: Path) -> list[str]:
    quoted = str(socket_folder).replace('"', '""')
    fixed = {
        "listen_addresses": "",
        "port": str(PORT),
        "unix_socket_directories": f'"{quoted}"',
        "unix_socket_permissions": "0700",
    }
    options = [part for name, value in fixed.items() for part in ("-c", f"{name}={value}")]
    return [programs.path("postgres"), "-D", str(data_dir), *options]


def _clear_leftovers(data_dir: Path) -> None:
    """Remove the files of a server that is gone for certain: nobody holds its lock.

    PostgreSQL would refuse to start if the process id in them now belongs to another program of
    the same user, to a zombie, or if the file was cut short.
    """
    left = PidFile.read(data_dir)
    if left is not None and left.socket_folder is not None:
        remove_leftover_socket(left.socket_folder)
    (data_dir / "postmaster.pid").unlink(missing_ok=True)


def _answering(data_dir: Path) -> PidFile | None:
    """The server that says it is ready and answers, if there is one."""
    found = PidFile.read(data_dir)
    if found is None or found.status != "ready":
        return None
    return found if _ping(found, data_dir) == Ping.OK else None


def _ping(server: PidFile, data_dir: Path) -> int:
    conninfo = connection_string(server, data_dir, user=SUPERUSER, database=SUPERUSER)
    return PGconn.ping(make_conninfo(conninfo, connect_timeout=_PING_TIMEOUT_S).encode())


def _require_reachable(folder: DataFolder, foreign: PidFile) -> PidFile:
    deadline = time.monotonic() + UNREACHABLE_WAIT_S
    while time.monotonic() < deadline and is_server_of(foreign.pid, folder.path):
        running = _answering(folder.path)
        if running is not None:
            return running
        time.sleep(_POLL_S)
    raise in_use(
        folder.path, f"by a PostgreSQL server that does not answer (process {foreign.pid})"
    )


def _while_held(folder: DataFolder, *, waited_s: float) -> None:
    """Decide about a server that holds the lock and does not answer: wait, or give up."""
    found = PidFile.read(folder.path)
    alive = found is not None and is_server_of(found.pid, folder.path)
    if alive and found is not None and _is_busy_starting(found, folder.path):
        if waited_s > START_WAIT_MAX_S:
            raise _still_recovering(folder.path)
        return
    if waited_s > ORPHAN_WAIT_S and not alive:
        end_orphans(folder.path)
    if waited_s > UNREACHABLE_WAIT_S:
        raise in_use(folder.path, "by a server that cannot be reached from here")


def _is_busy_starting(server: PidFile, data_dir: Path) -> bool:
    """Whether it starts, stops, or, still calling itself ready, recovers from a child's crash."""
    return server.status != "ready" or _ping(server, data_dir) == Ping.REJECT


def _let_settle(data_dir: Path) -> None:
    """Wait while the server restarts after a child's crash; `is_idling` says why."""
    deadline = time.monotonic() + STOP_WAIT_S
    calm = 0
    # One answer proves little: a connection that a crash cuts off counts as answered, too.
    while time.monotonic() < deadline and calm < _CALM_PINGS:
        found = PidFile.read(data_dir)
        if found is None:
            return
        calm = 0 if _ping(found, data_dir) == Ping.REJECT else calm + 1
        if not calm:
            time.sleep(_POLL_S)


def _wait_until_gone(folder: DataFolder, server_lock: FolderLock, patience_s: float) -> bool:
    """Wait for the last process to let go of the lock; False when time ran out or it hangs."""
    begun = time.monotonic()
    idle_checks = 0
    while time.monotonic() - begun < patience_s and idle_checks < HANGING_CHECKS:
        if server_lock.wait_alone(_HANGING_CHECK_S):
            return True
        found = PidFile.read(folder.path)
        idle_checks = idle_checks + 1 if found is not None and is_idling(found.pid) else 0
    return server_lock.try_alone()


def _signal_server(data_dir: Path, number: signal.Signals) -> bool:
    """Send the server a signal; False when it is nowhere to be found from here."""
    found = PidFile.read(data_dir)
    # The id means something else in another container; only a process that proves itself is told.
    if found is not None and is_server_of(found.pid, data_dir):
        with contextlib.suppress(ProcessLookupError):
            os.kill(found.pid, number)
        return True
    end_orphans(data_dir)
    return False


def _reap() -> None:
    _children[:] = [child for child in _children if child.poll() is None]


def _log_sizes(folder: DataFolder) -> dict[Path, int]:
    with folder_errors(folder.path):
        return {file: file.stat().st_size for file in folder.log.glob("server-*.log")}


def _logged_since(folder: DataFolder, sizes: Mapping[Path, int]) -> str:
    """What the server wrote since then, before and after it opened its own log."""
    parts = []
    with contextlib.suppress(OSError):
        for file in (folder.log / "start.log", *_log_sizes(folder)):
            text = file.read_bytes()[sizes.get(file, 0) :].decode("utf-8", "replace")
            parts.append(text[-OUTPUT_TAIL_CHARS:])
    return "\n".join(part for part in parts if part)


def _still_recovering(data_dir: Path) -> LedgerUnavailable:
    return LedgerUnavailable(
        f"PostgreSQL in {data_dir} is still starting after {START_WAIT_MAX_S} s.",
        remedy="It may be recovering from a crash: try again later, and look into "
        "memoledger-log/ in that folder.",
        data_dir=str(data_dir),
    )


def _forget_children() -> None:
    # After a fork they are the parent's to wait for.
    _children.clear()


os.register_at_fork(after_in_child=_forget_children)
