from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memoledger.model.errors import InvalidInput
from memoledger.surfaces.api.paging import opened, sealed


@given(st.text(min_size=1, max_size=200).filter(lambda text: text.isprintable()))
def test_a_cursor_leads_back_to_what_was_sealed(inner: str) -> None:
    cursor = sealed("users", inner)
    assert cursor is not None
    assert cursor.isascii()
    assert opened("users", cursor) == inner
    with pytest.raises(InvalidInput, match="cursor"):
        opened("keys", cursor)


def test_none_is_the_beginning_and_the_end() -> None:
    assert sealed("users", None) is None
    assert opened("users", None) is None


@given(st.text(max_size=50))
def test_anything_else_is_refused(cursor: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        opened("users", cursor)
    assert caught.value.field == "cursor"


def test_a_cursor_without_end_is_refused() -> None:
    long = sealed("users", "x" * 2_000)
    with pytest.raises(InvalidInput):
        opened("users", long)
