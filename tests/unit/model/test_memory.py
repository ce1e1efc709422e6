"""Drafts and memories: identity, stored form, and what is refused."""

from __future__ import annotations

import json
import unicodedata
from dataclasses import fields, replace
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memoledger.model import limits
from memoledger.model.errors import InvalidInput
from memoledger.model.memory import (
    DRAFT_FIELDS,
    CheckedDraft,
    Draft,
    Memory,
    check_tags,
    content_hash,
)

texts = st.text(
    alphabet=st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), min_size=1
).filter(str.strip)
spaces = st.text(alphabet=" \t\r\n\u00a0\u2003\u3000", min_size=1)


class TestContentHash:
    @given(texts)
    def test_normal_forms_are_one_content(self, text: str) -> None:
        assert content_hash(unicodedata.normalize("NFD", text)) == content_hash(text)
        assert content_hash(unicodedata.normalize("NFC", text)) == content_hash(text)

    @given(st.lists(texts.map(str.split), min_size=1), spaces, spaces, spaces)
    def test_white_space_does_not_count(
        self, parts: list[list[str]], first: str, between: str, last: str
    ) -> None:
        words = [word for part in parts for word in part]
        spaced = first + between.join(words) + last
        assert content_hash(spaced) == content_hash(" ".join(words))

    def test_other_differences_count(self) -> None:
        contents = ["Tea", "tea", "t ea", "tea.", "t\u0435a", "\ufb01", "fi"]
        assert len({content_hash(content) for content in contents}) == len(contents)

    def test_it_is_sha_256(self) -> None:
        assert content_hash("a  b").hex() == (
            "c8687a08aa5d6ed2044328fa6a697ab8e96dc34291e8c2034ae8c38e6fcc6d65"
        )


class TestDraftOf:
    def test_a_mapping_becomes_a_draft(self) -> None:
        assert Draft.of({"content": "a", "tags": ["b"]}) == Draft(content="a", tags=["b"])

    def test_a_draft_is_left_alone(self) -> None:
        draft = Draft(content="a")
        assert Draft.of(draft) is draft

    @pytest.mark.parametrize(
        "given", [{"id": "x"}, {"id": "x", "external_id": "x"}, {"id": "x", "external_id": None}]
    )
    def test_an_id_is_the_external_id(self, given: dict[str, Any]) -> None:
        assert Draft.of({"content": "a", **given}).external_id == "x"

    def test_no_id_is_none(self) -> None:
        assert Draft.of({"content": "a", "id": None}).external_id is None

    def test_two_different_ids_are_refused(self) -> None:
        with pytest.raises(InvalidInput, match="id: it differs from external_id"):
            Draft.of({"content": "a", "id": "x", "external_id": "y"})

    @pytest.mark.parametrize("name", ["colour", "Content", "", "\ud800", 5, None, "version"])
    def test_an_unknown_field_is_refused_with_the_known_ones(self, name: Any) -> None:
        with pytest.raises(InvalidInput, match="not known") as caught:
            Draft.of({"content": "a", name: 1})
        str(caught.value).encode()
        assert all(known in str(caught.value) for known in DRAFT_FIELDS)

    def test_the_mapping_is_not_changed(self) -> None:
        given = {"content": "a", "id": "x"}
        Draft.of(given)
        assert given == {"content": "a", "id": "x"}

    @pytest.mark.parametrize("value", [None, 5, "text", ["content"], object()])
    def test_what_is_no_object_is_refused(self, value: Any) -> None:
        with pytest.raises(InvalidInput, match="memory: it is no object"):
            Draft.of(value)

    def test_the_content_must_be_there(self) -> None:
        with pytest.raises(InvalidInput, match="content: it is missing"):
            Draft.of({"type": "fact"})


