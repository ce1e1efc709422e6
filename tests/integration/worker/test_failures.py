"""A provider that is slow, overloaded, broken or wrong: nothing is lost, nothing is done twice."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any

import pytest

from memoledger.adapters.embedders.remote import RemoteEmbedder
from memoledger.adapters.embedders.retry import RetryPolicy
from memoledger.model.errors import EmbedderError

pytest.importorskip("openai", reason="the extra `openai` is not installed")

DIMENSIONS = 8
ONCE = RetryPolicy(attempts=1, base_s=0.001)


@pytest.fixture(params=["openai", "ollama"])
async def remote(
    request: Any, provider: Any, open_bench: Callable[..., Awaitable[Any]]
) -> AsyncIterator[Any]:
    """A ledger that embeds with a server on loopback, over its OpenAI or its Ollama door."""
    embedder = await RemoteEmbedder.connect(
        f"{request.param}:own-model",
        base_url=provider.url,
        api_key="none",
        retry=ONCE,
        timeout_s=1.0,
        dimensions=DIMENSIONS,
    )
    yield await open_bench(embedder)
    await embedder.aclose()


async def remembered(bench: Any, count: int) -> None:
    notes = await bench.store()
    items = [{"content": f"Note {number}"} for number in range(count)]
    await notes.remember_many(items, wait="durable")


async def drained(bench: Any, *, rounds: int = 12, **terms: Any) -> None:
    """Work until nothing is left, as if time flew."""
    for _ in range(rounds):
        await bench.worker(**terms).run()
        if not bench.schedule():
            return
        bench.hurry()
    raise AssertionError(bench.schedule())


def too_many(provider: Any) -> None:
    provider.will_reply(429, {"error": {"message": "slow down"}}, {"retry-after": "120"})


def broken(provider: Any) -> None:
    provider.will_reply(500, {"error": {"message": "oops"}})


def half(provider: Any) -> None:
    provider.will_answer(vectors=[[1.0] * DIMENSIONS] * 2)


def shorter(provider: Any) -> None:
    provider.will_answer(vectors=[[1.0] * (DIMENSIONS - 1)] * 4)


def not_finite(provider: Any) -> None:
    provider.will_answer(vectors=[[1e400] * DIMENSIONS] * 4)


def cut_off(provider: Any) -> None:
    provider.will_drop()


def hangs(provider: Any) -> None:
    provider.will_hang()


def page(provider: Any) -> None:
    provider.will_reply(200, "<html>")


FAILURES: dict[str, Callable[[Any], None]] = {
    "429": too_many,
    "500": broken,
    "half a batch": half,
    "wrong dimension": shorter,
    "not finite": not_finite,
    "disconnect": cut_off,
    "slow": hangs,
    "no json": page,
}


@pytest.mark.parametrize("kind", FAILURES)
async def test_it_is_tried_again_and_then_done_once(remote: Any, provider: Any, kind: str) -> None:
    await remembered(remote, 4)
    FAILURES[kind](provider)
    await remote.worker().run()
    rows = remote.schedule()
    assert [(attempts, poisoned) for attempts, _, poisoned in rows] == [(1, False)] * 4
    assert all(said.startswith("embedder: ") for _, said, _ in rows), rows
    assert remote.vectors() == 0
    [(later,)] = remote.sql("SELECT bool_and(due_at > now()) FROM memoledger.embedding_schedule")
    assert later
    [(wakeups,)] = remote.sql(
        "SELECT count(*) FROM memoledger_jobs.procrastinate_jobs WHERE scheduled_at > now()"
    )
    assert wakeups == 1
    await drained(remote)
    assert remote.vectors() == 4
    hits = await (await remote.store()).recall("Note 2", mode="dense", limit=1)
    assert (hits[0].memory.content, hits.pending) == ("Note 2", 0)


async def test_a_text_that_is_refused_is_set_aside_and_the_others_are_not(
    remote: Any, provider: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    embed = remote.embedder.embed

    async def refusing(texts: Sequence[str], **how: Any) -> Any:
        if "Note 5" in texts:
            raise EmbedderError("The text is too long.", status=400, transient=False)
        return await embed(texts, **how)

    monkeypatch.setattr(remote.embedder, "embed", refusing)
    await remembered(remote, 20)
    for _ in range(6):
        await remote.worker(batch=16).run()
        remote.hurry()
    assert remote.vectors() == 19
    [(attempts, said, poisoned)] = remote.schedule()
    assert (said, poisoned) == ("embedder: The text is too long.", True)
    assert attempts <= 4
    assert (remote.done.embedded, remote.done.poisoned) == (19, 1)
    [row] = await remote.claims.rows(poisoned=True)
    assert (row.state, row.tenant, row.owner, row.store) == ("poisoned", "acme", "alice", "notes")
    assert (await (await remote.store()).recall("Note")).pending == 1


async def test_after_so_many_attempts_it_is_set_aside_until_somebody_says_so(
    remote: Any, provider: Any
) -> None:
    await remembered(remote, 2)
    for _ in range(3):
        broken(provider)
        await remote.worker(attempts_max=3).run()
        remote.hurry()
    assert [poisoned for *_, poisoned in remote.schedule()] == [True, True]
    await remote.worker().run()
    assert remote.vectors() == 0
    assert (await remote.claims.depth()).poisoned == 2
    assert await remote.claims.retry(tenant="globex") == 0
    assert await remote.claims.retry() == 2
    await remote.worker().run()
    assert (remote.vectors(), remote.schedule()) == (2, [])


async def test_what_was_set_aside_can_be_dropped(remote: Any, provider: Any) -> None:
    await remembered(remote, 3)
    broken(provider)
    await remote.worker(attempts_max=1).run()
    [first, *_] = await remote.claims.rows()
    assert await remote.claims.drop(ids=[first.id]) == 1
    assert await remote.claims.drop() == 2
    assert remote.schedule() == []
    hits = await (await remote.store()).recall("Note", mode="lexical")
    assert len(hits) == 3


async def test_what_a_provider_says_of_several_tenants_is_not_kept(
    remote: Any, provider: Any
) -> None:
    """It may quote a text, which would be another's to read."""
    for tenant in ("acme", "globex"):
        await (await remote.store(tenant=tenant)).remember(f"Secret of {tenant}", wait="durable")
    provider.will_reply(400, {"error": {"message": "cannot embed 'Secret of acme'"}})
    await remote.worker().run()
    said = {said for _, said, _ in remote.schedule()}
    assert said == {"embedder: the model failed (HTTP 400)."}


async def test_a_slow_provider_holds_no_transaction_open(remote: Any, provider: Any) -> None:
    await remembered(remote, 4)
    provider.will_hang()
    running = asyncio.create_task(remote.worker().run())
    await asyncio.wait_for(provider.asked(1), 10)
    [(open_ones,)] = remote.sql(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
        " AND xact_start IS NOT NULL AND pid <> pg_backend_pid()"
        " AND backend_type = 'client backend'"
    )
    assert open_ones == 0
    await running


async def test_writes_do_not_wait_for_a_provider_that_is_down(remote: Any, provider: Any) -> None:
    broken(provider)
    memory = await (await remote.store()).remember("Tea", wait="durable")
    assert memory.outcome == "created"
    assert provider.requests == []
