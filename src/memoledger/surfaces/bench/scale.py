"""`bench scale`: how recall, remembering and the disk behave as a store grows.

One store of 10,000, 100,000 and, on request, 1,000,000 memories, each in a ledger of its own. There
is no floor here: what is to be seen is how the figures grow.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count
from typing import Final

from memoledger.model.recall import Mode
from memoledger.surfaces.bench.place import BareConnection, Place
from memoledger.surfaces.bench.report import Row, Say
from memoledger.surfaces.bench.samples import Sampler
from memoledger.surfaces.bench.timing import Turn, repeat
from memoledger.surfaces.python.store import StoreHandle

SIZES: Final = (10_000, 100_000)
FULL_SIZES: Final = (*SIZES, 1_000_000)
QUICK_SIZES: Final = (100, 200)

PART: Final = 50_000
"""Memories made up and written at a time: a million vectors at once would take 1.5 GB."""

_MODES: Final[tuple[Mode, ...]] = ("dense", "lexical", "hybrid")

_BYTES: Final = """
SELECT sum(pg_table_size(c.oid))::bigint, sum(pg_indexes_size(c.oid))::bigint
FROM pg_class AS c WHERE c.relnamespace = 'memoledger'::regnamespace AND c.relkind = 'r'
"""


async def scale(place: Place, size: int, turns: int, say: Say) -> list[Row]:
    """Load `size` memories and measure; `place` holds nothing else."""
    principal = await place.ledger.principal(tenant="bench", user="owner")
    notes = await principal.store("notes")
    sampler = Sampler()
    empty = sum(await _bytes(place.bare))
    for start in range(0, size, PART):
        say(f"writing {size:,}: {start:,}")
        await notes.remember_many(
            sampler.memories(min(PART, size - start)).drafts(first_id=start),
            on_items=lambda _: None,
        )
    await place.bare.execute("VACUUM ANALYZE")
    case = "scale", f"{size:,} memories"
    tables, indexes = await _bytes(place.bare)
    rows = [
        Row.of(case, "tables on disk a memory", (tables - empty) / size, "bytes"),
        Row.of(case, "indexes on disk a memory", indexes / size, "bytes"),
    ]
    for mode in _MODES:
        say(f"recalling from {size:,}: {mode}")
        times = await repeat(_recall(notes, sampler, mode, turns), turns, warm_up=min(5, turns))
        rows.append(Row.of(case, f"recall {mode} p50", times.p50_ms, "ms"))
    say(f"remembering beside {size:,}")
    times = await repeat(_remember(notes, sampler, turns), turns, warm_up=min(5, turns))
    return [*rows, Row.of(case, "remember p50", times.p50_ms, "ms")]


def _recall(notes: StoreHandle, sampler: Sampler, mode: Mode, turns: int) -> Turn:
    texts, vectors = sampler.questions(turns), sampler.vectors(turns)

    async def recall(turn: int) -> None:
        await notes.recall(texts[turn], mode=mode, embedding=vectors[turn])

    return recall


def _remember(notes: StoreHandle, sampler: Sampler, turns: int) -> Turn:
    sample = sampler.memories(2 * turns)
    places = count()

    async def remember(_: int) -> None:
        at = next(places)
        await notes.remember(f"Afterwards {sample.texts[at]}", embedding=sample.vectors[at])

    return remember


async def _bytes(bare: BareConnection) -> Sequence[int]:
    """Bytes on disk of the ledger's tables (TOAST included), and of their indexes."""
    cursor = await bare.execute(_BYTES)
    tables, indexes = await cursor.fetchone() or (0, 0)
    return int(str(tables)), int(str(indexes))
