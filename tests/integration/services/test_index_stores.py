"""Indexes of large stores: they answer as exact searches do, follow every write, and survive."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any
from uuid import UUID

import numpy as np
import psycopg
import pytest

from memoledger.bootstrap import indexing
from memoledger.ledger import store_indexes
from memoledger.model.document import Piece
from memoledger.model.recall import Hits
from memoledger.services import index_stores as indexing_stores
from memoledger.surfaces.bench.samples import DIMENSIONS, Sampler
from memoledger.surfaces.python.memoledger import Memoledger
from memoledger.surfaces.python.principal import PrincipalHandle
from memoledger.surfaces.python.store import StoreHandle

MEMORIES = 600
MODES = ("dense", "lexical", "hybrid")

SAMPLER = Sampler(seed=11)
SAMPLE = SAMPLER.memories(MEMORIES + 100)
QUESTIONS = list(zip(SAMPLER.questions(8), SAMPLER.vectors(8), strict=True))


class NoEmbedder:
    """Every vector is given."""

    def __init__(self, version: Any) -> None:
        self.version = version

    async def embed(self, texts: Any, *, input_type: str) -> Any:
        return np.tile(SAMPLE.vectors[0], (len(texts), 1))

    async def aclose(self) -> None:
        """Nothing to close."""


@pytest.fixture
def settings(database: Any) -> Any:
    """A store is large from 500 memories on."""
    return database.settings(index_from=500)


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A handful of new memories is worth a step, and a replaced build goes at once."""
    monkeypatch.setattr(indexing_stores, "RECENT_MIN", 10)
    monkeypatch.setattr(store_indexes.StoreIndexes.survey, "__kwdefaults__", {"grace_s": 0.0})


@pytest.fixture
async def ledger(settings: Any, embedder: Any) -> AsyncIterator[Memoledger]:
    """An open ledger."""
    assert embedder.version.dimensions == DIMENSIONS
    async with Memoledger.open(settings=settings, embedder=NoEmbedder(embedder.version)) as opened:
        yield opened


@pytest.fixture
async def alice(ledger: Memoledger) -> PrincipalHandle:
    """The owner of the stores."""
    return await ledger.principal(tenant="acme", user="alice")


@pytest.fixture
async def notes(ledger: Memoledger, alice: PrincipalHandle) -> StoreHandle:
    """A store with an index, and a small one beside it."""
    store = await alice.store("notes")
    await store.remember_many(SAMPLE.drafts(0, MEMORIES))
    few = await alice.store("few")
    await few.remember_many(SAMPLE.drafts(0, 20))
    assert await ledger.index_stores() == 1
    return store


def ids(hits: Hits) -> list[UUID]:
    """What was found, in order."""
    return [hit.memory.id for hit in hits]


async def statuses(ledger: Memoledger) -> list[store_indexes.IndexStatus]:
    """Every index."""
    application = ledger.application
    async with indexing(application.settings, application.place) as indexes:
        return await indexes.statuses()


async def check_as_exact(store: StoreHandle, *, everything: bool = True) -> None:
    """Each answer through the index is that of an exact search, which a filter brings about."""
    for mode in MODES:
        for text, vector in QUESTIONS:
            found = await store.recall(text, mode=mode, embedding=vector)
            exact = await store.recall(text, mode=mode, embedding=vector, min_importance=0.0)
            assert exact.searched_by == "exact"
            assert found.searched_by != "exact"
            assert found.complete
            near = {hit.memory.id for hit in found} & {hit.memory.id for hit in exact}
            # Half precision, and the length at which impacts were rounded, may swap the last.
            assert len(near) >= len(exact) - 1, mode
            if everything and mode == "lexical":
                assert [h.score for h in found] == pytest.approx([h.score for h in exact], rel=0.02)


async def test_an_indexed_store_answers_as_an_exact_search(notes: StoreHandle) -> None:
    await check_as_exact(notes)


