"""No principal leaks to the next caller of a connection, whatever becomes of the one before.

Two ledgers, as two processes would, ask through one PgBouncer that has three connections to the
server; so every one of them serves every principal in turn.
"""

from __future__ import annotations

import asyncio
import random
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, ExitStack, contextmanager, suppress
from typing import Any

import psycopg
import pytest

from memoledger.ledger.statements import Statement
from memoledger.model.errors import (
    ConflictError,
    LedgerError,
    LedgerUnavailable,
    MemoledgerError,
    NotFound,
)
from memoledger.model.principal import Principal
from memoledger.settings import Settings
from memoledger.surfaces.python.memoledger import Memoledger
from memoledger.surfaces.python.store import StoreHandle

PRINCIPALS = 1_000
AT_ONCE = 48

SLEEP = Statement("sleep", "Takes longer than it may.", b"SELECT pg_sleep(%(seconds)s)")
BREAK = Statement("break", "Fails after it has written.", b"SELECT 1 / %(by)s::integer")
EVERYTHING = Statement("all", "Everything visible.", b"SELECT content FROM memoledger.memories")
WRITE = Statement(
    "write",
    "A write of the principal's.",
    b"INSERT INTO memoledger.stores (tenant_id, store_id, owner_id, name, created_by, updated_by)"
    b" VALUES (%(tenant)s, gen_random_uuid(), %(user)s, %(name)s, %(user)s, %(user)s)",
)


@pytest.fixture
async def ledgers(
    pooler: Any, pooled: Callable[..., Settings], tiny: Any
) -> AsyncIterator[list[Memoledger]]:
    """Two, each with more connections to PgBouncer than that has to the server."""
    async with AsyncExitStack() as stack:
        yield [
            await stack.enter_async_context(
                Memoledger.open(settings=pooled(pooler, pool_max=6), embedder=tiny)
            )
            for _ in range(2)
        ]


async def nobody_sees_anything(pooler: Any, database: Any) -> None:
    """On every server connection: no principal, no role, no limit, no row is left behind."""
    async with AsyncExitStack() as stack:
        seen = set()
        for _ in range(12):
            connection = await stack.enter_async_context(
                await psycopg.AsyncConnection.connect(
                    pooler.conninfo("memoledger_app", database.name),
                    autocommit=True,
                    prepare_threshold=None,
                )
            )
            cursor = await connection.execute(
                "SELECT pg_backend_pid(),"
                " coalesce(current_setting('app.current_tenant_id', true), ''),"
                " coalesce(current_setting('app.current_user', true), ''),"
                " coalesce(current_setting('app.current_store_id', true), ''),"
                " current_setting('statement_timeout'), current_setting('plan_cache_mode'),"
                " (SELECT count(*) FROM memoledger.memories),"
                " (SELECT count(*) FROM memoledger.stores),"
                " (SELECT count(*) FROM pg_locks WHERE pid = pg_backend_pid()"
                "  AND locktype = 'advisory')"
            )
            pid, *left = (await cursor.fetchone()) or ()
            assert left == ["", "", "", "0", "auto", 0, 0, 0]
            seen.add(pid)
        assert seen


