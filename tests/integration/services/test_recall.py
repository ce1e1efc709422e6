"""Recall: what it answers is what an exact search of every memory answers, under every filter."""

from __future__ import annotations

import asyncio
import importlib.util
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from memoledger.model.errors import EmbedderError, InvalidInput
from memoledger.model.indexing import indexed_text
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

T0 = datetime(2026, 1, 1, tzinfo=UTC)
WORDS = ["tea", "milk", "the", "sugar", "Running", "runs", "q4", "roadmap", "Ann", "and"]

sentences = st.lists(st.sampled_from(WORDS), min_size=1, max_size=6).map(" ".join)
days = st.integers(0, 3).map(lambda count: T0 + timedelta(days=count))
directions = st.integers(0, 3)
"""One of a few vectors, so that some memories are equally near."""

some_memory = st.fixed_dictionaries(
    {"content": sentences},
    optional={
        "title": sentences,
        "summary": sentences,
        "direction": directions,
        "type": st.sampled_from(["fact", "episode"]),
        "importance": st.sampled_from([0.0, 0.5, 1.0]),
        "tags": st.lists(st.sampled_from("abc"), max_size=3, unique=True),
        "occurred_at": days,
        "valid_from": days,
        "valid_to": days.map(lambda day: day + timedelta(days=4)),
        "privacy": st.sampled_from(["store", "creator"]),
        "expires": st.booleans(),
        "metadata": st.fixed_dictionaries(
            {},
            optional={
                "speaker": st.sampled_from(["Ann", "Tea"]),
                "k": st.sampled_from([1, "x", None, True]),
                "l": st.lists(st.integers(0, 2), max_size=2),
            },
        ),
    },
)
change = st.tuples(
    st.integers(0, 20),
    st.sampled_from(["forget", "erase", "content", "title", "importance"]),
    sentences,
)
some_filter = st.fixed_dictionaries(
    {},
    optional={
        "types": st.lists(st.sampled_from(["fact", "episode", "other"]), max_size=2),
        "tags": st.lists(st.sampled_from("abc"), max_size=2),
        "since": days,
        "until": st.integers(4, 5).map(lambda count: T0 + timedelta(days=count)),
        "min_importance": st.sampled_from([0, 0.5, 0.7]),
        "valid_at": st.integers(-1, 7).map(lambda count: T0 + timedelta(days=count)),
        "metadata": st.sampled_from(
            [{}, {"k": 1}, {"k": None}, {"k": True}, {"l": [1]}, {"k": "x", "l": []}]
        ),
    },
)
question = st.fixed_dictionaries(
    {
        "text": sentences,
        "mode": st.sampled_from(["dense", "lexical", "hybrid"]),
        "limit": st.sampled_from([1, 2, 3, 10, 1_000]),
        "asked": st.just({}) | some_filter,
        "min_similarity": st.none() | st.sampled_from([-1.0, -0.1, 0.0, 0.2, 0.99]),
        "explain": st.booleans(),
        "past": st.booleans(),
        "user": st.sampled_from(["alice", "bob"]),
    },
    optional={"direction": directions},
)


class Kept:
    """A store of Alice's that Bob may write into, and everything it was told, in plain lists."""

    def __init__(self, stores: dict[str, StoreHandle], embedder: Any) -> None:
        self.stores = stores
        self.embedder = embedder
        self.versions: list[Any] = []

    def direction(self, number: int) -> Any:
        return self.embedder.vector(f"direction {number}")

    async def remember(self, item: dict[str, Any]) -> None:
        given = {k: v for k, v in item.items() if k not in ("direction", "expires")}
        if item.get("expires"):
            given["expires_at"] = datetime.now(UTC) + timedelta(milliseconds=100)
        own = self.direction(item["direction"]) if "direction" in item else None
        memory = await self.stores["alice"].remember(**given, embedding=own)
        if memory.outcome == "created":
            self.versions.append(exact.Version(memory, self.vectors(memory, own)))

    async def change(self, number: int, kind: str, text: str) -> None:
        current = [v for v in self.versions if v.ended_at is None and not v.memory.expires_at]
        if not current:
            return
        before = current[number % len(current)]
        store, memory_id = self.stores["alice"], before.memory.id
        if kind in ("forget", "erase"):
            await store.forget(memory_id, hard=kind == "erase")
            ended_at = (await store.history(memory_id))[-1].deleted_at
            after = []
        else:
            changes = {kind: text if kind != "importance" else 0.7}
            held = [v.memory.content for v in self.versions if v.ended_at is None]
            if kind == "content" and text in held:
                return
            memory = await store.update(memory_id, **changes)
            if memory.outcome == "unchanged":
                return
            own = before.vectors["body"] if memory.content == before.memory.content else None
            after = [exact.Version(memory, self.vectors(memory, own))]
            ended_at = memory.recorded_at
        self.versions = [
            exact.Version(v.memory, v.vectors, ended_at) if v is before else v
            for v in self.versions
            if kind != "erase" or v.memory.id != memory_id
        ] + after

    def vectors(self, memory: Any, own: Any) -> dict[str, Any]:
        body = indexed_text(
            memory.content,
            speaker=memory.metadata.get("speaker"),
            occurred_at=memory.occurred_at,
        )
        views = {"title": memory.title, "summary": memory.summary}
        found = {view: self.embedder.vector(text) for view, text in views.items() if text}
        return found | {"body": self.embedder.vector(body) if own is None else own}

    async def compare(self, asked: dict[str, Any], past: datetime) -> None:
        mode, limit, user = asked["mode"], asked["limit"], asked["user"]
        least = None if mode == "lexical" else asked["min_similarity"]
        vector = self.embedder.vector(asked["text"])
        if "direction" in asked:
            vector = self.direction(asked["direction"])
        at = past if asked["past"] else datetime.now(UTC)
        shown = [version for version in self.versions if version.shown_to(user, at)]
        if least is not None:
            similarities = [exact.similarity(version, vector) for version in shown]
            assume(all(abs(one - least) > 1e-4 for one in similarities))
        expected = exact.recall(
            shown, asked["text"], vector, mode=mode, min_similarity=least, asked=asked["asked"]
        )
        hits = await self.stores[user].recall(
            asked["text"],
            mode=mode,
            limit=limit,
            min_similarity=least,
            explain=asked["explain"],
            as_of=at if asked["past"] else None,
            embedding=vector if "direction" in asked else None,
            **asked["asked"],
        )
        plain = [hit_of_plain_memory(hit) for hit in hits]
        exact.assert_same(plain, [scored_plainly(one) for one in expected], limit, mode=mode)


