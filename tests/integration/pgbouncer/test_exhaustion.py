"""Where connections run out, here or in PgBouncer, callers are told so; none hangs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import psycopg
import pytest

from memoledger.ledger.sessions import Sessions
from memoledger.ledger.statements import Statement
from memoledger.model.errors import LedgerUnavailable
from memoledger.model.principal import Principal
from memoledger.settings import Settings
from memoledger.surfaces.python.memoledger import Memoledger

ONE = Statement("one", "Asks for nothing.", b"SELECT 1")
GIVE_UP_S = 60
"""By far longer than anything here may take."""


@asynccontextmanager
async def all_taken(sessions: Sessions, person: Principal, count: int) -> AsyncIterator[None]:
    """Somebody is in `count` transactions and takes their time."""
    async with AsyncExitStack() as stack:
        for _ in range(count):
            await stack.enter_async_context(sessions.transaction(person))
        yield


async def test_no_free_connection_is_told_after_the_wait_that_was_set(
    pooler: Any, pooled: Callable[..., Settings], tiny: Any, somebody: Principal
) -> None:
    chosen = pooled(pooler, pool_max=2, pool_wait_s=0.2, receipts="off")
    async with Memoledger.open(settings=chosen, embedder=tiny) as ledger:
        sessions = ledger.application.context.ledger.sessions
        async with all_taken(sessions, somebody, 2), asyncio.timeout(GIVE_UP_S):
            before = sessions.statistics
            assert (before.size_max, before.size, before.free) == (2, 2, 0)
            calls = [sessions.run(somebody, None, (ONE, {})) for _ in range(20)]
            outcomes = await asyncio.gather(*calls, return_exceptions=True)
        assert all(isinstance(outcome, LedgerUnavailable) for outcome in outcomes)
        after = sessions.statistics
        assert after.refused - before.refused == 20
        assert after.waits_s.count - before.waits_s.count == 20
        # Measured: nobody waited for less than was set, and together not for much longer.
        assert 20 * 0.15 < after.waits_s.total - before.waits_s.total < GIVE_UP_S
        assert after.waiting == 0
        assert await sessions.run(somebody, None, (ONE, {})) == [[(1,)]]


async def test_more_than_may_wait_are_refused_at_once(
    pooler: Any, pooled: Callable[..., Settings], tiny: Any, somebody: Principal
) -> None:
    chosen = pooled(pooler, pool_max=1, pool_wait_s=500, pool_waiting_max=3, receipts="off")
    async with Memoledger.open(settings=chosen, embedder=tiny) as ledger:
        sessions = ledger.application.context.ledger.sessions
        async with asyncio.timeout(GIVE_UP_S):
            async with all_taken(sessions, somebody, 1):
                waiting = [
                    asyncio.create_task(sessions.run(somebody, None, (ONE, {}))) for _ in range(3)
                ]
                await asyncio.sleep(0)  # all three begin, and find none free
                assert sessions.statistics.waiting == 3
                for _ in range(5):
                    with pytest.raises(LedgerUnavailable):
                        await sessions.run(somebody, None, (ONE, {}))
            assert [await task for task in waiting] == [[[(1,)]]] * 3
        assert sessions.statistics.refused == 5


async def test_none_free_in_pgbouncer(
    start: Any, pooled: Callable[..., Settings], tiny: Any, database: Any, somebody: Principal
) -> None:
    """It tells those who wait too long, and takes their connection; the next is answered."""
    pooler = start("old", default_pool_size=1, query_wait_timeout=1)
    async with Memoledger.open(settings=pooled(pooler, receipts="off"), embedder=tiny) as ledger:
        sessions = ledger.application.context.ledger.sessions
        conninfo = pooler.conninfo("memoledger_app", database.name)
        async with (
            asyncio.timeout(GIVE_UP_S),
            await psycopg.AsyncConnection.connect(conninfo, prepare_threshold=None) as hog,
        ):
            await hog.execute("SELECT 1")  # and its transaction goes on
            calls = [sessions.run(somebody, None, (ONE, {})) for _ in range(4)]
            for outcome in await asyncio.gather(*calls, return_exceptions=True):
                assert isinstance(outcome, LedgerUnavailable)
            await hog.rollback()
            assert await sessions.run(somebody, None, (ONE, {})) == [[(1,)]]


async def test_too_many_clients_of_pgbouncer(
    start: Any, pooled: Callable[..., Settings], tiny: Any, somebody: Principal
) -> None:
    pooler = start("old", max_client_conn=2)
    chosen = pooled(pooler, pool_max=4, pool_wait_s=1.0, receipts="off")
    async with Memoledger.open(settings=chosen, embedder=tiny) as ledger:
        sessions = ledger.application.context.ledger.sessions
        async with asyncio.timeout(GIVE_UP_S), all_taken(sessions, somebody, 2):
            with pytest.raises(LedgerUnavailable):
                await sessions.run(somebody, None, (ONE, {}))
        assert await sessions.run(somebody, None, (ONE, {})) == [[(1,)]]
        assert sessions.statistics.failed >= 1


async def test_pgbouncer_goes_and_comes_back(
    start: Any, pooled: Callable[..., Settings], tiny: Any, somebody: Principal
) -> None:
    pooler = start("old")
    chosen = pooled(pooler, pool_wait_s=1.0, receipts="off")
    async with Memoledger.open(settings=chosen, embedder=tiny) as ledger:
        sessions = ledger.application.context.ledger.sessions
        await sessions.run(somebody, None, (ONE, {}))
        pooler.stop()
        async with asyncio.timeout(GIVE_UP_S):
            for _ in range(2):
                with pytest.raises(LedgerUnavailable):
                    await sessions.run(somebody, None, (ONE, {}))
            start("old", listen_port=pooler.port)
            while True:
                try:
                    assert await sessions.run(somebody, None, (ONE, {})) == [[(1,)]]
                    break
                except LedgerUnavailable:
                    await asyncio.sleep(0.05)


async def test_no_pgbouncer_at_opening_is_told(
    start: Any, pooled: Callable[..., Settings], tiny: Any
) -> None:
    pooler = start("old")
    chosen = pooled(pooler, pool_wait_s=0.5)
    pooler.stop()
    async with asyncio.timeout(GIVE_UP_S):
        with pytest.raises(LedgerUnavailable):
            async with Memoledger.open(settings=chosen, embedder=tiny):
                pass
