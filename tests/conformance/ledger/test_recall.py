"""Recall, context and why: every option, what an answer says about itself, and what is refused."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from memoledger import ContextPack, Hit, InvalidInput, NotFound
from memoledger.model.context_pack import ContextItem, Source
from memoledger.model.recall import Hits, Parts
from memoledger.model.why import Why

MAY = datetime(2026, 5, 8, 13, 56, tzinfo=UTC)
DAY = timedelta(days=1)
TEXTS: list[dict[str, Any]] = [
    {
        "content": "Caroline went hiking by the lake",
        "type": "turn",
        "tags": ["lake", "trip"],
        "occurred_at": MAY,
        "metadata": {"speaker": "Caroline", "conversation_id": "c1", "order": 1},
        "importance": 0.9,
    },
    {
        "content": "Melanie painted the lake at sunset",
        "type": "turn",
        "tags": ["lake"],
        "occurred_at": MAY + DAY,
        "metadata": {"speaker": "Melanie", "conversation_id": "c1", "order": 2},
        "importance": 0.2,
    },
    {
        "content": "The roadmap of the fourth quarter is late",
        "type": "fact",
        "tags": ["work"],
        "valid_from": MAY,
        "valid_to": MAY + DAY,
    },
    {"content": "Bread is baked at five in the morning", "type": "fact"},
]
WRONG: dict[str, list[Any]] = {
    "query": ["", " ", None, 5, "a\x00b", "caf\ud800", "x" * 10_001],
    "limit": [0, -1, 1_001, True, 1.5, "10", None],
    "mode": ["fuzzy", "", None, 5],
    "min_similarity": [-1.1, 1.1, float("nan"), True, "0.5"],
    "types": ["fact", 5, [1], [""], [f"{i}" for i in range(101)]],
    "families": ["memory", 5, [1], ["document"], [None]],
    "tags": ["tag", 5, [1], [""]],
    "since": ["yesterday", "2026-05-08", 5],
    "until": ["tomorrow"],
    "min_importance": [-0.1, 1.1, "high"],
    "metadata": [[], "text", {1: 2}, {"a": float("inf")}],
    "as_of": ["yesterday", datetime(900, 1, 1, tzinfo=UTC)],
    "valid_at": ["yesterday"],
    "now": ["now"],
    "recency": [-0.1, 1.1, "much"],
    "importance": [2],
    "access": [-1],
    "half_life_days": [0, -1, 36_501, "long"],
    "diversity": [1.5],
    "fold": [0, 1.5],
    "embedding": [[], [1.0], [0.0] * 384, "0.5", 5],
}


@pytest.fixture
async def told(notes: Any) -> Any:
    """A store with some memories in it."""
    await notes.remember_many(TEXTS)
    return notes


def contents(hits: Any) -> list[str]:
    return [hit.memory.content.split()[0] for hit in hits]


class TestAnswers:
    async def test_what_an_answer_is(self, told: Any) -> None:
        hits = await told.recall("hiking at the lake", limit=2)
        assert isinstance(hits, Hits)
        assert isinstance(hits, list)
        assert contents(hits) == ["Caroline", "Melanie"]
        assert isinstance(hits[0], Hit)
        assert hits[0].memory == await told.get(hits[0].memory.id)
        assert hits[0].score > hits[1].score > 0
        assert (hits[0].parts, hits[0].folded) == (None, ())
        assert isinstance(hits.receipt_id, UUID)
        assert (hits.complete, hits.pending, hits.searched_by) == (True, 0, "exact")
        assert hits.timings_ms
        assert all(isinstance(ms, float) for ms in hits.timings_ms.values())

    async def test_explained(self, told: Any) -> None:
        hits = await told.recall("hiking at the lake with Caroline", explain=True)
        assert isinstance(hits[0].parts, Parts)
        assert [hit.parts.rank for hit in hits] == list(range(1, len(hits) + 1))
        best = hits[0].parts
        assert -1 <= best.dense <= 1 < best.lexical
        assert best.named == 1

    async def test_the_scores_are_the_same_to_the_last_digit(self, told: Any) -> None:
        first, second = [await told.recall("the lake", explain=True) for _ in range(2)]
        assert [hit.score for hit in first] == [hit.score for hit in second]
        assert [hit.parts for hit in first] == [hit.parts for hit in second]

    async def test_nothing_found(self, notes: Any) -> None:
        hits = await notes.recall("anything")
        assert (list(hits), hits.complete) == ([], True)


class TestOptions:
    @pytest.mark.parametrize("mode", ["hybrid", "dense", "lexical"])
    async def test_modes(self, told: Any, mode: str) -> None:
        hits = await told.recall("hiking", mode=mode, explain=True)
        assert contents(hits)[0] == "Caroline"
        assert (hits[0].parts.dense is None) == (mode == "lexical")
        assert (hits[0].parts.lexical is None) == (mode == "dense")

    async def test_similarity(self, told: Any) -> None:
        everything = await told.recall("hiking", mode="dense", explain=True)
        least = everything[1].parts.dense
        assert len(await told.recall("hiking", mode="dense", min_similarity=least)) == 2
        with pytest.raises(InvalidInput) as caught:
            await told.recall("hiking", mode="lexical", min_similarity=0.5)
        assert caught.value.field == "min_similarity"

    @pytest.mark.parametrize(
        ("asked", "found"),
        [
            ({"types": ["fact"]}, {"The", "Bread"}),
            ({"types": ("fact", "turn")}, {"The", "Bread", "Caroline", "Melanie"}),
            ({"types": []}, {"The", "Bread", "Caroline", "Melanie"}),
            ({"tags": ["lake"]}, {"Caroline", "Melanie"}),
            ({"tags": ["lake", "trip"]}, {"Caroline"}),
            ({"since": MAY + DAY, "until": MAY + 2 * DAY}, {"Melanie"}),
            ({"since": "2026-05-08T00:00:00+00:00", "until": "2026-05-09T00:00:00Z"}, {"Caroline"}),
            ({"min_importance": 0.8}, {"Caroline"}),
            ({"metadata": {"speaker": "Melanie"}}, {"Melanie"}),
            ({"metadata": {"order": 1, "conversation_id": "c1"}}, {"Caroline"}),
            ({"valid_at": MAY + DAY, "types": ["fact"]}, {"Bread"}),
            ({"as_of": "2001-01-01T00:00:00Z"}, set()),
        ],
    )
    async def test_filters(self, told: Any, asked: dict[str, Any], found: set[str]) -> None:
        assert set(contents(await told.recall("the lake and bread", **asked))) == found
        listed = (await told.list(**asked)).memories
        assert {memory.content.split()[0] for memory in listed} == found

    async def test_ranking(self, told: Any) -> None:
        plain = await told.recall("the lake", explain=True)
        weighed = await told.recall(
            "the lake", importance=1.0, recency=0.5, access=0.25, half_life_days=2, now=MAY
        )
        assert {hit.memory.id for hit in plain} == {hit.memory.id for hit in weighed}
        assert [hit.score for hit in plain] != [hit.score for hit in weighed]
        assert len(await told.recall("the lake", diversity=0.9)) == 4

    async def test_folding(self, notes: Any) -> None:
        vector = [1.0] + [0.0] * 383
        for number in range(3):
            await notes.remember(f"Tea {number}", embedding=vector)
        hits = await notes.recall("tea", fold=0.95)
        assert [len(hit.folded) for hit in hits] == [2]
        assert all(isinstance(one, UUID) for one in hits[0].folded)

    async def test_reranking(self, told: Any) -> None:
        hits = await told.recall("hiking at the lake", rerank=True, explain=True)
        assert hits[0].parts.reranked is not None
        plain = await told.recall("hiking at the lake", rerank=False, explain=True)
        assert plain[0].parts.reranked is None

    async def test_as_of(self, notes: Any) -> None:
        first = await notes.remember("Tea at five", external_id="x")
        between = first.recorded_at + timedelta(microseconds=1)
        await asyncio.sleep(0.005)
        await notes.remember("Tea at six", external_id="x")
        [then] = await notes.recall("tea", as_of=between)
        [now] = await notes.recall("tea")
        assert (then.memory.content, now.memory.content) == ("Tea at five", "Tea at six")
        assert (await notes.get(first.id, as_of=between)).version == 1
        assert [m.version for m in (await notes.list(as_of=between.isoformat())).memories] == [1]
        with pytest.raises(NotFound):
            await notes.get(first.id, as_of=first.recorded_at - DAY)

    @pytest.mark.parametrize(
        ("field", "value"), [(field, value) for field, values in WRONG.items() for value in values]
    )
    async def test_what_is_refused(self, notes: Any, field: str, value: Any) -> None:
        with pytest.raises(InvalidInput) as caught:
            await notes.recall(**{"query": "tea", field: value})
        assert caught.value.field.startswith(field)
        assert caught.value.remedy

    async def test_what_is_no_option(self, notes: Any) -> None:
        with pytest.raises(TypeError):
            await notes.recall("tea", colour="red")
        for act in (
            notes.context("tea", max_tokens=10, colour="red"),
            notes.why(uuid4(), "a", b=1),
        ):
            with pytest.raises(TypeError):
                await act


class TestContext:
    async def test_what_a_pack_is(self, alice: Any, told: Any) -> None:
        pack = await told.context("hiking at the lake", max_tokens=200)
        assert isinstance(pack, ContextPack)
        assert (pack.query, pack.max_tokens, pack.counted_by) == (
            *("hiking at the lake", 200),
            "tokenizer",
        )
        assert 0 < pack.tokens <= 200
        assert "## c1" in pack.text
        assert (pack.omitted, pack.folded, pack.complete, pack.pending) == (0, 0, True, 0)
        first = pack.items[0]
        assert isinstance(first, ContextItem)
        assert isinstance(first.source, Source)
        assert (first.number, first.text, first.truncated, first.group, first.folded) == (
            *(1, "Caroline went hiking by the lake", False),
            *("c1", ()),
        )
        assert (first.source.store, first.source.store_id) == ("notes", told.id)
        assert (first.source.speaker, first.source.occurred_at) == ("Caroline", MAY)
        receipt = await alice.receipt(pack.receipt_id)
        assert {hit.memory_id for hit in receipt.hits} == {i.source.memory_id for i in pack.items}

    async def test_a_small_budget(self, told: Any) -> None:
        pack = await told.context("hiking at the lake", max_tokens=25)
        assert pack.tokens <= 25
        assert pack.omitted > 0

    async def test_recalls_options(self, told: Any) -> None:
        pack = await told.context(
            "the lake", max_tokens=500, limit=3, types=["turn"], tags=["lake"], mode="lexical"
        )
        assert len(pack.items) == 2
        assert len((await told.context("the lake", max_tokens=500, limit=1)).items) == 1
        assert (await told.context("x", max_tokens=500, as_of="2001-01-01T00:00:00Z")).text == ""

    async def test_duplicates(self, notes: Any) -> None:
        vector = [1.0] + [0.0] * 383
        for number in range(3):
            await notes.remember(f"Tea {number}", embedding=vector)
        assert (await notes.context("tea", max_tokens=500)).folded == 2
        assert (await notes.context("tea", max_tokens=500, fold=None)).folded == 0
        assert len((await notes.context("tea", max_tokens=500, fold=None)).items) == 3

    @pytest.mark.parametrize("budget", [30, 60, 400])
    async def test_tokens_counted_by_the_caller(self, told: Any, budget: int) -> None:
        counts: dict[str, int] = {}

        def count_tokens(text: str) -> int:
            return counts.setdefault(text, len(text.split()))

        pack = await told.context("the lake", max_tokens=budget, count_tokens=count_tokens)
        assert (pack.counted_by, pack.max_tokens) == ("caller", budget)
        assert 0 < pack.tokens == len(pack.text.split()) <= budget
        if budget == 400:
            assert len(pack.items) == 4

    @pytest.mark.parametrize("wrong", [0, -1, 1_000_001, "10", None, True, 1.5])
    async def test_a_wrong_budget(self, notes: Any, wrong: Any) -> None:
        with pytest.raises(InvalidInput) as caught:
            await notes.context("tea", max_tokens=wrong)
        assert caught.value.field == "max_tokens"


class TestWhy:
    async def test_why_it_is_found(self, told: Any) -> None:
        [hit, *_] = await told.recall("hiking", explain=True)
        why = await told.why(hit.memory.id, "hiking")
        assert isinstance(why, Why)
        assert (why.memory_id, why.reason, why.recalled) == (hit.memory.id, "recalled", True)
        assert (why.rank, why.limit, why.version, why.filters) == (1, 10, 1, ())
        assert why.score == pytest.approx(hit.score)
        assert isinstance(why.parts, Parts)
        assert why.text

    async def test_why_not(self, told: Any) -> None:
        [hit, *_] = await told.recall("hiking")
        filtered = await told.why(str(hit.memory.id), "hiking", types=["fact"], tags=["work"])
        assert (filtered.reason, set(filtered.filters)) == ("filtered-out", {"types", "tags"})
        await told.forget(hit.memory.id)
        gone = await told.why(hit.memory.id, "hiking")
        assert (gone.reason, gone.recalled, gone.rank, gone.score) == (
            *("forgotten", False),
            *(None, None),
        )

    async def test_of_nothing(self, told: Any) -> None:
        with pytest.raises(NotFound):
            await told.why(uuid4(), "hiking")
