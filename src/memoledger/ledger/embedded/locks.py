"""Locks that die with their holder: one `flock` per open file, kept by the kernel.

Two `FolderLock` objects on one file exclude each other within a process just as across processes
and containers, so that several handles of one program need no counting of their own.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Self

POLL_S = 0.02
"""How long to sleep between two tries for a lock, in seconds."""


class FolderLock:
    """One open lock file; takes and gives up its lock, and lets go of everything at `close`.

    Args:
        path: the lock file; made, readable by its owner only, when missing.
        owner: user and group id the file is given to; a root process makes it for another account.

    Raises:
        OSError: the file cannot be opened or made.
    """

    def __init__(self, path: Path, owner: tuple[int, int]) -> None:
        self.path = path
        # Not inheritable: only PostgreSQL gets a lock handed down, and that on purpose. No link is
        # followed: the folder may be another account's, and root gives the file to that account.
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        self._descriptor = os.open(path, flags, 0o600)
        if os.fstat(self._descriptor).st_uid != owner[0]:
            os.fchown(self._descriptor, *owner)

    @property
    def descriptor(self) -> int:
        """The open file, for a child process to inherit; -1 once closed."""
        return self._descriptor

    def try_alone(self) -> bool:
        """Take the lock for this holder alone; False when anyone else has it."""
        return self._try(fcntl.LOCK_EX)

    def try_shared(self) -> bool:
        """Take the lock together with others; False when someone has it alone."""
        return self._try(fcntl.LOCK_SH)

    def wait_alone(self, timeout_s: float, on_wait: Callable[[float], None] | None = None) -> bool:
        """Take the lock alone, waiting up to `timeout_s` seconds; False when time ran out.

        `on_wait` is told after each failed try how many seconds have passed.
        """
        begun = time.monotonic()
        while not self.try_alone():
            waited_s = time.monotonic() - begun
            if waited_s >= timeout_s:
                return False
            if on_wait is not None:
                on_wait(waited_s)
            time.sleep(POLL_S)
        return True

    def release(self) -> None:
        """Give the lock up and keep the file open."""
        fcntl.flock(self._descriptor, fcntl.LOCK_UN)

    def close(self) -> None:
        """Close the file; the lock goes with it unless a child inherited it. Safe to call twice."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            with contextlib.suppress(OSError):
                os.close(descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _try(self, kind: int) -> bool:
        try:
            fcntl.flock(self._descriptor, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True
