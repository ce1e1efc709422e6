"""`bench scale`: how recall, remembering and the disk behave as a store grows.

One store grows to 10,000, to 100,000 and, on request, to 1,000,000 memories, and is measured at
each size. There is no floor here: what is to be seen is how the figures grow.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count
from typing import Final

import numpy as np

from memoledger.model.recall import Mode
from memoledger.surfaces.bench.place import BareConnection, Place
from memoledger.surfaces.bench.report import Row, Say
from memoledger.surfaces.bench.samples import Sampler
from memoledger.surfaces.bench.timing import Times, Turn, repeat
from memoledger.surfaces.python.store import StoreHandle

PART: Final = 50_000
"""Memories made up and written at a time: a million vectors at once would take 1.5 GB."""

_MODES: Final[tuple[Mode, ...]] = ("dense", "lexical", "hybrid")

Parts = dict[str, list[float]]
"""The parts of recalls, by name, and how many milliseconds each took."""

_BYTES: Final = """
SELECT sum(pg_table_size(c.oid))::bigint, sum(pg_indexes_size(c.oid))::bigint
FROM pg_class AS c WHERE c.relnamespace = 'memoledger'::regnamespace AND c.relkind = 'r'
"""


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much is measured.

    Args:
        steps: how many memories the store holds when it is measured, ascending.
        first: recalls right after the store has grown and its index was made, whose pages are in
            no cache then.
        used: recalls after those, which are not measured: what follows is of a store in use.
        recalls: recalls of each mode at each step.
        compared: so many of them are compared with an exact search.
        beside: memories of another store, which is measured as well.
        ones: single memories remembered at each step.
    """

    steps: tuple[int, ...] = (10_000, 100_000)
    first: int = 20
    used: int = 500
    recalls: int = 100
    compared: int = 20
    beside: int = 1_000
    ones: int = 200


FULL: Final = Sizes(steps=(10_000, 100_000, 1_000_000))
QUICK: Final = Sizes(steps=(100, 200), first=2, used=5, recalls=5, compared=2, beside=50, ones=5)


async def scale(place: Place, sizes: Sizes, say: Say) -> list[Row]:
    """Let a store grow and measure it at each step."""
    principal = await place.ledger.principal(tenant="bench", user="owner")
    notes = await principal.store("notes")
    sampler = Sampler()
    small = await principal.store("few notes")
    await small.remember_many(sampler.memories(sizes.beside).drafts())
    empty = await _bytes(place.bare)
    held = 0
    rows: list[Row] = []
    for step in sizes.steps:
        await _grow(notes, sampler, held, step, say)
        await place.bare.execute("VACUUM ANALYZE")
        say(f"indexing {step:,}")
        await place.ledger.index_stores()
        say(f"measuring {step:,}")
        tables, indexes = await _bytes(place.bare)
        case = "scale", f"{step:,} memories"
        rows += [
            Row.of(case, "tables on disk, a memory", (tables - empty[0]) / step, "bytes"),
            Row.of(case, "indexes on disk, a memory", (indexes - empty[1]) / step, "bytes"),
        ]
        rows += await _measure(case, notes, sampler, sizes)
        beside = _recall(small, sampler, "hybrid", sizes.recalls, {})
        times = await repeat(beside, sizes.recalls, warm_up=min(20, sizes.recalls))
        name = f"recall p50, hybrid, in {sizes.beside:,} beside it"
        rows.append(Row.of(case, name, times.p50_ms, "ms"))
        for mode in _MODES:  # last, for exact scans of a large store leave nothing else in memory
            share = await _compare(notes, sampler, mode, sizes.compared)
            rows.append(Row.of(case, f"recall@10 against exact, {mode}", share, "fraction"))
        held = step
    return rows


async def _grow(notes: StoreHandle, sampler: Sampler, held: int, step: int, say: Say) -> None:
    for start in range(held, step, PART):
        say(f"writing {start:,} of {step:,}")
        sample = sampler.memories(min(PART, step - start))
        await notes.remember_many(sample.drafts(first_id=start), on_items=lambda _: None)


async def _measure(
    case: tuple[str, str], notes: StoreHandle, sampler: Sampler, sizes: Sizes
) -> list[Row]:
    asked = sizes.first + sizes.used
    times = await repeat(_recall(notes, sampler, "hybrid", asked, {}), asked, warm_up=0)
    first_ms = Times(times.seconds[: sizes.first]).p50_ms
    rows = [Row.of(case, "recall p50, hybrid, first of all", first_ms, "ms")]
    for mode in _MODES:
        parts: Parts = {}
        recall = _recall(notes, sampler, mode, sizes.recalls, parts)
        times = await repeat(recall, sizes.recalls, warm_up=min(5, sizes.recalls))
        rows.append(Row.of(case, f"recall p50, {mode}", times.p50_ms, "ms"))
    rows += [
        Row.of(case, f"{name} p50, of {mode}", float(np.median(laps)), "ms")
        for name, laps in parts.items()
    ]
    times = await repeat(_remember(notes, sampler, sizes.ones), sizes.ones, warm_up=5)
    rows.append(Row.of(case, "remember p50", times.p50_ms, "ms"))
    return rows


def _recall(notes: StoreHandle, sampler: Sampler, mode: Mode, turns: int, parts: Parts) -> Turn:
    texts, vectors = sampler.questions(turns), sampler.vectors(turns)

    async def recall(turn: int) -> None:
        hits = await notes.recall(texts[turn], mode=mode, embedding=vectors[turn])
        for name, took_ms in hits.timings_ms.items():
            if name != "embed":  # the vector is given
                parts.setdefault(name, []).append(took_ms)

    return recall


async def _compare(notes: StoreHandle, sampler: Sampler, mode: Mode, turns: int) -> float:
    """The part of an exact answer that is in the answer, in the mean.

    Under a filter every search is exact; this one lets everything through.
    """
    texts, vectors = sampler.questions(turns), sampler.vectors(turns)
    shares: list[float] = []
    for text, vector in zip(texts, vectors, strict=True):
        exact = await notes.recall(text, mode=mode, embedding=vector, min_importance=0.0)
        if not exact.complete:
            continue  # it took too long on this machine, and says so
        found = await notes.recall(text, mode=mode, embedding=vector)
        wanted = {hit.memory.id for hit in exact}
        both = wanted & {hit.memory.id for hit in found}
        shares.append(len(both) / len(wanted) if wanted else 1.0)
    return float(np.mean(shares)) if shares else float("nan")


def _remember(notes: StoreHandle, sampler: Sampler, turns: int) -> Turn:
    sample = sampler.memories(2 * turns)
    places = count()

    async def remember(_: int) -> None:
        at = next(places)
        await notes.remember(sample.texts[at], embedding=sample.vectors[at])

    return remember


async def _bytes(bare: BareConnection) -> tuple[int, int]:
    """Bytes on disk of the ledger's tables (TOAST included), and of their indexes."""
    cursor = await bare.execute(_BYTES)
    tables, indexes = await cursor.fetchone() or (0, 0)
    return int(str(tables)), int(str(indexes))
