"""Bytes that come in pieces: from memory, from a file, from a stream that can be read once."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterable, AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from memoledger.model.artifact import Digest, Source
from memoledger.model.errors import ConflictError, InvalidInput

PIECE_BYTES: Final = 1_048_576
"""Of a file, so much is in memory at a time."""

Lasting = bytes | Path
"""What can be read twice."""


@asynccontextmanager
async def lasting(source: Source) -> AsyncIterator[Lasting]:
    """A source in a form that can be read twice: a stream goes to a temporary file.

    Raises:
        InvalidInput: there is no such file, or it is no file.
    """
    if isinstance(source, bytes | bytearray | memoryview):
        yield bytes(source)
    elif isinstance(source, Path):
        if not await asyncio.to_thread(source.is_file):
            raise InvalidInput(
                "file", str(source), "there is no such file", remedy="Give the path of a file."
            )
        yield source
    else:
        # Not in memory, however small it may turn out: somebody may send a gigabyte.
        with tempfile.NamedTemporaryFile(prefix="memoledger-artifact-") as file:
            async for piece in source:
                await asyncio.to_thread(file.write, piece)
            await asyncio.to_thread(file.flush)
            yield Path(file.name)


async def pieces_of(source: Lasting) -> AsyncIterator[bytes]:
    """The bytes in pieces of at most a megabyte.

    Raises:
        InvalidInput: the file cannot be read.
    """
    if isinstance(source, bytes):
        for start in range(0, len(source), PIECE_BYTES):
            yield source[start : start + PIECE_BYTES]
        return
    try:
        with await asyncio.to_thread(source.open, "rb") as file:
            while piece := await asyncio.to_thread(file.read, PIECE_BYTES):
                yield piece
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise InvalidInput(
            "file", str(source), f"it cannot be read: {reason}", remedy="Look at its rights."
        ) from None


async def digest_of(source: Lasting) -> Digest:
    """Hash and length.

    Raises:
        InvalidInput: the file cannot be read.
    """
    digest = Digest()
    async for piece in pieces_of(source):
        digest.add(piece)
    return digest


async def unchanged(source: Lasting, expected: Digest) -> AsyncIterator[bytes]:
    """The bytes in pieces, which have to be those that were looked at before.

    Raises:
        ConflictError: after the last piece, if they are not.
        InvalidInput: the file cannot be read.
    """
    seen = Digest()
    async for piece in pieces_of(source):
        seen.add(piece)
        yield piece
    if seen != expected:
        raise ConflictError(
            "The source changed while it was being stored.",
            remedy="Try again once nobody writes to it.",
        )


async def joined(pieces: AsyncIterable[bytes]) -> bytes:
    """All pieces in one: for what is known to be small."""
    return b"".join([piece async for piece in pieces])
