"""`bench concurrency`: many callers asking one process at the same time.

64 callers ask a store of 10,000 one question after the other, by vectors and words, each question
embedded by the local model; the ledger answers over its one pool. Two ceilings stand beside it,
measured in turn with it:

- the bare SQL: the same callers, over as many connections as the pool may open, each asking with
  one prepared statement that scans a bare table of the same vectors; nothing is embedded.
- the bare model: the same questions embedded in as many threads as there are cores; nothing else.

A recall needs both, and both need the same cores. So what can be had at most is the rate of doing
one after the other, the third ceiling; a recall also searches by words, sets the principal, fetches
whole memories and leaves a receipt.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from psycopg_pool import AsyncConnectionPool

from memoledger.ledger.vector_types import HalfVector, fetch_vector_oids, register_vectors
from memoledger.model.errors import MemoledgerError
from memoledger.surfaces.bench.bare_model import BareModel
from memoledger.surfaces.bench.isolation import BARE_SEARCH, copy_bare
from memoledger.surfaces.bench.place import BareConnection, Place, make_bare_table
from memoledger.surfaces.bench.report import Row, Say
from memoledger.surfaces.bench.samples import Sampler
from memoledger.surfaces.bench.timing import Times, Turn
from memoledger.surfaces.python.store import StoreHandle

BarePool = AsyncConnectionPool[BareConnection]

RECEIPTS_WAIT_S: Final = 10.0
"""They are written within a second; a machine that did nothing else for minutes may take longer."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much is measured.

    Args:
        callers: who ask at the same time.
        each: questions of a caller, one after the other, in a round.
        rounds: so often the recalls and both ceilings take their turn.
    """

    memories: int = 10_000
    callers: int = 64
    each: int = 20
    rounds: int = 5

    @property
    def asked(self) -> int:
        """Questions of a round."""
        return self.callers * self.each


QUICK: Final = Sizes(memories=100, callers=8, each=2, rounds=2)


@dataclass(frozen=True, slots=True)
class Load:
    """What came of one round.

    Args:
        seconds: how long each call took that was answered.
        elapsed_s: from the first call to the last answer.
        errors: calls that were not answered.
    """

    seconds: NDArray[np.float64]
    elapsed_s: float
    errors: int

    @property
    def per_second(self) -> float:
        """Answers a second."""
        return len(self.seconds) / self.elapsed_s


async def concurrency(place: Place, sizes: Sizes, say: Say) -> list[Row]:
    """Load both sides, let the callers ask, count what went wrong and what was recorded."""
    principal = await place.ledger.principal(tenant="bench", user="crowd")
    notes = await principal.store("notes")
    sampler = Sampler()
    say(f"writing {sizes.memories:,}")
    await _load(place, notes, sampler, sizes.memories)
    model = await asyncio.to_thread(BareModel)
    bare: list[Load] = []
    ours: list[Load] = []
    embedded: list[float] = []
    async with _bare_pool(place) as pool:
        for number in range(sizes.rounds + 1):  # the first warms up
            say(f"round {number} of {sizes.rounds}" if number else "warming up")
            questions, vectors = sampler.questions(sizes.asked), sampler.vectors(sizes.asked)
            embedded.append(await _embedded_per_second(model, questions))
            bare.append(await under_load(_search(pool, notes, vectors), sizes))
            ours.append(await under_load(_recall(notes, questions), sizes))
    case = "concurrency", f"{sizes.callers} callers, {sizes.memories:,} memories"
    rows = _rows(case, ours[1:], bare[1:], embedded[1:])
    say("counting receipts")
    return rows + await _receipts(place, case, notes, sum(len(load.seconds) for load in ours))


async def under_load(call: Turn, sizes: Sizes) -> Load:
    """All callers at once, each making its calls one after the other.

    What the ledger refuses is counted; any other error ends the benchmark.
    """
    seconds: list[float] = []
    errors = 0

    async def caller(first: int) -> None:
        nonlocal errors
        for number in range(first, first + sizes.each):
            started = time.perf_counter()
            try:
                await call(number)
            except MemoledgerError:
                errors += 1
            else:
                seconds.append(time.perf_counter() - started)

    started = time.perf_counter()
    await asyncio.gather(*(caller(place * sizes.each) for place in range(sizes.callers)))
    return Load(np.array(seconds), time.perf_counter() - started, errors)


def _recall(notes: StoreHandle, questions: Sequence[str]) -> Turn:
    async def recall(number: int) -> None:
        await notes.recall(questions[number], mode="hybrid")

    return recall


async def _load(place: Place, notes: StoreHandle, sampler: Sampler, memories: int) -> None:
    sample = sampler.memories(memories)
    await notes.remember_many(sample.drafts(), on_items=lambda _: None)
    await make_bare_table(place.bare)
    halfvec = (await fetch_vector_oids(place.bare)).halfvec
    await copy_bare(place.bare, halfvec, notes.id, sample, 0, memories)
    await place.bare.execute("VACUUM ANALYZE")


@asynccontextmanager
async def _bare_pool(place: Place) -> AsyncIterator[BarePool]:
    """As many bare connections as the ledger's pool may open, handed out in order of asking."""
    application = place.ledger.application
    size = application.settings.pool_max
    oids = await fetch_vector_oids(place.bare)

    async def configure(connection: BareConnection) -> None:
        register_vectors(connection, oids)

    async with AsyncConnectionPool(
        application.place.admin_conninfo,
        min_size=size,
        max_size=size,
        kwargs={"autocommit": True, "prepare_threshold": 0},
        configure=configure,
        open=False,
    ) as pool:
        await pool.wait()
        yield pool