async def test_only_the_large_store_has_one(
    ledger: Memoledger, alice: PrincipalHandle, notes: StoreHandle
) -> None:
    [status] = await statuses(ledger)
    assert (status.store, status.state, status.progress) == ("notes", "ready", 1.0)
    assert status.texts == status.vectors
    assert status.recall is not None
    assert status.recall >= store_indexes.RECALL_WANTED
    few = await alice.find_store("few")
    text, vector = QUESTIONS[0]
    assert (await few.recall(text, embedding=vector)).searched_by == "exact"


async def test_what_is_written_and_forgotten_afterwards_counts_at_once(notes: StoreHandle) -> None:
    text, vector = QUESTIONS[0]
    made = await notes.remember(f"{text} {text}", embedding=vector)
    for mode in MODES:
        assert ids(await notes.recall(text, mode=mode, embedding=vector))[0] == made.id
    changed = await notes.update(made.id, content=f"{text} {text} again", embedding=vector)
    for mode in MODES:
        best = (await notes.recall(text, mode=mode, embedding=vector))[0].memory
        assert (best.id, best.version) == (made.id, changed.version)
    await notes.forget(made.id)
    for mode in MODES:
        assert made.id not in ids(await notes.recall(text, mode=mode, embedding=vector))


async def test_it_looks_on_where_the_nearest_have_been_forgotten(notes: StoreHandle) -> None:
    text, vector = QUESTIONS[1]
    for _ in range(3):
        for hit in await notes.recall(text, mode="dense", embedding=vector, limit=60):
            await notes.forget(hit.memory.id)
    await check_as_exact(notes, everything=False)


async def test_what_is_recent_is_taken_in(ledger: Memoledger, notes: StoreHandle) -> None:
    await notes.remember_many(SAMPLE.drafts(MEMORIES, MEMORIES + 100))
    assert await ledger.index_stores() == 1
    [status] = await statuses(ledger)
    assert (status.texts, status.vectors, status.segments) == (700, 700, 2)
    await check_as_exact(notes, everything=False)
    assert await ledger.index_stores() == 0


async def test_a_private_memory_is_found_by_its_creator_alone(
    ledger: Memoledger, notes: StoreHandle
) -> None:
    text, vector = QUESTIONS[2]
    await notes.share("bob", access="write")
    bob = await ledger.principal(tenant="acme", user="bob")
    mine = await bob.store_by_id(notes.id)
    made = await mine.remember(f"{text} secretly", embedding=vector, privacy="creator")
    await notes.remember_many(SAMPLE.drafts(MEMORIES, MEMORIES + 20))
    for _ in range(2):
        for mode in MODES:
            assert ids(await mine.recall(text, mode=mode, embedding=vector))[0] == made.id
            assert made.id not in ids(await notes.recall(text, mode=mode, embedding=vector))
        await ledger.index_stores()


async def test_an_erasure_takes_the_copies_too(
    ledger: Memoledger, notes: StoreHandle, database: Any
) -> None:
    text, vector = QUESTIONS[3]
    gone = ids(await notes.recall(text, embedding=vector))[:2]
    for memory_id in gone:
        await notes.forget(memory_id, hard=True)
    [status] = await statuses(ledger)
    with psycopg.connect(database.conninfo("postgres")) as root:
        for query in (
            f"SELECT owner_id FROM memoledger.store_vectors_{status.build}",
            "SELECT unnest(owner_ids) FROM memoledger.store_postings",
        ):
            held = {row[0] for row in root.execute(query.encode()).fetchall()}
            assert held
            assert not held & set(gone)
    await check_as_exact(notes, everything=False)


async def test_a_store_that_shrinks_loses_it(ledger: Memoledger, notes: StoreHandle) -> None:
    for memory in (await notes.list(limit=300)).memories:
        await notes.forget(memory.id)
    assert await ledger.index_stores() == 1
    assert [status.state for status in await statuses(ledger)] == ["retired"]
    text, vector = QUESTIONS[0]
    assert (await notes.recall(text, embedding=vector)).searched_by == "exact"
    assert await ledger.index_stores() == 1
    assert await statuses(ledger) == []


