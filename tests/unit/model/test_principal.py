"""Principals: who acts must be told apart, printed and stored."""

from __future__ import annotations

import pytest

from memoledger.model.errors import InvalidInput
from memoledger.model.principal import Principal


@pytest.mark.parametrize("name", ["acme", "Zoë", "a" * 200, "é" * 100, "x'; DROP TABLE users; --"])
def test_printable_names_are_taken(name: str) -> None:
    assert Principal(name, name) == Principal(tenant=name, user=name)


@pytest.mark.parametrize(
    "name", ["", " ", " a", "a\n", "a" * 201, "é" * 101, "\x00", "\ud800", None, 5, b"acme", ["a"]]
)
@pytest.mark.parametrize("field", ["tenant", "user"])
def test_the_wrong_name_is_named(field: str, name: object) -> None:
    names: dict[str, object] = {"tenant": "acme", "user": "alice", field: name}
    with pytest.raises(InvalidInput) as caught:
        Principal(**names)  # type: ignore[arg-type]
    assert caught.value.field == field
