"""Documents through both doors: learn, read, list, history, chunks, observations, forget."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from memoledger import ConflictError, InvalidInput, NotFound

DOCUMENT = "# Roadmap\n\nThe fourth quarter is about search.\n\n## Risks\n\nToo little time.\n"
EVERYTHING: dict[str, Any] = {
    "title": "The plan",
    "summary": "What is planned.",
    "type": "plan",
    "state": "draft – größer",
    "author": {"name": "Zoë", "camelCase": 1, "snake_case": [None]},
    "tags": ("planning", "Q4, 🌧"),
    "metadata": {"camelCase": {"snake_case": 2.5}},
    "occurred_at": datetime(2026, 5, 8, 13, 56, 0, 1, tzinfo=UTC),
    "media_type": "text/markdown",
}


async def test_every_field_goes_there_and_back(notes: Any) -> None:
    learned = await notes.learn("wiki", "plans/é?x=%2F", content=DOCUMENT, **EVERYTHING)
    document = learned.document
    assert (learned.outcome, learned.chunks, learned.chunks_new) == ("created", 1, 1)
    assert {name: getattr(document, name) for name in EVERYTHING} == EVERYTHING
    assert (document.source, document.source_id) == ("wiki", "plans/é?x=%2F")
    assert (document.version, document.chunk_count, document.char_count) == (1, 1, len(DOCUMENT))
    assert await notes.document(document.id) == document
    assert await notes.document_history(str(document.id)) == [document]
    [chunk] = (await notes.chunks(document.id)).chunks
    assert (chunk.text, chunk.section) == (DOCUMENT.strip(), "Roadmap")
    assert DOCUMENT[chunk.start : chunk.end] == chunk.text
    assert (chunk.document_id, chunk.version, chunk.place) == (document.id, 1, 0)


async def test_the_same_again_is_known_and_a_change_is_a_version(notes: Any) -> None:
    told: list[tuple[int, int]] = []
    first = await notes.learn(
        "wiki", "a", content=DOCUMENT, on_chunks=lambda *done: told.append(done)
    )
    assert told[-1] == (1, 1)
    again = await notes.learn("wiki", "a", content=DOCUMENT)
    assert (again.outcome, again.chunks_new, again.chunks_kept) == ("unchanged", 0, 1)
    assert again.document == first.document
    changed = await notes.learn("wiki", "a", content=DOCUMENT + "More.\n")
    assert (changed.outcome, changed.document.version) == ("updated", 2)
    assert [one.version for one in await notes.document_history(first.document.id)] == [1, 2]
    then = await notes.document(first.document.id, version=1)
    assert then.content_hash == first.document.content_hash
    assert await notes.document(first.document.id, as_of=first.document.recorded_at) == then
    old = await notes.chunks(first.document.id, version=1)
    assert [chunk.text for chunk in old.chunks] == [DOCUMENT.strip()]


async def test_files_and_bytes_are_read(notes: Any, tmp_path: Path) -> None:
    path = tmp_path / "größe (1).md"
    path.write_text(DOCUMENT, "utf-8")
    from_file = await notes.learn("files", "plan", file=path)
    assert from_file.document.title == "Roadmap"
    assert from_file.document.media_type == "text/markdown"
    html = b"<html><title>T</title><h1>Big</h1><p>small"
    from_bytes = await notes.learn("files", "page.html", data=html)
    [chunk] = (await notes.chunks(from_bytes.document.id)).chunks
    assert (chunk.text, chunk.section) == ("# Big\n\nsmall", "Big")
    told = await notes.learn("files", "no suffix", data=b"a,b\n1,2", media_type="text/csv")
    [chunk] = (await notes.chunks(told.document.id)).chunks
    assert chunk.text == "a: 1\nb: 2"


async def test_what_cannot_be_read_is_refused_by_name(notes: Any, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"picture\.png") as caught:
        await notes.learn("files", "picture.png", data=b"\x89PNG\r\n\x1a\n\x00\x00")
    assert caught.value.code == "unreadable-source"
    with pytest.raises(InvalidInput):
        await notes.learn("files", "none", file=tmp_path / "none.md")
    with pytest.raises(InvalidInput):
        await notes.learn("files", "both", content="x", data=b"x")
    with pytest.raises(InvalidInput):
        await notes.learn("files", "nothing")
    with pytest.raises(InvalidInput):
        await notes.learn("", "a", content="x")
    with pytest.raises(InvalidInput):
        await notes.learn("files", "a", content="x", wait="never")
    assert (await notes.documents()).documents == []


async def test_observations_are_remembered_and_linked(notes: Any) -> None:
    observed = [
        {"content": "John wants a roadmap.", "title": "John", "tags": ["people"]},
        {"content": "Search comes first.", "summary": "Search first."},
    ]
    learned = await notes.learn("wiki", "a", content=DOCUMENT, observations=observed)
    assert [one.outcome for one in learned.observations] == ["created", "created"]
    found = await notes.observations(learned.document.id)
    assert {one.content for one in found} == {one["content"] for one in observed}
    reference = f"document:{learned.document.id}"
    assert all(reference in one.subject_refs for one in found)


async def test_documents_are_listed_in_pages_and_filtered(notes: Any) -> None:
    for number in range(5):
        kind = "plan" if number % 2 else "note"
        content = f"Text number {number}."
        await notes.learn("wiki", f"{number}", content=content, type=kind, tags=[f"t{number}"])
    await notes.learn("mail", "0", content="A mail.")
    page = await notes.documents(source="wiki", limit=3)
    assert [one.source_id for one in page.documents] == ["0", "1", "2"]
    rest = await notes.documents(source="wiki", limit=3, cursor=page.next_cursor)
    assert [one.source_id for one in rest.documents] == ["3", "4"]
    assert rest.next_cursor is None
    assert [one.source_id for one in (await notes.documents(types=["plan"])).documents] == [
        "1",
        "3",
    ]
    assert [one.source_id for one in (await notes.documents(tags=["t4"])).documents] == ["4"]
    with pytest.raises(InvalidInput):
        await notes.documents(limit=0)


async def test_chunks_come_in_pages(notes: Any) -> None:
    text = "\n\n".join(f"Paragraph {n} is about item {n * 37}. " * 6 for n in range(30))
    learned = await notes.learn("wiki", "long", content=text)
    assert learned.chunks > 5
    places: list[int] = []
    cursor = None
    while True:
        page = await notes.chunks(learned.document.id, limit=3, cursor=cursor)
        places += [chunk.place for chunk in page.chunks]
        cursor = page.next_cursor
        if cursor is None:
            break
    assert places == list(range(learned.chunks))


async def test_a_forgotten_document_is_gone_but_for_its_history(notes: Any) -> None:
    first = (await notes.learn("wiki", "a", content=DOCUMENT)).document
    with pytest.raises(ConflictError):
        await notes.forget_document(first.id, if_version=7)
    await notes.forget_document(first.id, if_version=1)
    with pytest.raises(NotFound):
        await notes.document(first.id)
    [version] = await notes.document_history(first.id)
    assert version.deleted_at is not None
    await notes.forget_document(first.id, hard=True)
    [version] = await notes.document_history(first.id)
    assert (version.title, version.erased_at is None) == (None, False)


@pytest.mark.parametrize("verb", ["document", "document_history", "chunks", "forget_document"])
async def test_what_is_not_there_is_not_found(notes: Any, verb: str) -> None:
    with pytest.raises(NotFound):
        await getattr(notes, verb)(uuid4())
    with pytest.raises(InvalidInput):
        await getattr(notes, verb)("no id")


async def test_anothers_documents_are_not_found(notes: Any, bob: Any) -> None:
    learned = await notes.learn("wiki", "a", content=DOCUMENT)
    store = await bob.store("notes")
    with pytest.raises(NotFound):
        await store.document(learned.document.id)
    assert (await store.documents()).documents == []


def test_the_synchronous_twin_learns(blocking_notes: Any) -> None:
    learned = blocking_notes.learn("wiki", "a", content=DOCUMENT)
    assert learned.outcome == "created"
    assert blocking_notes.document(learned.document.id) == learned.document
    assert len(blocking_notes.chunks(learned.document.id).chunks) == 1
    blocking_notes.forget_document(learned.document.id)
