"""Nobody reads another's receipts or forges one, and nobody changes any."""

from __future__ import annotations

import re
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from psycopg import sql

from memoledger.model.ids import new_id

ALICE = ("acme", "alice")
BOB = ("acme", "bob")
CAROL = ("acme", "carol")

FORGE = (
    "INSERT INTO memoledger.receipts (tenant_id, receipt_id, user_id, store_id, at_most, pending,"
    " complete, unproven, mode, searched_by, private_to, query, memory_ids, versions, scores,"
    " timings_ms) VALUES (%s, %s, %s, %s, 1, 0, true, %s, 'dense', 'forged', %s, 'forged', %s,"
    " '{1}', '{1}', '{}')"
)


def forged(
    person: tuple[str, str],
    store: UUID,
    *,
    memory: UUID | None = None,
    unproven: bool = False,
    private_to: str | None = None,
) -> tuple[object, ...]:
    ids = [memory or uuid4()]
    return (person[0], new_id(), person[1], store, unproven, private_to, ids)


class TestWriting:
    @pytest.mark.parametrize("person", [ALICE, CAROL, ("globex", "dave"), ("globex", "bob")])
    def test_nobody_writes_a_receipt_in_anothers_name(
        self, attacker: Any, world: Any, person: tuple[str, str]
    ) -> None:
        attacker.become(BOB)
        for unproven in (False, True):
            values = forged(person, world.store("acme", "bob", "diary"), unproven=unproven)
            assert attacker.refused(FORGE, *values).sqlstate == "42501"

    def test_one_in_ones_own_name_is_ones_own_affair(self, attacker: Any, world: Any) -> None:
        attacker.become(BOB)
        assert attacker.changed(FORGE, *forged(BOB, world.store("acme", "bob", "diary"))) == 1

    def test_a_store_that_one_cannot_read_is_not_written_about(
        self, attacker: Any, world: Any
    ) -> None:
        attacker.become(CAROL)
        for store in (world.store("acme", "alice", "diary"), uuid4()):
            assert attacker.refused(FORGE, *forged(CAROL, store)).sqlstate == "42501"

    def test_what_is_unproven_is_shown_to_its_writer_alone_and_counts_for_nothing(
        self, attacker: Any, world: Any
    ) -> None:
        diary = world.store("acme", "alice", "diary")
        memory = world.memories["acme.alice.diary.alice.shared", "current"]
        with attacker.connection.transaction(force_rollback=True):
            counted = (
                "SELECT sum(count) FROM memoledger.memory_access"
                " WHERE store_id = %s AND memory_id = %s"
            )
            attacker.become(ALICE)
            before = attacker.ask(counted, diary, memory)
            attacker.become(CAROL)
            values = forged(CAROL, diary, memory=memory, unproven=True)
            attacker.ask(FORGE, *values)
            mine = "SELECT count(*) FROM memoledger.receipts WHERE searched_by = 'forged'"
            assert attacker.ask(mine) == [(1,)]
            attacker.become(ALICE)
            assert attacker.ask(mine) == [(0,)]
            assert attacker.ask(counted, diary, memory) == before != [(None,)]

    def test_what_another_keeps_private_is_not_counted_by_a_forged_receipt(
        self, attacker: Any, world: Any
    ) -> None:
        desk = world.store("acme", "alice", "desk")
        secret = world.memories["acme.alice.desk.bob.private", "current"]
        with attacker.connection.transaction(force_rollback=True):
            counts = []
            for _ in range(2):
                attacker.become(BOB)
                counts += attacker.ask(
                    "SELECT count FROM memoledger.memory_access WHERE memory_id = %s", secret
                )
                attacker.become(ALICE)
                attacker.ask(FORGE, *forged(ALICE, desk, memory=secret))
            assert len(counts) == 2
            assert counts[0] == counts[1]

    @pytest.mark.parametrize("column", ["recorded_at", "struck_at"])
    def test_the_time_of_recording_cannot_be_said(
        self, attacker: Any, world: Any, column: str
    ) -> None:
        attacker.become(BOB)
        values = forged(BOB, world.store("acme", "bob", "diary"))
        statement = FORGE.replace("(tenant_id", f"({column}, tenant_id")
        statement = statement.replace("VALUES (", "VALUES (now(), ")
        assert attacker.refused(statement, *values).sqlstate == "42501"

    @pytest.mark.parametrize(
        "statement",
        [
            "UPDATE memoledger.receipts SET query = 'another'",
            "UPDATE memoledger.receipts SET scores = '{}'",
            "UPDATE memoledger.receipts SET struck_at = now(), query = NULL, filters = NULL",
            "DELETE FROM memoledger.receipts",
            "TRUNCATE memoledger.receipts",
            "UPDATE memoledger.memory_access SET count = 1000",
            "DELETE FROM memoledger.memory_access",
            "INSERT INTO memoledger.memory_access (tenant_id, store_id, memory_id, last_accessed,"
            " count) SELECT tenant_id, store_id, memory_id, now(), 7 FROM memoledger.memories",
            "UPDATE memoledger.receipt_salts SET salt = ''",
            "DELETE FROM memoledger.receipt_salts",
            "UPDATE memoledger_system.receipt_retention SET days = 1",
            "SELECT memoledger_system.tend_receipts_at(now() + interval '9 years')",
            "SELECT memoledger.strike('acme', gen_random_uuid(), '{}')",
        ],
    )
    def test_what_was_written_stays_as_it_is(self, attacker: Any, statement: str) -> None:
        attacker.become(ALICE)
        assert attacker.refused(statement).sqlstate == "42501"

    @pytest.mark.parametrize(
        "statement",
        [
            "UPDATE memoledger.receipts SET query = 'another' WHERE query IS NOT NULL",
            "UPDATE memoledger.receipts SET struck_at = now(), query = NULL, query_hash = NULL,"
            " filters = NULL, scores = array_fill(0.5::float8, ARRAY[cardinality(scores)])",
            "UPDATE memoledger.receipts SET struck_at = now(), query = NULL, query_hash = NULL,"
            " filters = NULL, user_id = 'mallory'",
            "DELETE FROM memoledger.receipts",
            "TRUNCATE memoledger.receipts",
        ],
    )
    def test_the_owner_does_not_rewrite_them_either(self, world: Any, statement: str) -> None:
        with world.root() as root, root.transaction(force_rollback=True):
            root.execute("SET LOCAL ROLE memoledger_owner")
            with pytest.raises(psycopg.errors.InsufficientPrivilege, match="append-only"):
                root.execute(statement.encode())

    def test_a_partition_is_reached_through_its_parent_alone(self, attacker: Any) -> None:
        attacker.become(ALICE)
        names = [name for _, name in attacker.tables("r") if name.startswith("receipts_")]
        assert len(names) >= 2
        for name in names:
            table = sql.Identifier("memoledger", name)
            attacker.refused(sql.SQL("SELECT * FROM {}").format(table))
            attacker.refused(sql.SQL("DELETE FROM {}").format(table))


