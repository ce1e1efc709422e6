"""Errors: one tree, short messages of three parts, whatever value they are about."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from memoledger.model import errors
from memoledger.model.errors import (
    VALUE_PREVIEW_CHARS,
    InvalidInput,
    LedgerUnavailable,
    MemoledgerError,
    NotFound,
    preview,
)


class Rude:
    def __repr__(self) -> str:
        raise RuntimeError("no comment")


def deep(depth: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    "value",
    [
        "x" * 10**6,
        "\ud800\x00\n" * 100,
        b"x" * 10**6,
        10**5_000,
        list(range(10_000)),
        {str(i): i for i in range(10_000)},
        deep(100_000),
        Rude(),
        [Rude()],
        np.zeros(10_000),
        {1, 2, 3},
        None,
        float("nan"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_any_value_has_a_short_printable_preview(value: object) -> None:
    shown = preview(value)
    assert 0 < len(shown) <= VALUE_PREVIEW_CHARS
    shown.encode()


@given(st.text() | st.text(alphabet=st.characters(categories=["Cs", "Cc"])))
def test_short_texts_are_shown_as_they_are_written_in_python(text: str) -> None:
    shown = preview(text)
    assert shown == ascii(text) or (shown.endswith("…") and len(shown) == VALUE_PREVIEW_CHARS)


@pytest.mark.parametrize("value", [5, 1.5, None, True, [1, 2], {"a": 1}, (1,)])
def test_short_values_are_shown_whole(value: object) -> None:
    assert preview(value) == repr(value)


def test_a_message_says_what_is_wrong_with_which_value_and_what_to_do() -> None:
    error = InvalidInput("importance", 7, "it is outside 0 to 1", remedy="Give less.")
    assert str(error) == "importance: it is outside 0 to 1 (got 7). Give less."
    assert error.as_dict() == {
        "code": "invalid-input",
        "message": "importance: it is outside 0 to 1 (got 7).",
        "remedy": "Give less.",
        "field": "importance",
        "value": "7",
    }


@pytest.mark.parametrize("name", ["\ud800", "a\nb", "k" * 10**5, "\x1b[31m", "a.\x00"])
def test_a_field_named_by_the_caller_is_shown_short_and_printable(name: str) -> None:
    error = InvalidInput(name, 1, "that field is not known", remedy="Leave it out.")
    str(error).encode()
    assert str(error).isprintable()
    assert len(str(error)) < 250
    json.dumps(error.as_dict()).encode()


def test_every_error_belongs_to_the_tree_and_has_a_code_of_its_own() -> None:
    kinds = [
        kind
        for kind in vars(errors).values()
        if isinstance(kind, type) and issubclass(kind, MemoledgerError)
    ]
    codes = [kind.code for kind in kinds]
    assert len(kinds) > 10
    assert len(set(codes)) == len(codes)


def test_errors_are_also_what_python_programmers_catch() -> None:
    assert issubclass(InvalidInput, ValueError)
    assert issubclass(NotFound, LookupError)
    assert issubclass(LedgerUnavailable, ConnectionError)
    assert str(NotFound("Nothing there.")) == "Nothing there."
