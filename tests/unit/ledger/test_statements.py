"""SQL files: every statement named, described, used, and read as it is written."""

from __future__ import annotations

import re
from collections.abc import Callable
from importlib import resources
from pathlib import Path
from uuid import uuid4

import pytest

from memoledger.ledger import statements as module
from memoledger.ledger.statements import statements

PACKAGE = Path(str(resources.files("memoledger.ledger")))
AGGREGATES = sorted(path.stem for path in (PACKAGE / "sql").glob("*.sql"))


@pytest.fixture
def parsed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], dict[str, str]]:
    """Reads a text as if it were a file of the ledger; the SQL by name."""

    def parse(text: str) -> dict[str, str]:
        name = f"aggregate_{uuid4().hex}"
        (tmp_path / "sql").mkdir(exist_ok=True)
        (tmp_path / f"sql/{name}.sql").write_text(text, "utf-8")
        monkeypatch.setattr(module.resources, "files", lambda _: tmp_path)
        return {key: found.sql.decode() for key, found in statements(name).items()}

    return parse


def test_there_are_aggregates() -> None:
    assert {"memories", "search", "stores"} <= set(AGGREGATES)


@pytest.mark.parametrize("aggregate", AGGREGATES)
def test_every_file_can_be_read(aggregate: str) -> None:
    found = statements(aggregate)
    assert found
    for name, statement in found.items():
        assert statement.name == name
        assert len(statement.purpose.split()) >= 4
        assert statement.purpose.endswith(".")
        assert not statement.sql.rstrip().endswith(b";")


@pytest.mark.parametrize("aggregate", AGGREGATES)
def test_every_statement_is_used(aggregate: str) -> None:
    code = "\n".join(path.read_text("utf-8") for path in PACKAGE.rglob("*.py"))
    unused = [name for name in statements(aggregate) if f'"{name}"' not in code]
    # Search picks its statement by the query's mode.
    assert [
        name for name in unused if not name.endswith(("_candidates", "_current", "_indexed"))
    ] == []


@pytest.mark.parametrize("aggregate", AGGREGATES)
def test_values_come_as_parameters_only(aggregate: str) -> None:
    for statement in statements(aggregate).values():
        placeholders = re.findall(rb"%.", statement.sql)
        assert set(placeholders) <= {b"%(", b"%%", b"%L", b"%I", b"%s"}, statement.name


def test_a_statement_keeps_its_lines(parsed: Callable[[str], dict[str, str]]) -> None:
    found = parsed(
        "-- name: one\n-- For this.\nSELECT 1,\n       2\n\n-- name: two\n-- Too.\nSELECT\n"
    )
    assert found == {"one": "SELECT 1,\n       2", "two": "SELECT"}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("SELECT 1\n-- name: one\n-- For this.\nSELECT 1", "before the first name"),
        ("-- name: one\n-- A.\nSELECT 1\n-- name: one\n-- B.\nSELECT 2", "twice"),
        ("-- name: one\nSELECT 1", "lacks its purpose"),
        ("-- name: one\n-- For this.\n", "lacks its purpose or its SQL"),
    ],
)
def test_a_file_with_a_mistake_is_refused(
    parsed: Callable[[str], dict[str, str]], text: str, reason: str
) -> None:
    with pytest.raises(ValueError, match=reason):
        parsed(text)


def test_what_is_shared_takes_its_place(parsed: Callable[[str], dict[str, str]]) -> None:
    found = parsed(
        "-- fragment: columns\n-- What is read.\n  a, b\n\n"
        "-- name: one\n-- Reads one.\nSELECT\n-- include: columns\nFROM t\n"
    )
    assert found == {"one": "SELECT\n  a, b\nFROM t"}


def test_what_is_shared_may_share(parsed: Callable[[str], dict[str, str]]) -> None:
    found = parsed(
        "-- fragment: key\n-- Its key.\n  a,\n\n"
        "-- fragment: columns\n-- What is read.\n-- include: key\n  b\n\n"
        "-- name: one\n-- Reads one.\nSELECT\n-- include: columns\nFROM t\n"
    )
    assert found == {"one": "SELECT\n  a,\n  b\nFROM t"}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("-- name: one\n-- Reads one.\nSELECT\n-- include: columns\n", "no fragment columns"),
        ("-- fragment: columns\n  a, b\n", "lacks its purpose"),
        ("-- fragment: one\n-- What.\n  a\n-- name: one\n-- Reads.\nSELECT 1\n", "twice"),
    ],
)
def test_a_wrong_fragment_is_refused(
    parsed: Callable[[str], dict[str, str]], text: str, reason: str
) -> None:
    with pytest.raises(ValueError, match=reason):
        parsed(text)


@pytest.mark.parametrize("aggregate", AGGREGATES)
def test_every_fragment_is_shared(aggregate: str) -> None:
    text = (PACKAGE / f"sql/{aggregate}.sql").read_text("utf-8")
    for fragment in re.findall(r"^-- fragment: (\w+)$", text, re.MULTILINE):
        assert text.count(f"-- include: {fragment}\n") > 1
