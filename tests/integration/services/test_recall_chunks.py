"""Recall of chunks: beside memories, as their document is and as it was, under every condition."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest

from memoledger.model.errors import InvalidInput
from memoledger.model.recall import Hit, Hits
from memoledger.surfaces.python.store import StoreHandle

MODES = ("hybrid", "dense", "lexical")
GUIDE = """# Harbour guide

Ships are moored at the northern quay.

## Fees

A berth costs nine guilders a night.

Children and pilots stay for free.

## Weather

Storms come from the west in autumn.
"""
Sql = Callable[..., list[tuple[Any, ...]]]


async def learn(store: StoreHandle, content: str = GUIDE, **fields: Any) -> Any:
    source_id = fields.pop("source_id", "guide.md")
    return await store.learn("files", source_id, content=content, **fields)


async def ask(store: StoreHandle, hashing: Any, text: str, **asked: Any) -> Hits:
    """Vectors say nothing of texts here, and are not asked for: they are drawn by their hash."""
    return await store.recall(text, embedding=hashing.vector(text), **asked)


async def find(store: StoreHandle, text: str, **asked: Any) -> Hit:
    """What has the words."""
    return (await store.recall(text, mode="lexical", **asked))[0]


def texts(hits: Sequence[Hit]) -> list[str]:
    return [hit.text for hit in hits]


class TestBesideMemories:
    @pytest.mark.parametrize("mode", MODES)
    async def test_both_are_found_and_told_apart(
        self, papers: StoreHandle, hashing: Any, mode: str
    ) -> None:
        memory = await papers.remember("We paid nine guilders for the berth.")
        learned = await learn(papers, title="Harbour guide")
        hits = await ask(papers, hashing, "berth guilders", mode=mode, limit=20)
        assert {hit.family for hit in hits} == {"memory", "chunk"}
        found = {hit.id: hit for hit in hits}
        assert found[memory.id].memory == await papers.get(memory.id)
        [fees] = [h.chunk for h in hits if h.chunk and "nine guilders" in h.text]
        assert fees.document_id == learned.document.id
        assert fees.section == "Harbour guide > Fees"
        assert GUIDE[fees.start : fees.end] == fees.text
        assert (fees.source, fees.source_id, fees.title) == ("files", "guide.md", "Harbour guide")
        assert (fees.version, fees.place) == (1, 1)

    @pytest.mark.parametrize("mode", MODES)
    @pytest.mark.parametrize("family", ["memory", "chunk"])
    async def test_one_family_alone(
        self, papers: StoreHandle, hashing: Any, mode: str, family: str
    ) -> None:
        await papers.remember("We paid nine guilders for the berth.")
        await learn(papers)
        for asked in ({}, {"types": ["fact", "document"]}, {"as_of": datetime.now(UTC)}):
            hits = await ask(papers, hashing, "berth", mode=mode, families=[family], **asked)
            assert {hit.family for hit in hits} == {family}

    async def test_a_chunks_hit_has_no_memory(self, papers: StoreHandle) -> None:
        await learn(papers)
        hit = await find(papers, "storms autumn")
        assert hit.text == "Storms come from the west in autumn."
        with pytest.raises(InvalidInput, match="chunk of a document"):
            _ = hit.memory

    @pytest.mark.parametrize("mode", MODES)
    async def test_scores_say_what_they_are_made_of(
        self, papers: StoreHandle, hashing: Any, mode: str
    ) -> None:
        await learn(papers)
        hits = await ask(papers, hashing, "storms autumn", mode=mode, explain=True, limit=2)
        for rank, hit in enumerate(hits, start=1):
            assert hit.parts is not None
            assert hit.parts.rank == rank
        assert hits[0].score >= hits[-1].score

    async def test_words_are_rare_or_common_among_all_that_is_asked(
        self, papers: StoreHandle, hashing: Any
    ) -> None:
        """One collection: with the chunks the word is in more texts than without."""
        await papers.remember("The berth is ours.")
        await learn(papers)
        [alone] = await ask(papers, hashing, "berth", mode="lexical", families=["memory"])
        both = await ask(papers, hashing, "berth", mode="lexical")
        [beside] = [hit for hit in both if hit.family == "memory"]
        assert beside.score != alone.score


class TestVersions:
    async def test_what_changed_is_found_as_it_is_and_as_it_was(
        self, papers: StoreHandle, hashing: Any
    ) -> None:
        first = await learn(papers)
        second = await learn(
            papers, "# Harbour guide\n\nPreface.\n\n" + GUIDE.replace("nine", "ten")
        )
        assert second.outcome == "updated"
        now = await ask(papers, hashing, "berth guilders", limit=20)
        assert "A berth costs ten guilders a night." in texts(now)
        assert "A berth costs nine guilders a night." not in texts(now)
        then = await ask(
            papers, hashing, "berth guilders", limit=20, as_of=first.document.recorded_at
        )
        assert "A berth costs nine guilders a night." in texts(then)
        assert "A berth costs ten guilders a night." not in texts(then)

    async def test_a_kept_chunk_stands_where_the_asked_version_has_it(
        self, papers: StoreHandle
    ) -> None:
        first = await learn(papers)
        changed = GUIDE.replace("Ships are", "All ships, whatever their flag, are")
        await learn(papers, changed)
        now = (await find(papers, "storms autumn")).chunk
        then = (await find(papers, "storms autumn", as_of=first.document.recorded_at)).chunk
        assert now is not None
        assert then is not None
        assert now.id == then.id
        assert (now.version, then.version) == (2, 1)
        assert now.start > then.start
        assert changed[now.start : now.end] == now.text == GUIDE[then.start : then.end]

    async def test_before_it_was_learned_there_is_nothing(
        self, papers: StoreHandle, hashing: Any
    ) -> None:
        memory = await papers.remember("The storms come in autumn.")
        await learn(papers)
        hits = await ask(papers, hashing, "storms autumn", as_of=memory.recorded_at)
        assert [hit.id for hit in hits] == [memory.id]

    @pytest.mark.parametrize("mode", MODES)
    @pytest.mark.parametrize("hard", [False, True])
    async def test_what_was_forgotten_is_not_found(
        self, papers: StoreHandle, hashing: Any, mode: str, hard: bool
    ) -> None:
        learned = await learn(papers)
        await papers.forget_document(learned.document.id, hard=hard)
        assert await ask(papers, hashing, "storms autumn", mode=mode) == []
        then = await ask(
            papers, hashing, "storms autumn", mode=mode, as_of=learned.document.recorded_at
        )
        assert bool(then) is not hard


class TestConditions:
    @pytest.mark.parametrize("mode", MODES)
    @pytest.mark.parametrize(
        ("asked", "passes"),
        [
            ({"types": ["manual"]}, True),
            ({"types": ["fact"]}, False),
            ({"tags": ["port"]}, True),
            ({"tags": ["port", "sea"]}, False),
            ({"since": "2026-01-01T00:00Z"}, True),
            ({"since": "2026-07-01T00:00Z"}, False),
            ({"until": "2026-07-01T00:00Z"}, True),
            ({"until": "2026-01-01T00:00Z"}, False),
            ({"metadata": {"area": "north"}}, True),
            ({"metadata": {"area": "south"}}, False),
            ({"valid_at": "2026-01-01T00:00Z"}, True),
            ({"min_importance": 0.0}, False),
        ],
    )
    async def test_they_hold_for_the_chunks_document(
        self, papers: StoreHandle, hashing: Any, mode: str, asked: dict[str, Any], passes: bool
    ) -> None:
        await learn(
            papers,
            type="manual",
            tags=["port"],
            metadata={"area": "north"},
            occurred_at="2026-05-08T00:00Z",
        )
        found = await ask(papers, hashing, "storms", mode=mode, **asked, limit=20)
        assert bool(found) is passes
        told = await papers.why(
            (await find(papers, "storms")).id,
            "storms",
            mode=mode,
            **asked,
            embedding=hashing.vector("storms"),
        )
        assert told.recalled is passes
        assert told.family == "chunk"
        assert told.filters == (() if passes else tuple(asked))

    async def test_as_the_document_was_described_then(
        self, papers: StoreHandle, hashing: Any
    ) -> None:
        first = await learn(papers, tags=["draft"])
        await learn(papers, GUIDE + "\nMore.\n", tags=["final"])
        then = first.document.recorded_at
        assert await ask(papers, hashing, "storms", tags=["draft"]) == []
        assert await ask(papers, hashing, "storms", tags=["final"])
        assert await ask(papers, hashing, "storms", tags=["draft"], as_of=then)
        assert await ask(papers, hashing, "storms", tags=["final"], as_of=then) == []

    async def test_a_floor_of_similarity(self, papers: StoreHandle, hashing: Any) -> None:
        await learn(papers)
        text = "Harbour guide > Weather: Storms come from the west in autumn."
        for mode in ("hybrid", "dense"):
            hits = await ask(papers, hashing, text, mode=mode, min_similarity=0.99)
            assert texts(hits) == ["Storms come from the west in autumn."]


class TestNeighbours:
    async def test_chunks_beside_lend_what_they_say(
        self, papers: StoreHandle, hashing: Any
    ) -> None:
        content = "# A\n\nOne.\n\nTwo with a walrus.\n\nThree.\n\nFour.\n\nFive.\n\nSix.\n"
        await learn(papers, content)
        await learn(papers, content.replace("walrus", "seal"), source_id="other.md")
        hits = await ask(papers, hashing, "walrus", explain=True, limit=20)
        lent = {}
        for hit in hits:
            assert hit.parts is not None
            assert hit.chunk is not None
            lent[hit.chunk.source_id, hit.text] = hit.parts.lexical_around or 0.0
        own = lent["guide.md", "Two with a walrus."]
        assert own > lent["guide.md", "One."] == lent["guide.md", "Three."] > 0
        assert lent["guide.md", "Three."] > lent["guide.md", "Four."] > 0
        assert lent["guide.md", "Five."] == 0
        assert {score for (source, _), score in lent.items() if source == "other.md"} == {0.0}

    async def test_they_are_those_of_the_asked_version(
        self, papers: StoreHandle, hashing: Any
    ) -> None:
        first = await learn(papers, "# A\n\nOne.\n\nTwo with a walrus.\n\nThree.\n")
        await learn(papers, "# A\n\nOne.\n\nA.\n\nB.\n\nC.\n\nTwo with a walrus.\n\nThree.\n")

        async def lent(text: str, **asked: Any) -> float:
            hits = await ask(papers, hashing, "walrus", explain=True, limit=20, **asked)
            [hit] = [hit for hit in hits if hit.text == text]
            assert hit.parts is not None
            return hit.parts.lexical_around or 0.0

        assert await lent("One.") == 0
        assert await lent("One.", as_of=first.document.recorded_at) > 0
        assert await lent("C.") > 0

    async def test_a_neighbour_that_no_channel_found_is_an_answer(
        self, papers: StoreHandle, hashing: Any
    ) -> None:
        """Only where it passes the filter: those of one document all do or none does."""
        await learn(papers, "# A\n\nOne.\n\nTwo with a walrus.\n\nThree.\n")
        hits = await ask(papers, hashing, "walrus", types=["document"], limit=20)
        assert {"One.", "Three."} <= set(texts(hits))
        assert await ask(papers, hashing, "walrus", types=["fact"], limit=20) == []


class TestOrder:
    async def test_recency_goes_by_the_documents_date(self, papers: StoreHandle) -> None:
        for year in (2001, 2011, 2021):
            await learn(
                papers,
                f"The walrus of {year}.",
                source_id=str(year),
                occurred_at=f"{year}-01-01T00:00Z",
            )
        hits = await papers.recall(
            "walrus", mode="lexical", recency=1.0, half_life_days=2_000, now="2022-01-01T00:00Z"
        )
        assert texts(hits) == [f"The walrus of {year}." for year in (2021, 2011, 2001)]

    async def test_the_same_text_in_two_documents_is_folded(
        self, papers: StoreHandle, hashing: Any
    ) -> None:
        await learn(papers, "The walrus sleeps.", source_id="a")
        await learn(papers, "The walrus sleeps.", source_id="b")
        [hit] = await ask(papers, hashing, "walrus", fold=0.99)
        assert hit.family == "chunk"
        assert len(hit.folded) == 1
        told = await papers.why(
            hit.folded[0], "walrus", fold=0.99, embedding=hashing.vector("walrus")
        )
        assert (told.reason, told.family) == ("folded", "chunk")

    async def test_diversity_compares_memories_and_chunks(
        self, papers: StoreHandle, hashing: Any
    ) -> None:
        await papers.remember("A walrus was seen.")
        await learn(papers, "The walrus sleeps.\n\nThe walrus eats.")
        hits = await ask(papers, hashing, "walrus", diversity=0.5)
        assert len(hits) == len({hit.id for hit in hits}) == 3
