"""What PostgreSQL itself tells everybody, its plans and its views, tells nothing of anybody."""

from __future__ import annotations

import json
import re
from typing import Any

import psycopg
import pytest

ALICE = ("acme", "alice")
CAROL = ("acme", "carol")


class TestPlans:
    """EXPLAIN estimates rows from samples of everybody's, so there are none of words and names."""

    PROBES = (
        ("memories", "tenant_id = %s", "globex", "initech"),
        ("memories", "content < %s", "globex.alice", "a"),
        ("memories", "content = %s", "globex.dave.diary.dave.shared was current", "no"),
        ("memories", "title > %s", "globex.alice", "zzz"),
        ("memories", "external_id = %s", "globex.dave.diary.dave.shared.current", "no"),
        ("memories", "source = %s", "globex.dave.diary.dave.shared", "no"),
        ("memories", "created_by = %s", "dave", "nobody"),
        ("memories", "private_to = %s", "dave", "nobody"),
        ("memories", "content_hash < %s::bytea", "\\x80", "\\x00"),
        ("stores", "name = %s", "globex.alice.diary", "no"),
        ("stores", "owner_id >= %s", "b", "zzz"),
        ("users", "user_id = %s", "dave", "nobody"),
        ("users", "tenant_id < %s", "globex", "a"),
        ("tenants", "tenant_id = %s", "globex", "initech"),
        ("embeddings", "tenant_id = %s", "globex", "initech"),
        ("term_vectors", "private_to = %s", "dave", "nobody"),
        ("audit_records", "actor = %s", "dave", "nobody"),
        ("receipts", "user_id = %s", "dave", "nobody"),
        ("receipts", "query = %s", "globex.dave.diary", "no"),
        ("receipts", "query < %s", "globex.dave.diary", "a"),
        ("memory_access", "private_to = %s", "dave", "nobody"),
        ("receipt_salts", "user_id = %s", "dave", "nobody"),
        ("grants", "grantee_id = %s", "alice", "nobody"),
        ("api_keys", "user_id = %s", "dave", "nobody"),
        ("api_keys", "name = %s", "globex.dave.key", "no"),
        ("api_keys", "name < %s", "globex.dave.key", "a"),
        ("api_key_uses", "user_id = %s", "dave", "nobody"),
        ("idempotency_keys", "user_id = %s", "dave", "nobody"),
    )

    @pytest.mark.parametrize(("table", "condition", "there", "not_there"), PROBES)
    def test_an_estimate_tells_no_name(
        self, attacker: Any, table: str, condition: str, there: str, not_there: str
    ) -> None:
        attacker.become(CAROL)
        estimates = set()
        for value in (there, not_there):
            query = psycopg.ClientCursor(attacker.connection).mogrify(
                f"EXPLAIN (FORMAT JSON) SELECT 1 FROM memoledger.{table} WHERE {condition}", [value]
            )
            estimates.add(re.sub(r"'[^']*'|\"[^\"]*'", "''", json.dumps(attacker.ask(query)[0][0])))
        assert len(estimates) == 1

    def test_executing_an_explained_statement_counts_no_hidden_row(
        self, attacker: Any, world: Any
    ) -> None:
        """The rows of a plan are those that passed the policy; no node tells how many did not."""
        attacker.become(CAROL, world.store("acme", "carol", "diary"))
        for table in ("memories", "embeddings", "term_vectors", "memory_access"):
            [(visible,)] = attacker.ask(f"SELECT count(*) FROM memoledger.{table}")
            attacker.ask("SET enable_seqscan = off")
            plan = "\n".join(
                row[0]
                for row in attacker.ask(f"EXPLAIN (ANALYZE, TIMING OFF) TABLE memoledger.{table}")
            )
            assert max(int(n) for n in re.findall(r"actual rows=(\d+)", plan)) <= max(visible, 1)
            assert "Removed" not in plan

    def test_statistics_views_show_none_of_our_tables(self, attacker: Any) -> None:
        attacker.become(ALICE)
        assert attacker.ask("SELECT * FROM pg_stats WHERE schemaname = 'memoledger'") == []
        for view in ("pg_stats_ext", "pg_stats_ext_exprs"):
            assert attacker.ask(f"SELECT * FROM {view} WHERE schemaname LIKE 'memoledger%%'") == []
        for catalog in ("pg_statistic", "pg_statistic_ext_data"):
            attacker.refused(f"SELECT * FROM {catalog}")

    def test_no_sample_of_a_word_outlives_an_erasure(self, world: Any, marks: Any) -> None:
        with world.root() as root:
            root.execute("ANALYZE")
            rows = root.execute(
                "SELECT to_jsonb(s) FROM pg_stats AS s WHERE schemaname = 'memoledger'"
            ).fetchall()
        assert rows
        assert marks(rows) == set()
        assert "globex" not in repr(rows)
        assert "alice" not in repr(rows)


