"""Remember many: bulk writes in batches, each a transaction, with an outcome for every item."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from memoledger.ledger.memories import Identity, Known, identity_of
from memoledger.ledger.memory_rows import Prepared
from memoledger.model import limits
from memoledger.model.bulk import (
    BATCH_DEFAULT,
    BulkReport,
    Item,
    Progress,
    Tally,
    each_of,
    refuse_what_is_no_list,
)
from memoledger.model.checks import check_count
from memoledger.model.errors import ConflictError, InvalidInput
from memoledger.model.memory import CheckedDraft, Draft, Remembered
from memoledger.model.queue import Wait, check_wait
from memoledger.services.context import Context, Scope
from memoledger.services.prepare import GivenVectors, let_others_run
from memoledger.services.remember import (
    ATTEMPTS_MAX,
    check_draft,
    note_scheduled,
    write,
    write_unless_there,
)

STATISTICS_EVERY: Final = 1_000
"""After so many new memories of one call the planner is told, should the tables have grown much."""


Given = Draft | Mapping[str, Any] | InvalidInput
"""An item of a bulk write; an error stands for one that its reader could not even read."""


@dataclass(frozen=True, slots=True)
class _Checked:
    position: int
    draft: CheckedDraft
    given: GivenVectors
    identity: Identity


@dataclass(frozen=True, slots=True)
class _Batch:
    """Some items as they were read: those that are right, and those that are not.

    Args:
        context: with the embedding version in which they are embedded and written.
    """

    context: Context
    checked: list[_Checked]
    rejected: list[Item]


async def remember_many(
    context: Context,
    scope: Scope,
    items: Iterable[Given] | AsyncIterable[Given],
    *,
    batch_size: int = BATCH_DEFAULT,
    on_progress: Callable[[Progress], None] | None = None,
    on_items: Callable[[Sequence[Item]], None] | None = None,
    wait: Wait = "searchable",
) -> BulkReport:
    """Remember many memories; an item that is wrong is rejected and the rest is kept.

    Every batch is one transaction. An interrupted call is resumed by calling again with the same
    items: those already there are found, by their identity, before they are embedded.

    Args:
        items: drafts or mappings, synchronous or asynchronous; read lazily, never held as a whole.
        batch_size: memories a transaction, 1 to 1,000.
        on_progress: called after each batch with the counts so far.
        on_items: called after each batch with its items; the report then holds none.
        wait: "searchable" to embed them first; "durable" to leave that to the workers.

    Raises:
        EmbedderError, LedgerUnavailable, Forbidden: the batch in hand was not written.
    """
    refuse_what_is_no_list(items)
    size = check_count("batch_size", batch_size, least=1, most=limits.BATCH_MAX)
    asked = check_wait(wait)
    tally = Tally(on_progress, on_items)
    told_of = 0
    writing: asyncio.Task[list[Item]] | None = None

    async def settle() -> None:
        nonlocal writing, told_of
        if writing is None:
            return
        # Whoever interrupts this is told what was written: so the batch is written to its end.
        done = await asyncio.shield(writing)
        writing = None
        tally.note(done)
        if tally.progress.created - told_of >= STATISTICS_EVERY:
            told_of = tally.progress.created
            await context.ledger.maintenance.refresh_statistics()

    try:
        underway: frozenset[Identity] = frozenset()
        async for batch in _batches(context, scope, items, size):
            work = await _prepare_batch(batch.context, scope, batch, underway, asked)
            underway = work.identities
            # One batch is written while the next one is embedded.
            await settle()
            writing = asyncio.create_task(_write_batch(batch.context, scope, work, asked))
        await settle()
    finally:
        if writing is not None:
            [last] = await asyncio.gather(writing, return_exceptions=True)
            if not isinstance(last, BaseException):
                tally.note(last)
    return tally.report


async def _batches(
    context: Context, scope: Scope, items: Iterable[Given] | AsyncIterable[Given], size: int
) -> AsyncIterator[_Batch]:
    """Batches of items, each checked as it is read: what it refers to may change after that."""
    batch = _Batch(await context.pinned(), [], [])
    position = 0
    async for item in each_of(items):
        position += 1
        await let_others_run(position)
        try:
            batch.checked.append(_check(batch.context, scope, position, item))
        except InvalidInput as error:
            batch.rejected.append(Item(position, error=error))
        if len(batch.checked) + len(batch.rejected) == size:
            yield batch
            batch = _Batch(await context.pinned(), [], [])
            await asyncio.sleep(0)
    if batch.checked or batch.rejected:
        yield batch


@dataclass(frozen=True, slots=True)
class _Work:
    """A batch ready to be written.

    Args:
        settled: rejected, or there already.
        fresh: new identities, written together.
        alone: changes and repetitions, written one by one in order; the repetitions are not
            embedded yet, since most will turn out to be there.
        identities: of all that is to be written.
    """

    settled: list[Item]
    fresh: list[tuple[int, Prepared]]
    alone: list[tuple[int, Prepared | _Checked]]
    identities: frozenset[Identity]


async def _prepare_batch(
    context: Context, scope: Scope, batch: _Batch, underway: frozenset[Identity], wait: Wait
) -> _Work:
    """Find out what is there and embed what is not.

    Args:
        underway: what the batch before is writing meanwhile; what is read about it may be outdated.
    """
    known = await context.ledger.memories.known(
        scope.principal, scope.store_id, [item.draft for item in batch.checked]
    )
    settled = list(batch.rejected)
    missing: list[_Checked] = []
    repeated: list[_Checked] = []
    seen = set(underway)
    for item in batch.checked:
        held = known.get(item.identity)
        if item.identity in seen:
            repeated.append(item)
        elif held is not None and held.content_hash == item.draft.content_hash:
            settled.append(Item(item.position, held.memory_id, held.version, "unchanged"))
        else:
            missing.append(item)
            seen.add(item.identity)
    drafts = [(item.draft, item.given) for item in missing]
    prepared = await context.preparer.prepare(drafts, wait=wait)
    return _split(settled, missing, prepared, repeated, known)


def _check(context: Context, scope: Scope, position: int, given: Given) -> _Checked:
    if isinstance(given, InvalidInput):
        raise given
    draft, vectors = check_draft(context, Draft.of(given))
    return _Checked(position, draft, vectors, identity_of(draft, scope.principal.user))


def _split(
    settled: list[Item],
    missing: list[_Checked],
    prepared: list[Prepared],
    repeated: list[_Checked],
    known: dict[Identity, Known],
) -> _Work:
    """New identities are written together; repetitions and changes alone, in order."""
    fresh: list[tuple[int, Prepared]] = []
    alone: list[tuple[int, Prepared | _Checked]] = [(item.position, item) for item in repeated]
    for item, ready in zip(missing, prepared, strict=True):
        if item.identity in known:
            alone.append((item.position, ready))
        else:
            fresh.append((item.position, ready))
    # In one order everywhere, so that two bulk writers of the same memories cannot wait for each
    # other.
    fresh.sort(key=lambda pair: (pair[1].draft.external_id or "", pair[1].draft.content_hash))
    identities = frozenset(item.identity for item in (*missing, *repeated))
    return _Work(settled, fresh, alone, identities)


async def _write_batch(context: Context, scope: Scope, work: _Work, wait: Wait) -> list[Item]:
    items = list(work.settled)
    alone = list(work.alone)
    created = await _write_fresh(context, scope, [ready for _, ready in work.fresh])
    for position, ready in work.fresh:
        if ready.memory_id in created:
            items.append(Item(position, ready.memory_id, 1, "created"))
        else:
            alone.append((position, ready))
    for position, one in sorted(alone, key=lambda pair: pair[0]):
        written = await _write_alone(context, scope, one, wait)
        items.append(Item(position, written.id, written.version, written.outcome))
    return sorted(items, key=lambda item: item.position)


async def _write_alone(
    context: Context, scope: Scope, one: Prepared | _Checked, wait: Wait
) -> Remembered:
    if isinstance(one, _Checked):
        return await write_unless_there(context, scope, one.draft, one.given, wait=wait)
    return await write(context, scope, one)


async def _write_fresh(context: Context, scope: Scope, fresh: list[Prepared]) -> set[UUID]:
    """Write a batch; a deadlock rolls it back whole, so that it can be tried again."""
    if not fresh:
        return set()
    memories, version = context.ledger.memories, context.ledger.embedding_version
    for attempt in range(ATTEMPTS_MAX):
        try:
            written = await memories.write_batch(scope.principal, scope.store_id, fresh, version)
            note_scheduled(context, scope, *fresh)
            return written
        except ConflictError:
            if attempt == ATTEMPTS_MAX - 1:
                raise
    raise AssertionError("the loop returns or raises")
