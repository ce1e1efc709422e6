"""What is left to the workers is embedded in every version."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from memoledger.bootstrap import queueing
from memoledger.ledger.claims import Claims
from memoledger.worker.drain import Drain, Terms
from memoledger.worker.throttle import Throttle


@pytest.fixture
async def drain(scene: Any) -> AsyncIterator[Callable[[], Any]]:
    """Has a worker do all that is due."""
    application = scene.ledger.application
    async with queueing(application.settings, application.place) as pool:
        worker = Drain(
            application.context,
            Claims(pool),
            terms=Terms(),
            throttle=Throttle({}),
            statistics=application.queue,
        )
        yield worker.run


def scheduled(scene: Any) -> int:
    """How much is on the schedule."""
    [count] = scene.root.execute("SELECT count(*) FROM memoledger.embedding_schedule").fetchone()
    return int(count)


async def test_a_durable_memory_gets_its_vectors_in_every_version(scene: Any, drain: Any) -> None:
    await scene.ledger.embeddings.create(scene.new)
    await scene.notes.remember("tea", title="a drink", wait="durable")
    await scene.notes.remember_many([{"content": f"cup {n}"} for n in range(10)], wait="durable")
    assert scheduled(scene) == 22
    assert len(scene.lacking("old")) == len(scene.lacking("new")) == 12
    await drain()
    assert scheduled(scene) == 0
    assert scene.lacking("old") == scene.lacking("new") == []


async def test_what_an_embedder_missed_is_made_up_for(scene: Any, drain: Any) -> None:
    version = await scene.ledger.embeddings.create(scene.new)
    await scene.ledger.embeddings.backfill(version.name)
    scene.new.fails = True
    await scene.notes.remember("tea")
    assert (scheduled(scene), len(scene.lacking("new"))) == (1, 1)
    scene.new.fails = False
    await drain()
    assert (scheduled(scene), scene.lacking("new")) == (0, [])


async def test_nothing_waits_for_a_version_that_was_retired(scene: Any, drain: Any) -> None:
    version = await scene.ledger.embeddings.create(scene.new)
    await scene.notes.remember("tea", wait="durable")
    assert scheduled(scene) == 2
    await scene.ledger.embeddings.retire(version.name)
    assert scheduled(scene) == 1
    await drain()
    assert (scheduled(scene), scene.lacking("old")) == (0, [])
