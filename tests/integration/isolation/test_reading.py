"""Every table shows each principal its rows, no more and no less, whichever way it is read."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from psycopg import sql

PEOPLE = [
    ("acme", "alice"),
    ("acme", "bob"),
    ("acme", "carol"),
    ("globex", "alice"),
    ("globex", "dave"),
]
Row = dict[str, Any]

people = pytest.mark.parametrize("person", PEOPLE, ids=[".".join(person) for person in PEOPLE])


def rule(world: Any, table: str, person: tuple[str, str]) -> Callable[[Row], bool]:
    """Whether a person may see a row of a table; tables not named here follow the last rule."""
    tenant, user = person
    readable = {str(world.stores[key]) for key in world.stores if person in world.readers(key)}
    own = {str(world.stores[key]) for key in world.stores if key[:2] == person}

    def audit(row: Row) -> bool:
        facts = row["after"] or row["before"] or {}
        private = facts.get("privacy") == "creator" and facts.get("created_by") != user
        return row["actor"] == user or (row["store_id"] in own and not private)

    def receipt(row: Row) -> bool:
        shown_to_owner = row["private_to"] is None and not row["unproven"]
        return row["user_id"] == user or (row["store_id"] in own and shown_to_owner)

    rules: dict[str, Callable[[Row], bool]] = {
        "tenants": lambda row: True,
        "users": lambda row: True,
        "stores": lambda row: row["store_id"] in readable,
        "grants": lambda row: user in (row["grantee_id"], row["granted_by"]),
        "audit_records": audit,
        "receipts": receipt,
        "receipt_salts": lambda row: row["user_id"] == user,
        "api_key_uses": lambda row: row["user_id"] == user,
        "idempotency_keys": lambda row: row["user_id"] == user,
        "outbox": lambda row: False,
    }
    specific = rules.get(
        table,
        lambda row: row["store_id"] in readable and row.get("private_to") in (None, "", user),
    )
    return lambda row: row["tenant_id"] == tenant and specific(row)


def everything(world: Any, table: sql.Identifier) -> list[Row]:
    with world.root() as root:
        rows = root.execute(sql.SQL("SELECT to_jsonb(t) FROM {} AS t").format(table)).fetchall()
    return [row for (row,) in rows]


def as_set(rows: list[Row]) -> set[str]:
    return {json.dumps(row, sort_keys=True) for row in rows}


@people
def test_each_table_shows_exactly_the_rows_of_the_rules(
    attacker: Any, world: Any, person: tuple[str, str]
) -> None:
    attacker.become(person)
    tables = [(s, n) for s, n in attacker.tables("rp") if s == "memoledger"]
    assert {"tenants", "users", "stores", "grants", "memories", "embeddings", "term_vectors"} <= {
        name for _, name in tables
    }
    for schema, name in tables:
        table = sql.Identifier(schema, name)
        if table not in attacker.open_tables():
            attacker.refused(sql.SQL("SELECT * FROM {}").format(table))
            continue
        allowed = rule(world, name, person)
        expected = as_set([row for row in everything(world, table) if allowed(row)])
        shown = attacker.ask(sql.SQL("SELECT to_jsonb(t) FROM {} AS t").format(table))
        assert as_set([row for (row,) in shown]) == expected, name
        assert expected or name == "grants", f"{name}: this test would see no row missing"


WAYS = {
    "SELECT": "SELECT * FROM {}",
    "TABLE": "TABLE {}",
    "ONLY": "SELECT * FROM ONLY {}",
    "WHERE true OR": "SELECT * FROM {} AS t WHERE true OR tenant_id = 'globex'",
    "the other tenant named": "SELECT * FROM {} AS t WHERE tenant_id <> ALL (ARRAY['', 'x'])",
    "self-join": "SELECT a.* FROM {0} AS a FULL JOIN {0} AS b ON true",
    "lateral": "SELECT x.* FROM (VALUES (1)) AS v, LATERAL (SELECT * FROM {}) AS x",
    "CTE": "WITH t AS MATERIALIZED (SELECT * FROM {}) SELECT * FROM t",
    "recursive": "WITH RECURSIVE t AS (SELECT * FROM {0} UNION SELECT * FROM t) SELECT * FROM t",
    "union": "SELECT to_jsonb(t) FROM {0} AS t UNION ALL SELECT to_jsonb(t) FROM {0} AS t",
    "aggregate": "SELECT jsonb_agg(to_jsonb(t)) FROM {} AS t",
    "window": "SELECT first_value(to_jsonb(t)) OVER (), to_jsonb(t) FROM {} AS t",
    "whole rows": "SELECT t FROM {} AS t",
    "sampled": "SELECT * FROM {} TABLESAMPLE SYSTEM (100)",
    "exists": "SELECT EXISTS (SELECT FROM {} WHERE tenant_id = 'globex')",
    "system columns": "SELECT ctid, xmin, t.* FROM {} AS t ORDER BY ctid",
    "by ctid": "SELECT * FROM {} WHERE ctid = ANY (ARRAY(SELECT format('(%s,%s)', p, i)::tid"
    " FROM generate_series(0, 20) AS p, generate_series(1, 60) AS i))",
    "for update": "SELECT * FROM {} FOR UPDATE",
    "for key share": "SELECT * FROM {} FOR KEY SHARE",
    "query_to_xml": "SELECT query_to_xml('SELECT * FROM {}', true, true, '')",
    "table_to_xml": "SELECT table_to_xml('{}', true, true, '')",
    "schema_to_xml": "SELECT schema_to_xml('memoledger', true, true, '')",
    "database_to_xml": "SELECT database_to_xml(true, true, '')",
    "ts_stat": "SELECT * FROM ts_stat('SELECT to_tsvector(t::text) FROM {} AS t')",
    "no sequential scans": "SET LOCAL enable_seqscan = off; SELECT * FROM {}",
    "no index scans": "SET LOCAL enable_indexscan = off; SET LOCAL enable_bitmapscan = off;"
    " SELECT * FROM {}",
    "in parallel": "SET LOCAL debug_parallel_query = on; SET LOCAL parallel_setup_cost = 0;"
    " SET LOCAL parallel_tuple_cost = 0; SELECT * FROM {}",
}


@pytest.mark.parametrize("way", WAYS)
def test_no_way_of_reading_shows_another_mark(
    attacker: Any, world: Any, marks: Any, way: str
) -> None:
    for person in PEOPLE:
        attacker.become(person)
        for table in attacker.open_tables():
            heard = ""
            with attacker.connection.transaction(force_rollback=True):
                for statement in WAYS[way].replace("{}", "{0}").split("; "):
                    text = statement.replace("{0}", table.as_string(None))
                    try:
                        with attacker.connection.transaction():
                            heard = repr(attacker.ask(text))
                    except psycopg.Error as error:
                        heard = str(error)
            assert marks(heard) <= world.marks_of(person), (table, heard[:200])
            other = "globex" if person[0] == "acme" else "acme"
            assert other not in heard, (table, heard[:200])


@people
def test_copy_out_shows_what_select_shows(
    attacker: Any, world: Any, marks: Any, person: tuple[str, str]
) -> None:
    attacker.become(person)
    for table in attacker.open_tables():
        queries = [sql.SQL("COPY (SELECT * FROM {}) TO STDOUT"), sql.SQL("COPY {} TO STDOUT")]
        [(kind,)] = attacker.ask(
            "SELECT relkind::text FROM pg_class WHERE oid = %s::regclass", table.as_string(None)
        )
        for query in queries[: 1 if kind in {"p", "v"} else 2]:
            with attacker.connection.cursor().copy(query.format(table)) as copy:
                lines = [bytes(line).decode() for line in copy]
            [(count,)] = attacker.ask(sql.SQL("SELECT count(*) FROM {}").format(table))
            assert len(lines) == count
            assert marks("".join(lines)) <= world.marks_of(person)


@pytest.mark.parametrize(
    "target", ["'/tmp/memoledger-stolen'", "PROGRAM 'cat > /tmp/memoledger-stolen'"]
)
def test_nothing_is_copied_to_or_from_the_servers_files(attacker: Any, target: str) -> None:
    attacker.become(("acme", "alice"))
    attacker.refused(f"COPY (SELECT 1) TO {target}")
    attacker.refused(f"COPY memoledger.memories FROM {target}")


def test_the_servers_files_cannot_be_read(attacker: Any) -> None:
    [(path,)] = attacker.ask("SELECT pg_relation_filepath('memoledger.memories')")
    for query in (
        f"SELECT pg_read_binary_file('{path}')",
        f"SELECT pg_read_file('{path}')",
        "SELECT pg_ls_dir('base')",
        "SELECT lo_import('PG_VERSION')",
        "SELECT * FROM pg_ls_waldir()",
        "SELECT pg_current_logfile()",
        "SELECT * FROM pg_show_all_file_settings()",
    ):
        attacker.refused(query)


def test_partitions_indexes_toast_and_sequences_are_closed(attacker: Any, world: Any) -> None:
    """A partition has no policy of its own for the role: it is read through its parent only."""
    attacker.become(("acme", "alice"))
    with world.root() as root:
        parts = [
            sql.Identifier(*row)
            for row in root.execute(
                "SELECT n.nspname, c.relname FROM pg_class AS c "
                "JOIN pg_namespace AS n ON n.oid = c.relnamespace "
                "WHERE c.relispartition AND c.relkind = 'r' AND n.nspname = 'memoledger' "
                "   OR c.relkind = 't' AND c.oid IN (SELECT reltoastrelid FROM pg_class "
                "       WHERE relnamespace = 'memoledger'::regnamespace) "
                "   OR c.relkind = 'S' AND n.nspname LIKE 'memoledger%'"
            ).fetchall()
        ]
    assert len(parts) >= 6
    for part in parts:
        error = attacker.refused(sql.SQL("SELECT * FROM {}").format(part))
        assert isinstance(error, psycopg.errors.InsufficientPrivilege), part
    partition = next(p for p in parts if "embeddings_" in p.as_string(None))
    for statement in (
        "INSERT INTO {} SELECT * FROM memoledger.embeddings LIMIT 1",
        "UPDATE {} SET superseded_at = now()",
        "DELETE FROM {}",
    ):
        attacker.refused(sql.SQL(statement).format(partition))


def test_sequences_do_not_tell_how_much_the_others_write(attacker: Any) -> None:
    attacker.become(("acme", "alice"))
    sequences = attacker.tables("S")
    assert len(sequences) >= 2
    for schema, name in sequences:
        full = f"{schema}.{name}"
        attacker.refused(f"SELECT last_value FROM {full}")
        attacker.refused(f"SELECT nextval('{full}')")
        attacker.refused(f"SELECT setval('{full}', 1)")
        heard = attacker.ask(
            "SELECT last_value FROM pg_sequences WHERE schemaname = %s AND sequencename = %s",
            schema,
            name,
        )
        assert heard == [(None,)]


def test_another_creators_private_memory_is_hidden_from_the_stores_owner(
    attacker: Any, world: Any
) -> None:
    private = world.memories["acme.alice.desk.bob.private", "current"]
    for person, expected in ((("acme", "alice"), 0), (("acme", "bob"), 1)):
        attacker.become(person, world.store("acme", "alice", "desk"))
        for table, key in (
            ("memories", "memory_id"),
            ("embeddings", "owner_id"),
            ("term_vectors", "owner_id"),
        ):
            found = attacker.ask(
                f"SELECT DISTINCT {key} FROM memoledger.{table} WHERE {key} = %s", private
            )
            assert len(found) == expected, (person, table)
        records = attacker.ask(
            "SELECT 1 FROM memoledger.audit_records WHERE row_key ->> 'memory_id' = %s",
            str(private),
        )
        assert len(records) == expected


def test_words_of_hidden_memories_do_not_weigh_in_a_search(attacker: Any, world: Any) -> None:
    """How rare a word is gets counted over what the principal sees: no score tells of the rest."""
    desk = world.store("acme", "alice", "desk")
    counts = {}
    for user in ("alice", "bob"):
        attacker.become(("acme", user), desk)
        counts[user] = attacker.ask(
            "SELECT count(*), sum(length) FROM memoledger.term_vectors WHERE superseded_at IS NULL"
        )
    attacker.become(("acme", "carol"), desk)
    assert attacker.ask("SELECT count(*) FROM memoledger.term_vectors") == [(0,)]
    written = 2 + 2 + 2  # two shared each, and the own private
    chunks = 6 + 6
    visible = dict.fromkeys(("alice", "bob"), written + written + chunks)  # and as many observed
    assert {user: rows[0][0] for user, rows in counts.items()} == visible
