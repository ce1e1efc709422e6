"""`stores`: made, listed, shared, opened; and what others then see."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.acceptance.cli.conftest import Program


def test_stores_are_made_listed_and_shown(cli: Program, store: str) -> None:
    made = cli("stores", "create", store, "--json", "--user", store).answer
    again = cli("stores", "create", store, "--json", "--user", store).answer
    assert (made["outcome"], again["outcome"]) == ("created", "unchanged")
    assert again["id"] == made["id"]
    listed = cli("stores", "list", "--json", "--user", store).answer["stores"]
    assert [(one["name"], one["owner"]) for one in listed] == [(store, store)]
    cli("remember", "x", "--store", store, "--user", store)
    shown = cli("stores", "show", store, "--json", "--user", store).answer
    assert (shown["memories"], shown["grants"], shown["visibility"]) == (1, [], "private")
    assert store in cli("stores", "list", "--user", store).out
    assert "1" in cli("stores", "show", store, "--user", store).out


def test_a_store_is_shared_and_taken_back(cli: Program, store: str) -> None:
    mine, theirs = ["--user", f"{store}-a"], ["--user", f"{store}-b"]
    cli("remember", "The ferry leaves at seven.", "--store", store, *mine)
    ask = ["recall", "ferry", "--json", "--store", store, "--owner", mine[1], *theirs]
    write = ["remember", "New.", "--json", "--store", store, "--owner", mine[1], *theirs]
    assert cli(*ask).problem["code"] == "not-found"
    granted = cli("stores", "share", store, theirs[1], "--json", *mine).answer
    assert (granted["grantee"], granted["access"]) == (theirs[1], "read")
    assert len(cli(*ask).answer["hits"]) == 1
    assert cli(*write).problem["code"] == "forbidden"
    assert cli("stores", "share", store, theirs[1], "--access", "write", *mine).code == 0
    assert cli(*write).answer["outcome"] == "created"
    assert theirs[1] in cli("stores", "show", store, *mine).out
    assert (
        cli("stores", "unshare", store, theirs[1], "--json", *mine).answer["outcome"] == "revoked"
    )
    assert cli(*ask).problem["code"] == "not-found"
    assert cli("stores", "unshare", store, theirs[1], *mine).code == 1


def test_a_store_is_opened_to_the_tenant_and_closed(cli: Program, store: str) -> None:
    mine, theirs = ["--user", f"{store}-a"], ["--user", f"{store}-b"]
    cli("remember", "The ferry leaves at seven.", "--store", store, *mine)
    ask = ["recall", "ferry", "--store", store, "--owner", mine[1], *theirs]
    assert cli("stores", "open", store, "--json", *mine).answer["visibility"] == "tenant"
    assert cli(*ask).code == 0
    assert cli(*ask, "--tenant", "other").code == 1
    assert cli("stores", "close", store, "--json", *mine).answer["visibility"] == "private"
    assert cli(*ask).code == 1


def test_a_store_that_has_become_large_gets_an_index(
    cli: Program, store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    who = ["--store", store, "--user", store]
    for name in ("ferry", "train", "coach"):
        cli("remember", f"The {name} leaves at seven.", *who)
    assert cli("stores", "indexes", "--json").answer == {"indexes": []}
    assert "MEMOLEDGER_INDEX_FROM" in cli("stores", "indexes").err
    monkeypatch.setenv("MEMOLEDGER_INDEX_FROM", "3")
    time.sleep(1.1)  # what was written in the last second is not yet taken in
    built = cli("stores", "indexes", "--build", "--json").answer["indexes"]
    [mine] = [one for one in built if one["store"] == store]
    assert (mine["state"], mine["texts"], mine["vectors"]) == ("ready", 3, 3)
    assert store in cli("stores", "indexes").out
    assert cli("recall", "ferry", "--json", *who).answer["hits"][0]["memory"]["content"]
