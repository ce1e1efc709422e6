"""No side door tells what a policy hides: leaky functions, errors, notices, collisions."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import psycopg
import pytest

ALICE = ("acme", "alice")
BOB = ("acme", "bob")
CAROL = ("acme", "carol")

LEAKY_CONDITIONS = {
    "a function that tells": "pg_temp.tell(t::text)",
    "the same before the tenant": "pg_temp.tell(t::text) AND tenant_id <> ''",
    "the same in CASE": "CASE WHEN pg_temp.tell(t::text) THEN true ELSE false END",
    "one that claims to cost nothing": "pg_temp.tell_for_free(t::text)",
    "division by zero": "1 / (CASE WHEN t::text LIKE '%globex%' THEN 0 ELSE 1 END) = 1",
    "a cast of a text to a number": "tenant_id::int = 0",
    "a cast of a whole row": "t::text::int = 0",
    "a cast to an enumeration": "t::text::pg_temp.letter = 'a'",
    "a cast to a domain": "t::text::pg_temp.short <> ''",
    "an invalid regular expression": "'x' ~ ('(' || t::text)",
    "an invalid JSON text": "('{' || t::text)::jsonb IS NULL",
    "an invalid date": "t::text::timestamptz IS NULL",
    "a setting": "set_config('attack.heard', t::text, false) IS NULL",
    "a notification": "pg_notify('attack', left(t::text, 7000)) IS NULL",
    "an operator of one's own": "t::text OPERATOR(pg_temp.~~~) 'x'",
}


@pytest.fixture
def tools(attacker: Any) -> Any:
    """What temporary objects allow: functions that shout, types that complain."""
    for statement in (
        "CREATE FUNCTION pg_temp.tell(heard text) RETURNS boolean LANGUAGE plpgsql COST 0.0001 "
        "AS $$ BEGIN RAISE NOTICE 'heard %', heard; RETURN true; END $$",
        "CREATE FUNCTION pg_temp.tell_for_free(heard text) RETURNS boolean LANGUAGE plpgsql "
        "IMMUTABLE "
        "PARALLEL SAFE COST 0.0000001 AS $$ BEGIN RAISE NOTICE 'heard %', heard; RETURN true; "
        "END $$",
        "CREATE FUNCTION pg_temp.like_it(a text, b text) RETURNS boolean LANGUAGE plpgsql "
        "AS $$ BEGIN RAISE NOTICE 'heard %', a; RETURN true; END $$",
        "CREATE OPERATOR pg_temp.~~~ (leftarg = text, rightarg = text, function = pg_temp.like_it)",
        "CREATE TYPE pg_temp.letter AS ENUM ('a')",
        "CREATE DOMAIN pg_temp.short AS text CHECK (length(VALUE) < 2)",
    ):
        attacker.ask(statement)
    return attacker


@pytest.mark.parametrize("case", LEAKY_CONDITIONS)
def test_a_leaky_condition_hears_only_visible_rows(
    tools: Any, world: Any, marks: Any, case: str
) -> None:
    for person in (CAROL, ("globex", "dave"), None):
        tools.become(person)
        allowed = world.marks_of(person) if person else set()
        for table in tools.open_tables():
            for plan in ("on", "off"):
                tools.ask(f"SET enable_indexscan = {plan}")
                name = table.as_string(None)
                heard = tools.hear(
                    f"SELECT count(*) FROM {name} AS t WHERE {LEAKY_CONDITIONS[case]}"
                )
                heard += str(tools.ask("SELECT current_setting('attack.heard', true)"))
                heard += str([n.payload for n in tools.connection.notifies(timeout=0)])
                assert marks(heard) <= allowed, (table, heard[:300])


def test_nobody_makes_a_function_leakproof(tools: Any) -> None:
    tools.refused("ALTER FUNCTION pg_temp.tell(text) LEAKPROOF")
    tools.refused(
        "CREATE FUNCTION pg_temp.sure(text) RETURNS boolean LANGUAGE sql LEAKPROOF RETURN true"
    )


DERIVED = {"private_to", "thread", "place", "asks"}
"""Columns of memories that follow from the others."""


class TestWrites:
    """A write that fails on a row that cannot be seen does not describe that row."""

    def test_a_taken_id_is_not_described(self, attacker: Any, world: Any, marks: Any) -> None:
        attacker.become(CAROL)
        theirs = world.store("acme", "alice", "diary")
        error = attacker.refused(
            "INSERT INTO memoledger.stores (tenant_id, store_id, owner_id, name, created_by, "
            "updated_by)"
            " VALUES ('acme', %s, 'carol', 'x', 'carol', 'carol')",
            theirs,
        )
        assert isinstance(error, psycopg.errors.UniqueViolation)
        assert error.diag.message_detail is None
        assert marks(str(error)) == set()

    @pytest.mark.parametrize("table", ["memories", "embeddings", "term_vectors"])
    def test_a_row_of_a_hidden_store_is_refused_before_it_can_collide(
        self, attacker: Any, world: Any, marks: Any, table: str
    ) -> None:
        """The same error whether the row is there or not: neither key nor constraint is reached."""
        with world.root() as root:
            [(taken,)] = root.execute(
                f"SELECT to_jsonb(t) FROM memoledger.{table} AS t WHERE store_id = %s LIMIT 1",
                [world.store("acme", "alice", "diary")],
            ).fetchall()
        key = "memory_id" if table == "memories" else "owner_id"
        free = {**taken, key: str(uuid4())}
        attacker.become(CAROL)
        told = []
        for row in (taken, free):
            columns = [name for name in row if table != "memories" or name not in DERIVED]
            names = ", ".join(columns)
            error = attacker.refused(
                f"INSERT INTO memoledger.{table} ({names}) SELECT {names}"
                f" FROM jsonb_populate_record(NULL::memoledger.{table}, %s)",
                psycopg.types.json.Jsonb(row),
            )
            told.append((error.sqlstate, str(error)))
        assert told[0] == told[1]
        assert told[0][0] == "42501"
        assert marks(told[0][1]) == set()

    def test_a_foreign_key_does_not_tell_which_tenants_there_are(self, attacker: Any) -> None:
        attacker.become(ALICE)
        heard = {
            str(
                attacker.refused(
                    "INSERT INTO memoledger.users (tenant_id, user_id, created_by) VALUES (%s, "
                    "'x', 'alice')",
                    tenant,
                )
            )
            for tenant in ("globex", "initech")
        }
        assert len(heard) == 1

    def test_a_new_tenant_does_not_tell_which_there_are(self, attacker: Any) -> None:
        attacker.become(ALICE)
        for clause in ("", " ON CONFLICT DO NOTHING"):
            heard = {
                str(
                    attacker.refused(
                        "INSERT INTO memoledger.tenants (tenant_id, created_by) VALUES (%s, "
                        "'alice')" + clause,
                        tenant,
                    )
                )
                for tenant in ("globex", "initech")
            }
            assert len(heard) == 1

    def test_a_check_that_fails_describes_no_other_row(self, attacker: Any, marks: Any) -> None:
        attacker.become(BOB)
        for change in (
            "superseded_at = '-infinity'",
            "content = NULL",
            "content = ''",
            "salt = '\\x00'",
        ):
            heard = attacker.hear(f"UPDATE memoledger.memories SET {change}")
            assert "ERROR" in heard or "violates" in heard or "written once" in heard
            assert marks(heard) == set()

    def test_on_conflict_touches_no_hidden_row(self, attacker: Any, world: Any, marks: Any) -> None:
        attacker.become(CAROL)
        heard = attacker.hear(
            "INSERT INTO memoledger.stores AS s"
            " (tenant_id, store_id, owner_id, name, created_by, updated_by)"
            " VALUES ('acme', %s, 'carol', 'x', 'carol', 'carol')"
            " ON CONFLICT (tenant_id, store_id) DO UPDATE SET name = s.name || '!', updated_by = "
            "'carol'"
            " RETURNING s.*",
            world.store("acme", "alice", "diary"),
        )
        assert "row-level security" in heard
        assert marks(heard) == set()

    def test_merge_matches_no_hidden_row(self, attacker: Any, world: Any) -> None:
        attacker.become(CAROL)
        assert (
            attacker.changed(
                "MERGE INTO memoledger.stores AS s USING (SELECT %s::uuid AS id) AS x ON "
                "s.store_id = x.id"
                " WHEN MATCHED THEN UPDATE SET visibility = 'tenant', updated_by = 'carol'",
                world.store("acme", "alice", "diary"),
            )
            == 0
        )


class TestCollisions:
    """Nobody finds out by writing what another keeps private, or in another store or tenant."""

    async def test_the_same_in_a_shared_store_does_not_collide_with_a_private_memory(
        self, ledger: Any, world: Any
    ) -> None:
        mark = "acme.alice.desk.bob.private"
        alice = await ledger.principal(tenant="acme", user="alice")
        desk = await alice.store_by_id(world.store("acme", "alice", "desk"))
        for draft in (
            {"content": f"{mark} was current"},
            {"content": f"{mark} was current", "external_id": f"{mark}.current"},
            {"content": "something else", "external_id": f"{mark}.updated"},
        ):
            made = await desk.remember(**draft)
            assert made.outcome == "created"
            report = await desk.remember_many([draft])
            assert report.items[0].outcome == "unchanged"
            await desk.forget(made.id, hard=True)

    async def test_names_and_ids_of_others_are_free(self, ledger: Any, world: Any) -> None:
        dave = await ledger.principal(tenant="globex", user="dave")
        mine = await dave.store("acme.alice.diary")
        assert mine.id not in world.stores.values()
        made = await mine.remember(
            "acme.alice.diary.alice.shared was current",
            external_id="acme.alice.diary.alice.shared.current",
        )
        assert made.outcome == "created"
        await mine.forget(made.id, hard=True)

    async def test_what_is_hidden_and_what_is_not_there_are_the_same(
        self, ledger: Any, world: Any, refusal: Any
    ) -> None:
        carol = await ledger.principal(tenant="acme", user="carol")
        board = await carol.store_by_id(world.store("acme", "alice", "board"))
        ids = {
            "another's private": world.memories["acme.alice.board.alice.private", "current"],
            "in a hidden store": world.memories["acme.alice.diary.alice.shared", "current"],
            "another tenant's": world.memories["globex.alice.board.alice.shared", "current"],
            "not there": uuid4(),
        }
        for call in (board.get, board.history, board.forget):
            heard = set()
            for memory_id in ids.values():
                with pytest.raises(refusal) as caught:
                    await call(memory_id)
                heard.add((type(caught.value), str(caught.value).replace(str(memory_id), "ID")))
            assert len(heard) == 1
        for hidden in (world.store("acme", "alice", "diary"), uuid4()):
            with pytest.raises(refusal, match="no store"):
                await carol.store_by_id(hidden)
