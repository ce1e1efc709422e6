"""The writer of receipts: takes them from recalls, and writes them in batches a moment later.

A recall hands its receipt over in memory and answers. A background task writes what has come
together after 0.4 seconds, or as soon as there are 200, many users' in one transaction, in which it
becomes one after the other: the database lets nobody write a receipt in another's name, this task
included.

None is dropped silently. A receipt that the database could not take is tried again for as long as
the ledger is open; a recall that finds the queue full writes its own before it answers, or fails;
`aclose` writes what is left. What a process had not yet written when it was killed is lost: at most
the recalls of its last moments.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Sequence
from itertools import islice, zip_longest
from typing import TYPE_CHECKING, Final
from uuid import UUID

import structlog

from memoledger.ledger.receipts import Batch, Receipts
from memoledger.model.errors import (
    ConflictError,
    DataFolderFull,
    LedgerUnavailable,
    MemoledgerError,
)
from memoledger.model.ids import new_id
from memoledger.model.memory import Memory
from memoledger.model.principal import Principal
from memoledger.model.recall import Hits, Query
from memoledger.model.receipts import FreshReceipt, ReceiptWords

if TYPE_CHECKING:
    from memoledger.services.context import Scope

FLUSH_AFTER_S: Final = 0.4
BATCH_MAX: Final = 200
QUEUE_MAX: Final = 10_000
"""Receipts waiting to be written: about 10 MB."""

PAUSE_MAX_S: Final = 2.0
"""Between attempts while the database is away."""

CLOSE_S: Final = 10.0
"""How long closing waits for a database that is away."""

_TIMED_OUT: Final = "57014"
"""PostgreSQL's code for a statement that took longer than it may."""

_log = structlog.get_logger("memoledger")

_LOGGING_MAY_FAIL: Final = contextlib.suppress(OSError, ValueError)
"""A full disk or a closed stream under the log must not cost a receipt that can be written."""


