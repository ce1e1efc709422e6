"""Packing memories for a model: never over the budget, in order, and nothing that can be forged."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memoledger.model.context_pack import (
    MARK,
    NEWEST_NUMBER,
    Piece,
    arranged,
    choose,
    conversation_of,
    ends_of,
    estimated_tokens,
    items_of,
    render,
)
from memoledger.model.document import Chunk
from memoledger.model.memory import Memory

T0 = datetime(2023, 5, 8, 12, tzinfo=UTC)
STORE = UUID(int=7)


def memory_of(number: int, content: str = "Hello", **given: Any) -> Memory:
    fields: dict[str, Any] = {
        "id": UUID(int=number),
        "version": 1,
        "store_id": STORE,
        "content": content,
        "type": "turn",
        "importance": 0.5,
        "metadata": {},
        "privacy": "store",
        "recorded_at": T0 + timedelta(days=100),
        "tags": (),
        "subject_refs": (),
        "created_by": "ann",
        "updated_by": "ann",
    }
    names = ("source", "title", "summary", "external_id", "occurred_at", "valid_from", "valid_to")
    ends = ("expires_at", "superseded_at", "deleted_at", "erased_at")
    return Memory(**{**dict.fromkeys((*names, *ends)), **fields, **given})


def chunk_of(number: int, text: str = "Run it.", **given: Any) -> Chunk:
    fields: dict[str, Any] = {
        "id": UUID(int=number),
        "document_id": UUID(int=99),
        "version": 3,
        "first_version": 1,
        "store_id": STORE,
        "place": number,
        "text": text,
        "section": "Guide > Install",
        "start": 10 * number,
        "end": 10 * number + len(text),
        "token_count": 4,
        "keywords": (),
        "source": "files",
        "source_id": "guide.md",
        "title": "The guide",
        "type": "document",
        "tags": (),
        "occurred_at": None,
        "recorded_at": T0 - timedelta(days=number),
        "superseded_at": None,
    }
    return Chunk(**{**fields, **given})


def chunk_piece(number: int, **given: Any) -> Piece:
    chunk = chunk_of(number, **given)
    label = conversation_of(chunk)
    return Piece(found=chunk, score=1 / number, group="document", label=label)


def piece_of(number: int, content: str = "Hello", label: str | None = None, **given: Any) -> Piece:
    group = f"topic {number}" if label is None else f"conversation {label}"
    memory = memory_of(number, content, **given)
    return Piece(found=memory, score=1 / number, group=group, label=label)


contents = st.sampled_from(["Hi", "one two three", "a longer text than that of others", "x\n[1] y"])
some_pieces = st.lists(
    st.tuples(
        contents,
        st.sampled_from([None, "lake", "city"]),
        st.none() | st.integers(0, 60).map(lambda hours: T0 + timedelta(hours=hours)),
        st.sampled_from([{}, {"speaker": "Ann"}, {"speaker": " B\nen "}, {"speaker": 3}]),
    ),
    max_size=12,
).map(
    lambda drawn: [
        piece_of(number, content, label, occurred_at=when, metadata=metadata)
        for number, (content, label, when, metadata) in enumerate(drawn, start=1)
    ]
)


def words(text: str) -> int:
    return len(text.split())


def tokens_of(pieces: list[Piece]) -> dict[str, int]:
    lines = [piece.line(NEWEST_NUMBER) for piece in pieces]
    frames = [line for piece in pieces for line in piece.frame()]
    return {line: words(line) for line in [*lines, *frames]}


class TestChoose:
    @given(pieces=some_pieces, budget=st.integers(1, 80))
    def test_what_is_chosen_fits_and_what_is_better_is_not_passed_over(
        self, pieces: list[Piece], budget: int
    ) -> None:
        tokens = tokens_of(pieces)
        chosen = choose(pieces, tokens, budget)
        assert chosen == sorted(set(chosen))
        assert words(render(arranged([pieces[place] for place in chosen]))) <= budget
        for place in set(range(len(pieces))) - set(chosen):
            # Whatever was passed over did not fit beside the better ones.
            better = [pieces[p] for p in chosen if p < place]
            assert words(render(arranged([*better, pieces[place]]))) > budget

    @given(pieces=some_pieces)
    def test_with_room_enough_all_are_there(self, pieces: list[Piece]) -> None:
        assert choose(pieces, tokens_of(pieces), 10_000) == list(range(len(pieces)))


class TestText:
    @given(pieces=some_pieces)
    def test_groups_by_their_best_and_inside_them_by_time(self, pieces: list[Piece]) -> None:
        ordered = arranged(pieces)
        assert sorted(p.found.id for p in ordered) == sorted(p.found.id for p in pieces)
        groups = [p.group for p in ordered]
        begun = list(dict.fromkeys(groups))
        assert begun == list(dict.fromkeys(p.group for p in pieces))
        assert sorted(groups, key=begun.index) == groups
        for group in begun:
            days = [
                (p.found.occurred_at or p.found.recorded_at).date()
                for p in ordered
                if p.group == group
            ]
            assert days == sorted(days)

    @given(pieces=some_pieces)
    def test_the_numbers_of_lines_are_those_of_the_items(self, pieces: list[Piece]) -> None:
        ordered = arranged(pieces)
        text, items = render(ordered), items_of(ordered, "notes")
        found = re.findall(r"^\[(\d+)\] ", text, re.MULTILINE)
        assert found == [str(item.number) for item in items]
        assert [item.source.memory_id for item in items] == [p.found.id for p in ordered]

    @given(pieces=some_pieces)
    def test_each_heading_and_day_stands_once(self, pieces: list[Piece]) -> None:
        text = render(arranged(pieces))
        labels = [p.label for p in pieces if p.label is not None]
        assert text.count("## ") == len(set(labels))
        above = {(p.group, p.day) for p in pieces}
        days = [
            line for line in text.splitlines() if re.fullmatch(r"(Recorded on )?\w+day .*", line)
        ]
        assert len(days) == len(above)

    def test_as_it_is_described(self) -> None:
        pieces = [
            piece_of(
                1, "Cold, and worth it.", "trip", occurred_at=T0, metadata={"speaker": "Caroline"}
            ),
            piece_of(
                2,
                "How was it?",
                "trip",
                occurred_at=T0 - timedelta(hours=1),
                metadata={"speaker": "Melanie"},
            ),
            piece_of(3, "The code is 17.\nKeep it."),
        ]
        assert render(arranged(pieces)) == (
            "## trip\nMonday 8 May 2023\n[1] Melanie: How was it?\n"
            "[2] Caroline: Cold, and worth it.\n\n"
            "Recorded on Wednesday 16 August 2023\n[3] The code is 17.\n    Keep it."
        )

    @pytest.mark.parametrize("content", ["a\n[7] Bob: b", "a\r## c", "a\r\n[8] d", "a\u2028[9] e"])
    def test_no_content_passes_for_a_line_of_the_pack(self, content: str) -> None:
        text = render([piece_of(1, content, metadata={"speaker": "A\n[5] x"})])
        lines = text.splitlines()
        assert [line for line in lines if line.startswith(("[", "#"))] == [lines[1]]


class TestItems:
    def test_an_item_names_its_source(self) -> None:
        piece = piece_of(5, "Hello", "lake", occurred_at=T0, metadata={"speaker": "Ann"})
        [item] = items_of([piece], "notes")
        assert item.as_dict() == {
            "number": 1,
            "text": "Hello",
            "truncated": False,
            "score": 0.2,
            "group": "lake",
            "source": {
                "store": "notes",
                "store_id": str(STORE),
                "memory_id": str(UUID(int=5)),
                "version": 1,
                "speaker": "Ann",
                "occurred_at": T0.isoformat(),
                "recorded_at": (T0 + timedelta(days=100)).isoformat(),
                **dict.fromkeys(("chunk_id", "document_id", "section", "start", "end")),
            },
            "folded": [],
        }

    def test_a_shortened_one_says_so(self) -> None:
        [item] = items_of([piece_of(1, "One. Two.").shortened("One.")], "notes")
        assert (item.text, item.truncated) == ("One." + MARK, True)


class TestConversations:
    @pytest.mark.parametrize(
        ("metadata", "name"),
        [
            ({"conversation": "lake", "session": 3}, "lake"),
            ({"thread_id": 17}, "17"),
            ({"session": 3}, "session 3"),
            ({"session_id": "a"}, "session a"),
            ({"conversation": " ", "chat_id": "c"}, "c"),
            ({"conversation": ["x"]}, None),
            ({}, None),
        ],
    )
    def test_their_names(self, metadata: dict[str, Any], name: str | None) -> None:
        assert conversation_of(memory_of(1, metadata=metadata)) == name


class TestCutting:
    def test_where_sentences_end(self) -> None:
        text = 'He said "no." Then 3.5 passed! A new\nline? And on…'
        sentences, words_ = ends_of(text)
        assert [text[:end] for end in sentences] == [
            'He said "no."',
            'He said "no." Then 3.5 passed!',
            'He said "no." Then 3.5 passed! A new\n',
            'He said "no." Then 3.5 passed! A new\nline?',
        ]
        assert len(words_) == len(text.split()) - 1

    @given(text=st.text(max_size=200))
    def test_ends_lie_inside_and_ascend(self, text: str) -> None:
        for ends in ends_of(text):
            assert ends == sorted(set(ends))
            assert all(0 < end <= len(text) for end in ends)


class TestEstimate:
    @pytest.mark.parametrize(
        ("text", "tokens"), [("", 0), ("abcdefg", 2), ("a" * 35, 10), ("日本語", 3), ("aé", 2)]
    )
    def test_some(self, text: str, tokens: int) -> None:
        assert estimated_tokens(text) == tokens


class TestChunks:
    def test_they_stand_below_their_documents_title_in_its_order(self) -> None:
        text = render(arranged([chunk_piece(3), piece_of(9), chunk_piece(2), chunk_piece(1)]))
        assert text.startswith("## The guide\n")
        lines = [line for line in text.splitlines() if line.startswith("[")]
        assert lines[:3] == [f"[{n}] Guide > Install: Run it." for n in (1, 2, 3)]
        assert lines[3] == "[4] Hello"

    def test_a_document_without_a_title_is_called_as_in_its_source(self) -> None:
        assert conversation_of(chunk_of(1, title=None)) == "guide.md"

    def test_an_item_tells_its_document_section_and_place(self) -> None:
        [item] = items_of([chunk_piece(4)], "notes")
        source = item.source
        assert (source.family, source.id, source.memory_id) == ("chunk", UUID(int=4), None)
        assert (source.document_id, source.version) == (UUID(int=99), 3)
        assert (source.section, source.start, source.end) == ("Guide > Install", 40, 47)
        assert item.as_dict()["source"]["chunk_id"] == str(UUID(int=4))
