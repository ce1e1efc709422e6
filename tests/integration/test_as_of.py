"""Looking back: at any instant the ledger answers what it would have answered then."""

from __future__ import annotations

import asyncio
import importlib.util
import sys
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from memoledger import Memoledger
from memoledger.model.errors import InvalidInput, NotFound
from memoledger.surfaces.python.store import StoreHandle

MICROSECOND = timedelta(microseconds=1)
DIRECTIONS = np.random.default_rng(5).standard_normal((4, 384)).astype(np.float32)
DIRECTIONS /= np.linalg.norm(DIRECTIONS, axis=1, keepdims=True)
QUERY = DIRECTIONS.sum(axis=0) / np.linalg.norm(DIRECTIONS.sum(axis=0))


def by_path(name: str) -> Any:
    """A module of the tests by its path: they are no package."""
    path = Path(__file__).with_name(f"{name}.py")
    spec = importlib.util.spec_from_file_location(f"memoledger_tests_{name}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


exact = by_path("exact_recall")


@pytest.fixture
async def notes(ledger: Memoledger) -> StoreHandle:
    """A store of Alice's."""
    return await (await ledger.principal(tenant="acme", user="alice")).store("notes")


@pytest.fixture
def new_store(ledger: Memoledger) -> Callable[[], Awaitable[StoreHandle]]:
    """Makes stores of Alice's."""

    async def make() -> StoreHandle:
        alice = await ledger.principal(tenant="acme", user="alice")
        return await alice.store(f"store {uuid4()}")

    return make


event = st.one_of(
    st.tuples(st.just("remember"), st.integers(0, 3), st.integers(0, 3)),
    st.tuples(st.just("expiring"), st.integers(0, 3), st.integers(5, 40)),
    st.tuples(st.just("told"), st.integers(0, 1), st.integers(0, 3)),
    st.tuples(st.just("update"), st.integers(0, 9), st.integers(0, 3)),
    st.tuples(st.just("retag"), st.integers(0, 9), st.integers(0, 3)),
    st.tuples(st.just("forget"), st.integers(0, 9), st.just(0)),
    st.tuples(st.just("erase"), st.integers(0, 9), st.just(0)),
    st.tuples(st.just("sweep"), st.just(0), st.just(0)),
    st.tuples(st.just("wait"), st.just(0), st.integers(1, 15)),
)


class Log:
    """A store, and beside it every version it was ever told, with its instants."""

    def __init__(self, ledger: Memoledger, store: StoreHandle) -> None:
        self.ledger = ledger
        self.store = store
        self.versions: list[Any] = []

    async def play(self, kind: str, first: int, second: int) -> None:
        if kind == "remember":
            await self.remember(f"tea {first}", DIRECTIONS[second])
        elif kind == "expiring":
            expires_at = datetime.now(UTC) + timedelta(milliseconds=second)
            await self.remember(f"milk {first}", DIRECTIONS[0], expires_at=expires_at)
        elif kind == "told":
            await self.remember(f"sugar {second}", DIRECTIONS[second], external_id=f"{first}")
        elif kind == "sweep":
            await self.ledger.sweep()
        elif kind == "wait":
            await asyncio.sleep(second / 1_000)
        else:
            await self.change(kind, first, second)

    async def remember(self, content: str, vector: Any, **given: Any) -> None:
        self.note(await self.store.remember(content, embedding=vector, **given), vector)

    async def change(self, kind: str, first: int, second: int) -> None:
        current = (await self.store.list()).memories
        if not current:
            return
        memory = current[first % len(current)]
        try:
            if kind == "update":
                changes = {"content": f"water {uuid4()}", "embedding": DIRECTIONS[second]}
                self.note(await self.store.update(memory.id, **changes), DIRECTIONS[second])
            elif kind == "retag":
                self.note(await self.store.update(memory.id, tags=[f"{second}"]), None)
            else:
                await self.store.forget(memory.id, hard=kind == "erase")
        except NotFound:
            assert memory.expires_at is not None  # It expired on the way.

    def note(self, memory: Any, vector: Any) -> None:
        if memory.outcome == "unchanged":
            return
        if vector is None:  # What was not changed keeps its vector.
            vector = next(
                version.vectors["body"]
                for version in reversed(self.versions)
                if version.memory.id == memory.id
            )
        self.versions.append(exact.Version(memory, {"body": vector}))

    async def close(self) -> None:
        """Ask when each version ended; what was erased never was."""
        stored: dict[tuple[UUID, int], Any] = {}
        for memory_id in {version.memory.id for version in self.versions}:
            for memory in await self.store.history(memory_id):
                stored[memory_id, memory.version] = memory
        noted = {(version.memory.id, version.memory.version): version for version in self.versions}
        assert set(noted) == set(stored)
        self.versions = [
            replace(noted[key], ended_at=memory.superseded_at or memory.deleted_at)
            for key, memory in stored.items()
            if memory.erased_at is None
        ]

    async def check(self, at: datetime | None) -> None:
        """Get, list and recall answer from the log."""
        when = at or datetime.now(UTC)
        shown = {v.memory.id: v for v in self.versions if v.shown_to("alice", when)}
        listed = (await self.store.list(as_of=at, limit=1_000)).memories
        told = {memory.id: (memory.version, memory.content, memory.tags) for memory in listed}
        assert told == {
            v.memory.id: (v.memory.version, v.memory.content, v.memory.tags) for v in shown.values()
        }
        for memory_id in {version.memory.id for version in self.versions}:
            if memory_id in shown:
                read = await self.store.get(memory_id, as_of=at)
                assert read.version == shown[memory_id].memory.version
            else:
                with pytest.raises(NotFound):
                    await self.store.get(memory_id, as_of=at)
        for mode in ("dense", "lexical", "hybrid"):
            expected = exact.recall(
                list(shown.values()),
                "tea water",
                QUERY,
                mode=mode,
                min_similarity=None,
                asked={},
            )
            hits = await self.store.recall(
                "tea water", mode=mode, limit=1_000, as_of=at, embedding=QUERY
            )
            assert {hit.memory.id: hit.memory.version for hit in hits} == {
                one.memory.id: one.memory.version for one in expected
            }
            scores = {one.memory.id: one.score for one in expected}
            for hit in hits:
                assert hit.score == pytest.approx(scores[hit.memory.id], abs=2e-3)


class TestReplay:
    @settings(
        max_examples=30,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )
    @given(
        events=st.lists(event, min_size=3, max_size=14),
        places=st.lists(st.integers(0, 10_000), min_size=3, max_size=10),
    )
    async def test_every_instant_of_a_random_log(
        self,
        ledger: Memoledger,
        new_store: Callable[[], Awaitable[StoreHandle]],
        events: list[Any],
        places: list[int],
    ) -> None:
        log = Log(ledger, await new_store())
        for kind, first, second in events:
            await log.play(kind, first, second)
        await log.close()
        instants = sorted(
            {v.memory.recorded_at for v in log.versions}
            | {v.ended_at for v in log.versions if v.ended_at}
            | {v.memory.expires_at for v in log.versions if v.memory.expires_at}
        )
        around = [i + d for i in instants for d in (-MICROSECOND, timedelta(0), MICROSECOND)]
        asked = [around[place % len(around)] for place in places if around]
        for at in asked:
            await log.check(at)
        expiring = [v.memory.expires_at for v in log.versions if v.memory.expires_at]
        left_s = (max(expiring, default=datetime.now(UTC)) - datetime.now(UTC)).total_seconds()
        await asyncio.sleep(max(0.0, left_s) + 0.002)
        await log.check(None)
        await ledger.sweep()
        for at in asked[:2]:
            await log.check(at)


class TestInstants:
    async def test_the_edges_of_versions(self, notes: StoreHandle) -> None:
        one = await notes.remember("one")
        two = await notes.update(one.id, content="two")
        await notes.forget(one.id)
        gone = (await notes.history(one.id))[-1].deleted_at
        assert gone is not None
        expected = {
            one.recorded_at - MICROSECOND: None,
            one.recorded_at: "one",
            two.recorded_at - MICROSECOND: "one",
            two.recorded_at: "two",
            gone - MICROSECOND: "two",
            gone: None,
        }
        for at, content in expected.items():
            listed = [memory.content for memory in (await notes.list(as_of=at)).memories]
            assert listed == ([content] if content else [])
            for mode in ("dense", "lexical", "hybrid"):
                hits = await notes.recall("one two", mode=mode, as_of=at)
                assert [hit.memory.content for hit in hits] == listed
            if content is None:
                with pytest.raises(NotFound):
                    await notes.get(one.id, as_of=at)
            else:
                assert (await notes.get(one.id, as_of=at)).content == content

    async def test_an_instant_is_the_same_in_every_time_zone(self, notes: StoreHandle) -> None:
        written = await notes.remember("one")
        await notes.update(written.id, content="two")
        at = written.recorded_at
        for form in (
            at,
            at.astimezone(timezone(timedelta(hours=-7))),
            at.isoformat(),
            at.astimezone(UTC).isoformat().replace("+00:00", "Z"),
        ):
            assert (await notes.get(written.id, as_of=form)).content == "one"

    async def test_before_anything_and_after_everything(self, notes: StoreHandle) -> None:
        await notes.remember("one", expires_at="2900-01-01T00:00:00Z")
        for at, count in (
            ("1000-01-01T00:00:00Z", 0),
            ("2899-01-01T00:00:00Z", 1),
            ("3000-01-01T00:00:00Z", 0),
        ):
            assert len((await notes.list(as_of=at)).memories) == count
            assert len(await notes.recall("one", as_of=at)) == count

    async def test_filters_look_at_the_version_of_then(self, notes: StoreHandle) -> None:
        one = await notes.remember("one", tags=["old"], importance=0.1)
        two = await notes.update(one.id, tags=["new"], importance=0.9)
        for at, tag, least in ((one.recorded_at, "old", 0.05), (two.recorded_at, "new", 0.5)):
            for other in ("old", "new"):
                found = [
                    hit.memory.tags for hit in await notes.recall("one", as_of=at, tags=[other])
                ]
                assert found == ([(tag,)] if other == tag else [])
            assert len(await notes.recall("one", as_of=at, min_importance=least)) == 1
        assert await notes.recall("one", as_of=one.recorded_at, min_importance=0.5) == []

    async def test_pages_of_the_past_are_complete(self, notes: StoreHandle) -> None:
        written = [await notes.remember(f"{i}") for i in range(25)]
        at = written[-1].recorded_at
        for memory in written[::2]:
            await notes.forget(memory.id)
        for memory in written[1::2]:
            await notes.update(memory.id, content=f"new {memory.content}")
        listed, cursor = [], None
        while True:
            page = await notes.list(as_of=at, limit=4, cursor=cursor)
            listed += page.memories
            cursor = page.next_cursor
            if cursor is None:
                break
        assert [memory.content for memory in listed] == [f"{i}" for i in range(25)]

    async def test_erasure_beats_the_past(self, notes: StoreHandle) -> None:
        one = await notes.remember("one")
        two = await notes.update(one.id, content="two")
        await notes.forget(one.id, hard=True)
        for at in (one.recorded_at, two.recorded_at):
            with pytest.raises(NotFound):
                await notes.get(one.id, as_of=at)
            assert (await notes.list(as_of=at)).memories == []
            for mode in ("dense", "lexical", "hybrid"):
                assert await notes.recall("one two", mode=mode, as_of=at) == []

    @pytest.mark.parametrize(
        "wrong",
        [datetime(2026, 1, 1), "2026-01-01", "yesterday", 5, True, "9999-01-01T00:00Z"],  # noqa: DTZ001
    )
    async def test_what_is_no_instant(self, notes: StoreHandle, wrong: Any) -> None:
        memory = await notes.remember("one")
        for asking in (
            notes.get(memory.id, as_of=wrong),
            notes.list(as_of=wrong),
            notes.recall("one", as_of=wrong),
        ):
            with pytest.raises(InvalidInput, match="as_of"):
                await asking
