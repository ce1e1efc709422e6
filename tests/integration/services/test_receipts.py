"""Every recall leaves a receipt; erasures strike it; access is counted from it."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from memoledger.ledger.receipts import Batch
from memoledger.model.errors import InvalidInput, NotFound

Sql = Callable[..., list[tuple[Any, ...]]]


async def test_it_says_who_asked_what_and_what_came_back(
    alice: Any, notes: Any, hashing: Any
) -> None:
    for text in ("tea with milk", "tea without milk", "coffee"):
        await notes.remember(text, tags=["drink"])
    before = datetime.now(UTC)
    hits = await notes.recall("tea", limit=2, tags=["drink"], min_importance=0.1)
    receipt = await alice.receipt(hits.receipt_id)
    assert (receipt.user, receipt.store_id, receipt.query) == ("alice", notes.id, "tea")
    assert (receipt.mode, receipt.limit, receipt.complete) == ("hybrid", 2, True)
    assert receipt.filters == {"tags": ["drink"], "min_importance": 0.1}
    assert receipt.embedding_version.startswith("hash")
    assert receipt.searched_by == hits.searched_by
    returned = [(hit.memory.id, hit.memory.version, hit.score) for hit in hits]
    assert [(hit.memory_id, hit.version, hit.score) for hit in receipt.hits] == returned
    assert len(returned) == 2
    assert receipt.timings_ms == {part: round(ms, 3) for part, ms in hits.timings_ms.items()}
    assert {"embed", "search"} <= set(receipt.timings_ms)
    assert before - timedelta(milliseconds=1) <= receipt.asked_at <= receipt.recorded_at
    assert (receipt.struck_at, receipt.query_hash) == (None, None)


@pytest.mark.parametrize("mode", ["dense", "lexical", "hybrid"])
async def test_every_mode_leaves_one_also_where_nothing_was_found(
    alice: Any, notes: Any, mode: str
) -> None:
    hits = await notes.recall("nothing is there", mode=mode)
    receipt = await alice.receipt(hits.receipt_id)
    assert (receipt.mode, receipt.hits) == (mode, ())
    assert (receipt.embedding_version is None) == (mode == "lexical")


async def test_the_version_is_the_one_that_was_returned(alice: Any, notes: Any) -> None:
    memory = await notes.remember("tea")
    then = await notes.recall("tea")
    await notes.update(memory.id, content="tea, green")
    now = await notes.recall("tea")
    for hits, version in ((then, 1), (now, 2)):
        receipt = await alice.receipt(hits.receipt_id)
        assert [(hit.memory_id, hit.version) for hit in receipt.hits] == [(memory.id, version)]


async def test_a_thousand_recalls_at_once_leave_a_thousand_receipts(
    open_ledger: Callable[..., Any], tenant: str, sql: Sql
) -> None:
    async with open_ledger() as ledger:
        users = [await ledger.principal(tenant=tenant, user=f"user{n}") for n in range(10)]
        stores = [await user.store("notes") for user in users]
        for store in stores:
            await store.remember("tea")
        turn = asyncio.Semaphore(64)

        async def ask(number: int) -> UUID:
            async with turn:
                hits = await stores[number % 10].recall(f"tea {number}", limit=1)
                return hits.receipt_id  # type: ignore[no-any-return]

        made = await asyncio.gather(*(ask(number) for number in range(1_000)))
    rows = sql("SELECT receipt_id, query FROM memoledger.receipts WHERE tenant_id = %s", tenant)
    assert {row[0] for row in rows} == set(made)
    assert {row[1] for row in rows} == {f"tea {number}" for number in range(1_000)}
    assert len(rows) == 1_000
    counts = sql("SELECT count FROM memoledger.memory_access WHERE tenant_id = %s", tenant)
    assert counts == [(100,)] * 10


async def test_an_open_ledger_writes_them_by_itself(notes: Any, tenant: str, sql: Sql) -> None:
    hits = await notes.recall("tea")
    query = "SELECT FROM memoledger.receipts WHERE tenant_id = %s AND receipt_id = %s"
    for _ in range(200):
        if sql(query, tenant, hits.receipt_id):
            return
        await asyncio.sleep(0.05)
    pytest.fail("it was not written")


async def test_those_that_come_while_others_are_written_are_not_left(notes: Any) -> None:
    turn = asyncio.Semaphore(8)

    async def ask() -> None:
        async with turn:
            await notes.recall("tea")

    await asyncio.gather(*(ask() for _ in range(60)))
    receipts = notes._context.receipts
    for _ in range(200):
        if not receipts.waiting:
            return
        await asyncio.sleep(0.05)
    pytest.fail(f"{receipts.waiting} wait on")


async def test_a_batch_that_is_sent_twice_is_kept_and_counted_once(
    shared: Any, notes: Any, alice: Any
) -> None:
    memory = await notes.remember("tea")
    writer = shared.application.context.receipts
    await notes.recall("tea")
    [fresh] = writer._queue
    receipts = shared.application.context.ledger.receipts
    for _ in range(3):
        await receipts.write([Batch(alice.principal, notes.id, [fresh])], hashed=False)
    await writer.flush()
    assert [receipt.id for receipt in (await alice.receipts()).receipts] == [fresh.receipt_id]
    assert (await notes.accesses([memory.id]))[memory.id].count == 1


class TestHashed:
    async def test_the_words_are_not_kept(
        self, open_ledger: Callable[..., Any], tenant: str, sql: Sql
    ) -> None:
        async with open_ledger(receipts="hashed") as ledger:
            alice = await ledger.principal(tenant=tenant, user="alice")
            bob = await ledger.principal(tenant=tenant, user="bob")
            made = []
            for user in (alice, alice, bob):
                notes = await user.store("notes")
                hits = await notes.recall(
                    "my secret", types=["secret kind"], metadata={"secret": "name"}
                )
                made.append(await user.receipt(hits.receipt_id))
            one, same, other = made
            assert one.query is None
            assert one.query_hash == same.query_hash != other.query_hash
            assert one.filters == {"types": True, "metadata": True}
            own = await ledger.application.context.ledger.receipts.own_hash(
                alice.principal, "my secret"
            )
            assert own == one.query_hash
        assert one.query_hash != hashlib.sha256(b"my secret").hexdigest()
        rows = sql(
            "SELECT r::text FROM memoledger.receipts AS r WHERE tenant_id = %s"
            " UNION ALL SELECT s::text FROM memoledger.receipt_salts AS s WHERE tenant_id = %s",
            tenant,
            tenant,
        )
        assert len(rows) == 5
        assert "secret" not in repr(rows)


async def test_switched_off_there_are_none(
    open_ledger: Callable[..., Any], tenant: str, sql: Sql
) -> None:
    async with open_ledger(receipts="off") as ledger:
        notes = await (await ledger.principal(tenant=tenant, user="alice")).store("notes")
        memory = await notes.remember("tea")
        hits = await notes.recall("tea")
        assert hits.receipt_id is None
        assert await notes.accesses([memory.id]) == {}
    assert sql("SELECT FROM memoledger.receipts WHERE tenant_id = %s", tenant) == []


class TestErasure:
    async def test_it_strikes_the_question_and_the_score(
        self, alice: Any, notes: Any, tenant: str, sql: Sql
    ) -> None:
        gone = await notes.remember("Ada's number is 555")
        stays = await notes.remember("Ada's number is unlisted")
        hits = await notes.recall("Ada's number", tags=None, min_importance=0.2)
        other = await notes.recall("unlisted", mode="lexical")
        scores = {hit.memory.id: hit.score for hit in hits}
        await alice.receipt(hits.receipt_id)
        await notes.forget(gone.id, hard=True)
        struck = await alice.receipt(hits.receipt_id)
        assert struck.struck_at is not None
        assert (struck.query, struck.query_hash, struck.filters) == (None, None, {})
        kept = {hit.memory_id: hit.score for hit in struck.hits}
        assert kept == {gone.id: None, stays.id: scores[stays.id]}
        assert (await alice.receipt(other.receipt_id)).query == "unlisted"
        assert set(await notes.accesses([gone.id, stays.id])) == {stays.id}
        row = sql(
            "SELECT r::text FROM memoledger.receipts AS r WHERE tenant_id = %s AND receipt_id = %s",
            tenant,
            hits.receipt_id,
        )
        assert "Ada" not in repr(row)

    async def test_another_users_question_too(self, alice: Any, bob: Any, notes: Any) -> None:
        memory = await notes.remember("Ada's number is 555")
        await notes.share("bob")
        theirs = await bob.store("notes", owner="alice")
        hits = await theirs.recall("what is Ada's number?")
        await bob.receipt(hits.receipt_id)
        await notes.forget(memory.id, hard=True)
        assert (await bob.receipt(hits.receipt_id)).query is None

    async def test_before_the_receipt_was_written_it_is_struck_at_once(
        self, alice: Any, notes: Any
    ) -> None:
        memory = await notes.remember("Ada's number is 555")
        hits = await notes.recall("what is Ada's number?")
        await notes.forget(memory.id, hard=True)
        receipt = await alice.receipt(hits.receipt_id)
        assert receipt.struck_at is not None
        assert receipt.query is None
        assert [(hit.memory_id, hit.score) for hit in receipt.hits] == [(memory.id, None)]
        assert await notes.accesses([memory.id]) == {}

    async def test_while_receipts_are_being_written_none_is_missed(
        self, shared: Any, alice: Any, notes: Any
    ) -> None:
        """Whichever comes first, no receipt of an erased memory keeps its question."""
        writer = shared.application.context.receipts
        for number in range(20):
            memory = await notes.remember(f"Ada's number is {number}")
            for _ in range(3):
                await notes.recall(f"what is Ada's number {number}?")
            await asyncio.gather(writer.flush(), notes.forget(memory.id, hard=True))
        page = await alice.receipts(limit=1_000)
        assert len(page.receipts) == 60
        assert {receipt.query for receipt in page.receipts} == {None}

    async def test_forgetting_leaves_it(self, alice: Any, notes: Any) -> None:
        memory = await notes.remember("tea")
        hits = await notes.recall("tea")
        await notes.forget(memory.id)
        assert (await alice.receipt(hits.receipt_id)).query == "tea"


class TestAccess:
    async def test_it_is_counted_and_dated(self, alice: Any, notes: Any) -> None:
        tea, coffee, never = [
            await notes.remember(text) for text in ("tea", "coffee with milk", "wine")
        ]
        for query in ("tea", "tea", "coffee"):
            hits = await notes.recall(query, mode="lexical")
        found = await notes.accesses([tea.id, coffee.id, str(never.id)])
        assert {memory_id: access.count for memory_id, access in found.items()} == {
            tea.id: 2,
            coffee.id: 1,
        }
        last = await alice.receipt(hits.receipt_id)
        assert found[coffee.id].last_accessed == last.recorded_at

    async def test_a_memory_row_is_not_touched(self, notes: Any, tenant: str, sql: Sql) -> None:
        memory = await notes.remember("tea")
        query = "SELECT ctid, xmin::text FROM memoledger.memories WHERE memory_id = %s"
        before = sql(query, memory.id)
        await notes.recall("tea")
        await notes.accesses([memory.id])
        assert sql(query, memory.id) == before

    async def test_bad_ids_and_too_many_are_refused(self, notes: Any) -> None:
        with pytest.raises(InvalidInput, match="memory_ids"):
            await notes.accesses(["x"])
        with pytest.raises(InvalidInput, match="memory_ids"):
            await notes.accesses([uuid4()] * 1_001)


class TestListing:
    async def test_it_is_paged_newest_first(self, alice: Any, notes: Any) -> None:
        made = [(await notes.recall(f"tea {number}")).receipt_id for number in range(7)]
        found, cursor = [], None
        while True:
            page = await alice.receipts(limit=3, cursor=cursor)
            assert len(page.receipts) <= 3
            found += [receipt.id for receipt in page.receipts]
            cursor = page.next_cursor
            if cursor is None:
                break
        assert found == sorted(made, reverse=True)

    async def test_it_is_narrowed_by_store_memory_and_time(self, alice: Any, notes: Any) -> None:
        memory = await notes.remember("tea")
        first = await notes.recall("tea", mode="lexical")
        await notes.recall("coffee", mode="lexical")
        await (await alice.store("others")).recall("tea")
        receipt = await alice.receipt(first.receipt_id)

        async def ids(**narrowed: Any) -> list[UUID]:
            return [found.id for found in (await alice.receipts(**narrowed)).receipts]

        assert len(await ids()) == 3
        assert len(await ids(store=notes.id)) == 2
        assert await ids(memory_id=memory.id) == [first.receipt_id]
        assert await ids(store=notes.id, memory_id=str(memory.id)) == [first.receipt_id]
        assert first.receipt_id in await ids(since=receipt.asked_at)
        assert first.receipt_id not in await ids(until=receipt.asked_at)
        after = receipt.asked_at + timedelta(milliseconds=1)
        assert first.receipt_id in await ids(until=after)
        assert first.receipt_id not in await ids(since=after)

    async def test_an_owner_sees_the_readers_of_the_store(
        self, alice: Any, bob: Any, notes: Any
    ) -> None:
        await notes.share("bob")
        theirs = await bob.store("notes", owner="alice")
        await theirs.recall("bob's question")
        await notes.recall("alice's question")
        shown = [receipt.query for receipt in (await alice.receipts()).receipts]
        assert shown == ["alice's question", "bob's question"]
        shown = [receipt.query for receipt in (await alice.receipts(store=notes.id)).receipts]
        assert shown == ["alice's question", "bob's question"]
        assert [receipt.query for receipt in (await bob.receipts()).receipts] == ["bob's question"]

    async def test_bad_arguments_are_refused(self, alice: Any) -> None:
        for wrong in (
            {"limit": 0},
            {"cursor": "x"},
            {"store": "x"},
            {"memory_id": "x"},
            {"since": "yesterday"},
            {"since": "2026-02-01T00:00:00Z", "until": "2026-01-01T00:00:00Z"},
        ):
            with pytest.raises(InvalidInput):
                await alice.receipts(**wrong)
        with pytest.raises(InvalidInput):
            await alice.receipt("x")
        with pytest.raises(NotFound, match="no receipt"):
            await alice.receipt(uuid4())


def test_the_synchronous_twin_leaves_receipts_too(
    server: Any, service_database: str, hashing: Any, tenant: str, sql: Sql
) -> None:
    from pydantic import SecretStr

    from memoledger.settings import load_settings
    from memoledger.sync import Memoledger

    settings = load_settings(
        database_url=SecretStr(server.conninfo("memoledger_app", service_database)),
        admin_database_url=SecretStr(server.conninfo("postgres", service_database)),
        sweep_interval_s=0.0,
    )
    with Memoledger.open(settings=settings, embedder=hashing) as ledger:
        alice = ledger.principal(tenant=tenant, user="alice")
        notes = alice.store("notes")
        memory = notes.remember("tea")
        first = notes.recall("tea")
        assert alice.receipt(first.receipt_id).query == "tea"
        assert len(alice.receipts().receipts) == 1
        assert notes.accesses([memory.id])[memory.id].count == 1
        assert notes.why(memory.id, "tea").recalled
        last = notes.recall("tea again")
    [row] = sql("SELECT query FROM memoledger.receipts WHERE receipt_id = %s", last.receipt_id)
    assert row == ("tea again",)
