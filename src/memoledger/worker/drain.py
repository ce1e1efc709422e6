"""Drain the schedule: claim a batch, embed it, write it, until nothing is due."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from uuid import UUID

import structlog

from memoledger.ledger.claims import Claims
from memoledger.model.errors import EmbedderError, InvalidInput, MemoledgerError
from memoledger.model.queue import Claimed, QueueStatistics, portion_size
from memoledger.services.context import Context
from memoledger.services.embed_scheduled import (
    Portion,
    embed_portion,
    embedders_of,
    failure_of,
)
from memoledger.worker.throttle import Throttle

_log = structlog.get_logger("memoledger.worker")


@dataclass(frozen=True, slots=True)
class Terms:
    """How a worker works.

    Args:
        batch: rows claimed at a time.
        lease_s: seconds for which they are claimed; while they are worked on, that is extended.
        attempts_max: attempts after which a row is set aside.
    """

    batch: int = 64
    lease_s: float = 60.0
    attempts_max: int = 20


class Drain:
    """Embeds what is scheduled, for all tenants, with the embedders of this process.

    Args:
        context: the open ledger; asked for each batch which embedding versions there are, since
            they come and go while a worker runs.
    """

    def __init__(
        self,
        context: Context,
        claims: Claims,
        *,
        terms: Terms,
        throttle: Throttle,
        statistics: QueueStatistics,
    ) -> None:
        self._context = context
        self._claims = claims
        self._terms = terms
        self._throttle = throttle
        self._statistics = statistics
        self._stopping = False

    def stop(self) -> None:
        """Claim nothing more; what is being embedded is finished."""
        self._stopping = True

    async def run(self) -> int:
        """Work until nothing is due; how many batches that took.

        A full batch is a sign that there is more: another worker is woken before it is embedded,
        who will do the same. So one wake-up brings as many workers to their feet as there is work
        for.

        Raises:
            LedgerError: PostgreSQL failed; what was claimed is another's to do in a while.
        """
        # These wake-ups were sent for rows that the first claim will see.
        await self._claims.drop_wakeups()
        done = 0
        while not self._stopping:
            context = await self._context.pinned()
            claim, rows = await self._claims.claim(
                list(embedders_of(context)), at_most=self._terms.batch, lease_s=self._terms.lease_s
            )
            if not rows:
                break
            if len(rows) == self._terms.batch:
                await self._claims.wake()
            await self._work(context, claim, rows)
            done += 1
        return done

    async def _work(self, context: Context, claim: UUID, rows: Sequence[Claimed]) -> None:
        left = {id(row): row for row in rows}
        async with self._kept(claim, left):
            try:
                for portion in portions(claim, rows, self._terms.batch):
                    await self._embed(context, portion)
                    for row in portion.rows:
                        del left[id(row)]
            finally:
                if left:  # Stopped or failed in between: somebody else may have them at once.
                    await self._release(claim, list(left.values()))
        self._statistics.batches += 1

    async def _embed(self, context: Context, portion: Portion) -> None:
        embedder = embedders_of(context)[portion.embedding_version]
        await self._throttle.turn(embedder.version.model)
        started = time.perf_counter()
        try:
            embedded, dropped = await embed_portion(context, embedder, portion)
        except (InvalidInput, EmbedderError) as error:
            await self._failed(error, portion)
            return
        await self._claims.schedule_indexes(portion.rows)
        self._statistics.seconds.note(time.perf_counter() - started)
        self._statistics.embedded += embedded
        self._statistics.dropped += dropped
        for row in portion.rows:
            self._statistics.waited_s.note(max(row.waited_s, 0.0))

    async def _failed(self, error: InvalidInput | EmbedderError, portion: Portion) -> None:
        failure = failure_of(error, portion.rows, attempts_max=self._terms.attempts_max)
        await self._claims.fail(portion.claim, portion.rows, failure.again_s, failure.error)
        self._statistics.failed += len(portion.rows)
        self._statistics.poisoned += failure.poisoned
        _log.warning(
            "embedding_failed",
            code=error.code,
            rows=len(portion.rows),
            poisoned=failure.poisoned,
            status=error.details.get("status"),
        )

    async def _release(self, claim: UUID, rows: Sequence[Claimed]) -> None:
        # If this fails too, the claim ends by itself.
        with contextlib.suppress(MemoledgerError):
            await self._claims.release(claim, rows)

    @asynccontextmanager
    async def _kept(self, claim: UUID, left: Mapping[int, Claimed]) -> AsyncIterator[None]:
        """Extends the claim of what is left, for as long as this worker lives."""
        beating = asyncio.create_task(self._beat(claim, left))
        try:
            yield
        finally:
            beating.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await beating

    async def _beat(self, claim: UUID, left: Mapping[int, Claimed]) -> None:
        while True:
            await asyncio.sleep(self._terms.lease_s / 3)
            try:
                await self._claims.extend(claim, list(left.values()), self._terms.lease_s)
            except MemoledgerError as error:
                _log.warning("claim_not_extended", code=error.code)


def portions(claim: UUID, rows: Iterable[Claimed], batch: int) -> list[Portion]:
    """What goes into one call of a model: rows of one embedding version, fewer after failures."""
    found: list[Portion] = []
    waiting: dict[tuple[int, int], list[Claimed]] = {}
    for row in rows:
        size = portion_size(row.attempts, batch)
        together = waiting.setdefault((row.embedding_version, size), [])
        together.append(row)
        if len(together) == size:
            found.append(Portion(claim, tuple(together)))
            together.clear()
    return found + [Portion(claim, tuple(rest)) for rest in waiting.values() if rest]
