"""Every statement of sql/*.sql is named, described, used, and understood by PostgreSQL."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any

import psycopg
import pytest

import memoledger
from memoledger.ledger import statements as module
from memoledger.ledger.statements import Statement, statements

SOURCE = Path(memoledger.__file__).parent
FILES = sorted(path.stem for path in (SOURCE / "ledger" / "sql").glob("*.sql"))
ALL = [(file, name) for file in FILES for name in statements(file)]

# Statements in which a parameter has more than one possible type need not be prepared by name.
PARAMETER = re.compile(r"%\((\w+)\)s")


def words_of_the_source() -> set[str]:
    """Every string constant of the program, pieces of f-strings included."""
    found: set[str] = set()
    for path in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.add(node.value)
    return found


WORDS = words_of_the_source()


def test_there_are_files() -> None:
    assert {"memories", "migrations", "principals", "roles", "search", "stores"} <= set(FILES)


@pytest.mark.parametrize("file", FILES)
def test_every_file_is_read_by_somebody(file: str) -> None:
    assert file in WORDS
    assert statements(file)


@pytest.mark.parametrize(("file", "name"), ALL)
def test_every_statement_is_used_and_says_what_it_is_for(file: str, name: str) -> None:
    statement = statements(file)[name]
    assert statement.name == name
    assert statement.purpose.endswith(".")
    # "dense_candidates" is named by its mode: f"{mode}_candidates".
    assert name in WORDS or any(
        word.startswith("_") and name.endswith(word) and name.removesuffix(word) in WORDS
        for word in WORDS
    )


def test_no_name_is_given_twice() -> None:
    names = [name for _, name in ALL]
    assert sorted(names) == sorted(set(names))


@pytest.mark.parametrize(
    "text",
    [
        "SELECT 1\n-- name: a\n-- What for.\nSELECT 1",
        "-- name: a\nSELECT 1",
        "-- name: a\n-- What for.\n",
        "-- name: a\n-- X.\nSELECT 1\n-- name: a\n-- X.\nSELECT 1",
    ],
)
def test_a_malformed_file_is_refused(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    class Folder:
        def joinpath(self, _: str) -> Folder:
            return self

        def read_text(self, _: str) -> str:
            return text

    monkeypatch.setattr(module.resources, "files", lambda _: Folder())
    with pytest.raises(ValueError, match=r"malformed\.sql"):
        module.statements.__wrapped__("malformed")


@pytest.fixture
def root(database: Any) -> Any:
    with psycopg.connect(database.conninfo("postgres"), autocommit=True) as connection:
        yield connection


def test_postgresql_understands_every_statement(root: Any) -> None:
    """Parsed and analysed against the schema, not run; parameters get their place's types."""
    # Statements about a store's index are written about build 0.
    root.execute("SET ROLE memoledger_owner")
    root.execute("SELECT memoledger_system.make_store_vectors(0, 384)")
    root.execute("RESET ROLE")
    understood = 0
    for file, name in ALL:
        statement: Statement = statements(file)[name]
        text = statement.sql.decode()
        if text.startswith(("DO ", "ALTER ", "CREATE ", "DROP ", "LOCK ")):
            continue  # Not for PREPARE; the migrations run them.
        for place, parameter in enumerate(dict.fromkeys(PARAMETER.findall(text)), start=1):
            text = text.replace(f"%({parameter})s", f"${place}")
        text = text.replace("%%", "%")
        try:
            root.execute(f"PREPARE q AS {text}".encode())
        except (
            psycopg.errors.AmbiguousParameter,
            psycopg.errors.AmbiguousFunction,
            psycopg.errors.IndeterminateDatatype,
        ) as error:
            pytest.fail(f"{file}.{name}: {error}")
        root.execute("DEALLOCATE q")
        understood += 1
    assert understood >= 30
