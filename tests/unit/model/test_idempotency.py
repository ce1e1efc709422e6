"""Idempotency keys: what they may be, and what is kept of them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memoledger.model.errors import InvalidInput
from memoledger.model.idempotency import (
    check_answer,
    check_idempotency_key,
    key_hash,
    request_hash,
)

REQUESTS = st.tuples(st.text(), st.text(max_size=10), st.text(max_size=30), st.binary(max_size=30))


@pytest.mark.parametrize("key", ["a", "x" * 255, "8e03978e-40d5-43dd-bc93-6894a57f9324", '"q"'])
def test_visible_ascii_is_a_key(key: str) -> None:
    assert check_idempotency_key(key) == key


@pytest.mark.parametrize("key", ["", " ", "x" * 256, "é", "a\nb", "\x7f", None, 7, b"a"])
def test_anything_else_is_none(key: object) -> None:
    with pytest.raises(InvalidInput, match="idempotency-key"):
        check_idempotency_key(key)


@given(REQUESTS.filter(lambda r: r[0].isascii()), REQUESTS.filter(lambda r: r[0].isascii()))
def test_requests_have_one_hash_only_if_they_are_one(first: Any, second: Any) -> None:
    assert (request_hash(*first) == request_hash(*second)) == (first == second)
    assert len(request_hash(*first)) == len(key_hash(first[0])) == 32


def test_an_answer_is_ids_numbers_and_outcomes() -> None:
    check_answer({"id": "0190", "version": 3, "created": True, "none": None, "ids": ["a", 1]})


@pytest.mark.parametrize(
    "value", ["x" * 201, ["x" * 201], {"deep": 1}, [["a"]], b"bytes", ["a"] * 1_001]
)
def test_an_answer_carries_no_content(value: Any) -> None:
    with pytest.raises(InvalidInput, match=r"answer\.memory"):
        check_answer({"memory": value})