@pytest.mark.slow
async def test_a_thousand_interleaved_principals(
    ledgers: list[Memoledger], pooler: Any, database: Any
) -> None:
    """Each writes and asks, and one in five also fails in some way; none sees another's."""
    order = random.Random(4)
    people = [Principal(f"tenant-{n % 100}", f"user-{n}") for n in range(PRINCIPALS)]
    order.shuffle(people)
    limit = asyncio.Semaphore(AT_ONCE)

    async def act(number: int, person: Principal) -> None:
        async with limit:
            ledger = ledgers[number % 2]
            handle = await ledger.principal(tenant=person.tenant, user=person.user)
            notes = await handle.store("notes")
            mine = f"Secret of {person.user}"
            await notes.remember(mine)
            if number % 5 == 0:
                await _fail(number // 5, ledger, person, notes)
            hits = await ledgers[(number + 1) % 2].principal(tenant=person.tenant, user=person.user)
            store = await hits.store_by_id(notes.id)
            assert [hit.memory.content for hit in await store.recall("secret", limit=50)] == [mine]
            sessions = ledger.application.context.ledger.sessions
            [rows] = await sessions.run(person, None, (EVERYTHING, {}))
            assert rows == [(mine,)]

    async with asyncio.TaskGroup() as group:
        for number, person in enumerate(people):
            group.create_task(act(number, person))
    await nobody_sees_anything(pooler, database)
    # They did share: what was asked went over a handful of connections.
    pools = [row for row in pooler.ask("SHOW SERVERS") if row["database"] == database.name]
    assert 1 <= len(pools) <= 3


async def _fail(how: int, ledger: Memoledger, person: Principal, notes: StoreHandle) -> None:
    """One of the ways in which a request ends badly."""
    sessions = ledger.application.context.ledger.sessions
    if how % 5 == 0:
        with pytest.raises(LedgerError):
            await sessions.run(person, None, (BREAK, {"by": 0}))
    elif how % 5 == 1:
        [memory] = (await notes.list()).memories
        with pytest.raises(ConflictError):
            await notes.update(memory.id, importance=0.9, if_version=7)
    elif how % 5 == 2:
        with suppress(ZeroDivisionError):
            async with sessions.transaction(person, notes.id) as connection:
                await connection.execute("SELECT 1")
                raise ZeroDivisionError
    elif how % 5 == 3:
        with pytest.raises(NotFound):
            await notes.get("01936f6e-0000-7000-8000-000000000001")
    else:
        with suppress(TimeoutError):  # cancelled while the server works
            async with asyncio.timeout(0.02):
                await sessions.run(person, None, (SLEEP, {"seconds": 5}))


@pytest.mark.parametrize("by", ["pipeline", "transaction"])
async def test_what_failed_is_rolled_back_and_forgotten(
    ledgers: list[Memoledger], pooler: Any, database: Any, by: str
) -> None:
    alice = await ledgers[0].principal(tenant="acme", user="alice")
    sessions = ledgers[0].application.context.ledger.sessions
    row = {"tenant": "acme", "user": "alice", "name": "half made"}

    async def attempt() -> None:
        if by == "pipeline":
            await sessions.run(alice.principal, None, (WRITE, row), (BREAK, {"by": 0}))
        else:
            async with sessions.transaction(alice.principal) as connection:
                await connection.execute(WRITE.sql, row)
                await connection.execute(BREAK.sql, {"by": 0})

    for _ in range(6):  # as often as there are connections
        with pytest.raises(LedgerError, match="division"):
            await attempt()
    assert (await alice.stores()).stores == []
    await nobody_sees_anything(pooler, database)


async def test_a_statement_s_limit_is_kept_and_ends_with_it(
    pooler: Any, pooled: Callable[..., Settings], tiny: Any, database: Any, somebody: Principal
) -> None:
    chosen = pooled(pooler, statement_timeout_s=0.2, pool_max=6)
    async with Memoledger.open(settings=chosen, embedder=tiny) as ledger:
        sessions = ledger.application.context.ledger.sessions
        calls = [sessions.run(somebody, None, (SLEEP, {"seconds": 60})) for _ in range(6)]
        for outcome in await asyncio.gather(*calls, return_exceptions=True):
            assert isinstance(outcome, LedgerError)
            assert outcome.details["sqlstate"] == "57014"
        await nobody_sees_anything(pooler, database)
        notes = await (await ledger.principal(tenant="acme", user="alice")).store("notes")
        await notes.remember("And on it goes.")


@pytest.mark.slow
async def test_a_cancelled_request_gives_its_connection_back(
    ledgers: list[Memoledger], pooler: Any, database: Any, somebody: Principal
) -> None:
    """Those whom PgBouncer has no server connection for cannot be cancelled there; they are cut."""
    sessions = ledgers[0].application.context.ledger.sessions
    tasks = [
        asyncio.create_task(sessions.run(somebody, None, (SLEEP, {"seconds": 60})))
        for _ in range(6)
    ]
    await asyncio.sleep(0.05)
    for task in tasks:
        task.cancel()
    for task in tasks:
        with pytest.raises((asyncio.CancelledError, MemoledgerError)):
            await task
    notes = await (await ledgers[0].principal(tenant="acme", user="alice")).store("notes")
    assert (await notes.list()).memories == []
    await nobody_sees_anything(pooler, database)


_VICTIM = """
import sys, psycopg
connection = psycopg.connect(sys.argv[1])
connection.execute("SELECT set_config('app.current_tenant_id', 'acme', true),"
                   " set_config('app.current_user', 'alice', true)")
connection.execute("INSERT INTO memoledger.stores (tenant_id, store_id, owner_id, name, created_by,"
                   " updated_by) VALUES ('acme', gen_random_uuid(), 'alice', %s, 'alice', 'alice')",
                   (sys.argv[2],))
print("in a transaction", flush=True)
connection.execute("SELECT pg_sleep(60)")
"""


async def test_a_client_killed_in_its_transaction_leaves_nothing(
    ledgers: list[Memoledger], pooler: Any, database: Any
) -> None:
    """kill -9 while the server works for it; as many as there are server connections."""
    alice = await ledgers[0].principal(tenant="acme", user="alice")
    conninfo = pooler.conninfo("memoledger_app", database.name)
    for turn in range(2):
        with ExitStack() as stack:
            victims = [
                stack.enter_context(_victim(conninfo, f"victim {turn}.{number}"))
                for number in range(3)
            ]
            for victim in victims:
                assert victim.stdout is not None
                assert await asyncio.to_thread(victim.stdout.readline) == b"in a transaction\n"
        # All three server connections were theirs; PgBouncer gives them up.
        assert (await alice.stores()).stores == []
        await nobody_sees_anything(pooler, database)
    bob = await ledgers[1].principal(tenant="globex", user="bob")
    assert (await bob.stores()).stores == []


@contextmanager
def _victim(conninfo: str, name: str) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-c", _VICTIM, conninfo, name]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        yield process
        process.kill()


async def test_killed_server_connections_are_replaced(
    ledgers: list[Memoledger], database: Any, pooler: Any
) -> None:
    """PgBouncer tells the client of it, or not: a later request is answered."""
    notes = await (await ledgers[0].principal(tenant="acme", user="alice")).store("notes")
    await notes.remember("The plumber comes on Tuesday.")
    for _ in range(3):
        with psycopg.connect(database.conninfo("postgres"), autocommit=True) as root:
            root.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        assert len(await _patiently(notes)) == 1
    await nobody_sees_anything(pooler, database)


async def _patiently(notes: StoreHandle, wait_s: float = 10.0) -> Sequence[object]:
    deadline = time.monotonic() + wait_s
    while True:
        try:
            return (await notes.list()).memories
        except LedgerUnavailable:
            assert time.monotonic() < deadline
            await asyncio.sleep(0.05)