WRONG: dict[str, list[Any]] = {
    "content": ["", "  ", None, 5, b"a", "\x00", "\ud800", "x" * (limits.CONTENT_CHARS_MAX + 1)],
    "type": ["", None, 5, "x" * (limits.TYPE_CHARS_MAX + 1), "\x00"],
    "importance": [-0.1, 1.1, True, None, "0.5", float("nan"), float("inf"), 2**99],
    "source": ["", 5, "x" * (limits.SOURCE_CHARS_MAX + 1), "\ud800"],
    "tags": ["tag", [1], [None], [""], ["x" * 101], [f"{i}" for i in range(10_000)], {"a": 1}],
    "subject_refs": ["ref", [1], ["x" * 501], [f"{i}" for i in range(65)]],
    "metadata": [[], "a", {"a": {1}}, {1: 2}, {"a": float("nan")}],
    "title": ["", 5, "x" * (limits.TITLE_CHARS_MAX + 1)],
    "summary": ["", 5, "x" * (limits.SUMMARY_CHARS_MAX + 1)],
    "external_id": ["", " ", 5, "x" * (limits.EXTERNAL_ID_CHARS_MAX + 1), "\x00"],
    "occurred_at": ["soon", "2026-01-01", datetime(2026, 1, 1), 5],  # noqa: DTZ001
    "valid_from": ["soon", "0999-01-01T00:00:00Z"],
    "valid_to": ["soon", "3000-01-02T00:00:00Z"],
    "expires_at": ["soon", "2026-01-01T00:00:00", False],
    "privacy": ["public", None, True, ""],
}


class TestChecked:
    @pytest.mark.parametrize(
        ("name", "value"), [(name, value) for name, values in WRONG.items() for value in values]
    )
    def test_the_wrong_field_is_named(self, name: str, value: Any) -> None:
        with pytest.raises(InvalidInput) as caught:
            replace(Draft(content="fine"), **{name: value}).checked()
        assert caught.value.field.startswith(name)
        assert len(str(caught.value)) < 600

    def test_every_field_but_the_vector_has_a_stored_form(self) -> None:
        stored = {field.name for field in fields(CheckedDraft)}
        assert stored == (DRAFT_FIELDS - {"embedding"}) | {"content_hash"}
        assert set(WRONG) == DRAFT_FIELDS - {"embedding"}

    def test_limits_themselves_are_allowed(self) -> None:
        draft = Draft(
            content="x" * limits.CONTENT_CHARS_MAX,
            tags=[f"{i}" * 1 for i in range(limits.TAGS_MAX)],
            subject_refs=["r" * limits.SUBJECT_REF_CHARS_MAX],
            importance=1,
            valid_from="1000-01-01T00:00:00Z",
            valid_to="3000-01-01T00:00:00Z",
        )
        assert len(draft.checked().tags) == limits.TAGS_MAX

    def test_no_lists_and_no_metadata_are_empty_ones(self) -> None:
        checked = Draft(content="a", tags=None, subject_refs=None, metadata=None).checked()  # type: ignore[arg-type]
        assert (checked.tags, checked.subject_refs, checked.metadata) == ((), (), {})

    def test_the_stored_form_of_a_stored_form_is_itself(self) -> None:
        checked = Draft(
            content=" a ", tags=["b", "b"], occurred_at="2026-01-01T00:00+02:00"
        ).checked()
        again = Draft(**{f: getattr(checked, f) for f in DRAFT_FIELDS - {"embedding"}}).checked()
        assert again == checked

    def test_it_is_valid_before_it_ends(self) -> None:
        day = "2026-01-01T00:00:00Z"
        with pytest.raises(InvalidInput, match="valid_to: it is not after valid_from"):
            Draft(content="a", valid_from=day, valid_to=day).checked()

    @pytest.mark.parametrize("speaker", [None, 5, ["Ann"], {"name": "Ann"}])
    def test_a_speaker_is_a_text(self, speaker: Any) -> None:
        assert Draft(content="a", metadata={"speaker": speaker}).checked().speaker is None
        assert Draft(content="a", metadata={"speaker": "Ann"}).checked().speaker == "Ann"


def test_no_tags_are_an_empty_tuple() -> None:
    assert check_tags("tags", None) == ()


def test_a_memory_as_data_is_json() -> None:
    instant = datetime(2026, 5, 8, 13, 56, tzinfo=UTC)
    values: dict[str, Any] = {field.name: None for field in fields(Memory)}
    values |= {"id": uuid4(), "recorded_at": instant, "tags": ("a",), "metadata": {"b": [1]}}
    data = Memory(**values).as_dict()
    assert json.loads(json.dumps(data)) == data
    assert data["recorded_at"] == "2026-05-08T13:56:00+00:00"
    assert data["tags"] == ["a"]
