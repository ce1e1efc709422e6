"""What stands where in settings that were read: the same for JSON and TOML."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


class NotEditable(ValueError):
    """The text is not what it should be, or another value stands where the member would go."""


def value_at(found: object, path: Sequence[str]) -> object:
    """The value at a path of keys; None if there is none."""
    for key in path:
        if not isinstance(found, dict) or key not in found:
            return None
        found = found[key]
    return found


def with_value(
    found: Mapping[str, Any], path: Sequence[str], value: object, *, kind: str
) -> dict[str, Any]:
    """The same with a value at a path.

    Args:
        kind: what holds members is called there: "object" or "table".

    Raises:
        NotEditable: something else stands on the way.
    """
    head, *rest = path
    inner = found.get(head, {})
    if rest and not isinstance(inner, dict):
        raise NotEditable(f"{head!r} in it is no {kind}")
    return {**found, head: with_value(inner, rest, value, kind=kind) if rest else value}
