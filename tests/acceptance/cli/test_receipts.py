"""`receipts`: listed, shown, and why a memory was recalled or was not."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import uuid4

if TYPE_CHECKING:
    from tests.acceptance.cli.conftest import Program


def test_a_recall_leaves_a_receipt_to_be_listed_and_shown(cli: Program, store: str) -> None:
    user = ["--user", store]
    memory = cli("remember", "The ferry leaves at seven.", "--json", "--store", store, *user).answer
    answer = cli(
        "recall", "When is the ferry?", "--json", "--store", store, "--type", "fact", *user
    ).answer
    listed = cli("receipts", "list", "--json", *user).answer
    [receipt] = listed["receipts"]
    assert receipt["id"] == answer["receipt_id"]
    assert (receipt["query"], receipt["user"]) == ("When is the ferry?", store)
    assert receipt["filters"] == {"types": ["fact"]}
    assert receipt["hits"][0]["memory_id"] == memory["id"]
    assert listed["next_cursor"] is None
    shown = cli("receipts", "show", receipt["id"], "--json", *user).answer
    assert shown == receipt
    text = cli("receipts", "show", receipt["id"], *user).out
    for said in (memory["id"], "When is the ferry?", "fact", "search", store):
        assert said in text
    text = cli("receipts", "list", "--store", store, *user).out
    assert receipt["id"] in text
    assert "When is the ferry?" in text


def test_the_list_is_narrowed_and_paged(cli: Program, store: str) -> None:
    user = ["--user", store]
    cli("remember", "tea", "--store", store, *user)
    for number in range(3):
        cli("recall", f"tea {number}", "--store", store, *user)
    page = cli("receipts", "list", "--limit", "2", "--json", *user).answer
    assert [receipt["query"] for receipt in page["receipts"]] == ["tea 2", "tea 1"]
    rest = cli("receipts", "list", "--cursor", page["next_cursor"], "--json", *user).answer
    assert [receipt["query"] for receipt in rest["receipts"]] == ["tea 0"]
    assert page["next_cursor"] in cli("receipts", "list", "--limit", "2", *user).err
    empty = cli("receipts", "list", "--until", "2020-01-01T00:00:00Z", *user)
    assert (empty.code, empty.out) == (0, "")
    assert "none" in empty.err
    memory = page["receipts"][0]["hits"][0]["memory_id"]
    assert len(cli("receipts", "list", "--memory", memory, "--json", *user).answer["receipts"]) == 3


def test_why_a_memory_was_recalled_and_why_not(cli: Program, store: str) -> None:
    user = ["--user", store]
    memory = cli("remember", "The ferry leaves at seven.", "--json", "--store", store, *user).answer
    asked = ["receipts", "why", memory["id"], "When is the ferry?", "--store", store, *user]
    told = cli(*asked, "--json").answer
    assert (told["recalled"], told["reason"], told["rank"]) == (True, "recalled", 1)
    assert cli(*asked).out.startswith("Recalled.")
    told = cli(*asked, "--type", "note", "--json").answer
    assert (told["recalled"], told["reason"], told["filters"]) == (False, "filtered-out", ["types"])
    assert cli(*asked, "--type", "note").out.startswith("Not recalled.")
    cli("forget", memory["id"], "--hard", "--yes", "--store", store, *user)
    assert cli(*asked, "--json").answer["reason"] == "erased"


def test_what_is_not_there_or_malformed_says_so(cli: Program, store: str) -> None:
    user = ["--user", store]
    cli("remember", "tea", "--store", store, *user)
    nobody = str(uuid4())
    gone = cli("receipts", "show", nobody, "--json", *user)
    assert (gone.code, gone.problem["code"]) == (1, "not-found")
    wrong = cli("receipts", "show", "x", "--json", *user)
    assert (wrong.code, wrong.problem["code"]) == (2, "invalid-input")
    gone = cli("receipts", "why", nobody, "tea", "--store", store, "--json", *user)
    assert (gone.code, gone.problem["code"]) == (1, "not-found")
    wrong = cli("receipts", "list", "--since", "yesterday", "--json", *user)
    assert (wrong.code, wrong.problem["field"]) == (2, "since")


def test_another_users_receipt_is_not_shown(cli: Program, store: str) -> None:
    cli("remember", "tea", "--store", store, "--user", store)
    asked = cli("recall", "tea", "--json", "--store", store, "--user", store).answer
    other = ["--user", f"{store} other"]
    assert cli("receipts", "show", asked["receipt_id"], "--json", *other).problem["code"] == (
        "not-found"
    )
    assert cli("receipts", "list", "--json", *other).answer["receipts"] == []
