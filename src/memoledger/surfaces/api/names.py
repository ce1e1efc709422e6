"""Names over HTTP: lowerCamelCase goes out, and both that and snake_case come in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote_plus

from memoledger.model.errors import Malformed
from memoledger.model.plain import camel, snake


def with_snake_keys(given: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of one object by their names in snake_case; what is inside them stays.

    Raises:
        Malformed: a field is there twice, once in each case.
    """
    found = {snake(name) if len(name) <= 64 else name: value for name, value in given.items()}
    if len(found) != len(given):
        twice = next(name for name in given if name != snake(name) and snake(name) in given)
        raise Malformed(twice, snake(twice), "the field is there twice", remedy="Keep one of them.")
    return found


def camel_query(query: bytes) -> bytes:
    """A query string with the names of its parameters in lowerCamelCase."""
    if b"_" not in query and b"%" not in query:
        return query
    return b"&".join(_camel_pair(pair) for pair in query.split(b"&"))


def _camel_pair(pair: bytes) -> bytes:
    name, equals, value = pair.partition(b"=")
    if len(name) > 64:
        return pair
    plain = unquote_plus(name.decode("latin-1"))
    if "_" not in plain or not (plain.isascii() and plain.isidentifier()):
        return pair
    return camel(plain).encode() + equals + value
