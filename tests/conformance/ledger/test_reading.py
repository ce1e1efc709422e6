"""Get, list, count, history, receipts and access counts: complete, in order, in pages."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from memoledger import InvalidInput, Memory, NotFound
from memoledger.model.pages import Page
from memoledger.model.receipts import Accesses, Receipt, ReceiptHit, ReceiptPage

FAR = datetime(2999, 1, 1, tzinfo=UTC)


async def listed(store: Any, limit: int, **asked: Any) -> list[list[Memory]]:
    pages, cursor = [], None
    for _ in range(100):
        page = await store.list(limit=limit, cursor=cursor, **asked)
        assert isinstance(page, Page)
        pages.append(page.memories)
        cursor = page.next_cursor
        if cursor is None:
            return pages
    raise AssertionError("a listing without end")


class TestListing:
    async def test_in_pages_in_the_order_of_making(self, notes: Any) -> None:
        made = [await notes.remember(f"Memory {i}") for i in range(7)]
        pages = await listed(notes, 3)
        assert [len(page) for page in pages] == [3, 3, 1]
        assert [memory.id for page in pages for memory in page] == [memory.id for memory in made]
        assert all(type(memory) is Memory for page in pages for memory in page)
        assert [len(page) for page in await listed(notes, 7)] == [7]
        assert await notes.count() == 7

    async def test_filters_hold_on_every_page(self, notes: Any) -> None:
        for number in range(6):
            await notes.remember(
                f"Memory {number}",
                type=["a, b", "c"][number % 2],
                tags=["x&y=z", "é"],
                metadata={"snake_case": {"camelCase": "a b+c%"}},
            )
        asked = {
            "types": ["a, b", "other"],
            "tags": ["é", "x&y=z"],
            "metadata": {"snake_case": {"camelCase": "a b+c%"}},
            "until": FAR,
        }
        pages = await listed(notes, 2, **asked)
        assert [memory.content for page in pages for memory in page] == [
            "Memory 0",
            "Memory 2",
            "Memory 4",
        ]

    async def test_an_empty_store(self, notes: Any) -> None:
        page = await notes.list()
        assert (page.memories, page.next_cursor, await notes.count()) == ([], None, 0)

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            *[("limit", 0), ("limit", 1_001), ("limit", "10"), ("limit", None), ("limit", True)],
            *[("types", "fact"), ("tags", [1]), ("since", "yesterday"), ("min_importance", 2)],
            *[("metadata", []), ("metadata", {"a": float("nan")}), ("as_of", "now")],
            *[("valid_at", 5), ("cursor", "x" * 5_000)],
        ],
    )
    async def test_what_is_refused(self, notes: Any, field: str, value: Any) -> None:
        with pytest.raises(InvalidInput) as caught:
            await notes.list(**{field: value})
        assert caught.value.field.startswith(field)

    async def test_only_the_current_and_visible(self, notes: Any, bob: Any) -> None:
        kept = await notes.remember("kept")
        await notes.update(kept.id, tags=["a"])
        gone = await notes.remember("gone")
        await notes.forget(gone.id)
        await notes.remember("private", privacy="creator")
        await notes.share("bob")
        theirs = await bob.find_store("notes", owner="alice")
        assert [memory.content for memory in (await theirs.list()).memories] == ["kept"]
        assert (await theirs.count(), await notes.count()) == (1, 2)


class TestGetting:
    async def test_by_an_id_or_its_text(self, notes: Any) -> None:
        written = await notes.remember("Tea")
        assert await notes.get(written.id) == await notes.get(str(written.id))

    async def test_what_is_not_there(self, notes: Any, alice: Any, bob: Any) -> None:
        other = await (await alice.store("other")).remember("Tea")
        theirs = await (await bob.store("notes")).remember("Tea")
        for memory_id in (other.id, theirs.id, uuid4()):
            for act in (notes.get(memory_id), notes.history(memory_id)):
                with pytest.raises(NotFound, match=str(memory_id)) as caught:
                    await act
                assert isinstance(caught.value, LookupError)
                assert caught.value.details["id"] == str(memory_id)

    @pytest.mark.parametrize("wrong", ["yesterday", "2026-05-08", 5, True])
    async def test_a_wrong_instant(self, notes: Any, wrong: Any) -> None:
        written = await notes.remember("Tea")
        with pytest.raises(InvalidInput) as caught:
            await notes.get(written.id, as_of=wrong)
        assert caught.value.field == "as_of"

    async def test_every_version(self, notes: Any) -> None:
        written = await notes.remember("0")
        for number in range(1, 4):
            await notes.update(written.id, content=f"{number}")
        versions = await notes.history(written.id)
        assert [(m.version, m.content) for m in versions] == [(i + 1, f"{i}") for i in range(4)]
        assert [m.superseded_at for m in versions[:-1]] == [m.recorded_at for m in versions[1:]]
        for version in versions:
            assert (await notes.get(written.id, as_of=version.recorded_at)) == version


class TestReceipts:
    async def test_what_a_receipt_holds(self, alice: Any, notes: Any) -> None:
        written = await notes.remember("Tea at five", tags=["a"])
        asked = {"limit": 5, "tags": ["a"], "min_similarity": -1.0, "recency": 0.5}
        hits = await notes.recall("When is tea?", now="2026-05-08T10:00:00Z", **asked)
        receipt = await alice.receipt(hits.receipt_id)
        assert isinstance(receipt, Receipt)
        assert (receipt.id, receipt.user, receipt.store_id) == (hits.receipt_id, "alice", notes.id)
        assert (receipt.query, receipt.mode, receipt.limit) == ("When is tea?", "hybrid", 5)
        assert receipt.filters == {
            "tags": ["a"],
            "min_similarity": -1.0,
            "recency": 0.5,
            "now": "2026-05-08T10:00:00+00:00",
        }
        assert receipt.hits == (ReceiptHit(written.id, 1, receipt.hits[0].score),)
        assert receipt.hits[0].score == pytest.approx(hits[0].score)
        assert abs(receipt.asked_at - receipt.recorded_at) < timedelta(minutes=1)
        assert (receipt.struck_at, receipt.query_hash, receipt.complete) == (None, None, True)
        assert receipt.embedding_version
        assert receipt.timings_ms
        assert await alice.receipt(str(hits.receipt_id)) == receipt

    async def test_in_pages_newest_first(self, alice: Any, notes: Any) -> None:
        ids = [(await notes.recall(f"question {i}")).receipt_id for i in range(5)]
        found: list[UUID] = []
        cursor = None
        for _ in range(3):
            page = await alice.receipts(limit=2, cursor=cursor)
            assert isinstance(page, ReceiptPage)
            found += [receipt.id for receipt in page.receipts]
            cursor = page.next_cursor
        assert (found, cursor) == (ids[::-1], None)

    async def test_chosen(self, alice: Any, bob: Any, notes: Any) -> None:
        written = await notes.remember("Tea at five")
        other = await alice.store("other")
        first = (await notes.recall("tea")).receipt_id
        await other.recall("coffee")
        await notes.share("bob")
        theirs = (await (await bob.find_store("notes", owner="alice")).recall("tea")).receipt_id
        in_notes = (await alice.receipts(store=notes.id)).receipts
        assert {receipt.id for receipt in in_notes} == {first, theirs}
        of_tea = (await alice.receipts(memory_id=str(written.id))).receipts
        assert {receipt.id for receipt in of_tea} == {first, theirs}
        assert [receipt.id for receipt in (await bob.receipts()).receipts] == [theirs]
        assert (await alice.receipts(until=datetime(2001, 1, 1, tzinfo=UTC))).receipts == []
        assert len((await alice.receipts(since="2001-01-01T00:00:00Z")).receipts) == 3
        with pytest.raises(NotFound):
            await bob.receipt(first)

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            *[("store", "x"), ("memory_id", "x"), ("since", "x"), ("until", 5), ("limit", 0)],
            *[("limit", "1"), ("cursor", "x")],
        ],
    )
    async def test_what_is_refused(self, alice: Any, field: str, value: Any) -> None:
        with pytest.raises(InvalidInput) as caught:
            await alice.receipts(**{field: value})
        assert caught.value.field == field

    async def test_a_wrong_receipt(self, alice: Any) -> None:
        with pytest.raises(NotFound) as missing:
            await alice.receipt(uuid4())
        assert missing.value.details["id"]
        with pytest.raises(InvalidInput) as caught:
            await alice.receipt("x")
        assert caught.value.field == "receipt_id"

    async def test_access_counts(self, notes: Any) -> None:
        tea, bread = await notes.remember("Tea"), await notes.remember("Bread")
        for _ in range(3):
            await notes.recall("tea", mode="lexical")
        counted = await notes.accesses(one for one in (str(tea.id), bread.id, uuid4()))
        assert set(counted) == {tea.id}
        assert isinstance(counted[tea.id], Accesses)
        assert counted[tea.id].count == 3
        assert counted[tea.id].last_accessed.utcoffset() == timedelta(0)
        assert await notes.accesses([]) == {}

    async def test_wrong_access_counts(self, notes: Any) -> None:
        for wrong in (["x"], [uuid4() for _ in range(1_001)]):
            with pytest.raises(InvalidInput) as caught:
                await notes.accesses(wrong)
            assert caught.value.field == "memory_ids"
