"""Learn: a document is written once under its identity, and only what is new is embedded."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from memoledger.model.document import chunk_hash
from memoledger.model.errors import (
    EmbedderError,
    Forbidden,
    InvalidInput,
)
from memoledger.surfaces.python.principal import PrincipalHandle
from memoledger.surfaces.python.store import StoreHandle

GUIDE = "# Guide\n\nTea is hot.\n\n## Brewing\n\nWait four minutes.\n\nPour it."


async def texts(store: StoreHandle, document_id: Any, **which: Any) -> list[str]:
    return [chunk.text for chunk in (await store.chunks(document_id, **which)).chunks]


class TestTheFirstTime:
    async def test_it_is_created_with_its_chunks(self, papers: StoreHandle) -> None:
        learned = await papers.learn("wiki", "tea", content=GUIDE, title="Tea", tags=["drinks"])
        document = learned.document
        assert (learned.outcome, learned.chunks, learned.chunks_new) == ("created", 3, 3)
        assert (document.version, document.source, document.source_id) == (1, "wiki", "tea")
        assert (document.title, document.type, document.tags) == ("Tea", "document", ("drinks",))
        assert (document.chunk_count, document.char_count) == (3, len(GUIDE))
        assert document.created_by == document.updated_by == "alice"
        assert document.lineage["learned_from"] == "content"
        assert document.lineage["parent_version"] is None
        assert await papers.document(document.id) == document
        chunks = (await papers.chunks(document.id)).chunks
        assert [chunk.place for chunk in chunks] == [0, 1, 2]
        sections = ["Guide", "Guide > Brewing", "Guide > Brewing"]
        assert [chunk.section for chunk in chunks] == sections
        for chunk in chunks:
            assert GUIDE[chunk.start : chunk.end] == chunk.text
            assert (chunk.version, chunk.first_version, chunk.title) == (1, 1, "Tea")
        assert chunks[1].keywords == ("four", "minutes", "wait")

    async def test_every_chunk_has_its_vector_and_its_words(
        self, papers: StoreHandle, hashing: Any, sql: Callable[..., Any]
    ) -> None:
        learned = await papers.learn("wiki", "tea", content=GUIDE)
        ids = [chunk.id for chunk in (await papers.chunks(learned.document.id)).chunks]
        for table in ("embeddings", "term_vectors"):
            rows = sql(
                f"SELECT owner_id, version, superseded_at FROM memoledger.{table}"
                " WHERE family = 'chunk' AND owner_id = ANY (%s)",
                ids,
            )
            assert sorted(rows) == sorted((chunk_id, 1, None) for chunk_id in ids)
        assert hashing.texts == [
            "Guide: Tea is hot.",
            "Guide > Brewing: Wait four minutes.",
            "Guide > Brewing: Pour it.",
        ]

    async def test_from_bytes_and_from_a_file(self, papers: StoreHandle, tmp_path: Path) -> None:
        path = tmp_path / "tea.md"
        path.write_text(GUIDE, "utf-8")
        of_file = await papers.learn("files", "tea.md", file=path)
        of_data = await papers.learn("mail", "1", data=GUIDE.encode())
        of_content = await papers.learn("wiki", "tea", content=GUIDE)
        hashes = {d.document.content_hash for d in (of_file, of_data, of_content)}
        assert len(hashes) == 1
        assert of_file.document.lineage["name"] == "tea.md"
        assert of_file.document.title == "Guide"  # as the reader says
        assert (await papers.learn("files", "tea.md", data=GUIDE.encode())).outcome == "unchanged"

    async def test_a_text_without_words_has_no_chunks(self, papers: StoreHandle) -> None:
        learned = await papers.learn("files", "__init__.py", data=b"\n")
        assert (learned.outcome, learned.chunks) == ("created", 0)
        assert (await papers.learn("files", "__init__.py", data=b"\n")).outcome == "unchanged"

    async def test_what_postgresql_cannot_hold_keeps_its_place(self, papers: StoreHandle) -> None:
        learned = await papers.learn("files", "odd", data=b"nul \x00 here")
        assert await texts(papers, learned.document.id) == ["nul \ufffd here"]

    async def test_what_it_says_twice_is_embedded_once(
        self, papers: StoreHandle, hashing: Any
    ) -> None:
        learned = await papers.learn("wiki", "echo", content="Echo.\n\nEcho.\n\nEcho.")
        assert learned.chunks_new == 3
        assert hashing.texts == ["Echo."]

    async def test_progress_is_told(self, papers: StoreHandle) -> None:
        told: list[tuple[int, int]] = []
        await papers.learn(
            "wiki", "tea", content=GUIDE, on_chunks=lambda done, of: told.append((done, of))
        )
        assert told == [(3, 3)]


class TestTheSameAgain:
    async def test_it_is_nothing_new(
        self, papers: StoreHandle, hashing: Any, sql: Callable[..., Any], tenant: str
    ) -> None:
        first = await papers.learn("wiki", "tea", content=GUIDE, title="Tea")
        hashing.texts.clear()
        [(before,)] = sql(
            "SELECT count(*) FROM memoledger.audit_records WHERE tenant_id = %s", tenant
        )
        for fields in ({}, {"title": "Tea"}):
            again = await papers.learn("wiki", "tea", content=GUIDE, **fields)
            assert (again.outcome, again.document) == ("unchanged", first.document)
            assert (again.chunks, again.chunks_new, again.chunks_kept) == (3, 0, 3)
        assert hashing.texts == []
        assert sql(
            "SELECT count(*) FROM memoledger.audit_records WHERE tenant_id = %s", tenant
        ) == [(before,)]

    async def test_another_field_is_a_version_without_embedding(
        self, papers: StoreHandle, hashing: Any
    ) -> None:
        await papers.learn("wiki", "tea", content=GUIDE, state="draft")
        hashing.texts.clear()
        again = await papers.learn("wiki", "tea", content=GUIDE, state="final")
        assert (again.outcome, again.document.version) == ("updated", 2)
        assert (again.chunks_new, again.chunks_kept) == (0, 3)
        assert again.document.state == "final"
        assert hashing.texts == []

    async def test_the_same_elsewhere_is_another_document(
        self, papers: StoreHandle, alice: PrincipalHandle
    ) -> None:
        other = await alice.store("other papers")
        made = [
            await papers.learn("wiki", "tea", content=GUIDE),
            await papers.learn("wiki", "tea 2", content=GUIDE),
            await papers.learn("blog", "tea", content=GUIDE),
            await other.learn("wiki", "tea", content=GUIDE),
        ]
        assert [learned.outcome for learned in made] == ["created"] * 4
        assert len({learned.document.id for learned in made}) == 4


class TestAChange:
    async def test_only_what_changed_is_embedded(
        self, papers: StoreHandle, hashing: Any, sql: Callable[..., Any]
    ) -> None:
        first = await papers.learn("wiki", "tea", content=GUIDE)
        old = (await papers.chunks(first.document.id)).chunks
        hashing.texts.clear()
        changed = GUIDE.replace("four", "five")
        second = await papers.learn("wiki", "tea", content=changed)
        assert (second.outcome, second.document.version) == ("updated", 2)
        assert second.document.id == first.document.id
        assert (second.chunks, second.chunks_new, second.chunks_kept) == (3, 1, 2)
        assert hashing.texts == ["Guide > Brewing: Wait five minutes."]
        new = (await papers.chunks(first.document.id)).chunks
        assert [new[0].id, new[2].id] == [old[0].id, old[2].id]
        assert new[1].id != old[1].id
        assert [chunk.first_version for chunk in new] == [1, 2, 1]
        assert [chunk.version for chunk in new] == [2, 2, 2]
        closed = sql(
            "SELECT superseded_at FROM memoledger.embeddings WHERE owner_id = %s", old[1].id
        )
        assert closed == [(second.document.recorded_at,)]

    async def test_a_moved_chunk_keeps_its_id_and_gets_its_place(
        self, papers: StoreHandle, hashing: Any
    ) -> None:
        first = await papers.learn("wiki", "x", content="One.\n\nTwo.\n\nThree.")
        old = {c.text: c for c in (await papers.chunks(first.document.id)).chunks}
        hashing.texts.clear()
        text = "Three.\n\nNew.\n\nOne."
        await papers.learn("wiki", "x", content=text)
        assert hashing.texts == ["New."]
        new = (await papers.chunks(first.document.id)).chunks
        assert [c.text for c in new] == ["Three.", "New.", "One."]
        assert (new[0].id, new[2].id) == (old["Three."].id, old["One."].id)
        assert [text[c.start : c.end] for c in new] == ["Three.", "New.", "One."]

    async def test_the_past_stays_as_it_was(self, papers: StoreHandle) -> None:
        first = await papers.learn("wiki", "x", content="One.\n\nTwo.", title="Old")
        await papers.learn("wiki", "x", content="Zero.\n\nTwo.", title="New")
        then = first.document.recorded_at
        before = await papers.document(first.document.id, as_of=then)
        assert (before.version, before.title) == (1, "Old")
        assert await texts(papers, first.document.id, as_of=then) == ["One.", "Two."]
        assert await texts(papers, first.document.id, version=1) == ["One.", "Two."]
        assert await texts(papers, first.document.id) == ["Zero.", "Two."]
        history = await papers.document_history(first.document.id)
        assert [d.version for d in history] == [1, 2]
        assert history[0].superseded_at == history[1].recorded_at
        assert history[1].lineage["parent_version"] == 1

    async def test_chunks_by_id_as_a_search_asks_for_them(self, papers: StoreHandle) -> None:
        first = await papers.learn("wiki", "x", content="One.\n\nTwo.")
        old = (await papers.chunks(first.document.id)).chunks
        second = await papers.learn("wiki", "x", content="Zero.\n\nTwo.")
        documents = papers._context.ledger.documents
        ids = [chunk.id for chunk in old]
        asked = (papers._scope.principal, papers.id, ids)
        now = await documents.get_chunks(*asked)
        assert set(now) == {old[1].id}
        assert (now[old[1].id].version, now[old[1].id].start) == (2, 7)
        then = await documents.get_chunks(*asked, first.document.recorded_at)
        assert [then[chunk_id].text for chunk_id in ids] == ["One.", "Two."]
        assert {chunk.version for chunk in then.values()} == {1}
        later = second.document.recorded_at
        assert set(await documents.get_chunks(*asked, later)) == {old[1].id}


class TestObservations:
    async def test_they_are_memories_linked_to_it(self, papers: StoreHandle) -> None:
        learned = await papers.learn(
            "wiki",
            "tea",
            content=GUIDE,
            observations=[{"content": "Tea wants four minutes.", "title": "Brewing time"}],
        )
        [observed] = learned.observations
        assert (observed.outcome, observed.title) == ("created", "Brewing time")
        assert observed.subject_refs == (f"document:{learned.document.id}",)
        assert (await papers.get(observed.id)).content == "Tea wants four minutes."
        assert [m.id for m in await papers.observations(learned.document.id)] == [observed.id]
        hits = await papers.recall("brewing time", limit=10)
        assert observed.id in {hit.id for hit in hits}

    async def test_known_ones_stay_and_changed_ones_go_on(self, papers: StoreHandle) -> None:
        mine = await papers.remember("Tea is hot.")
        drafts = [
            {"content": "Tea is hot."},
            {"content": "Four minutes.", "external_id": "time"},
        ]
        first = await papers.learn("wiki", "tea", content=GUIDE, observations=drafts)
        assert [o.outcome for o in first.observations] == ["unchanged", "created"]
        assert first.observations[0].id == mine.id
        again = await papers.learn("wiki", "tea", content=GUIDE, observations=drafts)
        assert again.outcome == "unchanged"
        drafts[1]["content"] = "Five minutes."
        third = await papers.learn("wiki", "tea", content=GUIDE, observations=drafts)
        assert (third.outcome, third.chunks_new) == ("updated", 0)
        assert [o.outcome for o in third.observations] == ["unchanged", "updated"]
        assert third.observations[1].version == 2

    async def test_one_whose_identity_expired_takes_it(self, papers: StoreHandle) -> None:
        soon = datetime.now(UTC) + timedelta(seconds=0.3)
        old = await papers.remember("Tea is hot.", expires_at=soon)
        await asyncio.sleep(0.5)
        learned = await papers.learn(
            "wiki", "tea", content=GUIDE, observations=[{"content": "Tea is hot."}]
        )
        assert learned.observations[0].id != old.id
        assert learned.observations[0].outcome == "created"

    async def test_two_that_are_the_same_are_refused(self, papers: StoreHandle) -> None:
        with pytest.raises(InvalidInput, match="the same memory"):
            await papers.learn(
                "wiki", "tea", content=GUIDE, observations=[{"content": "a"}, {"content": "a"}]
            )
        assert (await papers.documents()).documents == []


class TestTogether:
    async def test_of_many_at_once_each_succeeds_and_one_is_first(
        self, papers: StoreHandle
    ) -> None:
        learned = await asyncio.gather(
            *(papers.learn("wiki", "x", content=f"Version {n}.\n\nSame.") for n in range(6))
        )
        assert [one.outcome for one in learned].count("created") == 1
        assert {one.document.version for one in learned} == set(range(1, 7))
        assert len({one.document.id for one in learned}) == 1
        history = await papers.document_history(learned[0].document.id)
        assert [d.version for d in history] == list(range(1, 7))

    async def test_of_many_with_the_same_content_one_writes(self, papers: StoreHandle) -> None:
        learned = await asyncio.gather(
            *(papers.learn("wiki", "x", content=GUIDE) for _ in range(6))
        )
        assert sorted(one.outcome for one in learned) == ["created"] + ["unchanged"] * 5

    async def test_learners_that_yield_the_same_memory(self, papers: StoreHandle) -> None:
        learned = await asyncio.gather(
            *(
                papers.learn(
                    "wiki", str(n), content=f"Text {n}.", observations=[{"content": "Shared."}]
                )
                for n in range(5)
            )
        )
        assert len({one.observations[0].id for one in learned}) == 1

    async def test_a_document_forgotten_while_it_is_learned(
        self, papers: StoreHandle, hashing: Any
    ) -> None:
        first = await papers.learn("wiki", "x", content="One.")
        loop = asyncio.get_running_loop()
        forgetting: list[Any] = []

        def forget(texts: Any) -> None:
            hashing.before = lambda texts: None
            forgetting.append(loop.create_task(papers.forget_document(first.document.id)))

        hashing.before = forget
        second = await papers.learn("wiki", "x", content="Two.")
        await asyncio.gather(*forgetting)
        assert second.outcome in ("created", "updated")


class TestNothingHalf:
    async def test_a_model_that_fails_leaves_nothing(
        self, papers: StoreHandle, hashing: Any
    ) -> None:
        first = await papers.learn("wiki", "x", content="One.")

        def fail(texts: Any) -> None:
            raise EmbedderError("The model is gone.")

        hashing.before = fail
        with pytest.raises(EmbedderError):
            await papers.learn("wiki", "x", content="Two.")
        with pytest.raises(EmbedderError):
            await papers.learn("wiki", "y", content="Three.")
        assert await papers.document(first.document.id) == first.document
        assert len((await papers.documents()).documents) == 1

    async def test_who_may_only_read_is_refused_before_anything_is_embedded(
        self, papers: StoreHandle, bob: PrincipalHandle, hashing: Any
    ) -> None:
        await papers.learn("wiki", "x", content="One.")
        await papers.share("bob")
        theirs = await bob.store_by_id(papers.id)
        hashing.texts.clear()
        for source_id in ("x", "y"):
            with pytest.raises(Forbidden):
                await theirs.learn("wiki", source_id, content="Two.")
        assert hashing.texts == []
        assert (await theirs.learn("wiki", "x", content="One.")).outcome == "unchanged"

    @pytest.mark.parametrize(
        "wrong",
        [
            {},
            {"content": "a", "data": b"a"},
            {"content": " "},
            {"content": 3},
            {"data": "text"},
            {"file": "/no/such/file"},
            {"file": "."},
            {"content": "a", "title": ""},
            {"content": "a", "author": 3},
            {"content": "a", "media_type": "nonsense"},
            {"content": "a", "occurred_at": "yesterday"},
            {"content": "a", "observations": "text"},
            {"content": "a", "observations": [{"content": ""}]},
            {"content": "a", "wait": "soon"},
        ],
    )
    async def test_what_is_wrong_is_refused(self, papers: StoreHandle, wrong: Any) -> None:
        with pytest.raises(InvalidInput):
            await papers.learn("wiki", "x", **wrong)
        assert (await papers.documents()).documents == []

    @pytest.mark.parametrize(("source", "source_id"), [("", "x"), ("wiki", ""), ("w" * 201, "x")])
    async def test_an_identity_has_to_be_one(
        self, papers: StoreHandle, source: str, source_id: str
    ) -> None:
        with pytest.raises(InvalidInput):
            await papers.learn(source, source_id, content="a")


class TestDurable:
    async def test_it_is_written_and_waits_to_be_embedded(
        self, papers: StoreHandle, hashing: Any, sql: Callable[..., Any]
    ) -> None:
        learned = await papers.learn("wiki", "tea", content=GUIDE, wait="durable")
        assert hashing.texts == []
        chunks = (await papers.chunks(learned.document.id)).chunks
        rows = sql(
            "SELECT owner_id, version, family FROM memoledger.embedding_schedule"
            " WHERE owner_id = ANY (%s)",
            [chunk.id for chunk in chunks],
        )
        assert sorted(rows) == sorted((chunk.id, 1, "chunk") for chunk in chunks)
        assert await texts(papers, learned.document.id) == [c.text for c in chunks]


def test_the_hash_of_a_chunk_covers_its_section() -> None:
    assert chunk_hash("a", "b") != chunk_hash("a", None)
    assert chunk_hash("a", "b") == chunk_hash("a", "b")
