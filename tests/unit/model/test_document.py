"""Drafts of documents: what is given, in its stored form, and what is refused."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memoledger.model import limits
from memoledger.model.document import (
    ChunkDraft,
    DocumentDraft,
    Piece,
    check_media_type,
    checked_observation,
    chunk_hash,
    document_ref,
    indexed_chunk,
)
from memoledger.model.errors import InvalidInput
from memoledger.model.memory import Draft

ID = UUID("00000000-0000-7000-8000-000000000001")


def draft(**fields: Any) -> DocumentDraft:
    return DocumentDraft(**{"source": "wiki", "source_id": "tea", "content": "Tea.", **fields})


class TestChecked:
    def test_only_what_was_given_is_described(self) -> None:
        assert draft().checked().described == {}
        assert draft(title="T", tags=[], metadata={}).checked().described == {
            "title": "T",
            "tags": (),
            "metadata": {},
        }

    def test_fields_in_their_stored_form(self) -> None:
        checked = draft(
            author="Ada",
            occurred_at="2026-05-08T15:00:00+02:00",
            media_type="Text/Markdown; charset=utf-8",
            tags=["a", "b", "a"],
            state="open",
            type="issue",
            summary="S",
        ).checked()
        assert checked.described == {
            "author": {"name": "Ada"},
            "occurred_at": datetime(2026, 5, 8, 13, tzinfo=UTC),
            "media_type": "text/markdown",
            "tags": ("a", "b"),
            "state": "open",
            "type": "issue",
            "summary": "S",
        }
        assert (checked.source, checked.source_id) == ("wiki", "tea")

    @pytest.mark.parametrize(
        ("fields", "named"),
        [
            ({"source": ""}, "source"),
            ({"source": "w" * 201}, "source"),
            ({"source": " wiki"}, "source"),
            ({"source": 3}, "source"),
            ({"source_id": ""}, "source_id"),
            ({"source_id": "x" * 501}, "source_id"),
            ({"content": None}, "content"),
            ({"content": " \n"}, "content"),
            ({"content": "a\x00"}, "content"),
            ({"data": b"a"}, "data"),
            ({"content": None, "data": "a"}, "data"),
            ({"content": None, "file": 3}, "file"),
            ({"title": "t" * 1_001}, "title"),
            ({"type": "t" * 51}, "type"),
            ({"state": ""}, "state"),
            ({"author": 3}, "author"),
            ({"author": {"name": object()}}, "author.name"),
            ({"tags": "a"}, "tags"),
            ({"metadata": []}, "metadata"),
            ({"occurred_at": "2026-05-08"}, "occurred_at"),
            ({"media_type": "markdown"}, "media_type"),
            ({"observations": {"content": "a"}}, "observations"),
            ({"observations": [{"content": "a"}] * 1_001}, "observations"),
            ({"observations": [{"words": "a"}]}, "words"),
        ],
    )
    def test_what_is_wrong_is_named(self, fields: dict[str, Any], named: str) -> None:
        with pytest.raises(InvalidInput) as caught:
            draft(**fields).checked()
        assert caught.value.field == named

    @pytest.mark.parametrize("given_as", [b"a", bytearray(b"a"), memoryview(b"a")])
    def test_bytes_of_every_kind(self, given_as: Any) -> None:
        draft(content=None, data=given_as).checked()

    @pytest.mark.parametrize("path", ["a.txt", Path("a.txt")])
    def test_a_file_need_not_be_there_yet(self, path: Any) -> None:
        draft(content=None, file=path).checked()


class TestMediaType:
    @pytest.mark.parametrize(
        "wrong", ["", "text", "/", "text/", "/plain", "t\u00e9xt/plain", "a/" + "b" * 99, 3]
    )
    def test_what_is_none(self, wrong: Any) -> None:
        with pytest.raises(InvalidInput):
            check_media_type(wrong)

    def test_none_is_none(self) -> None:
        assert check_media_type(None) is None


class TestChunks:
    @given(st.text(), st.text(), st.none() | st.text(min_size=1))
    def test_the_same_hash_is_the_same_text_in_the_same_section(
        self, one: str, other: str, section: str | None
    ) -> None:
        same = chunk_hash(one.replace("\x00", ""), section) == chunk_hash(
            other.replace("\x00", ""), section
        )
        assert same == (one.replace("\x00", "") == other.replace("\x00", ""))

    def test_what_is_embedded_stands_under_its_headings(self) -> None:
        assert indexed_chunk("Wait.", "Guide > Brewing") == "Guide > Brewing: Wait."
        assert indexed_chunk("Wait.", None) == "Wait."
        piece = Piece("Wait.", 0, 5, "Brewing", 2)
        chunk = ChunkDraft(ID, piece, is_new=True)
        assert chunk.indexed == "Brewing: Wait."
        assert chunk.hash == chunk_hash("Wait.", "Brewing")


class TestObservations:
    def test_they_refer_to_their_document_once(self) -> None:
        plain = Draft(content="a", subject_refs=["b"])
        once = checked_observation(ID, plain, plain.checked())
        assert once.subject_refs == ("b", f"document:{ID}") == ("b", document_ref(ID))
        assert checked_observation(ID, plain, once) is once

    def test_there_has_to_be_room_for_that(self) -> None:
        full = Draft(content="a", subject_refs=[str(n) for n in range(limits.SUBJECT_REFS_MAX)])
        with pytest.raises(InvalidInput, match="subject_refs"):
            checked_observation(ID, full, full.checked())
