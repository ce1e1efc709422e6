"""Several workers share the schedule: no row is done twice, and nobody idles while work waits."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest

from memoledger.model.queue import QueueStatistics
from memoledger.worker.drain import Drain, Terms
from memoledger.worker.throttle import Throttle

WORKERS = 4
ROWS = 400
BATCH = 10


@pytest.fixture
def workers(bench: Any) -> list[Drain]:
    """Four of them, each with statistics of its own."""
    return [
        Drain(
            bench.ledger.application.context,
            bench.claims,
            terms=Terms(batch=BATCH),
            throttle=Throttle({}),
            statistics=QueueStatistics(),
        )
        for _ in range(WORKERS)
    ]


async def test_no_row_is_embedded_twice(bench: Any, counting: Any, workers: list[Drain]) -> None:
    notes = await bench.store()
    items = [{"content": f"Note {number}"} for number in range(ROWS)]
    await notes.remember_many(items, wait="durable")

    async def breathe(_: Sequence[str]) -> None:
        await asyncio.sleep(0.005)

    counting.before = breathe
    done = await asyncio.gather(*(worker.run() for worker in workers))
    assert set(counting.texts.values()) == {1}
    assert len(counting.texts) == bench.vectors() == ROWS
    assert sum(done) == ROWS / BATCH
    assert min(done) > 0, done
    assert bench.schedule() == []


async def test_nobody_idles_while_work_waits(
    bench: Any, counting: Any, workers: list[Drain]
) -> None:
    """With each call of the model it is counted who is at work and how much waits."""
    notes = await bench.store()
    items = [{"content": f"Note {number}"} for number in range(ROWS)]
    await notes.remember_many(items, wait="durable")
    at_work = 0
    seen: Counter[int] = Counter()
    all_there = asyncio.Event()

    async def count(_: Sequence[str]) -> None:
        nonlocal at_work
        at_work += 1
        if at_work == WORKERS:
            all_there.set()
        # The first ones wait for the last: had one nothing to do, this would never end.
        await asyncio.wait_for(all_there.wait(), 20)
        waiting = (await bench.claims.depth()).waiting
        if waiting:
            seen[at_work] += 1
        await asyncio.sleep(0.01)
        at_work -= 1

    counting.before = count
    await asyncio.gather(*(worker.run() for worker in workers))
    assert seen[WORKERS] > 0
    # Between two of its batches a worker is neither idle nor embedding: it writes and claims.
    assert bench.vectors() == ROWS


async def test_a_full_batch_passes_the_word_on(bench: Any, workers: list[Drain]) -> None:
    notes = await bench.store()
    items = [{"content": f"Note {number}"} for number in range(BATCH + 1)]
    await notes.remember_many(items, wait="durable")
    wakeups = "SELECT count(*) FROM memoledger_jobs.procrastinate_jobs WHERE status = 'todo'"
    assert bench.sql(wakeups) == [(1,)]
    await workers[0].run()
    assert bench.sql(wakeups) == [(1,)]  # its own: the writer's it took away
    await workers[1].run()
    assert bench.sql(wakeups) == [(0,)]


async def test_what_is_urgent_comes_first(bench: Any, counting: Any) -> None:
    notes = await bench.store()
    many = [{"content": f"Many {number}"} for number in range(30)]
    await notes.remember_many(many, wait="durable")
    await notes.remember("One", wait="durable")
    batches: list[list[str]] = []

    async def note(texts: Sequence[str]) -> None:
        batches.append(list(texts))

    counting.before = note
    await bench.worker(batch=10).run()
    assert "One" in batches[0]
