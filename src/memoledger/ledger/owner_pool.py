"""Connections of the ledger's own, for the workers: claiming, and the job queue's tables.

They keep the role and the search path for as long as they live, which a pooler in transaction mode
would not see to: `bootstrap.queueing` refuses one.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final

from psycopg_pool import AsyncConnectionPool

from memoledger.ledger.failures import translated
from memoledger.ledger.round_trip import Connection, Row
from memoledger.ledger.statements import Statement, statements
from memoledger.model.errors import Forbidden

_SQL = statements("owner_pool")
_BECOME_OWNER = statements("principals")["become_owner"]

CONNECTIONS_MAX: Final = 4


class OwnerPool:
    """A small pool whose connections act as the ledger's owner.

    Args:
        conninfo: of a login that can become the owner.
        wait_s: seconds to wait for a connection.
    """

    def __init__(self, conninfo: str, *, wait_s: float = 10.0) -> None:
        self.pool: AsyncConnectionPool[Connection] = AsyncConnectionPool(
            conninfo,
            min_size=1,
            max_size=CONNECTIONS_MAX,
            timeout=wait_s,
            reconnect_timeout=wait_s,
            # Autocommit comes with `_configure`: the job queue gives it to the connections that it
            # makes of these itself, and would give it twice.
            kwargs={"prepare_threshold": None},
            configure=_configure,
            check=AsyncConnectionPool.check_connection,
            open=False,
            name="memoledger-owner",
        )

    async def open(self) -> None:
        """Open it and its first connection.

        Raises:
            LedgerUnavailable: no connection could be made in time.
        """
        with translated():
            await self.pool.open(wait=True)

    async def aclose(self) -> None:
        """Close every connection. Safe to call twice."""
        await self.pool.close()

    async def run(self, statement: Statement, params: Mapping[str, Any] | None = None) -> list[Row]:
        """Run one statement, in a transaction of its own; its rows, none if it has none."""
        with translated():
            async with self.pool.connection() as connection:
                cursor = await connection.execute(statement.sql, params)
                return await cursor.fetchall() if cursor.description is not None else []


@asynccontextmanager
async def owner_pool(conninfo: str, *, wait_s: float = 10.0) -> AsyncIterator[OwnerPool]:
    """An open pool, closed at the end."""
    pool = OwnerPool(conninfo, wait_s=wait_s)
    try:
        await pool.open()
        yield pool
    finally:
        await pool.aclose()


async def become_owner(connection: Connection) -> None:
    """Try whether a connection's login can become the owner; nothing is left of it.

    Raises:
        Forbidden: it cannot.
    """
    try:
        with translated():
            async with connection.transaction():
                await connection.execute(_BECOME_OWNER.sql)
    except Forbidden:
        raise Forbidden(
            "This login cannot become the ledger's owner, which the queue belongs to.",
            remedy="Set MEMOLEDGER_ADMIN_DATABASE_URL to a login that may migrate, or leave the "
            "queue to a `memoledger worker` elsewhere.",
        ) from None


async def _configure(connection: Connection) -> None:
    await connection.set_autocommit(True)
    await connection.execute(_SQL["stay_owner"].sql)
