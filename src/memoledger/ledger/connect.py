"""A single connection for administration: migrations, checks."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from memoledger.ledger.failures import translated
from memoledger.ledger.round_trip import Connection
from memoledger.ledger.server import connect_with_retry


@asynccontextmanager
async def connected(conninfo: str, *, attempts: int, timeout_s: float) -> AsyncIterator[Connection]:
    """A connection in autocommit mode, closed at the end.

    Raises:
        LedgerUnavailable: the server could not be reached.
    """
    connection = await connect_with_retry(conninfo, attempts=attempts, timeout_s=timeout_s)
    try:
        with translated():
            yield connection
    finally:
        await connection.close()
