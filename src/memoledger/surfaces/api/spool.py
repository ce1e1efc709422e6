"""A queue of bytes that never makes its writer wait, and never takes much memory.

A client may send all of a long body before it reads a line of the answer. If the answer made the
service wait for the reader, and the body the client for the service, both would wait for ever. So
what is not read yet is kept: the first of it in memory, the rest in a temporary file.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections import deque
from typing import IO, Final

MEMORY_BYTES_MAX: Final = 1_048_576
PIECE_BYTES: Final = 65_536
"""Read from the file at a time."""


class Spool:
    """Bytes in the order in which they were put.

    Args:
        memory_bytes_max: kept in memory before the file is begun.
    """

    def __init__(self, *, memory_bytes_max: int = MEMORY_BYTES_MAX) -> None:
        self._memory_bytes_max = memory_bytes_max
        self._pieces: deque[bytes] = deque()
        self.held_bytes = 0
        self._file: IO[bytes] | None = None
        self._read_at = 0
        self._write_at = 0
        self._ended = False
        self._more = asyncio.Event()
        self.put_bytes = 0

    def put(self, piece: bytes) -> None:
        """Add to the end."""
        if not piece:
            return
        self.put_bytes += len(piece)
        if self._read_at < self._write_at or self.held_bytes + len(piece) > self._memory_bytes_max:
            self._append(piece)
        else:
            self._pieces.append(piece)
            self.held_bytes += len(piece)
        self._more.set()

    def end(self) -> None:
        """Nothing more will be put."""
        self._ended = True
        self._more.set()

    async def take(self) -> bytes:
        """What comes next, waiting for it if there is nothing yet; empty at the end."""
        while True:
            if self._pieces:
                # One write to the socket for what has come together.
                taken = b"".join(self._pieces)
                self._pieces.clear()
                self.held_bytes = 0
                return taken
            if self._read_at < self._write_at:
                return self._from_file()
            if self._ended:
                return b""
            self._more.clear()
            await self._more.wait()

    def discard(self) -> None:
        """Let go of everything, the file among it."""
        self._pieces.clear()
        if self._file is not None:
            self._file.close()
            self._file = None

    def _append(self, piece: bytes) -> None:
        if self._file is None:
            self._file = tempfile.TemporaryFile(prefix="memoledger-")  # noqa: SIM115 - see discard
        self._file.seek(self._write_at)
        self._write_at += self._file.write(piece)

    def _from_file(self) -> bytes:
        assert self._file is not None, "something was written to it"
        self._file.seek(self._read_at)
        taken = self._file.read(min(PIECE_BYTES, self._write_at - self._read_at))
        self._read_at += len(taken)
        if self._read_at == self._write_at:
            self._file.truncate(0)
            self._read_at = self._write_at = 0
        return taken
