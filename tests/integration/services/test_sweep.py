"""Expiry: honoured by every read at once, swept later by the ledger itself."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from memoledger.model.errors import NotFound
from memoledger.surfaces.python.memoledger import Memoledger
from memoledger.surfaces.python.principal import PrincipalHandle
from memoledger.surfaces.python.store import StoreHandle

Sql = Callable[..., list[tuple[Any, ...]]]


def soon(ms: int) -> datetime:
    return datetime.now(UTC) + timedelta(milliseconds=ms)


async def passed(instant: datetime) -> None:
    await asyncio.sleep(max(0.0, (instant - datetime.now(UTC)).total_seconds()) + 0.005)


def acts(sql: Sql, memory: Any) -> list[tuple[Any, ...]]:
    return sql(
        "SELECT act, actor FROM memoledger.audit_records WHERE row_key ->> 'memory_id' = %s "
        "ORDER BY audit_id",
        str(memory.id),
    )


async def swept(sql: Sql, memory: Any) -> None:
    for _ in range(1_500):
        await asyncio.sleep(0.02)
        if acts(sql, memory)[-1] == ("expire", "system"):
            return
    raise AssertionError("nobody swept it")


async def nothing_is_read(store: StoreHandle, memory: Any) -> None:
    with pytest.raises(NotFound):
        await store.get(memory.id)
    assert (await store.list()).memories == []
    assert await store.count() == 0
    for mode in ("dense", "lexical", "hybrid"):
        assert await store.recall(memory.content, mode=mode) == []
        assert await store.recall(memory.content, mode=mode, types=["fact"]) == []


async def test_every_read_honours_it_before_and_after_the_sweep(
    shared: Memoledger, notes: StoreHandle, sql: Sql
) -> None:
    expires = soon(150)
    memory = await notes.remember("Tea at five", title="Tea", expires_at=expires)
    assert (await notes.get(memory.id)).expires_at == expires
    assert len(await notes.recall("Tea at five")) == 1
    await passed(expires)
    await nothing_is_read(notes, memory)
    assert acts(sql, memory) == [("remember", "alice")]
    await shared.sweep()
    await nothing_is_read(notes, memory)
    assert acts(sql, memory) == [("remember", "alice"), ("expire", "system")]
    [version] = await notes.history(memory.id)
    assert version.deleted_at == version.expires_at == expires
    assert version.content == "Tea at five"


async def test_known_ones_of_a_bulk_write_are_not_the_expired(
    notes: StoreHandle, hashing: Any
) -> None:
    expires = soon(60)
    items = [{"content": "one", "expires_at": expires}, {"content": "two"}]
    await notes.remember_many(items)
    await passed(expires)
    hashing.texts.clear()
    report = await notes.remember_many([{"content": "one"}, {"content": "two"}])
    assert [item.outcome for item in report.items] == ["created", "unchanged"]
    assert hashing.texts == ["one"]


async def test_the_past_still_shows_it(shared: Memoledger, notes: StoreHandle) -> None:
    expires = soon(80)
    memory = await notes.remember("Tea", expires_at=expires)
    before = datetime.now(UTC)
    await passed(expires)
    for _ in range(2):
        assert (await notes.get(memory.id, as_of=before)).content == "Tea"
        assert len(await notes.recall("Tea", as_of=before)) == 1
        with pytest.raises(NotFound):
            await notes.get(memory.id, as_of=expires)
        await shared.sweep()


async def test_all_tenants_are_swept_and_only_what_is_due(
    shared: Memoledger, notes: StoreHandle, sql: Sql
) -> None:
    expires = soon(1_000)
    other = await (await shared.principal(tenant=f"{notes.id}", user="eve")).store("notes")
    due = [await store.remember("Tea", expires_at=expires) for store in (notes, other)]
    later = [await store.remember("Milk", expires_at=soon(10**7)) for store in (notes, other)]
    never = await notes.remember("Water")
    forgotten = await notes.remember("Gone", expires_at=expires)
    await notes.forget(forgotten.id)
    updated = await notes.remember("Kept", expires_at=expires)
    await notes.update(updated.id, expires_at=None)
    await passed(expires)
    await shared.sweep()
    assert [acts(sql, memory)[-1] for memory in due] == [("expire", "system")] * 2
    assert [acts(sql, memory)[-1][0] for memory in (*later, never)] == ["remember"] * 3
    assert acts(sql, forgotten)[-1] == ("forget", "alice")
    assert acts(sql, updated)[-1][0] == "update"
    assert (await notes.get(updated.id)).version == 2


async def test_more_than_a_batch(shared: Memoledger, notes: StoreHandle, sql: Sql) -> None:
    expiring = ({"content": f"Tea {i}", "expires_at": soon(100)} for i in range(1_100))
    assert (await notes.remember_many(expiring)).progress.created == 1_100
    await passed(soon(100))
    await asyncio.gather(*(shared.sweep() for _ in range(4)))
    await shared.sweep()
    [(swept,)] = sql(
        "SELECT count(*) FROM memoledger.memories WHERE store_id = %s AND deleted_at = expires_at",
        notes.id,
    )
    assert swept == 1_100


async def test_nobodys_sweep_shows_anything_to_the_sweeper(
    shared: Memoledger, alice: PrincipalHandle, notes: StoreHandle
) -> None:
    """The next transaction of the same connection is its principal's own again."""
    await shared.sweep()
    written = await notes.remember("Tea")
    assert written.created_by == "alice"


async def test_an_open_ledger_sweeps_by_itself(
    open_ledger: Callable[..., Any], tenant: str, sql: Sql
) -> None:
    async with open_ledger(sweep_interval_s=0.05) as ledger:
        notes = await (await ledger.principal(tenant=tenant, user="alice")).store("notes")
        memory = await notes.remember("Tea", expires_at=soon(50))
        await swept(sql, memory)


async def test_the_sweeper_survives_a_failure(
    open_ledger: Callable[..., Any], tenant: str, sql: Sql, service_database: str
) -> None:
    async with open_ledger(sweep_interval_s=0.05, pool_wait_s=1.0) as ledger:
        notes = await (await ledger.principal(tenant=tenant, user="alice")).store("notes")
        for _ in range(3):
            sql(
                "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
                "WHERE datname = %s AND usename = 'memoledger_app'",
                service_database,
            )
            await asyncio.sleep(0.03)
        memory = await notes.remember("Tea", expires_at=soon(50))
        await swept(sql, memory)
