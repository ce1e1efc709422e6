"""The schedule of what waits to be embedded: its writes, which join the writer's transaction.

`schedule_memories` and `schedule_rows` give calls to be appended to those that write the rows, so
that both are one transaction:

    await sessions.run(principal, store_id, *writing, *schedules.schedule_rows(…))
"""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal
from uuid import UUID

from memoledger.ledger.round_trip import Call
from memoledger.ledger.sessions import Sessions
from memoledger.ledger.statements import statements
from memoledger.model.embedding import Family
from memoledger.model.keys import Scope
from memoledger.model.principal import Principal
from memoledger.model.queue import QueueDepth, QueueRow

_SQL = statements("schedules")

Reason = Literal["written", "backfill", "refresh"]
"""Why something is to be embedded: it is new, its embedding version is, or its vector was bad."""

SOMEBODY_WAITS: Final = 0
ONE_OF_MANY: Final = 1
WHEN_THERE_IS_NOTHING_ELSE: Final = 2
"""Urgencies: what workers take first."""

PENDING_MAX: Final = 1_000
"""As far as what waits of a store is counted, so that a recall stays cheap."""

NONE_FOR_S: Final = 1.0
"""Seconds for which it is believed that nothing of a store waits; writes of this process's count
at once."""

STORES_KNOWN_MAX: Final = 1_000


@dataclass(frozen=True, slots=True)
class ToEmbed:
    """A row that is to be embedded.

    Args:
        owner_id, version: the memory's or chunk's id, and the version that is to be embedded.
        private_to: the one user who may read it; None where the store's readers may.
    """

    owner_id: UUID
    version: int
    private_to: str | None = None


def schedule_memories(
    store_id: UUID,
    memory_ids: Sequence[UUID],
    embedding_versions: Sequence[int] | None = None,
    *,
    reason: Reason = "written",
    urgency: int = SOMEBODY_WAITS,
) -> list[Call]:
    """Calls that schedule the current versions of some memories, as far as they have no vector.

    They follow the call that wrote the memories, in its transaction, and wake a worker.

    Args:
        embedding_versions: in which of them; None for all that are kept up to date.
    """
    if not memory_ids:
        return []
    params = {
        "store_id": store_id,
        "owner_ids": list(memory_ids),
        "embedding_versions": None if embedding_versions is None else list(embedding_versions),
        "reason": reason,
        "urgency": urgency,
    }
    return [(_SQL["schedule_current_memories"], params), wake_workers()]


def schedule_rows(
    principal: Principal,
    store_id: UUID,
    family: Family,
    rows: Sequence[ToEmbed],
    embedding_versions: Sequence[int] | None = None,
    *,
    reason: Reason = "written",
    urgency: int = SOMEBODY_WAITS,
) -> list[Call]:
    """Calls that schedule rows of any family, and wake a worker.

    They belong into the transaction that writes the rows. What is on the schedule already stays as
    it is.

    Args:
        principal: who writes; may write the store, and private rows only of their own.
        embedding_versions: in which of them; None for all that are kept up to date.
    """
    if not rows:
        return []
    params = {
        "tenant": principal.tenant,
        "store_id": store_id,
        "family": family,
        "owner_ids": [row.owner_id for row in rows],
        "versions": [row.version for row in rows],
        "private_to": [row.private_to for row in rows],
        "embedding_versions": None if embedding_versions is None else list(embedding_versions),
        "reason": reason,
        "urgency": urgency,
    }
    return [(_SQL["schedule_rows"], params), wake_workers()]


def wake_workers() -> Call:
    """Wakes a worker once the transaction is committed."""
    return _SQL["wake_workers"], {}


def count_pending(store_id: UUID, embedding_version: int) -> Call:
    """How much of a store waits to be embedded, at most `PENDING_MAX`: one row of one number."""
    params = {
        "store_id": store_id,
        "embedding_version": embedding_version,
        "at_most": PENDING_MAX,
    }
    return _SQL["count_pending"], params


class Schedules:
    """Reads and writes of the schedule as a principal, where no other write is to be joined."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions
        self._none: OrderedDict[UUID, dict[tuple[Principal, int], float]] = OrderedDict()

    async def add(
        self,
        principal: Principal,
        store_id: UUID,
        family: Family,
        rows: Sequence[ToEmbed],
        embedding_versions: Sequence[int] | None = None,
        *,
        reason: Reason = "refresh",
        urgency: int = WHEN_THERE_IS_NOTHING_ELSE,
    ) -> None:
        """Schedule rows that are there already."""
        calls = schedule_rows(
            principal, store_id, family, rows, embedding_versions, reason=reason, urgency=urgency
        )
        if calls:
            await self._sessions.run(principal, store_id, *calls)
            self.written(store_id)

    async def pending(self, principal: Principal, store_id: UUID, embedding_version: int) -> int:
        """How much of a store waits to be embedded, at most `PENDING_MAX`.

        That nothing did is believed for a second: most stores never have anything waiting, and
        every recall asks.
        """
        key = principal, embedding_version
        now = time.monotonic()
        if now - self._none.get(store_id, {}).get(key, -math.inf) < NONE_FOR_S:
            return 0
        call = count_pending(store_id, embedding_version)
        [rows] = await self._sessions.run(principal, store_id, call)
        count = int(rows[0][0])
        if count == 0:
            self._none.setdefault(store_id, {})[key] = now
            self._none.move_to_end(store_id)
            if len(self._none) > STORES_KNOWN_MAX:
                self._none.popitem(last=False)
        return count

    def written(self, store_id: UUID) -> None:
        """Something of the store was scheduled here: count again."""
        self._none.pop(store_id, None)

    async def depth(self, principal: Principal, scopes: frozenset[Scope]) -> QueueDepth:
        """How much of the principal's tenant is on the schedule.

        Raises:
            Forbidden: the scope admin is not among `scopes`; so do the three below.
        """
        call: Call = (_SQL["tenant_queue_depth"], {})
        [rows] = await self._sessions.run(principal, None, call, scopes=scopes)
        return QueueDepth(*rows[0])

    async def rows(
        self, principal: Principal, scopes: frozenset[Scope], *, poisoned: bool, limit: int
    ) -> list[QueueRow]:
        """What of the tenant is on the schedule, what was set aside first, then the oldest."""
        params = {"tenant": principal.tenant, "poisoned": poisoned, "limit": limit}
        call = (_SQL["tenant_queue"], params)
        [rows] = await self._sessions.run(principal, None, call, scopes=scopes)
        return [QueueRow(*row) for row in rows]

    async def retry(
        self, principal: Principal, scopes: frozenset[Scope], ids: Sequence[UUID] | None
    ) -> int:
        """Have what failed or was set aside tried again now, all or some; how many rows."""
        return await self._act("retry_tenant_queue", principal, scopes, ids)

    async def drop(
        self, principal: Principal, scopes: frozenset[Scope], ids: Sequence[UUID] | None
    ) -> int:
        """Take what was set aside off the schedule, all or some; how many rows."""
        return await self._act("drop_tenant_queue", principal, scopes, ids)

    async def _act(
        self,
        name: str,
        principal: Principal,
        scopes: frozenset[Scope],
        ids: Sequence[UUID] | None,
    ) -> int:
        call = (_SQL[name], {"owner_ids": None if ids is None else list(ids)})
        [rows] = await self._sessions.run(principal, None, call, scopes=scopes)
        return int(rows[0][0])
