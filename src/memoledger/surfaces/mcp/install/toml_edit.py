"""TOML: one table set, the rest of the text untouched."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping, Sequence
from typing import Any, Final

from memoledger.surfaces.mcp.install.members import NotEditable, value_at, with_value

_HEADER: Final = re.compile(r"\s*\[")


def with_table(text: str, path: Sequence[str], values: Mapping[str, Any]) -> str:
    """The text with the table at `path` holding exactly `values`. Nothing else changes.

    Args:
        path: keys of letters, digits, dashes and underscores.

    Raises:
        NotEditable: that cannot be done safely.
    """
    before = _parsed(text)
    if value_at(before, path) == values:
        return text
    edited = _without(text, path)
    separator = "" if not edited.strip() else "\n" if edited.endswith("\n") else "\n\n"
    edited = f"{edited}{separator}{table(path, values)}"
    try:
        after = tomllib.loads(edited)
    except tomllib.TOMLDecodeError:
        after = {}
    if after != with_value(before, path, dict(values), kind="table"):
        raise NotEditable("it is written in a way that cannot be changed safely")
    return edited


def table(path: Sequence[str], values: Mapping[str, Any]) -> str:
    """A table as text."""
    lines = [f"{key} = {_dumped(value)}" for key, value in values.items()]
    return "\n".join([f"[{'.'.join(path)}]", *lines]) + "\n"


def _dumped(value: object) -> str:
    if isinstance(value, Mapping):
        inner = ", ".join(f"{json.dumps(key)} = {_dumped(item)}" for key, item in value.items())
        return f"{{ {inner} }}" if inner else "{}"
    if isinstance(value, list):
        return f"[{', '.join(_dumped(item) for item in value)}]"
    # A JSON string is a basic string of TOML, but for one character.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _parsed(text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError):
        raise NotEditable("it is no TOML") from None


def _without(text: str, path: Sequence[str]) -> str:
    """The text without the table and those inside it; comments before the next one stay."""
    keys = r"\s*\.\s*".join(f"[\"']?{re.escape(key)}[\"']?" for key in path)
    own = re.compile(rf"\s*\[\s*{keys}\s*(\.[^\]]*)?\]")
    kept: list[str] = []
    dropping: list[str] | None = None
    for line in text.splitlines(keepends=True):
        if _HEADER.match(line):
            kept += _trailing(dropping)
            dropping = [] if own.match(line) else None
        if dropping is None:
            kept.append(line)
        else:
            dropping.append(line)
    return "".join([*kept, *_trailing(dropping)])


def _trailing(dropping: Sequence[str] | None) -> list[str]:
    """Blank lines and comments at the end of what is dropped: they are about what follows."""
    lines = list(dropping or ())
    first = len(lines)
    while first and (not lines[first - 1].strip() or lines[first - 1].lstrip().startswith("#")):
        first -= 1
    return lines[first:]
