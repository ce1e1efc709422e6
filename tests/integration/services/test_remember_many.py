"""Remember many: as if each had been remembered by itself in turn, only faster."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, ClassVar
from uuid import uuid4

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from memoledger.model.bulk import Progress
from memoledger.model.errors import EmbedderError, InvalidInput
from memoledger.model.memory import Draft
from memoledger.surfaces.python.principal import PrincipalHandle
from memoledger.surfaces.python.store import StoreHandle


def outcomes(report: Any) -> list[str | None]:
    return [item.outcome for item in report.items]


class TestItems:
    async def test_they_come_back_in_the_order_given(self, notes: StoreHandle) -> None:
        await notes.remember("three")
        await notes.remember("old", external_id="x")
        report = await notes.remember_many(
            [
                {"content": "one"},
                Draft(content="two", tags=["a"]),
                {"content": ""},
                {"content": "three"},
                {"content": "new", "id": "x"},
                {"content": "one"},
            ],
            batch_size=4,
        )
        assert [item.position for item in report.items] == [1, 2, 3, 4, 5, 6]
        assert outcomes(report) == [
            *("created", "created", None, "unchanged", "updated", "unchanged")
        ]
        assert report.progress == Progress(created=2, unchanged=2, updated=1, rejected=1)
        assert report.progress.total == 6
        assert report.items[0].id == report.items[5].id
        for item, content in zip(
            report.items, ("one", "two", "", "three", "new", "one"), strict=True
        ):
            if item.id is not None:
                read = await notes.get(item.id)
                assert (read.content, read.version) == (content, item.version)

    async def test_ids_sort_in_the_order_given(self, notes: StoreHandle) -> None:
        contents = [f"{(i * 7919) % 100:02}" for i in range(100)]
        await notes.remember_many([{"content": c} for c in contents], batch_size=30)
        listed = (await notes.list(limit=1_000)).memories
        assert [memory.content for memory in listed] == contents

    async def test_every_field_is_kept(self, notes: StoreHandle) -> None:
        fields = {
            "content": " a\r\n\u2028 \U0001f680\\u0000 ",
            "type": "x",
            "importance": 0.1 + 0.2,
            "source": "s",
            "tags": ("b", 'a"{},\\', "NULL"),
            "subject_refs": ("é",),
            "metadata": {"a": [1, 1.5, None, "\\u0000", {"b": True}], "z": 2**70, "": 1e23},
            "title": "t",
            "summary": "u",
            "external_id": "'; --",
            "privacy": "creator",
        }
        report = await notes.remember_many([fields])
        assert report.items[0].id is not None
        read = await notes.get(report.items[0].id)
        assert {name: getattr(read, name) for name in fields} == fields

    async def test_what_is_wrong_is_rejected_with_its_place_and_the_rest_is_kept(
        self, notes: StoreHandle
    ) -> None:
        broken = InvalidInput("line", "{", "it is no JSON", remedy="Repair it.")
        given: list[Any] = [
            *({"content": "one"}, {"content": " "}, {"text": "x"}, broken, "text", None, 5),
            *({"content": "two", "importance": 2}, {"content": "two", "embedding": [1]}),
            *({"content": "two", "expires_at": "2020-01-01T00:00:00Z"}, {"content": "two"}),
        ]
        report = await notes.remember_many(given, batch_size=3)
        assert outcomes(report) == ["created", *[None] * 9, "created"]
        errors = {item.position: item.error for item in report.items if item.error is not None}
        assert errors[4] is broken
        fields = [error.field for error in errors.values()]
        assert fields == [
            *("content", "text", "line", "memory", "memory", "memory"),
            *("importance", "embedding", "expires_at"),
        ]
        assert await notes.count() == 2

    @pytest.mark.parametrize(
        "items", ["text", b"bytes", {"content": "one"}, None, 5, Draft(content="one")]
    )
    async def test_one_thing_is_no_list(self, notes: StoreHandle, items: Any) -> None:
        with pytest.raises(InvalidInput, match="items: that is no list"):
            await notes.remember_many(items)
        assert await notes.count() == 0

    @pytest.mark.parametrize("size", [0, -1, 1_001, 10**9, True, 1.5, "3", None])
    async def test_what_is_no_batch_size(self, notes: StoreHandle, size: Any) -> None:
        with pytest.raises(InvalidInput, match="batch_size"):
            await notes.remember_many([{"content": "one"}], batch_size=size)

    async def test_nothing_is_nothing(self, notes: StoreHandle) -> None:
        report = await notes.remember_many([])
        assert (report.items, report.progress) == ((), Progress())


one_item = st.fixed_dictionaries(
    {"content": st.sampled_from(["a", "b", " a ", "c"])},
    optional={
        "external_id": st.sampled_from(["x", "y"]),
        "privacy": st.sampled_from(["store", "creator"]),
    },
)


class Told:
    """What remembering one after the other must come to."""

    def __init__(self) -> None:
        self.held: dict[Any, list[str]] = {}

    def remember(self, item: dict[str, Any]) -> tuple[str, int]:
        content = item["content"].strip()
        identity = (item.get("external_id", ("content", content)), item.get("privacy", "store"))
        versions = self.held.setdefault(identity, [])
        if versions and versions[-1] == content:
            return "unchanged", len(versions)
        versions.append(content)
        return ("created" if len(versions) == 1 else "updated"), len(versions)


class TestAsOneByOne:
    @settings(
        max_examples=40,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture],
    )
    @given(
        before=st.lists(one_item, max_size=3),
        items=st.lists(one_item, max_size=12),
        size=st.integers(1, 5),
    )
    async def test_the_outcome_is_the_same(
        self,
        alice: PrincipalHandle,
        before: list[dict[str, Any]],
        items: list[dict[str, Any]],
        size: int,
    ) -> None:
        store = await alice.store(f"store {uuid4()}")
        told = Told()
        for item in before:
            told.remember(item)
            await store.remember(**item)
        expected = [told.remember(item) for item in items]
        report = await store.remember_many(items, batch_size=size)
        assert [(item.outcome, item.version) for item in report.items] == expected
        histories = [
            [m.content.strip() for m in await store.history(memory.id)]
            for memory in (await store.list()).memories
        ]
        assert sorted(histories) == sorted(told.held.values())

    async def test_a_change_is_not_lost_to_what_was_there_before(self, notes: StoreHandle) -> None:
        """The third item says again what was there when the batch was looked up."""
        await notes.remember("a", external_id="x")
        items = [{"content": c, "external_id": "x"} for c in "aba"]
        for size in (1, 2, 3):
            report = await notes.remember_many(items, batch_size=size)
            assert outcomes(report) == ["unchanged", "updated", "updated"]
            [memory] = (await notes.list()).memories
            assert memory.content == "a"


class TestEmbedding:
    async def test_repetitions_are_embedded_once(self, notes: StoreHandle, hashing: Any) -> None:
        items = [{"content": f"{i % 5}", "title": "T"} for i in range(40)]
        report = await notes.remember_many(items, batch_size=10)
        assert report.progress == Progress(created=5, unchanged=35)
        assert sorted(hashing.texts) == [*"01234", *["T"] * 5]

    async def test_what_is_there_is_not_embedded(self, notes: StoreHandle, hashing: Any) -> None:
        items = [{"content": f"{i}", "id": f"{i}"} for i in range(20)]
        await notes.remember_many(items)
        hashing.texts.clear()
        report = await notes.remember_many([*items, {"content": "new"}], batch_size=6)
        assert report.progress == Progress(created=1, unchanged=20)
        assert hashing.texts == ["new"]

    async def test_given_vectors_are_used(self, notes: StoreHandle, hashing: Any) -> None:
        items = [
            {"content": "own", "embedding": hashing.vector("own vector"), "title": "Title"},
            {"content": "made"},
        ]
        await notes.remember_many(items)
        assert hashing.texts == ["Title", "made"]
        for text, content in (("own vector", "own"), ("Title", "own"), ("made", "made")):
            [hit] = await notes.recall("x", mode="dense", limit=1, embedding=hashing.vector(text))
            assert (hit.memory.content, round(hit.score, 2)) == (content, 1.0)


class TestInterruption:
    """Whatever stops it, doing it again finishes it."""

    items: ClassVar = [{"content": f"memory {i}", "id": f"{i}"} for i in range(50)]

    async def resumed(self, notes: StoreHandle, hashing: Any) -> None:
        """Done again, everything is there once, and what was there is not embedded again."""
        there = await notes.count()
        hashing.texts.clear()
        hashing.before = lambda texts: None
        report = await notes.remember_many(self.items, batch_size=10)
        assert report.progress == Progress(created=50 - there, unchanged=there)
        assert len(hashing.texts) == 50 - there
        assert await notes.count() == 50
        listed = (await notes.list(limit=1_000)).memories
        assert {memory.external_id for memory in listed} == {f"{i}" for i in range(50)}
        assert {memory.version for memory in listed} == {1}

    async def test_by_the_source(self, notes: StoreHandle, hashing: Any) -> None:
        def source() -> Iterator[dict[str, Any]]:
            yield from self.items[:34]
            raise OSError("the disk is gone")

        told: list[Progress] = []
        with pytest.raises(OSError, match="the disk is gone"):
            await notes.remember_many(source(), batch_size=10, on_progress=told.append)
        # Three batches were full; what was reported is what is there.
        assert [progress.created for progress in told] == [10, 20, 30]
        assert await notes.count() == 30
        await self.resumed(notes, hashing)

    async def test_by_the_model(self, notes: StoreHandle, hashing: Any) -> None:
        def fail(texts: Any) -> None:
            if "memory 25" in texts:
                raise EmbedderError("The model is away.")

        hashing.before = fail
        told: list[Progress] = []
        with pytest.raises(EmbedderError):
            await notes.remember_many(self.items, batch_size=10, on_progress=told.append)
        assert told[-1].created == await notes.count() == 20
        await self.resumed(notes, hashing)

    async def test_by_a_callback(self, notes: StoreHandle, hashing: Any) -> None:
        def stop(progress: Progress) -> None:
            if progress.total == 20:
                raise KeyError("enough")

        with pytest.raises(KeyError, match="enough"):
            await notes.remember_many(self.items, batch_size=10, on_progress=stop)
        assert 20 <= await notes.count() <= 30
        await self.resumed(notes, hashing)

    async def test_by_cancelling_at_any_moment(self, alice: PrincipalHandle, hashing: Any) -> None:
        for number in range(12):
            notes = await alice.store(f"notes {number}")
            told: list[Progress] = [Progress()]
            task = asyncio.create_task(
                notes.remember_many(self.items, batch_size=10, on_progress=told.append)
            )
            await asyncio.sleep(number / 300)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            # What was told is there, and nothing else is.
            assert await notes.count() == told[-1].created
            await self.resumed(notes, hashing)

    async def test_by_a_server_that_ends_its_connection(
        self,
        notes: StoreHandle,
        hashing: Any,
        sql: Callable[..., list[tuple[Any, ...]]],
        service_database: str,
    ) -> None:
        def cut(texts: Any) -> None:
            if "memory 25" in texts:
                sql(
                    "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
                    "WHERE datname = %s AND usename = 'memoledger_app'",
                    service_database,
                )

        hashing.before = cut
        await asyncio.gather(notes.remember_many(self.items, batch_size=10), return_exceptions=True)
        await self.resumed(notes, hashing)


class TestBounds:
    async def test_it_reads_only_a_little_ahead(self, notes: StoreHandle) -> None:
        read = written = ahead_max = 0

        def source() -> Iterator[dict[str, Any]]:
            nonlocal read, ahead_max
            for i in range(500):
                read += 1
                ahead_max = max(ahead_max, read - written)
                yield {"content": f"{i}"}

        def note(progress: Progress) -> None:
            nonlocal written
            written = progress.total

        report = await notes.remember_many(source(), batch_size=20, on_progress=note)
        assert report.progress.created == 500
        assert ahead_max <= 40

    async def test_a_callback_takes_the_items(self, notes: StoreHandle) -> None:
        taken: list[int] = []

        def take(items: Any) -> None:
            taken.extend(item.position for item in items)

        report = await notes.remember_many(
            ({"content": f"{i}"} for i in range(25)), batch_size=10, on_items=take
        )
        assert report.items == ()
        assert report.progress.created == 25
        assert taken == list(range(1, 26))

    async def test_progress_is_told_after_each_batch(self, notes: StoreHandle) -> None:
        told: list[int] = []

        def note(progress: Progress) -> None:
            told.append(progress.total)

        await notes.remember_many(
            [{"content": f"{i % 20}"} for i in range(25)], batch_size=10, on_progress=note
        )
        assert told == [10, 20, 25]

    async def test_an_asynchronous_source(self, notes: StoreHandle) -> None:
        async def source() -> AsyncIterator[dict[str, Any]]:
            for i in range(25):
                await asyncio.sleep(0)
                yield {"content": f"{i}"}

        report = await notes.remember_many(source(), batch_size=7)
        assert report.progress.created == 25
        assert [item.position for item in report.items] == list(range(1, 26))


class TestTogether:
    async def test_two_with_the_same_items_in_other_orders(
        self, open_ledger: Callable[..., Any], tenant: str
    ) -> None:
        items = [{"content": f"{i}", "id": f"{i}" if i % 2 else None} for i in range(300)]
        orders = [items, items[::-1], items[100:] + items[:100], items[::2] + items[1::2]]
        async with open_ledger() as one, open_ledger() as two:
            stores = [
                await (await each.principal(tenant=tenant, user="alice")).store("notes")
                for each in (one, two)
            ]
            reports = await asyncio.gather(
                *(
                    stores[i % 2].remember_many(order, batch_size=50)
                    for i, order in enumerate(orders)
                )
            )
            assert sum(report.progress.created for report in reports) == 300
            assert sum(report.progress.unchanged for report in reports) == 900
            assert await stores[0].count() == 300

    async def test_with_single_ones(self, notes: StoreHandle) -> None:
        items = [{"content": f"{i}"} for i in range(100)]
        report, *written = await asyncio.gather(
            notes.remember_many(items, batch_size=20),
            *(notes.remember(**item) for item in reversed(items)),
        )
        created = sum(memory.outcome == "created" for memory in written)
        assert created + report.progress.created == 100
        assert await notes.count() == 100

    async def test_a_deadlock_is_tried_again(
        self, notes: StoreHandle, server: Any, service_database: str, tenant: str
    ) -> None:
        """Somebody holds the last identity and wants the first, which the batch holds."""
        conninfo = server.conninfo("postgres", service_database)
        async with await psycopg.AsyncConnection.connect(conninfo) as other:
            # Whoever waits longest looks for deadlocks first: it shall not be this one.
            await other.execute("SET deadlock_timeout = '60s'")
            await self.take(other, notes, tenant, "z")
            writing = asyncio.create_task(
                notes.remember_many([{"content": c, "id": c} for c in "az"])
            )
            await self.someone_waits(service_database, server)
            await self.take(other, notes, tenant, "a")
            await other.rollback()
            report = await writing
        assert outcomes(report) == ["created", "created"]

    @staticmethod
    async def take(other: Any, notes: StoreHandle, tenant: str, external_id: str) -> None:
        await other.execute(
            "INSERT INTO memoledger.memories (tenant_id, store_id, memory_id, version, content,"
            " type, importance, privacy, external_id, content_hash, created_by, updated_by) VALUES"
            " (%s, %s, %s, 1, 'x', 'fact', 0.5, 'store', %s, sha256('x'), 'alice', 'alice')",
            [tenant, notes.id, uuid4(), external_id],
        )

    @staticmethod
    async def someone_waits(service_database: str, server: Any) -> None:
        conninfo = server.conninfo("postgres", service_database)
        async with await psycopg.AsyncConnection.connect(conninfo, autocommit=True) as watching:
            for _ in range(500):
                cursor = await watching.execute("SELECT FROM pg_locks WHERE NOT granted")
                if await cursor.fetchone() is not None:
                    return
                await asyncio.sleep(0.01)
        raise AssertionError("nobody waits")