def hit_of_plain_memory(hit: Any) -> Any:
    return type(hit)(found=identity(hit.memory), score=hit.score, parts=hit.parts)


def scored_plainly(one: Any) -> Any:
    return exact.Scored(identity(one.memory), one.dense, one.lexical, one.score)


def identity(memory: Any) -> Any:
    """Which version of which memory, and what it says."""
    return Which(memory.id, memory.version, memory.content)


class Which(tuple[Any, ...]):
    """An id, a version and a content."""

    __slots__ = ()

    def __new__(cls, *parts: Any) -> Which:
        return super().__new__(cls, parts)

    @property
    def id(self) -> Any:
        return self[0]


class TestExactness:
    @settings(
        max_examples=30,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )
    @given(
        memories=st.lists(some_memory, min_size=1, max_size=14),
        changes=st.lists(change, max_size=5),
        questions=st.lists(question, min_size=3, max_size=8),
    )
    async def test_every_answer_is_that_of_an_exact_search(
        self,
        alice: PrincipalHandle,
        bob: PrincipalHandle,
        hashing: Any,
        *,
        memories: list[dict[str, Any]],
        changes: list[Any],
        questions: list[dict[str, Any]],
    ) -> None:
        name = f"store {uuid4()}"
        own = await alice.store(name)
        await own.share("bob", access="write")
        kept = Kept({"alice": own, "bob": await bob.store(name, owner="alice")}, hashing)
        for item in memories:
            await kept.remember(item)
        past = max((v.memory.recorded_at for v in kept.versions), default=datetime.now(UTC))
        for number, kind, text in changes:
            await kept.change(number, kind, text)
        if any(v.memory.expires_at for v in kept.versions):
            await asyncio.sleep(0.105)
        for asked in questions:
            await kept.compare(asked, past)

    async def test_a_large_store_under_rare_filters(self, notes: StoreHandle, hashing: Any) -> None:
        """Far more memories than candidates: a filter must come before the cut, not after."""
        rng = np.random.default_rng(7)
        vectors = rng.standard_normal((3_000, 32)).astype(np.float32)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        await notes.remember_many(
            {
                "content": f"tea {i}" if i % 2 else f"milk and tea {i}",
                "embedding": vector,
                "tags": ["rare"] if i % 600 == 5 else [],
                "importance": i / 3_000,
                "type": f"type {i % 7}",
                "metadata": {"n": i % 500},
            }
            for i, vector in enumerate(vectors)
        )
        everything = {m.content: m for m in await self.all_of(notes)}
        for number in range(3):
            query = vectors[number] + vectors[number + 1]
            query /= np.linalg.norm(query)
            half = vectors.astype(np.float16).astype(np.float64)
            nearness = half @ query.astype(np.float16).astype(np.float64)
            for asked in (
                {},
                {"tags": ["rare"]},
                {"min_importance": 0.997},
                {"metadata": {"n": 499}},
                {"types": ["type 3"]},
                {"tags": ["rare"], "metadata": {"n": 5}},
            ):
                passing = [m for m in everything.values() if exact.passes(m, asked)]
                expected = sorted(
                    (nearness[int(m.content.split()[-1])] for m in passing), reverse=True
                )
                for mode in ("dense", "hybrid"):
                    hits = await notes.recall(
                        "sugar", mode=mode, limit=10, embedding=query, explain=True, **asked
                    )
                    found = [hit.parts.dense for hit in hits if hit.parts is not None]
                    assert found == pytest.approx(expected[:10], abs=1e-5)
                words = await notes.recall("milk", mode="lexical", limit=1_000, **asked)
                milky = [m for m in passing if m.content.startswith("milk")]
                assert len(words) == min(1_000, len(milky))

    @staticmethod
    async def all_of(notes: StoreHandle) -> list[Any]:
        found: list[Any] = []
        cursor = None
        while True:
            page = await notes.list(limit=1_000, cursor=cursor)
            found += page.memories
            cursor = page.next_cursor
            if cursor is None:
                return found