def _search(pool: BarePool, notes: StoreHandle, vectors: NDArray[np.float32]) -> Turn:
    async def search(number: int) -> None:
        async with pool.connection() as connection:
            given = (notes.id, HalfVector(vectors[number]))
            await (await connection.execute(BARE_SEARCH, given)).fetchall()

    return search


async def _embedded_per_second(model: BareModel, questions: Sequence[str]) -> float:
    started = time.perf_counter()
    await asyncio.to_thread(model.embed, questions)
    return len(questions) / (time.perf_counter() - started)


def _rows(
    case: tuple[str, str], ours: Sequence[Load], bare: Sequence[Load], embedded: Sequence[float]
) -> list[Row]:
    rate, bare_rate = (
        float(np.median([load.per_second for load in loads])) for loads in (ours, bare)
    )
    model_rate = float(np.median(embedded))
    both_rate = 1 / (1 / bare_rate + 1 / model_rate)
    times, bare_times = (
        Times(np.concatenate([load.seconds for load in loads])) for loads in (ours, bare)
    )
    errors = sum(load.errors for load in ours)
    return [
        Row.of(case, "recalls, of the bare SQL's", rate, "/s", bare_rate),
        Row.of(case, "recalls, of the bare model's", rate, "/s", model_rate),
        Row.of(case, "recalls, of both in turn", rate, "/s", both_rate),
        Row.of(case, "recall p50, beside bare SQL", times.p50_ms, "ms", bare_times.p50_ms),
        Row.of(case, "recall p95, beside bare SQL", times.p95_ms, "ms", bare_times.p95_ms),
        Row.of(case, "errors", float(errors), "count"),
    ]


async def _receipts(
    place: Place, case: tuple[str, str], notes: StoreHandle, answered: int
) -> list[Row]:
    """The share of answered recalls that have left a receipt; no row where none are kept."""
    if place.ledger.application.settings.receipts == "off":
        return []
    deadline = time.monotonic() + RECEIPTS_WAIT_S
    while (written := await _count_receipts(place.bare, notes)) < answered:
        if time.monotonic() > deadline:
            break
        await asyncio.sleep(0.1)
    return [Row.of(case, "receipts, of recalls", written / answered, "fraction", 1.0)]


async def _count_receipts(bare: BareConnection, notes: StoreHandle) -> int:
    cursor = await bare.execute(
        "SELECT count(*) FROM memoledger.receipts WHERE store_id = %s", (notes.id,)
    )
    [row] = await cursor.fetchall()
    return int(str(row[0]))
