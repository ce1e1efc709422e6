"""`keys`: the operator makes, lists and revokes them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.acceptance.cli.conftest import Program


def test_a_key_is_made_shown_once_listed_and_revoked(cli: Program, store: str) -> None:
    who = ["--tenant", store, "--user", "alice"]
    made = cli("keys", "create", "ci", "--scope", "read", "--days", "30", *who)
    assert made.code == 0
    [secret] = made.out.split()
    assert re.fullmatch(r"mlk_[0-9a-f]{32}_\w{43}", secret)
    assert "cannot be shown again" in made.err
    fresh = cli("keys", "create", "all", "--scope", "admin", "--scope", "write", "--json", *who)
    assert fresh.answer["secret"].startswith("mlk_")
    assert fresh.answer["scopes"] == ["write", "admin"]
    assert fresh.answer["expires_at"] is None
    listed = cli("keys", "list", "--json", *who)
    assert [key["name"] for key in listed.answer["keys"]] == ["all", "ci"]
    assert "secret" not in listed.out
    table = cli("keys", "list", *who).out
    for said in ("ci", "all", "read", "write, admin", "good for ever", "good until", "never"):
        assert said in table
    assert secret not in table
    [_, first] = listed.answer["keys"]
    revoked = cli("keys", "revoke", first["id"], "--json", *who).answer
    assert (revoked["outcome"], revoked["name"]) == ("revoked", "ci")
    assert revoked["revoked_at"] is not None
    assert "revoked 20" in cli("keys", "list", *who).out


def test_the_operator_sees_and_revokes_everybodys_of_a_tenant(cli: Program, store: str) -> None:
    for user in ("alice", "bob"):
        cli("keys", "create", user, "--tenant", store, "--user", user)
    listed = cli("keys", "list", "--everybody", "--json", "--tenant", store).answer["keys"]
    assert [key["user"] for key in listed] == ["bob", "alice"]
    for key in listed:
        assert cli("keys", "revoke", key["id"], "--tenant", store).code == 0
    other = cli("keys", "revoke", listed[0]["id"], "--tenant", f"not {store}", "--json")
    assert (other.code, other.problem["code"]) == (1, "not-found")


def test_without_any(cli: Program, store: str) -> None:
    answer = cli("keys", "list", "--tenant", store)
    assert (answer.code, answer.out) == (0, "")
    assert "keys create" in answer.err
    assert cli("keys", "list", "--tenant", store, "--json").answer == {"keys": []}


def test_bad_input_makes_none(cli: Program, store: str) -> None:
    for wrong in (["x", "--scope", "root"], ["x", "--days", "0"], [""], []):
        assert cli("keys", "create", *wrong, "--tenant", store).code == 2
    assert cli("keys", "revoke", "no id", "--tenant", store).code == 2
    assert cli("keys", "list", "--tenant", store, "--json").answer == {"keys": []}
