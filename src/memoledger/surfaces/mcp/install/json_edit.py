"""JSON as editors keep it, with comments and trailing commas: one member set, the rest untouched.

Parsing such a file and writing it anew would lose its comments and its form, and people mind.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from memoledger.surfaces.mcp.install.members import NotEditable, value_at, with_value

_SPACE: Final = re.compile(r"(?:[\s\ufeff]+|//[^\n]*|/\*.*?\*/)*", re.DOTALL)
_STRING: Final = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)
_PLAIN: Final = re.compile(r'[^\s,:{}\[\]"/]+')
_INDENT: Final = re.compile(r"\{(?:[^\S\n]|//[^\n]*)*\n([ \t]+)\S")

DEPTH_MAX: Final = 200
"""A file that nests deeper is no settings."""


@dataclass(frozen=True, slots=True)
class _Member:
    """A member of an object: its key, and where its value is."""

    key: str
    start: int
    end: int


def with_member(text: str, path: Sequence[str], value: object) -> str:
    """The text with `value` at `path`; objects on the way are made. Nothing else changes.

    Raises:
        NotEditable: that cannot be done safely.
    """
    before = parsed(text)
    if value_at(before, path) == value:
        return text
    edited = _edited(text, path, value)
    if parsed(edited) != with_value(before, path, value, kind="object"):
        raise NotEditable("it is written in a way that cannot be changed safely")
    return edited


def parsed(text: str) -> dict[str, Any]:
    """What the text says; nothing at all is an empty object.

    Raises:
        NotEditable: it is no object.
    """
    strict = "".join(_strict(text))
    try:
        found = json.loads(strict or "{}")
    except (ValueError, RecursionError):
        raise NotEditable("it is no JSON") from None
    if not isinstance(found, dict):
        raise NotEditable("it is no JSON object")
    return found


def _strict(text: str) -> Iterator[str]:
    """The tokens of the text, without comments and without commas before a closing bracket."""
    comma = False
    for start, end in _tokens(text):
        token = text[start:end]
        if comma and token not in ("}", "]"):
            yield ","
        comma = text[start] == ","
        if not comma:
            yield token
    if comma:
        yield ","


def _tokens(text: str) -> Iterator[tuple[int, int]]:
    position = _after_space(text, 0)
    while position < len(text):
        if text[position] in "{}[],:":
            end = position + 1
        else:
            pattern = _STRING if text[position] == '"' else _PLAIN
            match = pattern.match(text, position)
            if match is None:
                raise NotEditable("it is no JSON")
            end = match.end()
        yield position, end
        position = _after_space(text, end)


def _after_space(text: str, position: int) -> int:
    match = _SPACE.match(text, position)
    assert match is not None
    return match.end()


def _edited(text: str, path: Sequence[str], value: object) -> str:
    start = _after_space(text, 0)
    unit = _unit(text)
    if start == len(text):
        return text + _dumped(_nested(path, value), unit, "") + "\n"
    for depth, key in enumerate(path):
        members, close = _members(text, start)
        found = [member for member in members if member.key == key]
        if len(found) > 1:
            raise NotEditable(f"it has {key!r} twice")
        level = unit * (depth + 1)
        if not found:
            new = f"{json.dumps(key)}: {_dumped(_nested(path[depth + 1 :], value), unit, level)}"
            return _inserted(text, start, close, new, level)
        [member] = found
        if depth == len(path) - 1:
            return text[: member.start] + _dumped(value, unit, level) + text[member.end :]
        if text[member.start] != "{":
            raise NotEditable(f"{key!r} in it is no object")
        start = member.start
    raise AssertionError("a path has at least one key")


def _inserted(text: str, start: int, close: int, new: str, level: str) -> str:
    """The text with a new last member in the object between `start` and `close`."""
    body = text[start + 1 : close]
    last = list(_tokens(body))[-1:]
    comma = ""
    if last and body[slice(*last[0])] != ",":
        comma = ","
    end = start + 1 + (last[0][1] if last else 0)
    rest = text[end:close].rstrip()
    outer = level[: len(level) - len(_unit(text))]
    return f"{text[:end]}{comma}{rest}\n{level}{new}\n{outer}{text[close:]}"


def _members(text: str, start: int) -> tuple[list[_Member], int]:
    """The members of the object at `start`, and where it closes."""
    members: list[_Member] = []
    key: str | None = None
    begun: tuple[int, int] | None = None
    depth = 0
    for first, end in _tokens(text[start:]):
        token = text[start + first : start + end]
        if token in ("{", "["):
            depth += 1
            if depth > DEPTH_MAX:
                raise NotEditable("it nests too deep")
        if depth == 1 and token in (",", "}") and key is not None and begun is not None:
            members.append(_Member(key, *begun))
            key = begun = None
        elif depth == 1 and key is None and token.startswith('"'):
            key = json.loads(token)
        elif depth > 1 or (key is not None and text[start + first] != ":"):
            begun = (begun[0] if begun else start + first, start + end)
        if token in ("}", "]"):
            depth -= 1
            if depth == 0:
                return members, start + first
    raise NotEditable("it is no JSON object")


def _unit(text: str) -> str:
    """What one level is indented by."""
    match = _INDENT.search(text)
    return match[1] if match else "  "


def _dumped(value: object, unit: str, level: str) -> str:
    return json.dumps(value, ensure_ascii=False, indent=unit).replace("\n", "\n" + level)


def _nested(path: Sequence[str], value: object) -> object:
    for key in reversed(path):
        value = {key: value}
    return value
