"""Whoever is nobody, or half of somebody, or somebody misspelt, sees nothing and writes nothing."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest
from psycopg import sql

NOBODY = {
    "no tenant and no user": ("", ""),
    "a tenant without a user": ("acme", ""),
    "a user without a tenant": ("", "alice"),
    "another case": ("ACME", "alice"),
    "a space behind": ("acme ", "alice"),
    "a pattern": ("%", "%"),
    "a pattern of one": ("acm_", "alice"),
    "a regular expression": (".*", "alice"),
    "quotes": ("acme' OR 'a' = 'a", "alice"),
    "a comment": ("acme' --", "alice"),
    "both of both": ("acme,globex", "alice,bob"),
    "an array": ("{acme,globex}", "{alice}"),
    "null in letters": ("null", "null"),
    "the ledger itself": ("acme", "system"),
    "the ledger itself everywhere": ("system", "system"),
    "a tenant that is not there": ("initech", "alice"),
    "very long": ("acme" * 5_000, "alice" * 5_000),
    "in wide letters": ("\uff41\uff43\uff4d\uff45", "alice"),
}

HALVES = {
    "no tenant and no user",
    "a tenant without a user",
    "a user without a tenant",
    "the ledger itself",
    "the ledger itself everywhere",
}
"""Not even a new tenant can be founded in these names; the others are just nobody's yet."""

GARBAGE_STORES = ["garbage", "'", "{}", "00000000-0000-0000-0000-00000000000", "NULL", "*", " "]


def seen(attacker: Any) -> dict[str, int]:
    """How many rows each table shows, where it shows any."""
    found = {}
    for table in attacker.open_tables():
        [(count,)] = attacker.ask(sql.SQL("SELECT count(*) FROM {}").format(table))
        if count:
            found[table.as_string(None)] = count
    return found


def test_a_fresh_connection_sees_nothing(attacker: Any) -> None:
    assert len(attacker.open_tables()) >= 7
    assert seen(attacker) == {}


@pytest.mark.parametrize("case", NOBODY)
def test_nobody_sees_nothing(attacker: Any, case: str) -> None:
    attacker.become(NOBODY[case])
    assert seen(attacker) == {}


def test_an_unknown_user_sees_what_is_open_to_the_tenant(
    attacker: Any, world: Any, marks: Any
) -> None:
    attacker.become(("acme", "nobody"))
    heard = marks(
        [attacker.ask(sql.SQL("SELECT * FROM {}").format(t)) for t in attacker.open_tables()]
    )
    assert heard == {"acme.alice.board", "acme.alice.board.alice.shared"}
    assert attacker.ask("SELECT * FROM memoledger.grants") == []
    assert attacker.ask("SELECT * FROM memoledger.audit_records") == []


FOUND_TENANT = "INSERT INTO memoledger.tenants (tenant_id, created_by) VALUES (%s, %s)"
FOUND_STORE = (
    "INSERT INTO memoledger.stores (tenant_id, store_id, owner_id, name, created_by, updated_by)"
    " VALUES (%s, gen_random_uuid(), %s, 'mine', %s, %s)"
)


@pytest.mark.parametrize("case", NOBODY)
def test_nobody_writes_in_the_name_of_another(attacker: Any, case: str) -> None:
    attacker.become(NOBODY[case])
    attacker.refused(FOUND_TENANT, "acme", "alice")
    attacker.refused(FOUND_STORE, "acme", *["alice"] * 3)
    assert attacker.changed("UPDATE memoledger.stores SET visibility = 'tenant'") == 0
    assert attacker.changed("UPDATE memoledger.memories SET deleted_at = clock_timestamp()") == 0
    assert attacker.changed("UPDATE memoledger.embeddings SET superseded_at = now()") == 0
    assert attacker.changed("UPDATE memoledger.term_vectors SET superseded_at = now()") == 0
    assert attacker.changed("DELETE FROM memoledger.grants") == 0


@pytest.mark.parametrize("case", sorted(HALVES))
def test_half_a_principal_founds_nothing(attacker: Any, case: str) -> None:
    tenant, user = NOBODY[case]
    attacker.become((tenant, user))
    attacker.refused(FOUND_TENANT, tenant, user)
    attacker.refused(FOUND_STORE, tenant, *[user] * 3)


@pytest.mark.parametrize(
    "reset",
    [
        "RESET ALL",
        "RESET app.current_tenant_id",
        'RESET app."current_user"',
        "DISCARD ALL",
        "SET app.current_tenant_id = ''",
        'SET app."current_user" TO DEFAULT',
        "SELECT set_config('app.current_user', NULL, false)",
        "SET SESSION AUTHORIZATION DEFAULT; RESET ALL",
    ],
)
def test_after_a_reset_nothing_is_seen(attacker: Any, reset: str) -> None:
    attacker.become(("acme", "alice"))
    assert seen(attacker)
    for statement in reset.split("; "):
        attacker.ask(statement)
    assert seen(attacker) == {}


def test_settings_of_a_transaction_end_with_it(attacker: Any) -> None:
    with attacker.connection.transaction():
        attacker.ask(
            "SELECT set_config('app.current_tenant_id', 'acme', true),"
            " set_config('app.current_user', 'alice', true)"
        )
        assert seen(attacker)
    assert seen(attacker) == {}


def test_a_savepoint_rolled_back_takes_the_principal_with_it(attacker: Any) -> None:
    attacker.become(("acme", "bob"))
    before = seen(attacker)
    with attacker.connection.transaction():
        with attacker.connection.transaction(force_rollback=True):
            attacker.become(("acme", "alice"))
            assert seen(attacker) != before
        assert seen(attacker) == before


@pytest.mark.parametrize("garbage", GARBAGE_STORES)
def test_a_scope_that_is_no_id_shows_nothing(attacker: Any, marks: Any, garbage: str) -> None:
    attacker.become(("acme", "alice"), garbage)
    for table in ("memories", "embeddings", "term_vectors"):
        error = attacker.refused(f"SELECT * FROM memoledger.{table}")
        assert isinstance(error, psycopg.errors.InvalidTextRepresentation)
        assert marks(str(error)) == set()


def test_a_scope_narrows_and_never_widens(attacker: Any, world: Any, marks: Any) -> None:
    for person in world.everybody:
        for key, store_id in world.stores.items():
            attacker.become(person, store_id)
            heard = marks(attacker.ask("SELECT * FROM memoledger.memories"))
            allowed = world.marks_of(person)
            assert heard == {m for m in allowed if m.startswith(".".join(key) + ".")}


def test_the_scope_of_another_tenant_cannot_be_written(attacker: Any, world: Any) -> None:
    theirs = world.store("globex", "alice", "board")
    attacker.become(("acme", "alice"), theirs)
    assert attacker.changed("UPDATE memoledger.memories SET deleted_at = clock_timestamp()") == 0
    assert attacker.ask(
        "SELECT memoledger.readable_store_ids(), memoledger.writable_store_ids()"
    ) == [([], [])]
