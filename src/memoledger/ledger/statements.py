"""The SQL statements of the ledger, read from `sql/*.sql`.

A file holds statements of one aggregate. Each begins with `-- name: its_name`, then a comment that
says what it is for, then the SQL with psycopg's named placeholders. A line `-- plan: once` below
the name has PostgreSQL plan it once for all parameters: for what runs in less time than planning.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache, cached_property
from importlib import resources

_NAME = re.compile(r"^-- name: (\w+)$", re.MULTILINE)
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
        ValueError: two statements have one name, or one has no purpose.
    """
    text = resources.files("memoledger.ledger").joinpath(f"sql/{aggregate}.sql").read_text("utf-8")
    pieces = _NAME.split(text)
    if pieces[0].strip():
        raise ValueError(f"{aggregate}.sql: text before the first name")
    found: dict[str, Statement] = {}
    for name, body in zip(pieces[1::2], pieces[2::2], strict=True):
        if name in found:
            raise ValueError(f"{aggregate}.sql: {name} is defined twice")
        found[name] = _parse(aggregate, name, body)
    return found


def _parse(aggregate: str, name: str, body: str) -> Statement:
    lines = body.strip().splitlines()
    plan_once = lines[:1] == [_PLAN_ONCE]
    lines = lines[plan_once:]
    comment = [line for line in lines if line.startswith("--")]
    sql = "\n".join(line for line in lines if not line.startswith("--")).strip()
    purpose = " ".join(line.removeprefix("--").strip() for line in comment)
    if not purpose or not sql:
        raise ValueError(f"{aggregate}.sql: {name} lacks its purpose or its SQL")
    return Statement(name, purpose, sql.encode(), plan_once)
