"""The SQL statements of the ledger, read from `sql/*.sql`.

A file holds statements of one aggregate. Each begins with `-- name: its_name`, then a comment that
says what it is for, then the SQL with psycopg's named placeholders. A line `-- plan: once` below
the name has PostgreSQL plan it once for all parameters: for what runs in less time than planning.

What several statements of a file share stands there once, below `-- fragment: its_name` and a
comment that says what it is; a line `-- include: its_name` takes its place in a statement.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache, cached_property
from importlib import resources

_HEAD = re.compile(r"^-- (name|fragment): (\w+)$", re.MULTILINE)
_INCLUDE = re.compile(r"^-- include: (\w+)$", re.MULTILINE)
_PLAN_ONCE = "-- plan: once"
_PLACEHOLDER = re.compile(r"%\((\w+)\)s|%%")


@dataclass(frozen=True)
class Statement:
    """One named statement.

    Args:
        purpose: what it is for, in words.
        sql: its text for psycopg.
        plan_once: one plan serves all parameters.
    """

    name: str
    purpose: str
    sql: bytes
    plan_once: bool = False

    @cached_property
    def parameters(self) -> tuple[str, ...]:
        """The names of its parameters, in the order of their numbers in `positional`."""
        found = [match[1] for match in _PLACEHOLDER.finditer(self.sql.decode()) if match[1]]
        return tuple(dict.fromkeys(found))

    @cached_property
    def positional(self) -> bytes:
        """Its text as PostgreSQL reads it: $1, $2 instead of names."""
        numbers = {name: f"${number}" for number, name in enumerate(self.parameters, start=1)}
        return _PLACEHOLDER.sub(
            lambda m: numbers[m[1]] if m[1] else "%", self.sql.decode()
        ).encode()


@cache
def statements(aggregate: str) -> dict[str, Statement]:
    """The statements of `sql/<aggregate>.sql` by name.

    Raises:
        ValueError: two statements have one name, one has no purpose, or there is no such fragment.
    """
    text = resources.files("memoledger.ledger").joinpath(f"sql/{aggregate}.sql").read_text("utf-8")
    pieces = _HEAD.split(text)
    if pieces[0].strip():
        raise ValueError(f"{aggregate}.sql: text before the first name")
    fragments: dict[str, str] = {}
    found: dict[str, Statement] = {}
    for kind, name, body in zip(pieces[1::3], pieces[2::3], pieces[3::3], strict=True):
        if name in found or name in fragments:
            raise ValueError(f"{aggregate}.sql: {name} is defined twice")
        whole = _completed(aggregate, body, fragments)
        if kind == "fragment":
            fragments[name] = _parts(aggregate, name, whole)[1]
        else:
            found[name] = _parse(aggregate, name, whole)
    return found


def _completed(aggregate: str, body: str, fragments: dict[str, str]) -> str:
    """A statement or fragment with the fragments that it includes, which stand above it."""
    unknown = set(_INCLUDE.findall(body)) - fragments.keys()
    if unknown:
        raise ValueError(f"{aggregate}.sql: no fragment {', '.join(sorted(unknown))}")
    return _INCLUDE.sub(lambda match: fragments[match[1]], body)


def _parse(aggregate: str, name: str, body: str) -> Statement:
    lines = body.strip().splitlines()
    plan_once = lines[:1] == [_PLAN_ONCE]
    purpose, sql = _parts(aggregate, name, "\n".join(lines[plan_once:]))
    return Statement(name, purpose, sql.strip().encode(), plan_once)


def _parts(aggregate: str, name: str, body: str) -> tuple[str, str]:
    """What a statement or a fragment is for, and its SQL."""
    lines = body.strip().splitlines()
    comment = [line for line in lines if line.startswith("--")]
    sql = "\n".join(line for line in lines if not line.startswith("--")).rstrip()
    purpose = " ".join(line.removeprefix("--").strip() for line in comment)
    if not purpose or not sql:
        raise ValueError(f"{aggregate}.sql: {name} lacks its purpose or its SQL")
    return purpose, sql
