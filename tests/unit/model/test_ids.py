"""Ids: UUIDs that sort by the time they were made."""

from __future__ import annotations

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memoledger.model.errors import InvalidInput
from memoledger.model.ids import as_id, new_id

SOME = UUID("0193d7a4-52b1-7c3e-8f0a-6b1d2e3f4a5b")


def test_new_ids_are_distinct_and_in_order() -> None:
    ids = [new_id() for _ in range(10_000)]
    assert len(set(ids)) == len(ids)
    assert ids == sorted(ids)
    assert {made.version for made in ids} == {7}
    assert type(ids[0]) is UUID


@given(st.uuids())
def test_an_id_or_its_text_is_taken(known: UUID) -> None:
    assert as_id("id", known) == known
    assert as_id("id", str(known)) == known
    assert as_id("id", str(known).upper()) == known
    assert as_id("id", known.hex) == known


@pytest.mark.parametrize(
    "value",
    [
        "",
        "5",
        5,
        None,
        True,
        b"0" * 16,
        SOME.bytes,
        str(SOME)[:-1],
        str(SOME) + "0",
        str(SOME) + "\n",
        f" {SOME}",
        "\u0661" * 32,
        "1_" * 16,
        "0x" + "1" * 30,
        "+" + "1" * 31,
        "g" * 32,
        "\ud800" * 32,
        "' OR 1=1 --",
        ["a"],
        pytest.param(10**5_000, id="huge"),
    ],
)
def test_anything_else_is_refused(value: object) -> None:
    with pytest.raises(InvalidInput, match="id: that is no id") as caught:
        as_id("id", value)
    str(caught.value).encode()


def test_the_remedy_says_where_such_an_id_comes_from() -> None:
    with pytest.raises(InvalidInput, match="Give the cursor of the page before"):
        as_id("cursor", "next", remedy="Give the cursor of the page before.")