class TestReading:
    async def test_a_receipt_is_its_askers_and_the_store_owners(self, ledger: Any) -> None:
        alice, bob, carol = [
            await ledger.principal(tenant="acme", user=user) for user in ("alice", "bob", "carol")
        ]
        stranger = await ledger.principal(tenant="globex", user="alice")
        shelf = await bob.store("acme.alice.shelf", owner="alice")
        hits = await shelf.recall("what is on the shelf?")
        assert (await bob.receipt(hits.receipt_id)).user == "bob"
        assert (await alice.receipt(hits.receipt_id)).query == "what is on the shelf?"
        for other in (carol, stranger):
            with pytest.raises(LookupError, match="no receipt"):
                await other.receipt(hits.receipt_id)
            listed = (await other.receipts(limit=1_000)).receipts
            assert hits.receipt_id not in {receipt.id for receipt in listed}

    async def test_one_with_a_private_hit_is_its_askers_alone(self, ledger: Any) -> None:
        alice = await ledger.principal(tenant="acme", user="alice")
        bob = await ledger.principal(tenant="acme", user="bob")
        desk = await bob.store("acme.alice.desk", owner="alice")
        hits = await desk.recall("acme.alice.desk.bob.private was current", limit=100)
        assert any(hit.family == "memory" and hit.memory.privacy == "creator" for hit in hits)
        assert await bob.receipt(hits.receipt_id)
        with pytest.raises(LookupError, match="no receipt"):
            await alice.receipt(hits.receipt_id)

    async def test_a_recall_just_before_a_grant_ended_is_still_kept(self, ledger: Any) -> None:
        """The store's owner is not shown it: the database cannot tell it from a forged one."""
        alice = await ledger.principal(tenant="acme", user="alice")
        bob = await ledger.principal(tenant="acme", user="bob")
        shelf = await bob.store("acme.alice.shelf", owner="alice")
        hits = await shelf.recall("the last look")
        await (await alice.store("acme.alice.shelf")).unshare("bob")
        assert (await bob.receipt(hits.receipt_id)).query == "the last look"
        with pytest.raises(LookupError, match="no receipt"):
            await alice.receipt(hits.receipt_id)

    async def test_access_counts_of_private_memories_are_their_creators(self, ledger: Any) -> None:
        alice = await ledger.principal(tenant="acme", user="alice")
        bob = await ledger.principal(tenant="acme", user="bob")
        desk = await bob.store("acme.alice.desk", owner="alice")
        hits = await desk.recall("acme.alice.desk.bob.private was current", limit=100)
        memories = [hit.memory for hit in hits if hit.family == "memory"]
        private = [memory.id for memory in memories if memory.privacy == "creator"]
        shared = [memory.id for memory in memories if memory.privacy == "store"]
        assert private
        assert set(await desk.accesses(private + shared)) == {*private, *shared}
        hers = await alice.store("acme.alice.desk")
        assert set(await hers.accesses(private + shared)) == set(shared)

    def test_a_plan_counts_no_hidden_receipt(self, attacker: Any, world: Any) -> None:
        """Whose receipts are more than a few: of few the planner reads the whole tenant's."""
        with attacker.connection.transaction(force_rollback=True):
            attacker.become(BOB)
            many = [forged(BOB, world.store("acme", "bob", "diary")) for _ in range(1_000)]
            attacker.connection.cursor().executemany(FORGE, many)
            attacker.become(CAROL)
            [(visible,)] = attacker.ask("SELECT count(*) FROM memoledger.receipts")
            attacker.ask("SET LOCAL enable_seqscan = off")
            plan = attacker.ask("EXPLAIN (ANALYZE, TIMING OFF) TABLE memoledger.receipts")
            told = "\n".join(line for (line,) in plan)
            # An index still has entries of what other tests wrote as Carol and rolled back.
            assert max(int(n) for n in re.findall(r"actual rows=(\d+)", told)) <= visible + 20
            assert "Removed" not in told

    def test_nobody_tests_guesses_at_anothers_hashed_question(
        self, attacker: Any, world: Any
    ) -> None:
        attacker.become(ALICE)
        hashed = attacker.ask(
            "SELECT user_id FROM memoledger.receipts"
            " WHERE query_hash IS NOT NULL AND user_id <> 'alice'"
        )
        assert hashed, "as the owner of stores, alice sees others' hashes"
        assert attacker.ask("SELECT user_id FROM memoledger.receipt_salts") == [("alice",)]
        assert (
            attacker.ask(
                "SELECT r.user_id FROM memoledger.receipts AS r, memoledger.receipt_salts AS s,"
                " memoledger.stores AS asked"
                " WHERE r.query_hash = sha256(s.salt || convert_to(asked.name, 'UTF8'))"
                " AND r.user_id <> 'alice'"
            )
            == []
        )