class ReceiptWriter:
    """Keeps receipts of recalls. Use it in the event loop that opened it.

    Args:
        words: what to keep of a question; "off" to keep no receipts at all.
        embedding_version: the number of the namespace that recalls search unless they say another.
        queue_max: receipts that may wait.
    """

    def __init__(
        self,
        receipts: Receipts,
        *,
        words: ReceiptWords = "full",
        embedding_version: int,
        queue_max: int = QUEUE_MAX,
    ) -> None:
        self._receipts = receipts
        self._words = words
        self._embedding_version = embedding_version
        self._queue_max = queue_max
        self._queue: deque[FreshReceipt] = deque()
        self._due = asyncio.Event()
        self._closing = False
        self._task: asyncio.Task[None] | None = None
        self._turn = asyncio.Lock()
        self.lost = 0
        """Receipts that could not be written and were given up; each was logged."""

    @property
    def waiting(self) -> int:
        """Receipts that are not yet written."""
        return len(self._queue)

    async def keep(
        self, scope: Scope, query: Query, hits: Hits, *, embedding_version: int | None = None
    ) -> Hits:
        """Note a recall; the hits, which from now on name their receipt.

        Args:
            embedding_version: the number of the namespace that was searched; None for the one that
                served when the ledger was opened.

        Raises:
            LedgerUnavailable: the queue is full, and the receipt could not be written at once.
        """
        if self._words == "off":
            return hits
        hits.receipt_id = new_id()
        found = [hit.found for hit in hits]
        memories = [one for one in found if isinstance(one, Memory)]
        fresh = FreshReceipt(
            hits.receipt_id,
            scope.principal,
            scope.store_id,
            query,
            None if query.mode == "lexical" else embedding_version or self._embedding_version,
            [one.id.int for one in found],
            [one.version for one in found],
            [hit.score for hit in hits],
            "creator" in [memory.privacy for memory in memories],
            hits.searched_by,
            hits.complete,
            hits.pending,
            hits.timings_ms,
            frozenset(
                [place for place, one in enumerate(found) if not isinstance(one, Memory)]
                if len(memories) < len(found)
                else ()
            ),
        )
        waiting = len(self._queue)
        if waiting >= self._queue_max:
            await self._write([Batch(fresh.principal, fresh.store_id, [fresh])])
            return hits
        self._queue.append(fresh)
        if not waiting:
            self._begin_batch()
        elif waiting + 1 >= BATCH_MAX:
            self._due.set()
        return hits

    async def flush(self) -> None:
        """Write what has been noted so far; for whoever wants to read it at once.

        Raises:
            LedgerUnavailable: the database is away; the receipts are kept for later.
        """
        async with self._turn:
            left = len(self._queue)
            while left > 0:  # those of other recalls that come meanwhile are their own batch
                left -= await self._write_batch()

    async def aclose(self) -> None:
        """Write what is left and stop. Safe to call twice.

        While the database is away it is tried for ten seconds; what could not be written by then is
        lost, counted and logged.
        """
        self._closing = True
        self._due.set()
        task, self._task = self._task, None
        if task is not None:
            _, running = await asyncio.wait([task], timeout=CLOSE_S)
            for unfinished in running:
                unfinished.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await unfinished
        if self._queue:
            self._give_up(len(self._queue), code=LedgerUnavailable.code)
            self._queue.clear()

    def _begin_batch(self) -> None:
        """The first receipt of a batch starts its clock."""
        loop = asyncio.get_running_loop()
        if self._task is None or self._task.done():
            self._task = loop.create_task(self._write_forever())
        loop.call_later(FLUSH_AFTER_S, self._due.set)

    async def _write_forever(self) -> None:
        pause_s = FLUSH_AFTER_S
        while not (self._closing and not self._queue):
            await self._due.wait()
            self._due.clear()
            try:
                await self.flush()
                pause_s = FLUSH_AFTER_S
                if self._queue:  # what came meanwhile found a queue that was not empty
                    asyncio.get_running_loop().call_later(FLUSH_AFTER_S, self._due.set)
            except MemoledgerError as error:
                waiting = len(self._queue)
                with _LOGGING_MAY_FAIL:
                    _log.warning(
                        "receipts_wait", code=error.code, waiting=waiting, again_in_s=pause_s
                    )
                await asyncio.sleep(pause_s)
                pause_s = min(2 * pause_s, PAUSE_MAX_S)
                self._due.set()

    async def _write_batch(self) -> int:
        """Write the first of the queue; they leave it once written or refused. How many."""
        count = min(len(self._queue), BATCH_MAX)
        for batches in _transactions(list(islice(self._queue, count))):
            await self._write_or_refuse(batches)
        for _ in range(count):
            self._queue.popleft()
        return count

    async def _write_or_refuse(self, batches: Sequence[Batch]) -> None:
        """Write some batches; if that is refused, all of them but what is refused alone."""
        try:
            await self._write(batches)
        except (
            Exception
        ) as error:  # a mistake of ours too: it must not hold up the others' receipts
            if _may_pass(error):
                raise
            halves = _halved(batches)
            for half in halves:
                await self._write_or_refuse(half)
            if not halves:
                [fresh] = batches[0].receipts
                self._give_up(1, code=_code(error), receipt_id=str(fresh.receipt_id))

    async def _write(self, batches: Sequence[Batch]) -> None:
        await self._receipts.write(batches, hashed=self._words == "hashed")

    def _give_up(self, count: int, *, code: str, receipt_id: str | None = None) -> None:
        self.lost += count
        with _LOGGING_MAY_FAIL:
            _log.error(
                "receipts_lost", count=count, code=code, receipt_id=receipt_id, lost=self.lost
            )


def _transactions(receipts: Sequence[FreshReceipt]) -> list[list[Batch]]:
    """What is written together: of each store the receipts of one user, in the stores' order."""
    of_users: dict[UUID, dict[Principal, list[FreshReceipt]]] = {}
    for fresh in receipts:
        of_users.setdefault(fresh.store_id, {}).setdefault(fresh.principal, []).append(fresh)
    stores = [
        [Batch(principal, store_id, theirs) for principal, theirs in of_users[store_id].items()]
        for store_id in sorted(of_users)
    ]
    return [[batch for batch in several if batch is not None] for several in zip_longest(*stores)]


def _halved(batches: Sequence[Batch]) -> list[Sequence[Batch]]:
    """The two halves of some batches, or of the receipts of one; nothing of one receipt."""
    if len(batches) > 1:
        middle = len(batches) // 2
        return [batches[:middle], batches[middle:]]
    [(principal, store_id, receipts)] = batches
    if len(receipts) == 1:
        return []
    middle = len(receipts) // 2
    halves = receipts[:middle], receipts[middle:]
    return [[Batch(principal, store_id, half)] for half in halves]


def _may_pass(error: Exception) -> bool:
    """Whether the same may succeed a moment later."""
    if isinstance(error, LedgerUnavailable | ConflictError | DataFolderFull):
        return True
    return isinstance(error, MemoledgerError) and error.details.get("sqlstate") == _TIMED_OUT


def _code(error: Exception) -> str:
    return error.code if isinstance(error, MemoledgerError) else type(error).__name__
