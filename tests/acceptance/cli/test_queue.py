"""`queue`: what waits to be embedded, and what was set aside."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.acceptance.cli.conftest import Program


def test_what_waits_is_listed_counted_and_tried_again(cli: Program, store: str) -> None:
    who = ["--tenant", store, "--user", "alice"]
    remembered = cli("remember", "Tea with milk", "--wait", "durable", "--json", *who)
    assert remembered.code == 0, remembered.err
    listed = cli("queue", "list", "--tenant", store, "--json").answer["rows"]
    assert [(row["id"], row["state"], row["owner"]) for row in listed] == [
        (remembered.answer["id"], "waiting", "alice")
    ]
    assert remembered.answer["id"] in cli("queue", "list", "--tenant", store).out
    stats = cli("queue", "stats", "--tenant", store, "--json").answer
    assert (stats["waiting"], stats["poisoned"]) == (1, 0)
    assert "waiting" in cli("queue", "stats", "--tenant", store).out
    assert cli("queue", "retry", "--tenant", store, "--json").answer == {"retried": 0}
    dropped = cli("queue", "drop", remembered.answer["id"], "--json")
    assert dropped.answer == {"dropped": 0}
    found = cli("recall", "milk", "--mode", "lexical", "--json", *who).answer
    assert len(found["hits"]) == 1


def test_nothing_waits(cli: Program, store: str) -> None:
    answer = cli("queue", "list", "--tenant", f"{store} nobody")
    assert (answer.code, answer.out) == (0, "")
    assert "Nothing waits" in answer.err
    assert "set aside" in cli("queue", "list", "--poisoned", "--tenant", f"{store} x").err


def test_bad_input(cli: Program) -> None:
    assert cli("queue", "retry", "no id").code == 2
    assert cli("queue", "list", "--limit", "0").code == 2
    assert cli("remember", "Tea", "--wait", "soon").code == 2
