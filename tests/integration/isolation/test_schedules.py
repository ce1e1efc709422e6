"""The schedule of what waits to be embedded: who sees it, who writes it, who may settle it."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import psycopg
import pytest

ALICE = ("acme", "alice")
BOB = ("acme", "bob")
CAROL = ("acme", "carol")
DAVE = ("globex", "dave")

COLUMNS = "tenant_id, store_id, family, owner_id, version, embedding_version, private_to"
INSERT = (
    "INSERT INTO memoledger.embedding_schedule (tenant_id, store_id, family, owner_id, version,"
    " embedding_version, private_to, reason, urgency)"
    " VALUES ('acme', %s, 'memory', gen_random_uuid(), 1, 1, %s, 'written', 0)"
)


@pytest.fixture
def diary(world: Any) -> Any:
    """Alice's own store, with a row that waits, one that is private, and one that is claimed."""
    store = world.store("acme", "alice", "diary")
    claim = uuid4()
    with world.root() as root:
        for private_to, claimed in ((None, None), ("alice", None), (None, claim)):
            root.execute(
                "INSERT INTO memoledger.embedding_schedule (tenant_id, store_id, family, owner_id,"
                " version, embedding_version, private_to, reason, urgency, claimed_by,"
                " claimed_until, last_error)"
                " VALUES ('acme', %s, 'memory', gen_random_uuid(), 1, 1, %s, 'written', 0, %s,"
                " CASE WHEN %s::uuid IS NOT NULL THEN now() + interval '1 hour' END,"
                " 'embedder: no')",
                [store, private_to, claimed, claimed],
            )
        rows = root.execute(
            "SELECT owner_id, claimed_by FROM memoledger.embedding_schedule WHERE store_id = %s",
            [store],
        ).fetchall()
        yield store, claim, rows
        root.execute("DELETE FROM memoledger.embedding_schedule WHERE store_id = %s", [store])


def seen(attacker: Any, store: Any) -> int:
    [(count,)] = attacker.ask(
        "SELECT count(store_id) FROM memoledger.embedding_schedule WHERE store_id = %s", store
    )
    return int(count)


def test_it_is_seen_by_those_who_may_read(attacker: Any, diary: Any) -> None:
    store, _, _ = diary
    for person, count in ((ALICE, 3), (CAROL, 0), (DAVE, 0), (None, 0)):
        attacker.become(person)
        assert seen(attacker, store) == count, person


def test_who_is_at_it_is_shown_to_nobody(attacker: Any, diary: Any) -> None:
    attacker.become(ALICE)
    for column in ("claimed_by", "claimed_until", "*"):
        error = attacker.refused(f"SELECT {column} FROM memoledger.embedding_schedule")
        assert isinstance(error, psycopg.errors.InsufficientPrivilege)


def test_it_is_written_by_those_who_may_write(attacker: Any, diary: Any) -> None:
    store, _, _ = diary
    for person, private_to in ((CAROL, None), (DAVE, None), (None, None), (ALICE, "bob")):
        attacker.become(person)
        error = attacker.refused(INSERT, store, private_to)
        assert isinstance(error, psycopg.errors.InsufficientPrivilege), person
    attacker.become(ALICE)
    assert attacker.changed(INSERT, store, None) == 1
    assert attacker.changed(INSERT, store, "alice") == 1


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE memoledger.embedding_schedule SET due_at = now()",
        "UPDATE memoledger.embedding_schedule SET claimed_by = gen_random_uuid()",
        "DELETE FROM memoledger.embedding_schedule",
        "TRUNCATE memoledger.embedding_schedule",
        "LOCK TABLE memoledger.embedding_schedule IN SHARE MODE",
        "SELECT * FROM memoledger.index_schedule",
        "INSERT INTO memoledger.index_schedule (tenant_id) VALUES ('acme')",
    ],
)
def test_what_becomes_of_a_row_is_the_ledgers_affair(
    attacker: Any, diary: Any, statement: str
) -> None:
    attacker.become(ALICE)
    error = attacker.refused(statement)
    assert isinstance(error, psycopg.errors.InsufficientPrivilege)


def test_only_who_knows_the_claim_may_settle_it(attacker: Any, diary: Any) -> None:
    store, claim, rows = diary
    ids = [str(owner_id) for owner_id, _ in rows]
    call = "SELECT count(*) FROM memoledger.settle_schedule(%s, %s, 1, %s::uuid[], %s::integer[])"
    for person, said, settled in (
        (ALICE, uuid4(), 0),
        (DAVE, claim, 0),
        (None, claim, 0),
        (ALICE, claim, 1),
    ):
        attacker.become(person)
        with attacker.connection.transaction(force_rollback=True):
            assert attacker.ask(call, said, store, ids, [1, 1, 1]) == [(settled,)], (person, said)


def test_a_tenants_queue_is_for_its_admins(attacker: Any, diary: Any) -> None:
    calls = (
        "SELECT * FROM memoledger.tenant_queue_depth()",
        "SELECT * FROM memoledger.tenant_queue(false, 10)",
        "SELECT memoledger.retry_tenant_queue(NULL)",
        "SELECT memoledger.drop_tenant_queue(NULL)",
    )
    for scopes in ("", "read write"):
        attacker.become(ALICE)
        attacker.ask("SELECT set_config('app.current_scopes', %s, false)", scopes)
        for call in calls:
            assert "scope admin" in str(attacker.refused(call))
    attacker.become(DAVE)
    attacker.ask("SELECT set_config('app.current_scopes', 'admin', false)")
    assert attacker.ask("SELECT waiting, claimed FROM memoledger.tenant_queue_depth()") == [(0, 0)]
    attacker.become(BOB)
    attacker.ask("SELECT set_config('app.current_scopes', 'admin', false)")
    assert attacker.ask("SELECT waiting, claimed FROM memoledger.tenant_queue_depth()") == [(2, 1)]
    said = attacker.ask("SELECT DISTINCT last_error FROM memoledger.tenant_queue(false, 10)")
    assert said == [("embedder",)]
    attacker.ask("SELECT set_config('app.current_scopes', '', false)")


def test_nobody_hears_that_others_write(attacker: Any, another: Any) -> None:
    for channel in ("procrastinate_any_queue_v1", "procrastinate_queue_v1#embed"):
        attacker.ask(f'LISTEN "{channel}"')
    another.become(ALICE)
    another.ask("SELECT memoledger.wake_workers()")
    assert [one.payload for one in attacker.connection.notifies(timeout=0.2)] == []
    attacker.refused("SELECT name FROM memoledger_system.job_queue")
