"""What else speaks of recalled chunks: receipts, contexts, why; and who sees them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID, uuid4

import pytest

from memoledger.model.errors import NotFound
from memoledger.model.recall import Hit, Hits
from memoledger.surfaces.python.principal import PrincipalHandle
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


class TestReceipts:
    async def test_they_tell_which_hits_are_chunks(
        self, papers: StoreHandle, alice: PrincipalHandle, hashing: Any
    ) -> None:
        await papers.remember("We saw storms.")
        await learn(papers)
        hits = await ask(papers, hashing, "storms", limit=20)
        assert hits.receipt_id is not None
        receipt = await alice.receipt(hits.receipt_id)
        assert [(hit.family, hit.id) for hit in receipt.hits] == [(h.family, h.id) for h in hits]
        assert [hit.version for hit in receipt.hits] == [h.found.version for h in hits]
        assert receipt.as_dict()["hits"][0].keys() >= {"memory_id", "chunk_id", "score"}
        chunk = next(hit for hit in hits if hit.chunk)
        assert (await alice.receipts(memory_id=chunk.id)).receipts == [receipt]

    async def test_without_chunks_nothing_of_them_is_kept(
        self, papers: StoreHandle, alice: PrincipalHandle, hashing: Any, sql: Sql
    ) -> None:
        await papers.remember("We saw storms.")
        hits = await ask(papers, hashing, "storms", families=["memory"])
        assert hits.receipt_id is not None
        receipt = await alice.receipt(hits.receipt_id)
        assert receipt.filters == {"families": ["memory"]}
        families = "SELECT families FROM memoledger.receipts WHERE receipt_id = %s"
        assert sql(families, hits.receipt_id) == [(None,)]

    async def test_an_erasure_strikes_the_question(
        self, papers: StoreHandle, alice: PrincipalHandle, hashing: Any
    ) -> None:
        learned = await learn(papers)
        hits = await ask(papers, hashing, "storms", limit=1)
        await alice.receipts()
        await papers.forget_document(learned.document.id, hard=True)
        assert hits.receipt_id is not None
        receipt = await alice.receipt(hits.receipt_id)
        assert receipt.query is None
        assert [(hit.family, hit.score) for hit in receipt.hits] == [("chunk", None)]


class TestContext:
    async def test_chunks_stand_together_in_their_order(
        self, papers: StoreHandle, hashing: Any
    ) -> None:
        learned = await learn(papers, title="Harbour guide")
        memory = await papers.remember("We paid nine guilders for the berth.")
        pack = await papers.context(
            "berth guilders", max_tokens=400, embedding=hashing.vector("berth guilders")
        )
        assert "## Harbour guide" in pack.text
        assert "Harbour guide > Fees: A berth costs nine guilders a night." in pack.text
        chunks = [item.source for item in pack.items if item.source.family == "chunk"]
        assert [source.start for source in chunks] == sorted(s.start or 0 for s in chunks)
        assert {source.document_id for source in chunks} == {learned.document.id}
        assert memory.id in {item.source.memory_id for item in pack.items}

    async def test_memories_alone(self, papers: StoreHandle) -> None:
        await learn(papers)
        pack = await papers.context("berth", max_tokens=400, families=["memory"])
        assert pack.items == ()


class TestWhy:
    async def test_a_chunk_that_is_found(self, papers: StoreHandle) -> None:
        await learn(papers)
        hit = await find(papers, "storms")
        told = await papers.why(hit.id, "storms", mode="lexical")
        assert (told.reason, told.family, told.rank, told.version) == ("recalled", "chunk", 1, 1)

    async def test_one_of_a_family_that_was_not_asked(self, papers: StoreHandle) -> None:
        await learn(papers)
        hit = await find(papers, "storms")
        told = await papers.why(hit.id, "storms", families=["memory"])
        assert (told.reason, told.filters) == ("filtered-out", ("families",))

    @pytest.mark.parametrize(
        ("end", "reason"),
        [("change", "superseded"), ("forget", "forgotten"), ("erase", "erased")],
    )
    async def test_one_that_is_no_more(
        self, papers: StoreHandle, hashing: Any, end: str, reason: str
    ) -> None:
        learned = await learn(papers)
        hit = await find(papers, "storms")
        if end == "change":
            await learn(papers, "Nothing of that.")
        else:
            await papers.forget_document(learned.document.id, hard=end == "erase")
        told = await papers.why(hit.id, "storms", embedding=hashing.vector("storms"))
        assert (told.reason, told.family) == (reason, "chunk")

    async def test_one_that_was_not_yet(self, papers: StoreHandle) -> None:
        memory = await papers.remember("Before.")
        await learn(papers)
        hit = await find(papers, "storms")
        told = await papers.why(hit.id, "storms", as_of=memory.recorded_at)
        assert told.reason == "not-yet-recorded"

    async def test_one_in_another_store_or_in_none(
        self, papers: StoreHandle, notes: StoreHandle
    ) -> None:
        await learn(papers)
        hit = await find(papers, "storms")
        told = await notes.why(hit.id, "storms")
        assert (told.reason, told.family) == ("another-store", "chunk")
        with pytest.raises(NotFound):
            await notes.why(uuid4(), "storms")


class TestWhoSees:
    async def test_a_reader_of_the_store_and_nobody_else(
        self, papers: StoreHandle, bob: PrincipalHandle, hashing: Any
    ) -> None:
        await learn(papers)
        with pytest.raises(NotFound):
            await bob.store(papers.name, owner="alice")
        await papers.share("bob")
        shared = await bob.store(papers.name, owner="alice")
        hits = await ask(shared, hashing, "storms")
        assert hits[0].chunk is not None
        await papers.unshare("bob")
        assert await ask(shared, hashing, "storms") == []

    async def test_a_chunks_id_opens_no_door(
        self, papers: StoreHandle, bob: PrincipalHandle
    ) -> None:
        await learn(papers)
        hit = await find(papers, "storms")
        own = await bob.store("own")
        with pytest.raises(NotFound):
            await own.why(hit.id, "storms")
        assert await own.recall("storms", families=["chunk"]) == []


async def test_a_chunk_that_waits_for_its_vector_is_found_by_its_words(
    papers: StoreHandle, hashing: Any
) -> None:
    await learn(papers, wait="durable")
    hits = await ask(papers, hashing, "storms autumn")
    assert hits[0].text == "Storms come from the west in autumn."
    assert await ask(papers, hashing, "storms", mode="dense") == []
    told = await papers.why(hits[0].id, "storms", mode="dense")
    assert told.reason == "not-embedded"


async def test_ids_of_memories_and_chunks_do_not_meet(papers: StoreHandle, hashing: Any) -> None:
    """Families are kept apart by ids: an answer names each once."""
    for number in range(30):
        await papers.remember(f"walrus {number}")
    await learn(papers, "\n\n".join(f"The walrus of page {number}." for number in range(30)))
    for mode in MODES:
        hits = await ask(papers, hashing, "walrus", mode=mode, limit=100)
        found: set[UUID] = {hit.id for hit in hits}
        assert len(hits) == len(found) == 60
