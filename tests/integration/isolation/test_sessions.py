"""Plans, cursors and connections that outlive a principal answer the next one as the next one."""

from __future__ import annotations

from typing import Any

import pytest

from memoledger.ledger.statements import Statement

ALICE = ("acme", "alice")
CAROL = ("acme", "carol")
DAVE = ("globex", "dave")
PEOPLE = (ALICE, ("acme", "bob"), CAROL, ("globex", "alice"), DAVE)


@pytest.mark.parametrize("mode", ["auto", "force_generic_plan", "force_custom_plan"])
def test_a_plan_made_for_one_principal_serves_another(
    attacker: Any, world: Any, marks: Any, mode: str
) -> None:
    attacker.become(ALICE)
    attacker.ask(f"SET plan_cache_mode = {mode}")
    queries = {
        f"of_{table.as_string(None).split('.')[1]}".replace(
            '"', ""
        ): f"SELECT * FROM {table.as_string(None)}"
        for table in attacker.open_tables()
    }
    for name, query in queries.items():
        attacker.ask(f"PREPARE {name} AS {query}")
    for person in (*PEOPLE, *reversed(PEOPLE)) * 3:
        attacker.become(person)
        for name, query in queries.items():
            prepared = attacker.ask(f"EXECUTE {name}")
            assert marks(prepared) <= world.marks_of(person)
            assert sorted(map(str, prepared)) == sorted(map(str, attacker.ask(query)))
    attacker.become(None)
    assert [attacker.ask(f"EXECUTE {name}") for name in queries] == [[]] * len(queries)


def test_a_plan_made_by_a_more_powerful_role_serves_a_less_powerful_one(world: Any) -> None:
    """Planned before SET ROLE, when no policy applied; planned anew after it."""
    with world.root() as root:
        for mode in ("force_generic_plan", "auto"):
            root.execute(f"SET plan_cache_mode = {mode}")
            root.execute("DISCARD PLANS")
            root.execute("PREPARE q AS SELECT * FROM memoledger.memories")
            assert len(root.execute("EXECUTE q").fetchall()) > 0
            root.execute("SET ROLE memoledger_app")
            assert root.execute("EXECUTE q").fetchall() == []
            root.execute("RESET ROLE")
            assert len(root.execute("EXECUTE q").fetchall()) > 0
            root.execute("DEALLOCATE q")


def test_a_functions_cached_plans_serve_each_principal(attacker: Any, world: Any) -> None:
    for person in (*PEOPLE, *PEOPLE) * 4:
        attacker.become(person)
        readable = {world.stores[key] for key in world.stores if person in world.readers(key)}
        assert set(attacker.ask("SELECT memoledger.readable_store_ids()")[0][0]) == readable


def test_a_cursor_shows_no_row_that_both_principals_may_not_see(
    attacker: Any, world: Any, marks: Any
) -> None:
    """Opened by one and read on by another it shows the one's rows or the other's."""
    for first, second in ((ALICE, CAROL), (CAROL, DAVE), (DAVE, ALICE), (ALICE, None)):
        for fetched_before in (0, 1):
            with attacker.connection.transaction(force_rollback=True):
                attacker.become(first)
                attacker.ask("DECLARE c NO SCROLL CURSOR FOR SELECT * FROM memoledger.memories")
                attacker.ask(f"FETCH {fetched_before} FROM c")
                attacker.become(second)
                heard = marks(attacker.ask("FETCH ALL FROM c"))
            allowed = [world.marks_of(person) if person else set() for person in (first, second)]
            assert any(heard <= marks_allowed for marks_allowed in allowed)