class TestTheServersOwnViews:
    """To the server everybody is one role, and its views show everybody's: nothing may be there."""

    async def test_running_statements_hold_no_words(
        self, ledger: Any, attacker: Any, marks: Any
    ) -> None:
        bob = await ledger.principal(tenant="acme", user="bob")
        diary = await bob.store("acme.bob.diary")
        await diary.recall("acme.bob.diary.bob.private", mode="hybrid")
        made = await diary.remember("acme.bob.diary.bob.private again", title="a title of bob's")
        await diary.update(made.id, content="acme.bob.diary.bob.private once more")
        shown = attacker.ask(
            "SELECT query, application_name, state FROM pg_stat_activity WHERE pid <> "
            "pg_backend_pid()"
        )
        assert any("memoledger" in (query or "") for query, *_ in shown)
        assert marks(shown) == set()
        assert "bob" not in repr(shown)
        await diary.forget(made.id, hard=True)

    @pytest.mark.parametrize(
        "view",
        [
            "pg_prepared_statements",
            "pg_cursors",
            "pg_prepared_xacts",
            "pg_locks",
            "pg_stat_activity",
            "pg_stat_user_tables",
            "pg_stat_user_indexes",
            "pg_stat_database",
            "pg_stat_replication",
            "pg_replication_slots",
            "pg_class",
            "pg_attribute",
            "pg_attrdef",
            "pg_constraint",
            "pg_description",
            "pg_proc",
            "pg_policy",
            "pg_trigger",
            "pg_namespace",
            "pg_roles",
            "pg_db_role_setting",
            "pg_settings",
            "pg_seclabel",
            "pg_largeobject_metadata",
            "pg_publication",
            "pg_enum",
        ],
    )
    def test_a_view_of_the_server_holds_no_mark(self, attacker: Any, marks: Any, view: str) -> None:
        attacker.become(CAROL)
        assert marks(attacker.ask(f"SELECT * FROM {view}")) == set()

    @pytest.mark.parametrize(
        "catalog",
        ["pg_authid", "pg_largeobject", "pg_user_mapping", "pg_subscription", "pg_hba_file_rules"],
    )
    def test_a_closed_catalogue_stays_closed(self, attacker: Any, catalog: str) -> None:
        attacker.become(CAROL)
        attacker.refused(f"SELECT * FROM {catalog}")

    def test_there_are_no_large_objects(self, world: Any) -> None:
        with world.root() as root:
            assert root.execute("SELECT count(*) FROM pg_largeobject_metadata").fetchone() == (0,)

    async def test_writing_notifies_nobody(self, ledger: Any, attacker: Any, world: Any) -> None:
        with world.root() as root:
            sources = root.execute(
                "SELECT p.oid::regprocedure FROM pg_proc AS p "
                "WHERE p.pronamespace::regnamespace::text LIKE 'memoledger%' "
                "AND p.prosrc ~* 'notify|dblink|lo_|largeobject'"
            ).fetchall()
        # What a job queue's library would tell is switched off, and what wakes its workers goes to
        # a channel that nobody else can name.
        loud = {"memoledger.wake_workers()"}
        assert {name for (name,) in sources if not name.startswith("memoledger_jobs.")} == loud
        with world.root() as root:
            triggers = root.execute(
                "SELECT t.tgname FROM pg_trigger AS t JOIN pg_proc AS p ON p.oid = t.tgfoid"
                " WHERE p.pronamespace = 'memoledger_jobs'::regnamespace AND p.prosrc ~* 'notify'"
                " AND t.tgenabled <> 'D'"
            ).fetchall()
        assert triggers == []


class TestSweep:
    """Sweeping acts on every tenant, and tells and leaves nothing."""

    def test_it_tells_one_bit_and_takes_no_number(self, attacker: Any) -> None:
        attacker.become(CAROL)
        assert attacker.ask("SELECT memoledger.sweep_expired()") == [(False,)]
        attacker.refused("SELECT memoledger.sweep_expired(1)")

    def test_the_caller_is_who_they_were_afterwards(self, attacker: Any, world: Any) -> None:
        for person in (CAROL, None):
            attacker.become(person)
            before = attacker.ask("SELECT count(*) FROM memoledger.memories")
            with attacker.connection.transaction():
                attacker.ask("SELECT memoledger.sweep_expired()")
                assert attacker.ask("SELECT count(*) FROM memoledger.memories") == before
                assert attacker.ask("SELECT current_user, current_setting('app.current_user')") == [
                    ("memoledger_app", person[1] if person else "")
                ]
            assert attacker.ask("SELECT count(*) FROM memoledger.memories") == before
