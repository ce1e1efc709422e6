"""The worker in an open ledger: it is woken, works by the clock, and ends in order."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack
from functools import partial
from typing import Any

import psycopg
import pytest
from pydantic import SecretStr

from memoledger.surfaces.python.memoledger import Memoledger

Opens = Callable[..., Any]


@pytest.fixture
async def opens(database: Any, counting: Any) -> AsyncIterator[Opens]:
    """Opens ledgers with a worker inside."""
    async with AsyncExitStack() as stack:

        async def opening(**overrides: object) -> Memoledger:
            given = {"sweep_interval_s": 60.0, "queue_poll_s": 0.2, **overrides}
            settings = database.settings(**given)
            return await stack.enter_async_context(
                Memoledger.open(settings=settings, embedder=counting)
            )

        yield opening


def rows(database: Any, query: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(database.conninfo("postgres"), autocommit=True) as root:
        cursor = root.execute(query)
        return cursor.fetchall() if cursor.description else []


async def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not await asyncio.to_thread(holds):
        assert time.monotonic() < deadline
        await asyncio.sleep(0.05)


def embedded(counting: Any, text: str) -> bool:
    return bool(counting.texts[text] == 1)


async def test_it_is_woken_by_the_write(database: Any, opens: Opens, counting: Any) -> None:
    ledger = await opens(queue_poll_s=3_600.0)
    notes = await (await ledger.principal(tenant="acme", user="alice")).store("notes")
    await until(lambda: bool(rows(database, "SELECT 1 FROM memoledger_jobs.procrastinate_workers")))
    for number in range(3):
        await notes.remember(f"Tea {number}", wait="durable")
        await until(partial(embedded, counting, f"Tea {number}"))
    await until(lambda: not rows(database, "SELECT 1 FROM memoledger.embedding_schedule"))
    hits = await notes.recall("Tea 1", mode="dense", limit=1)
    assert (hits[0].memory.content, hits.pending) == ("Tea 1", 0)


async def test_what_was_left_before_is_done_at_the_start(
    database: Any, opens: Opens, counting: Any
) -> None:
    before = await opens(sweep_interval_s=0.0)
    notes = await (await before.principal(tenant="acme", user="alice")).store("notes")
    await notes.remember("Tea", wait="durable")
    jobs = "SET search_path = memoledger_jobs; DELETE FROM procrastinate_jobs"
    rows(database, jobs)
    await opens()
    await until(lambda: counting.texts["Tea"] == 1)


async def test_what_a_killed_worker_had_is_done_when_its_claim_ends(
    database: Any, opens: Opens, counting: Any
) -> None:
    ledger = await opens(sweep_interval_s=1.0)
    idle = await opens(sweep_interval_s=0.0)
    notes = await (await idle.principal(tenant="acme", user="alice")).store("notes")
    del ledger
    await notes.remember("Tea", wait="durable")
    await until(lambda: counting.texts["Tea"] == 1)
    # As a worker leaves it that claimed the row and was killed: nobody will ever wake another.
    rows(
        database,
        "INSERT INTO memoledger.embedding_schedule (tenant_id, store_id, family, owner_id, version,"
        " embedding_version, reason, urgency, due_at, claimed_by, claimed_until, attempts)"
        " SELECT tenant_id, store_id, 'memory', owner_id, version, embedding_version, 'written', 0,"
        " now() + interval '2 seconds', gen_random_uuid(), now() + interval '2 seconds', 1"
        " FROM memoledger.embeddings",
    )
    await until(lambda: not rows(database, "SELECT 1 FROM memoledger.embedding_schedule"))
    assert counting.texts["Tea"] == 2


async def test_upkeep_is_done_once_however_many_workers_run(database: Any, opens: Opens) -> None:
    ledgers = [await opens(sweep_interval_s=1.0) for _ in range(3)]
    done = [ledger.application.upkeep.last_success for ledger in ledgers]
    await until(lambda: any("sweep" in one and "check_schedule" in one for one in done))
    ticks = rows(
        database,
        "SELECT task_name, defer_timestamp, count(*)"
        " FROM memoledger_jobs.procrastinate_periodic_defers GROUP BY 1, 2 HAVING count(*) > 1",
    )
    assert ticks == []


async def test_it_ends_what_it_is_at(database: Any, counting: Any) -> None:
    begun, may_go_on = asyncio.Event(), asyncio.Event()

    async def wait(_: Sequence[str]) -> None:
        begun.set()
        await may_go_on.wait()

    counting.before = wait
    settings = database.settings(sweep_interval_s=60.0, queue_batch=2)
    ledger = await Memoledger.open(settings=settings, embedder=counting)
    notes = await (await ledger.principal(tenant="acme", user="alice")).store("notes")
    await notes.remember_many([{"content": f"Tea {n}"} for n in range(2)], wait="durable")
    await begun.wait()
    closing = asyncio.create_task(ledger.aclose())
    await asyncio.sleep(0.1)
    assert not closing.done()
    may_go_on.set()
    await closing
    assert rows(database, "SELECT count(*) FROM memoledger.embeddings") == [(2,)]
    assert rows(database, "SELECT 1 FROM memoledger.embedding_schedule") == []
    assert rows(database, "SELECT 1 FROM memoledger_jobs.procrastinate_workers") == []


async def test_it_begins_again_when_its_connections_are_cut(
    database: Any, opens: Opens, counting: Any
) -> None:
    ledger = await opens()
    notes = await (await ledger.principal(tenant="acme", user="alice")).store("notes")
    await until(lambda: bool(rows(database, "SELECT 1 FROM memoledger_jobs.procrastinate_workers")))
    rows(
        database,
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()",
    )
    with contextlib.suppress(Exception):
        await notes.remember("First", wait="durable")
    await notes.remember("Second", wait="durable")
    await until(lambda: counting.texts["Second"] == 1)


async def test_a_login_that_may_not_own_embeds_nothing_and_the_rest_works(
    database: Any, opens: Opens
) -> None:
    await opens(sweep_interval_s=0.0)  # who declares the embedding version
    ledger = await opens(
        admin_database_url=SecretStr(database.conninfo()), auto_migrate=False, sweep_interval_s=0.1
    )
    upkeep = ledger.application.upkeep
    await until(lambda: upkeep.failures.get("worker", 0) > 0)
    notes = await (await ledger.principal(tenant="acme", user="alice")).store("notes")
    await notes.remember("Tea", wait="durable")
    assert (await notes.recall("Tea")).pending == 1
    await until(lambda: "sweep" in upkeep.last_success)
    assert upkeep.failures["worker"] == 1
