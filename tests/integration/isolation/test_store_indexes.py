"""The indexes of large stores show nobody what the stores would not, and count it for nobody."""

from __future__ import annotations

import re
from typing import Any

import pytest

PEOPLE = (
    ("acme", "alice"),
    ("acme", "bob"),
    ("acme", "carol"),
    ("globex", "alice"),
    ("globex", "dave"),
)
NEAREST = (
    "SELECT * FROM memoledger.store_nearest_{} ORDER BY embedding <#> '[1,1,1,1,1,1,1,1]' LIMIT 5"
)

people = pytest.mark.parametrize("person", PEOPLE, ids=".".join)


def builds(world: Any) -> dict[int, Any]:
    """Each build with the store it belongs to."""
    with world.root() as root:
        return dict(root.execute("SELECT build, store_id FROM memoledger.store_indexes").fetchall())


@people
@pytest.mark.parametrize("seqscan", ["on", "off"])
def test_a_graph_opens_to_the_readers_of_its_store(
    attacker: Any, world: Any, person: tuple[str, str], seqscan: str
) -> None:
    attacker.become(person)
    attacker.ask(f"SET enable_seqscan = {seqscan}")
    readable = {world.stores[key] for key in world.stores if person in world.readers(key)}
    found = builds(world)
    assert set(found.values()) == set(world.stores.values())
    for build, store in found.items():
        assert bool(attacker.ask(NEAREST.format(build))) == (store in readable)


@people
def test_a_plan_counts_nothing_of_a_closed_graph(
    attacker: Any, world: Any, person: tuple[str, str]
) -> None:
    attacker.become(person)
    attacker.ask("SET enable_seqscan = off")
    readable = {world.stores[key] for key in world.stores if person in world.readers(key)}
    closed = [build for build, store in builds(world).items() if store not in readable]
    assert closed
    for build in closed:
        for query in (NEAREST, "SELECT count(*) FROM memoledger.store_nearest_{}"):
            rows = attacker.ask("EXPLAIN (ANALYZE, TIMING OFF, BUFFERS OFF) " + query.format(build))
            plan = "\n".join(row[0] for row in rows)
            assert "One-Time Filter" in plan
            assert re.search(r"on store_vectors_\d+.*never executed", plan)
            assert "Removed" not in plan


@people
def test_no_condition_is_asked_of_a_closed_graph(
    attacker: Any, world: Any, person: tuple[str, str]
) -> None:
    """An error raised for a row would tell that there is one."""
    attacker.become(person)
    readable = {world.stores[key] for key in world.stores if person in world.readers(key)}
    for build, store in builds(world).items():
        heard = attacker.hear(
            f"SELECT 1 FROM memoledger.store_nearest_{build} WHERE (view || 'x')::integer = 1"
        )
        assert ("invalid input syntax" in heard) == (store in readable)


@people
def test_what_another_keeps_private_is_in_no_graph(
    attacker: Any, world: Any, person: tuple[str, str]
) -> None:
    with world.root() as root:
        private = {
            row[0]
            for row in root.execute(
                "SELECT memory_id FROM memoledger.memories WHERE private_to IS NOT NULL"
            ).fetchall()
        }
    assert private
    attacker.become(person)
    for build in builds(world):
        rows = attacker.ask(f"SELECT owner_id FROM memoledger.store_nearest_{build}")
        assert not {row[0] for row in rows} & private


def test_the_tables_behind_it_are_closed(attacker: Any, world: Any) -> None:
    attacker.become(("acme", "alice"))
    for build in builds(world):
        attacker.refused(f"SELECT * FROM memoledger.store_vectors_{build}")
        attacker.refused(f"DELETE FROM memoledger.store_nearest_{build}")
        attacker.refused(f"DROP VIEW memoledger.store_nearest_{build}")


@people
def test_a_plan_counts_no_hidden_posting(
    attacker: Any, world: Any, person: tuple[str, str]
) -> None:
    attacker.become(person)
    attacker.ask("SET enable_seqscan = off")
    for build, store in builds(world).items():
        rows = attacker.ask(
            "EXPLAIN (ANALYZE, TIMING OFF, BUFFERS OFF) SELECT * FROM memoledger.store_postings"
            f" WHERE store_id = '{store}' AND build = {build} AND term >= 0"
        )
        plan = "\n".join(row[0] for row in rows)
        assert "Removed" not in plan


def test_neither_name_nor_definition_tells_whose_it_is(
    attacker: Any, world: Any, marks: Any
) -> None:
    attacker.become(("acme", "carol"))
    shown = repr(
        attacker.ask(
            "SELECT c.relname, pg_get_viewdef(c.oid), obj_description(c.oid) FROM pg_class AS c"
            " WHERE c.relname LIKE 'store\\_%'"
        )
    )
    assert marks(shown) == set()
    assert not any(str(store) in shown for store in world.stores.values())
    assert "globex" not in shown


def test_the_application_makes_and_drops_none(attacker: Any) -> None:
    attacker.become(("acme", "alice"))
    for call in (
        "make_store_vectors(99, 8)",
        "drop_store_index('acme', gen_random_uuid(), 1)",
        "erase_from_build('acme', gen_random_uuid(), 1, '{}', NULL)",
        "erase_from_indexes('acme', gen_random_uuid(), '{}')",
    ):
        assert "permission denied" in str(attacker.refused(f"SELECT memoledger_system.{call}"))