def test_a_held_cursor_holds_what_its_maker_saw(attacker: Any, world: Any, marks: Any) -> None:
    attacker.become(CAROL)
    with attacker.connection.transaction():
        attacker.ask("DECLARE h CURSOR WITH HOLD FOR SELECT * FROM memoledger.memories")
    attacker.become(None)
    assert marks(attacker.ask("FETCH ALL FROM h")) <= world.marks_of(CAROL)
    attacker.ask("CLOSE h")
    with attacker.connection.transaction():
        attacker.ask("DECLARE h CURSOR WITH HOLD FOR SELECT * FROM memoledger.memories")
        attacker.become(DAVE)
    assert marks(attacker.ask("FETCH ALL FROM h")) <= world.marks_of(DAVE)


def test_a_cursor_of_another_connection_is_out_of_reach(attacker: Any, another: Any) -> None:
    attacker.become(ALICE)
    with attacker.connection.transaction():
        attacker.ask("DECLARE h CURSOR WITH HOLD FOR SELECT * FROM memoledger.memories")
    attacker.ask("CREATE TEMP TABLE mine AS SELECT * FROM memoledger.memories")
    another.refused("FETCH ALL FROM h")
    [(schema,)] = attacker.ask("SELECT nspname FROM pg_namespace WHERE oid = pg_my_temp_schema()")
    # The role is the same for all; PostgreSQL itself keeps temporary tables to their session.
    another.refused(f"SELECT * FROM {schema}.mine")


async def test_a_pooled_connection_carries_nothing_to_the_next_caller(
    ledger: Any, world: Any, marks: Any
) -> None:
    alice = await ledger.principal(tenant="acme", user="alice")
    diary = await alice.store_by_id(world.store("acme", "alice", "diary"))
    await diary.recall("acme.alice.diary.alice.private")
    await diary.remember("one more", title="and its title")
    sessions = ledger.application.context.ledger.sessions
    for _ in range(10):
        async with sessions._pool.connection() as connection:
            for query, expected in (
                ("SELECT current_setting('app.current_tenant_id', true)", [("",)]),
                ("SELECT current_setting('app.current_user', true)", [("",)]),
                ("SELECT current_setting('app.current_store_id', true)", [("",)]),
                ("SELECT count(*) FROM memoledger.memories", [(0,)]),
                ("SELECT name FROM pg_cursors WHERE name <> ''", []),
                ("SELECT count(*) FROM pg_class WHERE relnamespace = pg_my_temp_schema()", [(0,)]),
                (
                    "SELECT count(*) FROM pg_locks WHERE pid = pg_backend_pid() AND locktype = "
                    "'advisory'",
                    [(0,)],
                ),
            ):
                cursor = await connection.execute(query)
                assert await cursor.fetchall() == expected, query
            cursor = await connection.execute("SELECT statement FROM pg_prepared_statements")
            assert marks(await cursor.fetchall()) == set()


async def test_a_login_with_more_power_is_held_all_the_same(
    ledger_of_a_superuser: Any, world: Any, marks: Any
) -> None:
    """A server's login may be an administrator; a transaction becomes the application's role."""
    carol = await ledger_of_a_superuser.principal(tenant="acme", user="carol")
    principal = carol.principal
    sessions = ledger_of_a_superuser.application.context.ledger.sessions
    query = Statement(
        "all", "Everything.", b"SELECT current_user, m.* FROM memoledger.memories AS m"
    )
    for _ in range(3):
        [rows] = await sessions.run(principal, None, (query, {}))
        assert {row[0] for row in rows} == {"memoledger_app"}
        assert marks(rows) == {m for m in world.marks_of(CAROL) if m.count(".") == 4}
        async with sessions.transaction(principal) as connection:
            cursor = await connection.execute(query.sql)
            assert marks(await cursor.fetchall()) == marks(rows)
        async with sessions._pool.connection() as connection:
            cursor = await connection.execute("SELECT current_user")
            assert await cursor.fetchone() == ("postgres",)


def test_two_connections_are_two_principals(
    attacker: Any, another: Any, world: Any, marks: Any
) -> None:
    attacker.become(ALICE)
    another.become(DAVE)
    for one, person in ((attacker, ALICE), (another, DAVE)) * 2:
        assert marks(one.ask("SELECT * FROM memoledger.memories")) <= world.marks_of(person)
