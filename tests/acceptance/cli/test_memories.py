"""`remember`, `recall`, `get`, `update`, `forget` and `history`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.acceptance.cli.conftest import Program

UNKNOWN_ID = "01900000-0000-7000-8000-000000000000"


def test_every_field_is_remembered(cli: Program, store: str) -> None:
    options = {
        "--type": "episode",
        "--importance": "0.8",
        "--source": "email",
        "--subject-ref": "mail:17",
        "--metadata": '{"speaker": "Ada", "nested": {"n": [1, 2.5, null]}}',
        "--title": "A title",
        "--summary": "A summary",
        "--external-id": "mail-17",
        "--occurred-at": "2026-05-08T13:56:00+02:00",
        "--valid-from": "2026-01-01T00:00:00Z",
        "--valid-to": "2027-01-01T00:00:00Z",
        "--expires-at": "2999-01-01T00:00:00Z",
        "--privacy": "creator",
        "--embedding": json.dumps([1.0] + [0.0] * 383),
    }
    flat = [part for option in options.items() for part in option]
    found = cli.remember(store, "The contract is signed.", *flat, "--tag", "a", "--tag", "b")
    assert found["outcome"] == "created"
    again = cli.json("get", found["id"], store=store)
    assert again == {name: value for name, value in found.items() if name != "outcome"}
    assert again["tags"] == ["a", "b"]
    assert again["occurred_at"] == "2026-05-08T11:56:00+00:00"
    assert again["metadata"]["nested"] == {"n": [1, 2.5, None]}
    shown = cli("get", found["id"], "--store", store)
    assert shown.out.startswith("The contract is signed.\n")
    assert "mail-17" in shown.out


def test_remembering_again_says_so(cli: Program, store: str) -> None:
    first, again = (cli.remember(store, "The same.") for _ in range(2))
    assert (first["outcome"], again["outcome"]) == ("created", "unchanged")
    assert again["id"] == first["id"]
    changed = [cli.remember(store, text, "--external-id", "x") for text in ("one", "two")]
    assert [(one["outcome"], one["version"]) for one in changed] == [("created", 1), ("updated", 2)]
    assert "already" in cli("remember", "The same.", "--store", store).out


def test_a_text_comes_from_standard_input(
    cli: Program, store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "text").write_bytes("Zwölf Boxkämpfer\nin zwei Zeilen\r\n".encode())
    with (tmp_path / "text").open() as file:
        monkeypatch.setattr(sys, "stdin", file)
        found = cli.remember(store, "-")
    assert found["content"] == "Zwölf Boxkämpfer\nin zwei Zeilen"
    (tmp_path / "text").write_bytes(b"\xff\xfe")
    with (tmp_path / "text").open() as file:
        monkeypatch.setattr(sys, "stdin", file)
        result = cli("remember", "-", "--json")
    assert (result.code, result.problem["field"]) == (2, "CONTENT")


@pytest.mark.parametrize(
    ("options", "field"),
    [
        (["  "], "content"),
        (["x" * 100_001], "content"),
        (["a\x00b"], "content"),
        (["a\udcff"], "content"),
        (["x", "--importance", "1.5"], "importance"),
        (["x", "--importance", "nan"], "importance"),
        (["x", "--occurred-at", "2026-05-08"], "occurred_at"),
        (["x", "--occurred-at", "soon"], "occurred_at"),
        (["x", "--expires-at", "2020-01-01T00:00:00Z"], "expires_at"),
        (["x", "--metadata", '{"a": 1, "a": 2}'], "--metadata"),
        (["x", "--embedding", "[1, 2]"], "embedding"),
        (["x", *(["--tag", "t"] * 2), *(f"--tag={n}" for n in range(65))], "tags"),
        (["x", "--tenant", ""], "tenant"),
        (["x", "--store", "a\nb"], "store"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_wrong_is_refused_and_named(
    cli: Program, store: str, options: list[str], field: str
) -> None:
    result = cli("remember", "--json", "--store", store, *options)
    assert result.code == 2
    assert result.problem["code"] == "invalid-input"
    assert result.problem["field"] == field
    assert result.problem["remedy"]


def test_recall_finds_the_best_first(cli: Program, store: str) -> None:
    ferry = cli.remember(store, "The ferry leaves at seven.", "--tag", "travel")
    cli.remember(store, "Lunch is at noon.", "--type", "habit")
    answer = cli.json("recall", "when does the boat depart", "--explain", store=store)
    assert answer["hits"][0]["memory"]["id"] == ferry["id"]
    assert answer["hits"][0]["parts"]["rank"] == 1
    assert answer["mode"] == "hybrid"
    scores = [hit["score"] for hit in answer["hits"]]
    assert scores == sorted(scores, reverse=True)
    shown = cli("recall", "ferry", "--store", store, "--explain", "--limit", "1")
    assert "The ferry leaves at seven." in shown.out
    assert "words" in shown.out


@pytest.mark.parametrize("mode", ["hybrid", "dense", "lexical"])
def test_recall_in_every_mode_and_narrowed(cli: Program, store: str, mode: str) -> None:
    options = ["--tag", "travel", "--importance", "0.9", "--metadata", '{"speaker": "Ada"}']
    options += ["--occurred-at", "2026-03-01T00:00:00Z", "--type", "episode"]
    ferry = cli.remember(store, "The ferry leaves at seven.", *options)
    cli.remember(store, "The ferry is late.")
    filters = [
        ["--type", "episode"],
        ["--tag", "travel"],
        ["--since", "2026-02-01T00:00:00Z", "--until", "2026-04-01T00:00:00Z"],
        ["--min-importance", "0.8"],
        ["--metadata", '{"speaker": "Ada"}'],
    ]
    for narrowing in filters:
        answer = cli.json("recall", "ferry", "--mode", mode, *narrowing, store=store)
        assert [hit["memory"]["id"] for hit in answer["hits"]] == [ferry["id"]], narrowing
    assert len(cli.json("recall", "ferry", "--mode", mode, store=store)["hits"]) == 2
    assert len(cli.json("recall", "ferry", "--mode", mode, "-n", "1", store=store)["hits"]) == 1


def test_recall_can_ask_for_likeness(cli: Program, store: str) -> None:
    cli.remember(store, "The ferry leaves at seven.")
    assert cli.json("recall", "tax law", "--min-similarity", "0.9", store=store)["hits"] == []
    nothing = cli("recall", "tax law", "--min-similarity", "0.9", "--store", store)
    assert (nothing.code, nothing.out, nothing.err) == (0, "", "Nothing found.\n")
    refused = cli("recall", "x", "--mode", "lexical", "--min-similarity", "0.5", "--store", store)
    assert refused.code == 2


@pytest.mark.parametrize("limit", ["0", "-1", "1000000000"])
def test_absurd_limits_are_refused(cli: Program, store: str, limit: str) -> None:
    cli.remember(store, "x")
    result = cli("recall", "x", "--json", "--store", store, f"--limit={limit}")
    assert (result.code, result.problem["field"]) == (2, "limit")


def test_a_store_that_is_not_there_is_not_found(cli: Program, store: str) -> None:
    result = cli("recall", "x", "--json", "--store", store)
    assert (result.code, result.problem["code"]) == (1, "not-found")
    assert cli("export", "-", "--store", store).code == 1


@pytest.mark.parametrize("command", ["get", "history", "forget"])
def test_ids_that_lead_nowhere(cli: Program, store: str, command: str) -> None:
    cli.remember(store, "x")
    missing = cli(command, UNKNOWN_ID, "--json", "--store", store)
    assert (missing.code, missing.problem["code"]) == (1, "not-found")
    malformed = cli(command, "17", "--json", "--store", store)
    assert (malformed.code, malformed.problem["field"]) == (2, "id")


def test_an_update_adds_a_version_and_the_past_stays(cli: Program, store: str) -> None:
    first = cli.remember(store, "We open on 7 March.", "--tag", "plan", "--title", "Opening")
    changed = cli.json(
        "update", first["id"], "--content", "We open on 21 March.", "--unset", "title", store=store
    )
    assert (changed["version"], changed["title"], changed["tags"]) == (2, None, ["plan"])
    back_then = cli.json("get", first["id"], "--as-of", first["recorded_at"], store=store)
    assert back_then["content"] == "We open on 7 March."
    asked = ["recall", "when do we open", "--as-of", first["recorded_at"]]
    [hit] = cli.json(*asked, store=store)["hits"]
    assert hit["memory"]["content"] == "We open on 7 March."
    versions = cli.json("history", first["id"], store=store)["versions"]
    assert [version["version"] for version in versions] == [1, 2]
    shown = cli("history", first["id"], "--store", store).out
    assert "We open on 7 March." in shown
    assert "We open on 21 March." in shown


def test_an_update_of_what_somebody_else_changed_is_refused(cli: Program, store: str) -> None:
    first = cli.remember(store, "one")
    cli.json("update", first["id"], "--content", "two", store=store)
    late = ["update", first["id"], "--content", "three", "--if-version", "1"]
    result = cli(*late, "--json", "--store", store)
    assert (result.code, result.problem["code"]) == (1, "conflict")
    assert cli("update", first["id"], "--store", store).code == 2
    assert cli("update", first["id"], "--unset", "content", "--store", store).code == 2


def test_what_is_forgotten_stays_in_history(cli: Program, store: str) -> None:
    found = cli.remember(store, "A passing remark.")
    answer = cli.json("forget", found["id"], store=store)
    assert answer == {"id": found["id"], "outcome": "forgotten"}
    assert cli.json("recall", "remark", store=store)["hits"] == []
    [version] = cli.json("history", found["id"], store=store)["versions"]
    assert version["content"] == "A passing remark."
    assert "forgotten" in cli("history", found["id"], "--store", store).out


def test_what_is_erased_is_gone(cli: Program, store: str) -> None:
    found = cli.remember(store, "The code is 4417.")
    unasked = cli("forget", found["id"], "--hard", "--json", "--store", store)
    assert (unasked.code, unasked.problem["remedy"]) == (2, "Add --yes.")
    answer = cli.json("forget", found["id"], "--hard", "--yes", store=store)
    assert answer["outcome"] == "erased"
    result = cli("history", found["id"], "--json", "--store", store)
    assert "4417" not in result.out
    assert result.answer["versions"][0]["erased_at"]
    assert "(erased)" in cli("history", found["id"], "--store", store).out
    before = ["get", found["id"], "--as-of", found["recorded_at"], "--store", store]
    assert cli(*before).code == 1


@pytest.mark.parametrize(("said", "code"), [(True, 0), (False, 1)])
def test_an_erasure_asks_first(
    cli: Program, store: str, said: bool, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = cli.remember(store, "x")
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    monkeypatch.setattr("typer.confirm", lambda *_, **__: said)
    assert cli("forget", found["id"], "--hard", "--store", store).code == code
    assert len(cli.json("recall", "x", store=store)["hits"]) == code


def test_nothing_that_was_remembered_steers_the_terminal(cli: Program, store: str) -> None:
    found = cli.remember(store, "\x1b[2J\x1b]0;owned\x07 hello", "--tag", "\x1b[31m")
    for command in (["recall", "hello"], ["get", found["id"]], ["history", found["id"]]):
        assert "\x1b" not in cli(*command, "--store", store).out