async def test_a_build_that_died_is_removed_and_made_again(
    ledger: Memoledger, alice: PrincipalHandle, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = await alice.store("notes")
    await store.remember_many(SAMPLE.drafts(0, MEMORIES))

    async def die(*_: object, **__: object) -> None:
        raise asyncio.CancelledError

    with monkeypatch.context() as patched:
        patched.setattr(store_indexes.StoreIndexes, "_measure", die)
        with pytest.raises(asyncio.CancelledError):
            await ledger.index_stores()
    [left] = await statuses(ledger)
    assert left.state == "building"
    text, vector = QUESTIONS[0]
    assert (await store.recall(text, embedding=vector)).searched_by == "exact"
    assert await ledger.index_stores() == 2
    [made] = await statuses(ledger)
    assert (made.state, made.build > left.build) == ("ready", True)
    await check_as_exact(store)


async def test_writing_goes_on_while_it_is_made(ledger: Memoledger, alice: PrincipalHandle) -> None:
    store = await alice.store("notes")
    await store.remember_many(SAMPLE.drafts(0, MEMORIES))
    building = asyncio.create_task(ledger.index_stores())
    written = 0
    while not building.done() and written < 100:
        at = MEMORIES + written
        await store.remember(SAMPLE.texts[at], embedding=SAMPLE.vectors[at])
        written += 1
        await asyncio.sleep(0.01)
    assert await building == 1
    assert written > 1
    assert await store.count() == MEMORIES + written
    await check_as_exact(store, everything=False)


async def test_one_process_at_a_time(ledger: Memoledger, notes: StoreHandle) -> None:
    application = ledger.application
    async with (
        indexing(application.settings, application.place) as indexes,
        indexes.alone() as free,
    ):
        assert free
        await notes.remember_many(SAMPLE.drafts(MEMORIES, MEMORIES + 50))
        assert await ledger.index_stores() == 0
    assert await ledger.index_stores() == 1


async def test_an_index_that_does_not_find_enough_is_not_used(
    ledger: Memoledger, alice: PrincipalHandle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_indexes, "RECALL_WANTED", 1.1)
    store = await alice.store("notes")
    await store.remember_many(SAMPLE.drafts(0, MEMORIES))
    await ledger.index_stores()
    [status] = await statuses(ledger)
    assert status.ef_search is None
    text, vector = QUESTIONS[0]
    assert (await store.recall(text, mode="dense", embedding=vector)).searched_by == "exact"
    assert (await store.recall(text, mode="lexical")).searched_by == "postings"


async def test_a_scan_that_takes_too_long_is_cut_short_and_says_so(
    ledger: Memoledger, notes: StoreHandle, settings: Any, embedder: Any
) -> None:
    hasty = settings.model_copy(update={"scan_timeout_s": 0.001})
    async with Memoledger.open(settings=hasty, embedder=NoEmbedder(embedder.version)) as opened:
        alice = await opened.principal(tenant="acme", user="alice")
        store = await alice.store_by_id(notes.id)
        text, vector = QUESTIONS[0]
        for mode in MODES:
            hits = await store.recall(text, mode=mode, embedding=vector, tags=["1 %"])
            assert not hits.complete
            assert all("1 %" in hit.memory.tags for hit in hits)


async def test_common_words_beyond_the_bound_are_told(
    notes: StoreHandle, monkeypatch: pytest.MonkeyPatch
) -> None:
    from memoledger.ledger import indexed_search

    text, _ = QUESTIONS[0]
    full = await notes.recall(text, mode="lexical")
    monkeypatch.setattr(indexed_search, "POSTINGS", (0, 0))
    cut = await notes.recall(text, mode="lexical")
    assert full
    assert full.complete
    assert not cut.complete
    monkeypatch.setattr(indexed_search, "POSTINGS", (0, 100_000))
    assert ids(await notes.recall(text, mode="lexical")) == ids(full)


PAGES = [
    f"Page {number} of the walrus handbook tells of {SAMPLE.texts[number]}." for number in range(40)
]


class Pages:
    """Cuts a text into its lines."""

    name = "pages"

    def split(self, text: str, media_type: str) -> list[Piece]:
        lines = re.finditer(r"[^\n]+", text)
        return [Piece(line[0], line.start(), line.end(), None, 9) for line in lines]


class PageEmbedder(NoEmbedder):
    """Pages have the vectors of the sample after those of the memories."""

    async def embed(self, texts: Any, *, input_type: str) -> Any:
        numbers = [re.findall(r"Page (\d+)", text) for text in texts]
        return np.stack([SAMPLE.vectors[MEMORIES + int((n or [50])[0])] for n in numbers])


class TestChunks:
    @pytest.fixture
    async def ledger(self, settings: Any, embedder: Any) -> AsyncIterator[Memoledger]:
        """An open ledger that cuts documents into lines."""
        model = PageEmbedder(embedder.version)
        async with Memoledger.open(settings=settings, embedder=model) as opened:
            application = opened.application
            application.context = replace(application.context, splitter=Pages())
            yield opened

    @pytest.fixture
    async def shelf(self, ledger: Memoledger, alice: PrincipalHandle) -> StoreHandle:
        """A store with an index over memories and chunks."""
        store = await alice.store("shelf")
        await store.learn("files", "handbook", content="\n".join(PAGES))
        await store.remember_many(SAMPLE.drafts(0, MEMORIES))
        assert await ledger.index_stores() == 1
        return store

    @staticmethod
    async def check(store: StoreHandle, chunks: int) -> None:
        """Through the index as exactly, which a filter that all pass brings about."""
        for mode in MODES:
            for text, vector in [*QUESTIONS, ("walrus handbook", SAMPLE.vectors[MEMORIES + 9])]:
                asked: dict[str, Any] = {"mode": mode, "embedding": vector, "limit": 50}
                found = await store.recall(text, **asked)
                exact = await store.recall(text, **asked, valid_at="2026-01-01T00:00Z")
                assert (found.searched_by == "exact", exact.searched_by) == (False, "exact")
                near = {(h.family, h.id) for h in found} & {(h.family, h.id) for h in exact}
                assert len(near) >= len(exact) - 2, (mode, text)
        hits = await store.recall("walrus handbook", mode="lexical", limit=100)
        assert sum(hit.family == "chunk" for hit in hits) == chunks

    async def test_both_are_in_it(self, shelf: StoreHandle) -> None:
        await self.check(shelf, len(PAGES))

    async def test_what_is_learned_later_is_found_and_taken_in(
        self, ledger: Memoledger, notes: StoreHandle
    ) -> None:
        """An index of before holds memories alone; the chunks are scanned beside it."""
        hits = await notes.recall("walrus", mode="lexical", families=["memory"])
        assert hits.searched_by == "postings"
        await notes.learn("files", "handbook", content="\n".join(PAGES))
        await self.check(notes, len(PAGES))
        assert await ledger.index_stores() == 1
        await self.check(notes, len(PAGES))

    async def test_what_changes_and_what_is_forgotten(self, shelf: StoreHandle) -> None:
        learned = await shelf.learn("files", "handbook", content="\n".join(PAGES[5:]))
        assert learned.chunks_kept == len(PAGES) - 5
        await self.check(shelf, len(PAGES) - 5)
        await shelf.forget_document(learned.document.id)
        await self.check(shelf, 0)

    async def test_one_family_is_searched_exactly_in_it(self, shelf: StoreHandle) -> None:
        for family in ("memory", "chunk"):
            for mode in MODES:
                asked: Any = {"mode": mode, "embedding": SAMPLE.vectors[MEMORIES + 9]}
                hits = await shelf.recall("walrus handbook", **asked, families=[family])
                assert hits.searched_by == "exact"
                assert {hit.family for hit in hits} <= {family}

    async def test_what_is_erased_leaves_it(
        self, ledger: Memoledger, shelf: StoreHandle, database: Any
    ) -> None:
        learned = await shelf.learn("files", "handbook", content="\n".join(PAGES))
        [index] = await statuses(ledger)
        ids_of = {chunk.id for chunk in (await shelf.chunks(learned.document.id)).chunks}
        await shelf.forget_document(learned.document.id, hard=True)
        with psycopg.connect(database.conninfo("postgres"), autocommit=True) as root:
            left = root.execute(
                f"SELECT owner_id FROM memoledger.store_vectors_{index.build}"
                " UNION SELECT unnest(owner_ids) FROM memoledger.store_postings"
            ).fetchall()
        assert not ids_of & {owner for (owner,) in left}
        await self.check(shelf, 0)
