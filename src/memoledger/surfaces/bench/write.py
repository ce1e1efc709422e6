"""`bench write`: what remembering costs beside the least that could keep the same text and vector.

Both sides are durable: every acknowledged write has reached the disk. The bare side is a table of
content and vector in the same server, over the same driver, prepared, one round trip; the ledger
writes the version with its audit record, its lexical weights and its place in the outbox, under
row-level security, in one transaction.

- one: `remember` with a vector given, against one INSERT.
- many: `remember_many` with vectors given, against binary COPY.
- embedded: `remember_many` with the local model, against that model alone in as many threads.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from typing import Any, Final
from uuid import UUID, uuid4

from memoledger.ledger.vector_types import HalfVector, fetch_vector_oids
from memoledger.surfaces.bench.bare_model import BareModel
from memoledger.surfaces.bench.place import BareConnection, Place, make_bare_table
from memoledger.surfaces.bench.report import Row, Say
from memoledger.surfaces.bench.samples import Sample, Sampler
from memoledger.surfaces.bench.timing import take_turns
from memoledger.surfaces.python.store import StoreHandle

_BARE_INSERT: Final = (
    "INSERT INTO public.bare (store_id, id, content, embedding) VALUES (%s, %s, %s, %s)"
)


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much is measured.

    Args:
        ones: single writes of each side.
        many, embedded: memories of one bulk write, with vectors given and with the model.
        many_turns, embedded_turns: how many of these each side makes.
    """

    ones: int = 1_000
    many: int = 10_000
    many_turns: int = 7
    embedded: int = 2_000
    embedded_turns: int = 5


QUICK: Final = Sizes(ones=10, many=50, many_turns=2, embedded=8, embedded_turns=2)


async def write(place: Place, sizes: Sizes, say: Say) -> list[Row]:
    """Measure single writes, bulk writes, and bulk writes with the local model."""
    principal = await place.ledger.principal(tenant="bench", user="writer")
    await make_bare_table(place.bare)
    say("remembering one by one")
    rows = await _one(place, await principal.store("one"), sizes)
    say("remembering many, vectors given")
    rows += await _many(place, await principal.store("many"), sizes)
    say("remembering many with the local model")
    rows += await _embedded(await principal.store("embedded"), sizes)
    return rows


async def _one(place: Place, notes: StoreHandle, sizes: Sizes) -> list[Row]:
    sample = Sampler(seed=1).memories(2 * (sizes.ones + 20))
    places = count()

    async def bare(_: int) -> None:
        at = next(places)
        row = (notes.id, uuid4(), sample.texts[at], HalfVector(sample.vectors[at]))
        await place.bare.execute(_BARE_INSERT, row)

    async def ours(_: int) -> None:
        at = next(places)
        await notes.remember(sample.texts[at], embedding=sample.vectors[at])

    floor, times = await take_turns(bare, ours, sizes.ones, warm_up=min(20, sizes.ones))
    case = "write", "one, vector given"
    return [
        Row.of(case, "remember p50", times.p50_ms, "ms", floor.p50_ms),
        Row.of(case, "remember p95", times.p95_ms, "ms", floor.p95_ms),
    ]


async def _many(place: Place, notes: StoreHandle, sizes: Sizes) -> list[Row]:
    turns, warm_up = sizes.many_turns, 1
    sample = Sampler(seed=2).memories((turns + warm_up) * sizes.many)
    halfvec = (await fetch_vector_oids(place.bare)).halfvec
    starts, bare_starts = count(step=sizes.many), count(step=sizes.many)

    async def bare(_: int) -> None:
        await _copy(place.bare, halfvec, notes.id, sample, next(bare_starts), sizes.many)

    async def ours(_: int) -> None:
        start = next(starts)
        await _remember_all(notes, sample.drafts(start, start + sizes.many), sizes.many)

    floor, times = await take_turns(bare, ours, turns, warm_up=warm_up)
    rate, bare_rate = times.per_second(sizes.many), floor.per_second(sizes.many)
    return [Row.of(("write", "many, vectors given"), "memories", rate, "/s", bare_rate)]


async def _copy(  # noqa: PLR0917 - what is copied, from where to where
    bare: BareConnection, halfvec: int, store: UUID, sample: Sample, start: int, size: int
) -> None:
    command = "COPY public.bare (store_id, id, content, embedding) FROM STDIN WITH (FORMAT BINARY)"
    async with bare.cursor() as cursor, cursor.copy(command) as copy:
        copy.set_types(["uuid", "uuid", "text", halfvec])
        for at in range(start, start + size):
            row = (store, uuid4(), sample.texts[at], HalfVector(sample.vectors[at]))
            await copy.write_row(row)


async def _remember_all(notes: StoreHandle, drafts: Iterator[dict[str, Any]], size: int) -> None:
    report = await notes.remember_many(drafts, on_items=lambda _: None)
    if report.progress.created != size:
        raise AssertionError(f"{report.progress} where {size} new memories were expected")


async def _embedded(notes: StoreHandle, sizes: Sizes) -> list[Row]:
    turns, warm_up = sizes.embedded_turns, 1
    texts = Sampler(seed=3).texts((turns + warm_up) * sizes.embedded)
    parts = [texts[at : at + sizes.embedded] for at in range(0, len(texts), sizes.embedded)]
    bare_parts, our_parts = iter(parts), iter(parts)
    model = await asyncio.to_thread(BareModel)

    async def bare(_: int) -> None:
        await asyncio.to_thread(model.embed, next(bare_parts))

    async def ours(_: int) -> None:
        part = next(our_parts)
        await _remember_all(notes, ({"content": text} for text in part), len(part))

    floor, times = await take_turns(bare, ours, turns, warm_up=warm_up)
    rate, bare_rate = times.per_second(sizes.embedded), floor.per_second(sizes.embedded)
    return [Row.of(("write", "many, local model"), "memories", rate, "/s", bare_rate)]
