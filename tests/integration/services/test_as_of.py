"""As of an instant: the ledger answers what a ledger that holds just that content answers now.

A log of writes drawn at random is told to a store and to a plain list of versions. The list says
which memories an answer about an instant may come from; a second store, told only those, says what
the answer is: the same memories in the same order with the same scores. So whatever ranking counts
in a store (rarity of words, mean length, neighbours) is counted in what the store held then.
"""

from __future__ import annotations

import asyncio
import importlib.util
import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from memoledger.model.errors import ConflictError, NotFound
from memoledger.model.memory import Memory
from memoledger.services.exchange import as_line
from memoledger.surfaces.python.memoledger import Memoledger
from memoledger.surfaces.python.principal import PrincipalHandle
from memoledger.surfaces.python.store import StoreHandle


def by_path(name: str) -> Any:
    """A module of the tests by its path: they are no package."""
    path = Path(__file__).parents[1] / f"{name}.py"
    spec = importlib.util.spec_from_file_location(f"memoledger_tests_{name}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


exact = by_path("exact_recall")

MODES = ("dense", "lexical", "hybrid")
MICROSECOND = timedelta(microseconds=1)
T0 = datetime(2020, 1, 1, tzinfo=UTC)  # so long ago that everything is recorded after all filters
WORDS = ["tea", "milk", "sugar", "cup", "roadmap", "Ann"]

sentences = st.lists(st.sampled_from(WORDS), min_size=1, max_size=5).map(" ".join)
days = st.integers(0, 5).map(lambda count: T0 + timedelta(days=count))
said = st.fixed_dictionaries(
    {"content": sentences},
    optional={
        "title": sentences,
        "summary": sentences,
        "occurred_at": days,
        "valid_from": days,
        "valid_to": days.map(lambda day: day + timedelta(days=6)),
        "tags": st.lists(st.sampled_from("ab"), max_size=2, unique=True),
        "importance": st.sampled_from([0.2, 0.9]),
        "metadata": st.sampled_from([{}, {"speaker": "Ann"}, {"k": 1}])
        | st.integers(1, 4).map(lambda order: {"conversation": "lake", "order": order}),
    },
)
told = st.none() | st.sampled_from(["turn 1", "turn 2"])
places = st.integers(0, 9)
acts = st.one_of(
    st.tuples(st.just("remember"), said, told),
    st.tuples(st.just("remember"), said, told),
    st.tuples(st.just("expiring"), said, st.integers(5, 40)),
    st.tuples(st.just("update"), said, places),
    st.tuples(st.just("update"), said, places),
    st.tuples(st.just("forget"), st.just(False), places),
    st.tuples(st.just("forget"), st.just(True), places),
    st.tuples(st.just("sweep"), st.none(), st.none()),
    st.tuples(st.just("wait"), st.none(), st.integers(1, 15)),
)
filters = st.fixed_dictionaries(
    {},
    optional={
        "tags": st.sampled_from([["a"], ["a", "b"]]),
        "since": days,
        "until": days.map(lambda day: day + timedelta(days=6)),
        "min_importance": st.just(0.5),
        "metadata": st.just({"k": 1}),
        "valid_at": st.integers(-1, 12).map(lambda count: T0 + timedelta(days=count)),
    },
)
rankings = st.sampled_from(
    [{}, {}, {"importance": 0.5}, {"recency": 0.5}, {"diversity": 0.5}, {"fold": 0.9}]
)
asking = sentences | st.sampled_from(["When was Ann at tea?", "tea on 3 January", '"sugar tea"'])
questions = st.tuples(st.integers(0, 10_000), asking, st.just({}) | filters, rankings)


@dataclass(frozen=True)
class Told:
    """One version as the log has it: what it says, and what became of it.

    Args:
        ended_by: the act that closed it: "update" or "forget"; None while it is open.
        ended_at: when that was.
    """

    memory: Memory
    ended_by: str | None = None
    ended_at: datetime | None = None
    erased: bool = False

    def held(self, at: datetime) -> bool:
        memory = self.memory
        return (
            not self.erased
            and memory.recorded_at <= at
            and (self.ended_at is None or self.ended_at > at)
            and (memory.expires_at is None or memory.expires_at > at)
        )


class Log:
    """A store, and beside it everything it was told."""

    def __init__(self, ledger: Memoledger, alice: PrincipalHandle, store: StoreHandle) -> None:
        self.ledger = ledger
        self.alice = alice
        self.store = store
        self.versions: list[Told] = []
        self.twins: dict[Any, Any] = {}

    async def do(self, act: tuple[Any, ...]) -> None:
        name, *rest = act
        await getattr(self, name)(*rest)

    async def remember(self, fields: dict[str, Any], external_id: str | None) -> None:
        self.note(await self.store.remember(**fields, external_id=external_id))

    async def expiring(self, fields: dict[str, Any], after_ms: int) -> None:
        expires_at = datetime.now(UTC) + timedelta(milliseconds=after_ms)
        self.note(await self.store.remember(**fields, expires_at=expires_at))

    async def update(self, fields: dict[str, Any], place: int) -> None:
        memory = await self.current(place)
        if memory is None:
            return
        try:
            self.note(await self.store.update(memory.id, **fields))
        except ConflictError:
            event("an update to what another says")
        except NotFound:
            assert memory.expires_at is not None  # It expired on the way.

    async def forget(self, hard: bool, place: int) -> None:
        memory = await self.current(place)
        if memory is None:
            return
        try:
            await self.store.forget(memory.id, hard=hard)
        except NotFound:
            assert memory.expires_at is not None
            return
        for number, version in enumerate(self.versions):
            if version.memory.id == memory.id:
                ended_by = version.ended_by or "forget"
                erased = hard or version.erased
                self.versions[number] = replace(version, ended_by=ended_by, erased=erased)

    async def sweep(self, *_: None) -> None:
        await self.ledger.sweep()

    async def wait(self, _: None, ms: int) -> None:
        await asyncio.sleep(ms / 1_000)

    async def current(self, place: int) -> Memory | None:
        open_ones = [version.memory for version in self.versions if version.ended_by is None]
        now = datetime.now(UTC)
        alive = [m for m in open_ones if m.expires_at is None or m.expires_at > now]
        return alive[place % len(alive)] if alive else None

    def note(self, memory: Any) -> None:
        if memory.outcome == "unchanged":
            return
        for number, version in enumerate(self.versions):
            if version.memory.id == memory.id and version.ended_by is None:
                assert memory.outcome == "updated"
                self.versions[number] = replace(version, ended_by="update")
        self.versions.append(Told(memory))

    async def settle(self) -> None:
        """Ask history for the instants at which versions ended, and compare all else with it."""
        stored = {
            (memory.id, memory.version): memory
            for memory_id in {version.memory.id for version in self.versions}
            for memory in await self.store.history(memory_id)
        }
        assert set(stored) == {(v.memory.id, v.memory.version) for v in self.versions}
        for number, version in enumerate(self.versions):
            now = stored[version.memory.id, version.memory.version]
            assert (now.erased_at is not None) == version.erased
            assert now.content == ("" if version.erased else version.memory.content)
            assert (now.superseded_at is not None) == (version.ended_by == "update")
            if version.ended_by == "forget":
                assert now.deleted_at is not None
            ended_at = now.superseded_at or now.deleted_at
            self.versions[number] = replace(version, ended_at=ended_at)

    def held(self, at: datetime) -> list[Memory]:
        """What the store held at an instant, in the order of its making."""
        return sorted((v.memory for v in self.versions if v.held(at)), key=lambda m: m.id)

    async def twin(self, held: Sequence[Memory]) -> tuple[StoreHandle, dict[UUID, int]]:
        """A store that was told only this, in this order, and the place of each of its memories."""
        key = tuple((memory.id, memory.version) for memory in held)
        if key not in self.twins:
            store = await self.alice.store(f"twin {uuid4()}")
            lines = [{k: v for k, v in as_line(m).items() if k != "expires_at"} for m in held]
            written = (await store.remember_many(lines)).items
            assert [item.outcome for item in written] == ["created"] * len(held)
            ids = {item.id: place for place, item in enumerate(written) if item.id is not None}
            self.twins[key] = store, ids
        return self.twins[key]

    async def check(
        self, at: datetime, text: str, asked: dict[str, Any], ranking: dict[str, Any]
    ) -> None:
        held = self.held(at)
        passing = [memory for memory in held if exact.passes(memory, asked)]
        listed = (await self.store.list(as_of=at, limit=1_000, **asked)).memories
        assert [(m.id, m.version) for m in listed] == [(m.id, m.version) for m in passing]
        assert [as_line(m) for m in listed] == [as_line(m) for m in passing]
        for memory_id in {version.memory.id for version in self.versions}:
            await self.check_one(memory_id, at, {m.id: m.version for m in held})
        for mode in MODES:
            await self.check_recall(mode, at, text, asked | ranking, held)

    async def check_one(self, memory_id: UUID, at: datetime, held: dict[UUID, int]) -> None:
        if memory_id in held:
            assert (await self.store.get(memory_id, as_of=at)).version == held[memory_id]
        else:
            with pytest.raises(NotFound):
                await self.store.get(memory_id, as_of=at)

    async def check_recall(
        self, mode: Any, at: datetime, text: str, asked: dict[str, Any], held: Sequence[Memory]
    ) -> None:
        twin, places_of = await self.twin(held)
        own = {memory.id: place for place, memory in enumerate(held)}
        how = {"mode": mode, "explain": True, "now": T0 + timedelta(days=30), **asked}
        for limit in (3, 1_000):
            then = await self.store.recall(text, as_of=at, limit=limit, **how)
            present = await twin.recall(text, limit=limit, **how)
            assert [own[hit.memory.id] for hit in then] == [
                places_of[hit.memory.id] for hit in present
            ]
            assert [hit.memory.version for hit in then] == [
                held[own[hit.memory.id]].version for hit in then
            ]
            for one, other in zip(then, present, strict=True):
                assert one.parts is not None
                assert other.parts is not None
                for name in ("dense", "lexical"):
                    assert close(getattr(one.parts, name), getattr(other.parts, name))
                assert close(one.score, other.score)
        if mode == "dense" and "fold" not in asked:
            assert {own[hit.memory.id] for hit in then} == {
                place for place, memory in enumerate(held) if exact.passes(memory, asked)
            }


def close(one: float | None, other: float | None) -> bool:
    """Whether two scores are the same, up to the order of additions; or there is none."""
    if one is None or other is None:
        return one is other
    return math.isclose(one, other, rel_tol=1e-9, abs_tol=1e-12)


class TestReplay:
    @settings(
        max_examples=40,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )
    @given(
        history=st.lists(acts, min_size=4, max_size=16),
        asked=st.lists(questions, min_size=3, max_size=6),
    )
    async def test_the_past_is_answered_as_a_present_of_its_own(
        self, shared: Memoledger, alice: PrincipalHandle, history: list[Any], asked: list[Any]
    ) -> None:
        log = Log(shared, alice, await alice.store(f"store {uuid4()}"))
        for act in history:
            await log.do(act)
        await log.settle()
        instants = sorted(
            {v.memory.recorded_at for v in log.versions}
            | {v.ended_at for v in log.versions if v.ended_at}
            | {v.memory.expires_at for v in log.versions if v.memory.expires_at}
        )
        around = [i + d for i in instants for d in (-MICROSECOND, timedelta(0), MICROSECOND)]
        for place, *question in asked if around else []:
            await log.check(around[place % len(around)], *question)


class TestRarity:
    async def test_words_are_as_rare_as_they_were(
        self, alice: PrincipalHandle, notes: StoreHandle
    ) -> None:
        """Hundreds of later uses of a word, and hundreds of forgotten ones, change nothing."""
        early = [f"tea {i}" if i % 3 else f"coffee {i}" for i in range(12)]
        forgotten = [await notes.remember(f"coffee before {i} words to weigh") for i in range(9)]
        for memory in forgotten:
            await notes.forget(memory.id)
        written = [await notes.remember(text) for text in early]
        at = written[-1].recorded_at
        await notes.remember_many({"content": f"tea {i} and more words"} for i in range(100, 200))
        other = await alice.store("other")
        await other.remember_many({"content": text} for text in early)
        for query in ("tea", "coffee tea", "tea 4"):
            then = await notes.recall(query, mode="lexical", as_of=at, limit=50)
            present = await other.recall(query, mode="lexical", limit=50)
            assert [h.memory.content for h in then] == [h.memory.content for h in present]
            assert [h.score for h in then] == pytest.approx([h.score for h in present], rel=1e-9)
            now = await notes.recall(query, mode="lexical", limit=50)
            assert max(h.score for h in now) != pytest.approx(max(h.score for h in then))


class TestValidity:
    async def test_the_edges_of_a_period(self, notes: StoreHandle) -> None:
        first, last = T0, T0 + timedelta(days=1)
        await notes.remember("tea both", valid_from=first, valid_to=last)
        await notes.remember("tea from", valid_from=first)
        await notes.remember("tea until", valid_to=last)
        await notes.remember("tea always")
        expected = {
            first - MICROSECOND: {"tea until", "tea always"},
            first: {"tea both", "tea from", "tea until", "tea always"},
            last - MICROSECOND: {"tea both", "tea from", "tea until", "tea always"},
            last: {"tea from", "tea always"},
        }
        for at, contents in expected.items():
            listed = (await notes.list(valid_at=at)).memories
            assert {memory.content for memory in listed} == contents
            for mode in MODES:
                hits = await notes.recall("tea", mode=mode, valid_at=at.isoformat())
                assert {hit.memory.content for hit in hits} == contents

    async def test_what_was_true_then_as_it_was_known_then(self, notes: StoreHandle) -> None:
        """Two clocks: who held an office in May, as we believed before we were corrected."""
        may, june = T0 + timedelta(days=120), T0 + timedelta(days=151)
        ann = await notes.remember("Ann is treasurer", valid_from=T0, valid_to=june)
        corrected = await notes.update(ann.id, valid_to=may - timedelta(days=1))
        ben = await notes.remember("Ben is treasurer", valid_from=may - timedelta(days=1))
        believed = [h.memory.content for h in await notes.recall("treasurer", valid_at=may)]
        assert believed == [ben.content]
        before = corrected.recorded_at - MICROSECOND
        hits = await notes.recall("treasurer", valid_at=may, as_of=before)
        assert [hit.memory.content for hit in hits] == [ann.content]
