"""Get, list, count and history: complete, in order, without repetition, and only one's own."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from memoledger.model.errors import InvalidInput, NotFound
from memoledger.surfaces.python.memoledger import Memoledger
from memoledger.surfaces.python.principal import PrincipalHandle
from memoledger.surfaces.python.store import StoreHandle

T0 = datetime(2026, 1, 1, tzinfo=UTC)


async def pages(store: StoreHandle, limit: int, **asked: Any) -> list[list[Any]]:
    found, cursor = [], None
    while True:
        page = await store.list(limit=limit, cursor=cursor, **asked)
        found.append(page.memories)
        cursor = page.next_cursor
        if cursor is None:
            return found


class TestGet:
    async def test_by_an_id_or_its_text(self, notes: StoreHandle) -> None:
        written = await notes.remember("Tea")
        assert (await notes.get(written.id)) == (await notes.get(str(written.id)))

    async def test_what_is_not_in_this_store(
        self, notes: StoreHandle, alice: PrincipalHandle, bob: PrincipalHandle
    ) -> None:
        other = await (await alice.store("other")).remember("Tea")
        theirs = await (await bob.store("notes")).remember("Tea")
        for memory_id in (other.id, theirs.id, uuid4()):
            with pytest.raises(NotFound, match=str(memory_id)):
                await notes.get(memory_id)
            with pytest.raises(NotFound):
                await notes.history(memory_id)

    @pytest.mark.parametrize("wrong", ["", "5", 5, None, True, b"x" * 16, "\ud800", ["x"]])
    async def test_what_is_no_id(self, notes: StoreHandle, wrong: Any) -> None:
        with pytest.raises(InvalidInput, match="id: that is no id"):
            await notes.get(wrong)
        with pytest.raises(InvalidInput, match="id: that is no id"):
            await notes.history(wrong)

    async def test_the_current_version_only(self, notes: StoreHandle) -> None:
        written = await notes.remember("one")
        for content in ("two", "three"):
            await notes.update(written.id, content=content)
        read = await notes.get(written.id)
        assert (read.content, read.version, read.superseded_at) == ("three", 3, None)


class TestHistory:
    async def test_versions_join_without_gaps(self, notes: StoreHandle) -> None:
        written = await notes.remember("0")
        for i in range(1, 6):
            await notes.update(written.id, content=f"{i}")
        history = await notes.history(written.id)
        assert [(m.version, m.content) for m in history] == [(i + 1, f"{i}") for i in range(6)]
        assert [m.superseded_at for m in history[:-1]] == [m.recorded_at for m in history[1:]]
        assert history[-1].superseded_at is None

    async def test_of_a_private_memory_only_for_its_creator(
        self, notes: StoreHandle, bob: PrincipalHandle
    ) -> None:
        written = await notes.remember("Secret", privacy="creator")
        await notes.share("bob", access="write")
        with pytest.raises(NotFound):
            await (await bob.store("notes", owner="alice")).history(written.id)


class TestList:
    @pytest.mark.parametrize("limit", [1, 3, 7, 20, 21, 1_000])
    async def test_pages_are_complete_and_in_the_order_of_making(
        self, notes: StoreHandle, limit: int
    ) -> None:
        written = [(await notes.remember(f"{i}")).id for i in range(20)]
        found = await pages(notes, limit)
        assert [memory.id for page in found for memory in page] == written
        assert all(len(page) == limit for page in found[:-1])
        assert await notes.count() == 20

    async def test_an_empty_store_has_one_empty_page(self, notes: StoreHandle) -> None:
        assert await pages(notes, 10) == [[]]
        assert await notes.count() == 0

    async def test_nothing_is_lost_or_repeated_while_writes_go_on(self, notes: StoreHandle) -> None:
        written = [(await notes.remember(f"{i}")).id for i in range(60)]
        kept = set(written[::3])
        stop = asyncio.Event()

        async def write() -> None:
            number = 0
            while not stop.is_set():
                number += 1
                await notes.remember(f"new {number}")
                await notes.update(written[number % 20 * 3], tags=[f"{number}"])
                if number < 20:
                    await notes.forget(written[number * 3 + 1])

        writing = asyncio.create_task(write())
        for _ in range(3):
            found = [memory.id for page in await pages(notes, 5) for memory in page]
            assert len(found) == len(set(found))
            assert found == sorted(found)
            assert kept <= set(found)
        stop.set()
        await writing

    async def test_a_cursor_whose_memory_is_gone_still_leads_on(self, notes: StoreHandle) -> None:
        written = [(await notes.remember(f"{i}")).id for i in range(10)]
        page = await notes.list(limit=4)
        assert page.next_cursor == str(written[3])
        await notes.forget(written[3], hard=True)
        rest = await notes.list(limit=100, cursor=page.next_cursor)
        assert [memory.id for memory in rest.memories] == written[4:]
        assert rest.next_cursor is None

    @pytest.mark.parametrize("limit", [0, -1, 1_001, 10**9, True, 1.5, "5", None])
    async def test_a_wrong_limit(self, notes: StoreHandle, limit: Any) -> None:
        with pytest.raises(InvalidInput, match="limit"):
            await notes.list(limit=limit)

    @pytest.mark.parametrize("cursor", ["", "next", 5, "'; --", "\x00"])
    async def test_a_wrong_cursor(self, notes: StoreHandle, cursor: Any) -> None:
        with pytest.raises(InvalidInput, match=r"cursor: .*next_cursor"):
            await notes.list(cursor=cursor)


some_memory = st.fixed_dictionaries(
    {},
    optional={
        "type": st.sampled_from(["fact", "episode"]),
        "importance": st.sampled_from([0.0, 0.5, 1.0]),
        "tags": st.lists(st.sampled_from("abc"), max_size=3),
        "occurred_at": st.integers(0, 3).map(lambda days: T0 + timedelta(days=days)),
        "metadata": st.fixed_dictionaries(
            {}, optional={"k": st.sampled_from([1, "x", None]), "l": st.lists(st.integers(0, 2))}
        ),
    },
)
some_filter = st.fixed_dictionaries(
    {},
    optional={
        "types": st.lists(st.sampled_from(["fact", "episode", "other"]), max_size=2),
        "tags": st.lists(st.sampled_from("abc"), max_size=2),
        "since": st.integers(0, 3).map(lambda days: T0 + timedelta(days=days)),
        "until": st.integers(4, 5).map(lambda days: T0 + timedelta(days=days)),
        "min_importance": st.sampled_from([0, 0.5, 0.7]),
        "metadata": st.sampled_from([{}, {"k": 1}, {"k": None}, {"l": [1]}, {"k": "x", "l": []}]),
    },
)


def passes(memory: Any, asked: dict[str, Any]) -> bool:
    """The filter in words: everything given must hold; an empty list or object lets all through."""
    when = memory.occurred_at or memory.recorded_at
    return (
        (not asked.get("types") or memory.type in asked["types"])
        and set(asked.get("tags", ())) <= set(memory.tags)
        and ("since" not in asked or when >= asked["since"])
        and ("until" not in asked or when < asked["until"])
        and memory.importance >= asked.get("min_importance", 0)
        and all(
            name in memory.metadata
            and (
                set(value) <= set(memory.metadata[name])
                if isinstance(value, list)
                else memory.metadata[name] == value
            )
            for name, value in asked.get("metadata", {}).items()
        )
    )


class TestFilter:
    @settings(
        max_examples=25,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture],
    )
    @given(memories=st.lists(some_memory, max_size=10), filters=st.lists(some_filter, max_size=6))
    async def test_what_passes_is_listed_and_nothing_else(
        self,
        alice: PrincipalHandle,
        memories: list[dict[str, Any]],
        filters: list[dict[str, Any]],
    ) -> None:
        store = await alice.store(f"store {uuid4()}")
        await store.remember_many({"content": f"{i}", **m} for i, m in enumerate(memories))
        everything = (await store.list()).memories
        assert len(everything) == len(memories)
        for asked in filters:
            found = [memory for page in await pages(store, 3, **asked) for memory in page]
            assert found == [memory for memory in everything if passes(memory, asked)]


class TestPrivacy:
    async def test_each_sees_what_is_common_and_their_own(
        self, shared: Memoledger, notes: StoreHandle, bob: PrincipalHandle, tenant: str
    ) -> None:
        await notes.share("bob", access="write")
        theirs = await bob.store("notes", owner="alice")
        for store, who in ((notes, "alice"), (theirs, "bob")):
            await store.remember(f"common {who}")
            await store.remember(f"private {who}", privacy="creator")
        for store, who in ((notes, "alice"), (theirs, "bob")):
            expected = {"common alice", "common bob", f"private {who}"}
            assert {m.content for m in (await store.list()).memories} == expected
            assert await store.count() == 3
            for mode in ("dense", "lexical", "hybrid"):
                hits = await store.recall("common private alice bob", mode=mode)
                assert {hit.memory.content for hit in hits} == expected
        carol = await shared.principal(tenant=tenant, user="carol")
        blind = StoreHandle(carol._context, carol.principal, notes.details)
        assert await blind.count() == 0
