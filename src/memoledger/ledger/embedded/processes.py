"""Which processes are a data folder's PostgreSQL, and which only look like it.

A process id in a file proves nothing: it may be dead, a zombie that nobody waits for, in another
container, or another program's by now.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path

import psutil

from memoledger.ledger.embedded.configuration import CLUSTER_NAME
from memoledger.ledger.embedded.socket_folder import PORT


@dataclass(frozen=True, slots=True)
class PidFile:
    """What `postmaster.pid` says; a server that was killed leaves it behind."""

    pid: int
    socket_folder: Path | None
    port: int
    status: str

    @classmethod
    def read(cls, data_dir: Path) -> PidFile | None:
        """The file of `data_dir`; None when there is none or its first line is not whole."""
        try:
            text = (data_dir / "postmaster.pid").read_text("utf-8", "surrogateescape")
        except FileNotFoundError:
            return None
        lines = [line.strip() for line in text.split("\n")]
        if len(lines) < 2 or not lines[0].isdigit():
            return None
        lines += [""] * (8 - len(lines))
        folder = Path(lines[4]) if lines[4].startswith("/") else None
        return cls(int(lines[0]), folder, int(lines[3]) if lines[3].isdigit() else PORT, lines[7])


def foreign_server(data_dir: Path) -> PidFile | None:
    """A server that was started by hand, without our lock, and is alive; it is not ours to stop."""
    found = PidFile.read(data_dir)
    return found if found is not None and is_server_of(found.pid, data_dir) else None


def is_server_of(pid: int, data_dir: Path) -> bool:
    """Whether process `pid` is a PostgreSQL server running in `data_dir`, and no zombie."""
    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE or "postgres" not in process.name():
            return False
        # PostgreSQL runs in a folder only as the folder's owner.
        if process.uids().effective != data_dir.stat().st_uid:
            return False
        return _works_in(process, data_dir)
    except (psutil.Error, OSError):
        return False


def is_idling(pid: int) -> bool:
    """Whether the server's processes are only those that wait for orders in a shutdown.

    That is so for a moment in every shutdown. For longer, it is PostgreSQL 18.4 that was told to
    stop while it restarted after a child's crash: its startup process is gone, and nobody orders
    the checkpointer to finish.
    """
    try:
        titles = ["".join(child.cmdline()[:1]) for child in psutil.Process(pid).children()]
    except psutil.Error:
        return False
    roles = [title.removeprefix(f"postgres: {CLUSTER_NAME}: ").strip() for title in titles if title]
    return "checkpointer" in roles and all(
        role in ("checkpointer", "logger") or role.startswith("io worker") for role in roles
    )


def _works_in(process: psutil.Process, data_dir: Path) -> bool:
    try:
        return Path(process.cwd()) == data_dir
    except psutil.AccessDenied:
        # Root in a container may not look at other accounts' processes so closely.
        return str(data_dir) in process.cmdline()


def end_orphans(data_dir: Path) -> None:
    """Kill what is left of a server whose first process is dead; PostgreSQL waits for it too."""
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if _is_orphan_of(process, data_dir):
                process.kill()


def _is_orphan_of(process: psutil.Process, data_dir: Path) -> bool:
    # Children call themselves "postgres: <cluster name>: …"; a first process never does.
    title = "".join(process.cmdline()[:1])
    if not title.startswith("postgres:"):
        return False
    if process.uids().effective != data_dir.stat().st_uid:
        return False
    parent = process.parent()
    if parent is not None and "postgres" in parent.name():
        return False
    try:
        return Path(process.cwd()) == data_dir
    except psutil.AccessDenied:
        # Not ours to look at, in a container; of one of our servers that is dead in any case.
        return title.startswith(f"postgres: {CLUSTER_NAME}:")
