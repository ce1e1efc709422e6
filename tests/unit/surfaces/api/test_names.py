from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memoledger.model.errors import Malformed
from memoledger.model.memory import DRAFT_FIELDS
from memoledger.model.plain import camel, snake
from memoledger.surfaces.api.names import camel_query, with_snake_keys


def test_the_fields_of_a_draft_are_found_in_both_cases() -> None:
    assert {snake(camel(name)) for name in DRAFT_FIELDS} == DRAFT_FIELDS
    assert with_snake_keys({"externalId": 1, "tags": 2}) == {"external_id": 1, "tags": 2}


def test_what_is_inside_an_object_stays() -> None:
    inner = {"innerName": {"other_name": 1}}
    assert with_snake_keys({"metadata": inner}) == {"metadata": inner}


def test_a_field_in_both_cases_is_refused() -> None:
    with pytest.raises(Malformed, match="twice"):
        with_snake_keys({"external_id": 1, "externalId": 1})


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (b"", b""),
        (b"as_of=2020_01&limit=5", b"asOf=2020_01&limit=5"),
        (b"min_importance=0.5&min_importance=1", b"minImportance=0.5&minImportance=1"),
        (b"min%5Fimportance=1_0", b"minImportance=1_0"),
        (b"a_b", b"aB"),
        (b"=a_b&&x%00_y=1", b"=a_b&&x%00_y=1"),
        (b"\xff_\xfe=1", b"\xff_\xfe=1"),
    ],
)
def test_the_parameters_of_a_query(query: bytes, expected: bytes) -> None:
    assert camel_query(query) == expected


@given(st.binary(max_size=200))
def test_no_query_is_too_strange(query: bytes) -> None:
    assert camel_query(query).count(b"&") == query.count(b"&")
