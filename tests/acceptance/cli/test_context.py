"""`context`: a text for a model on standard output, what was left out on standard error."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.acceptance.cli.conftest import Program

SAID = [
    ("Ann", "The contract with Rhenus is signed.", "2026-02-03T10:00:00Z"),
    ("Ben", "Good. When does the contract begin?", "2026-02-03T10:01:00Z"),
    ("Ann", "The contract begins on the first of March.", "2026-02-03T10:02:00Z"),
]


def told(cli: Program, store: str) -> None:
    for speaker, content, when in SAID:
        metadata = f'{{"speaker": "{speaker}", "conversation": "contract"}}'
        cli.remember(store, content, "--metadata", metadata, "--occurred-at", when)


def test_a_text_for_a_model(cli: Program, store: str) -> None:
    told(cli, store)
    result = cli("context", "contract", "--store", store, "--max-tokens", "200")
    assert result.out == (
        "## contract\nTuesday 3 February 2026\n"
        "[1] Ann: The contract with Rhenus is signed.\n"
        "[2] Ben: Good. When does the contract begin?\n"
        "[3] Ann: The contract begins on the first of March.\n"
    )
    assert result.err.startswith("3 memories in ")


def test_the_same_as_json(cli: Program, store: str) -> None:
    told(cli, store)
    pack = cli.json("context", "when does it begin", "--max-tokens", "40", store=store)
    assert pack["counted_by"] == "tokenizer"
    assert 0 < pack["tokens"] <= 40 == pack["max_tokens"]
    assert len(pack["items"]) + pack["omitted"] == 3
    assert {item["source"]["store"] for item in pack["items"]} == {store}
    assert pack["text"].startswith("## contract\nTuesday 3 February 2026\n[1] ")


def test_options_of_recall_hold(cli: Program, store: str) -> None:
    cli.remember(store, "Rent is 900.", "--valid-to", "2026-01-01T00:00:00Z")
    cli.remember(store, "Rent is 950.", "--valid-from", "2026-01-01T00:00:00Z")
    for at, text in (("2025-06-01T00:00:00Z", "900"), ("2026-06-01T00:00:00Z", "950")):
        pack = cli.json("context", "rent", "--valid-at", at, store=store)
        assert [item["text"] for item in pack["items"]] == [f"Rent is {text}."]
        found = cli.json("recall", "rent", "--valid-at", at, store=store)
        assert [hit["memory"]["content"] for hit in found["hits"]] == [f"Rent is {text}."]
        lines = cli("export", "-", "--store", store, "--valid-at", at).out.splitlines()
        assert [f"Rent is {text}." in line for line in lines] == [True]


def test_nothing_to_say(cli: Program, store: str) -> None:
    cli.remember(store, "Something.")
    result = cli("context", "anything", "--store", store, "--type", "none")
    assert (result.code, result.out, result.err) == (0, "", "Nothing found.\n")
    result = cli("context", "anything", "--store", store, "--max-tokens", "1")
    assert (result.code, result.out, result.err) == (0, "", "Nothing fits.\n")
    assert cli("context", "anything", "--store", store, "--max-tokens", "0").code == 2
