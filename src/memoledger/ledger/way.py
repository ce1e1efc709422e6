"""What lies between this process and the server: nothing, or a pooler such as PgBouncer.

A pooler in transaction mode gives every transaction another connection to the server. What a
session keeps there, prepared statements and session locks, is then not found again, unless the
pooler itself sees to it, as PgBouncer does with prepared statements from 1.21 on.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Final

from psycopg import sql

from memoledger.ledger.round_trip import Connection, PreparedNames, round_trip
from memoledger.ledger.statements import statements

_SQL = statements("way")


@dataclass(frozen=True, slots=True)
class Way:
    """How a connection reaches the server.

    Args:
        pooled: another program's pool lies in between.
        keeps_prepared: a statement prepared on the connection is found again later.
    """

    pooled: bool
    keeps_prepared: bool


DIRECT: Final = Way(pooled=False, keeps_prepared=True)


async def find_way(connection: Connection) -> Way:
    """How `connection`, in autocommit mode, reaches the server.

    Poolers make up the process number that a client is told at the beginning. Those that keep
    prepared statements for their clients give them names of their own on the server; where one
    arrives under the name it was sent with, it would be the server connection's and get lost.

    Raises:
        psycopg.Error: the connection failed.
    """
    if not await is_pooled(connection):
        return DIRECT
    return Way(pooled=True, keeps_prepared=await _renames_prepared(connection))


async def is_pooled(connection: Connection) -> bool:
    """Whether a pooler lies between `connection`, in autocommit mode, and the server."""
    [[(pid,)]] = await round_trip(connection, [(_SQL["backend_pid"], {})], None)
    return bool(pid != connection.info.backend_pid)


async def _renames_prepared(connection: Connection) -> bool:
    # A name that nobody has: what stays behind on a shared connection must not be in another's way.
    prefix = f"memoledger_{secrets.token_hex(8)}_"
    name = f"{prefix}0"
    async with connection.transaction():
        call = _SQL["knows_prepared"], {"name": name}
        [[(verbatim,)]] = await round_trip(connection, [call], PreparedNames(prefix.encode()))
        if verbatim:
            away = sql.SQL("DEALLOCATE {}").format(sql.Identifier(name))
            await connection.execute(away, prepare=False)
    return not verbatim
