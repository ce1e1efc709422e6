"""A source under examination: its bytes, its name, and how it is refused."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from memoledger.model.errors import UnreadableSource

BYTES_MAX: Final = 200_000_000
"""No source is larger, whatever is in it."""

TEXT_BYTES_MAX: Final = 40_000_000
"""Nor is one that is text: it is held in memory as a whole."""


@dataclass(frozen=True, slots=True)
class Source:
    """The bytes of a source, and what it is called.

    Args:
        name: for messages; a file's name, or "data".
        path: the file, where there is one.
        depth: how many sources are around this one.
    """

    name: str
    data: bytes
    path: Path | None = None
    depth: int = 0

    @classmethod
    def of(cls, source: bytes | Path, name: str | None) -> Source:
        """Take bytes as they are; read a file.

        Raises:
            UnreadableSource: there is no such file, it cannot be read, or it is too large.
        """
        if isinstance(source, bytes):
            made = cls(name or "data", source)
            if len(source) > BYTES_MAX:
                raise made.too_large(len(source), BYTES_MAX)
            return made
        return cls(name or source.name, _bytes_of(source, name or str(source)), source)

    def refused(self, reason: str, remedy: str) -> UnreadableSource:
        """The error that names this source."""
        return UnreadableSource("file", self.name, reason, remedy=remedy)

    def too_large(self, found: int, limit: int) -> UnreadableSource:
        """The error that says by how much it is too large."""
        return self.refused(
            f"it has {found:,} bytes, {limit:,} are read", "Learn it in several parts."
        )

    def broken(self, what: str, error: BaseException | None = None) -> UnreadableSource:
        """The error that says what cannot be read in it."""
        reason = str(error).split("\n", 1)[0][:200] if error is not None else ""
        said = f"it cannot be read as {what}" + (f": {reason}" if reason else "")
        return self.refused(said, "Repair it, or say what it is with its media type.")


def _bytes_of(path: Path, name: str) -> bytes:
    refusing = Source(name, b"")
    try:
        # Opening a pipe would wait for somebody to write into it.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it is no path"
        raise refusing.refused(reason.lower(), "Check the path and its permissions.") from None
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise refusing.refused("it is no file", "Name a file, or files by a pattern.")
        if found.st_size > BYTES_MAX:
            raise refusing.too_large(found.st_size, BYTES_MAX)
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            return file.read(BYTES_MAX)
    except OSError as error:
        reason = (error.strerror or "it cannot be read").lower()
        raise refusing.refused(reason, "Check the disk it is on.") from None
    finally:
        os.close(descriptor)
