"""Looking at the ledger itself: its server, its tables, what protects them."""

from __future__ import annotations

from dataclasses import dataclass

from memoledger.ledger.failures import translated
from memoledger.ledger.round_trip import Call, Connection
from memoledger.ledger.sessions import Sessions
from memoledger.ledger.statements import statements
from memoledger.model.principal import Principal

_SQL = statements("inspection")


@dataclass(frozen=True, slots=True)
class ServerFacts:
    """What the server is; `vector_version` is None where pgvector is not installed."""

    version: str
    vector_version: str | None
    database: str


@dataclass(frozen=True, slots=True)
class Protection:
    """A table and what row-level security does for it."""

    table: str
    enabled: bool
    forced: bool
    has_policy: bool

    @property
    def is_complete(self) -> bool:
        """Whether the database itself keeps others' rows out of every read."""
        return self.enabled and self.forced and self.has_policy


async def server_facts(connection: Connection) -> ServerFacts:
    """What the server at the other end of the connection is."""
    with translated():
        cursor = await connection.execute(_SQL["versions"].sql)
        [row] = await cursor.fetchall()
        return ServerFacts(*row)


async def protections(connection: Connection) -> list[Protection]:
    """Every table of the ledger, with its protection; none before the first migration."""
    with translated():
        cursor = await connection.execute(_SQL["tables_and_their_protection"].sql)
        return [Protection(*row) for row in await cursor.fetchall()]


async def count_visible_memories(sessions: Sessions, principal: Principal) -> int:
    """How many rows of memories the database shows a principal when it is asked for all."""
    call: Call = (_SQL["count_visible_memories"], {})
    [rows] = await sessions.run(principal, None, call)
    return int(rows[0][0])
