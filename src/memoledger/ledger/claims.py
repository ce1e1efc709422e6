"""Claims: who is embedding what of the schedule, for how long, and what became of it.

The ledger's own: claiming goes by time over all tenants. It gives ids; texts are read, and vectors
written, as the principal whose they are (`scheduled`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID, uuid4

from memoledger.ledger.owner_pool import OwnerPool
from memoledger.ledger.statements import statements
from memoledger.model.queue import Claimed, QueueDepth, QueueRow

_SQL = statements("claims")

ERROR_CHARS_MAX: Final = 500

DEAD_AFTER_S: Final = 120.0
"""Seconds without a sign of life after which a worker's jobs are taken away."""


class Claims:
    """The schedule of all tenants, as workers and administrators see it."""

    def __init__(self, pool: OwnerPool) -> None:
        self.pool = pool

    async def claim(
        self, embedding_versions: Sequence[int], *, at_most: int, lease_s: float
    ) -> tuple[UUID, list[Claimed]]:
        """Claim up to `at_most` due rows for `lease_s` seconds; the claim and its rows."""
        claim = uuid4()
        params = {
            "claim": claim,
            "embedding_versions": list(embedding_versions),
            "at_most": at_most,
            "lease_s": lease_s,
        }
        rows = await self.pool.run(_SQL["claim_batch"], params)
        return claim, [Claimed(*row) for row in rows]

    async def extend(self, claim: UUID, rows: Sequence[Claimed], lease_s: float) -> None:
        """Keep rows claimed for `lease_s` seconds from now."""
        params = {**_keys(claim, rows), "lease_s": lease_s}
        await self.pool.run(_SQL["extend_claim"], params)

    async def release(self, claim: UUID, rows: Sequence[Claimed]) -> None:
        """Give rows back as if they had not been claimed."""
        await self.pool.run(_SQL["release_claim"], _keys(claim, rows))

    async def fail(
        self, claim: UUID, rows: Sequence[Claimed], again_s: Sequence[float | None], error: str
    ) -> None:
        """Note why rows failed; each is due again after its seconds, or set aside where None."""
        params = {**_keys(claim, rows), "again_s": list(again_s), "error": error[:ERROR_CHARS_MAX]}
        await self.pool.run(_SQL["fail_rows"], params)
        later = [seconds for seconds in again_s if seconds is not None]
        if later:
            await self.pool.run(_SQL["wake_later"], {"after_s": max(later)})

    async def schedule_indexes(self, rows: Sequence[Claimed]) -> None:
        """Have the stores of these rows looked at, whether their index is up to date."""
        stores = {(row.tenant, row.store_id) for row in rows}
        params = {
            "tenants": [tenant for tenant, _ in stores],
            "stores": [store_id for _, store_id in stores],
        }
        await self.pool.run(_SQL["schedule_indexes"], params)

    async def depth(self, tenant: str | None = None) -> QueueDepth:
        """How much is on the schedule, of one tenant or of all."""
        [row] = await self.pool.run(_SQL["queue_depth"], {"tenant": tenant})
        return QueueDepth(*row)

    async def rows(
        self, *, tenant: str | None = None, poisoned: bool = False, limit: int = 100
    ) -> list[QueueRow]:
        """What is on the schedule, what was set aside first, then the oldest; `limit` at most."""
        params = {"tenant": tenant, "poisoned": poisoned, "limit": limit}
        return [QueueRow(*row) for row in await self.pool.run(_SQL["list_queue"], params)]

    async def retry(self, *, tenant: str | None = None, ids: Sequence[UUID] | None = None) -> int:
        """Have what failed or was set aside tried again now; how many rows that were."""
        params = {"tenant": tenant, "owner_ids": None if ids is None else list(ids)}
        [(count,)] = await self.pool.run(_SQL["retry_rows"], params)
        if count:
            await self.wake()
        return int(count)

    async def drop(self, *, tenant: str | None = None, ids: Sequence[UUID] | None = None) -> int:
        """Take what was set aside off the schedule; how many rows that were."""
        params = {"tenant": tenant, "owner_ids": None if ids is None else list(ids)}
        [(count,)] = await self.pool.run(_SQL["drop_rows"], params)
        return int(count)

    async def queue_name(self) -> str:
        """The name of the queue of wake-ups, which nobody else may know."""
        [(name,)] = await self.pool.run(_SQL["name_of_the_queue"])
        return str(name)

    async def wake(self) -> None:
        """Wake a worker."""
        await self.pool.run(_SQL["wake"])

    async def drop_wakeups(self) -> None:
        """Take away the wake-ups that wait; whoever calls it claims right after."""
        await self.pool.run(_SQL["drop_wakeups"])

    async def check(self) -> bool:
        """Take away what dead workers left, and wake one if something is due; whether it was."""
        await self.pool.run(_SQL["drop_dead_jobs"], {"dead_after_s": DEAD_AFTER_S})
        await self.pool.run(_SQL["drop_aimless_rows"])
        [(due,)] = await self.pool.run(_SQL["is_anything_due"])
        if due:
            await self.wake()
        return bool(due)


def _keys(claim: UUID, rows: Sequence[Claimed]) -> dict[str, Any]:
    return {
        "claim": claim,
        "tenants": [row.tenant for row in rows],
        "stores": [row.store_id for row in rows],
        "embedding_versions": [row.embedding_version for row in rows],
        "families": [row.family for row in rows],
        "owner_ids": [row.owner_id for row in rows],
        "versions": [row.version for row in rows],
    }