class TestAnswers:
    async def test_an_empty_store(self, notes: StoreHandle) -> None:
        for mode in ("dense", "lexical", "hybrid"):
            assert await notes.recall("tea", mode=mode) == []

    async def test_words_that_say_nothing(self, notes: StoreHandle) -> None:
        await notes.remember("Tea at five")
        for query in ("the and of", "?!…", "xyzzy"):
            assert await notes.recall(query, mode="lexical") == []
            assert len(await notes.recall(query, mode="hybrid")) == 1

    async def test_equal_ones_come_in_the_order_of_their_making(
        self, notes: StoreHandle, hashing: Any
    ) -> None:
        vector = hashing.vector("same")
        written = [(await notes.remember(f"tea {i}", embedding=vector)).id for i in range(12)]
        for mode in ("dense", "hybrid"):
            for limit in (5, 12):
                hits = await notes.recall("x", mode=mode, limit=limit, embedding=vector)
                assert [hit.memory.id for hit in hits] == written[:limit]

    async def test_a_memory_comes_once_however_many_views_are_near(
        self, notes: StoreHandle
    ) -> None:
        for number in range(4):
            await notes.remember(f"tea {number}", title="tea", summary="tea")
        for mode in ("dense", "lexical", "hybrid"):
            for limit in (1, 2, 4, 10):
                hits = await notes.recall("tea", mode=mode, limit=limit)
                assert len({hit.memory.id for hit in hits}) == len(hits) == min(limit, 4)

    async def test_parts_are_there_only_when_asked_for(self, notes: StoreHandle) -> None:
        await notes.remember("Tea at five")
        for mode in ("dense", "lexical", "hybrid"):
            [plain] = await notes.recall("tea", mode=mode)
            [told] = await notes.recall("tea", mode=mode, explain=True)
            assert plain.parts is None
            assert told.parts is not None
            assert told.parts.rank == 1
            assert (told.parts.dense is None) == (mode == "lexical")
            assert (told.parts.lexical is None) == (mode == "dense")
            assert told.as_dict()["score"] == plain.score

    async def test_a_given_vector_saves_embedding(self, notes: StoreHandle, hashing: Any) -> None:
        await notes.remember("Tea")
        hashing.texts.clear()
        await notes.recall("tea", embedding=hashing.vector("tea"))
        await notes.recall("tea", mode="lexical")
        assert hashing.texts == []
        await notes.recall("tea")
        assert hashing.texts == ["tea"]

    async def test_when_the_model_fails_it_says_so(self, notes: StoreHandle, hashing: Any) -> None:
        await notes.remember("Tea")

        def fail(_: object) -> None:
            raise EmbedderError("The model is away.")

        hashing.before = fail
        with pytest.raises(EmbedderError):
            await notes.recall("tea")
        assert len(await notes.recall("tea", mode="lexical")) == 1

    async def test_what_is_forgotten_meanwhile_drops_out_and_the_next_moves_up(
        self, notes: StoreHandle, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        written = [await notes.remember(f"tea {i}") for i in range(8)]
        best = await notes.recall("tea", limit=8)
        memories = notes._context.ledger.memories
        original = type(memories).get_versions
        forgotten = []

        async def slow(self: Any, *args: Any) -> Any:
            if not forgotten:
                forgotten.append(best[0].memory.id)
                await notes.forget(best[0].memory.id)
            return await original(self, *args)

        monkeypatch.setattr(type(memories), "get_versions", slow)
        hits = await notes.recall("tea", limit=3)
        assert [hit.memory.id for hit in hits] == [hit.memory.id for hit in best[1:4]]
        assert len(written) == 8

    @pytest.mark.parametrize("mode", ["dense", "hybrid"])
    @pytest.mark.parametrize("embedding", [[1.0], [0.0] * 32, ["a"] * 32, [float("nan")] * 32])
    async def test_a_wrong_vector(self, notes: StoreHandle, mode: Any, embedding: Any) -> None:
        with pytest.raises(InvalidInput, match="embedding"):
            await notes.recall("tea", mode=mode, embedding=embedding)
