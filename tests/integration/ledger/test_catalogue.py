"""What must be true of every table in our schemas, whoever adds the next one."""

from __future__ import annotations

import re
from typing import Any

SCHEMAS = ["memoledger", "memoledger_system"]

INTENTIONALLY_CLOSED = {"outbox", "index_schedule"}
"""Tables for the ledger itself: the application's role has neither a policy nor a right there."""

SAMPLED = {"family", "view", "privacy", "visibility", "access", "act", "table_name"}
"""Words of a fixed list, which tell nothing of anybody."""


class TestTables:
    def test_tenant_comes_first_in_every_primary_key(self, catalogue: Any) -> None:
        rows = catalogue.rows(
            "SELECT c.relname, (SELECT a.attname FROM pg_index AS i"
            "   JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum = i.indkey[0]"
            "   WHERE i.indrelid = c.oid AND i.indisprimary)"
            " FROM pg_class AS c WHERE relnamespace = 'memoledger'::regnamespace AND relkind IN "
            "('r', 'p')"
        )
        assert {first for _, first in rows} == {"tenant_id"}, rows

    def test_tenant_is_in_every_key_and_cannot_be_null(self, catalogue: Any) -> None:
        """So that the schema can be distributed by tenant without change."""
        assert not catalogue.column(
            "SELECT i.indexrelid::regclass::text FROM pg_index AS i"
            " JOIN pg_class AS c ON c.oid = i.indrelid"
            " WHERE c.relnamespace = 'memoledger'::regnamespace AND i.indisunique"
            " AND NOT EXISTS (SELECT FROM pg_attribute AS a WHERE a.attrelid = c.oid"
            "   AND a.attname = 'tenant_id' AND a.attnotnull"
            "   AND a.attnum = ANY (i.indkey[0:i.indnkeyatts - 1]))"
        )

    def test_tenant_is_on_both_sides_of_every_reference(self, catalogue: Any) -> None:
        rows = catalogue.rows(
            "SELECT k.conname, k.conrelid = 'memoledger.tenants'::regclass,"
            " ARRAY(SELECT a.attname::text FROM pg_attribute AS a"
            "   WHERE a.attrelid = k.conrelid AND a.attnum = ANY (k.conkey)),"
            " ARRAY(SELECT a.attname::text FROM pg_attribute AS a"
            "   WHERE a.attrelid = k.confrelid AND a.attnum = ANY (k.confkey))"
            " FROM pg_constraint AS k WHERE k.contype = 'f'"
            " AND k.connamespace = ANY (%s::text[]::regnamespace[])",
            SCHEMAS,
        )
        assert len(rows) >= 4
        for name, _, here, there in rows:
            assert "tenant_id" in here, name
            assert "tenant_id" in there, name

    def test_policies_are_in_force_for_everybody(self, catalogue: Any) -> None:
        rows = catalogue.rows(
            "SELECT oid::regclass::text, relrowsecurity, relforcerowsecurity FROM pg_class"
            " WHERE relnamespace = ANY (%s::text[]::regnamespace[]) AND relkind IN ('r', 'p')",
            SCHEMAS,
        )
        assert [name for name, enabled, forced in rows if not (enabled and forced)] == []

    def test_the_application_reads_under_a_policy_or_not_at_all(self, catalogue: Any) -> None:
        partitions = set(
            catalogue.column("SELECT relname FROM pg_class WHERE relispartition AND relkind = 'r'")
        )
        assert len(partitions) >= 2
        for table in catalogue.tables():
            policies = catalogue.column(
                "SELECT polcmd::text FROM pg_policy WHERE polrelid = %s::regclass"
                " AND 'memoledger_app'::regrole = ANY (polroles)",
                f"memoledger.{table}",
            )
            rights = catalogue.column(
                "SELECT privilege_type FROM information_schema.role_table_grants"
                " WHERE table_schema = 'memoledger' AND table_name = %s AND grantee = "
                "'memoledger_app'",
                table,
            )
            if table in INTENTIONALLY_CLOSED | partitions:
                assert (policies, rights) == ([], []), table
            else:
                assert {"r", "*"} & set(policies), table

    def test_no_policy_is_for_everybody_and_only_the_owners_is_unconditional(
        self, catalogue: Any
    ) -> None:
        assert not catalogue.column(
            "SELECT polrelid::regclass || ': ' || polname FROM pg_policy WHERE 0 = ANY (polroles)"
        )
        unconditional = catalogue.rows(
            "SELECT polrelid::regclass::text, polroles::regrole[]::text[] FROM pg_policy"
            " WHERE pg_get_expr(polqual, polrelid) = 'true'"
            " OR pg_get_expr(polwithcheck, polrelid) = 'true'"
        )
        for table, roles in unconditional:
            assert roles == ["memoledger_owner"] or table.startswith("memoledger_system."), table

    def test_every_policy_of_the_application_asks_for_the_tenant(self, catalogue: Any) -> None:
        rows = catalogue.rows(
            "SELECT polrelid::regclass::text, polname, e.expression FROM pg_policy,"
            " LATERAL (VALUES (pg_get_expr(polqual, polrelid)), (pg_get_expr(polwithcheck, "
            "polrelid)))"
            "   AS e (expression)"
            " WHERE 'memoledger_app'::regrole = ANY (polroles) AND e.expression IS NOT NULL"
            " AND polrelid::regclass::text LIKE 'memoledger.%%'"
        )
        assert len(rows) >= 15
        for table, name, expression in rows:
            assert "tenant_id = ( SELECT memoledger.current_tenant()" in expression, (table, name)

    def test_what_a_policy_asks_once_it_asks_in_a_subselect(self, catalogue: Any) -> None:
        """A bare call would be made for every row."""
        rows = catalogue.rows(
            "SELECT polrelid::regclass::text, pg_get_expr(coalesce(polqual, polwithcheck), "
            "polrelid)"
            " FROM pg_policy WHERE 'memoledger_app'::regrole = ANY (polroles)"
        )
        for table, expression in rows:
            bare = re.search(r"(?<!SELECT )(?:current_setting|memoledger\.\w+)\(", expression)
            assert bare is None, (table, expression)

    def test_no_view_or_rule_stands_beside_the_policies(self, catalogue: Any) -> None:
        """A view runs with its owner's rights unless it says otherwise."""
        assert not catalogue.column(
            "SELECT oid::regclass::text FROM pg_class WHERE relnamespace = ANY "
            "(%s::text[]::regnamespace[])"
            " AND relkind IN ('v', 'm', 'f')"
            " AND NOT coalesce('security_invoker=true' = ANY (reloptions), false)",
            SCHEMAS,
        )
        assert not catalogue.column(
            "SELECT rulename FROM pg_rules WHERE schemaname = ANY (%s)", SCHEMAS
        )

    def test_every_table_says_what_it_is(self, catalogue: Any) -> None:
        assert not catalogue.column(
            "SELECT oid::regclass::text FROM pg_class WHERE relnamespace = "
            "'memoledger'::regnamespace"
            " AND relkind IN ('r', 'p') AND NOT relispartition"
            " AND obj_description(oid, 'pg_class') IS NULL"
        )


class TestPartitions:
    def test_a_partition_made_later_is_as_closed_as_the_first(self, catalogue: Any) -> None:
        rows = catalogue.rows(
            "SELECT c.relname, c.relrowsecurity, c.relforcerowsecurity, c.relacl IS NULL,"
            " pg_get_userbyid(c.relowner),"
            " ARRAY(SELECT p.polname::text FROM pg_policy AS p WHERE p.polrelid = c.oid)"
            " FROM pg_class AS c JOIN pg_inherits AS h ON h.inhrelid = c.oid"
            " WHERE h.inhparent = 'memoledger.embeddings'::regclass"
        )
        assert {row[0] for row in rows} > {"embeddings_late"}
        assert {row[1:4] for row in rows} == {(True, True, True)}
        assert {row[4] for row in rows} == {"memoledger_owner"}
        assert [row[5] for row in rows] == [["maintenance"]] * len(rows)

    def test_a_partition_has_its_parents_key_and_checks(self, catalogue: Any) -> None:
        definitions = catalogue.column(
            "SELECT pg_get_constraintdef(oid) FROM pg_constraint"
            " WHERE conrelid = 'memoledger.embeddings_late'::regclass"
        )
        assert (
            "PRIMARY KEY (tenant_id, store_id, family, owner_id, version, view, embedding_version)"
            in (definitions)
        )
        assert any("vector_dims(embedding) = 3" in text for text in definitions)
        assert any("'chunk'" in text for text in definitions)

    def test_declaring_it_again_finds_it(self, catalogue: Any) -> None:
        numbers = {
            catalogue.column(
                "SELECT memoledger_system.declare_embedding_version('late', 'm', 3, '{}')"
            )[0]
            for _ in range(2)
        }
        assert len(numbers) == 1


class TestStatistics:
    def test_no_sample_is_taken_of_what_a_person_wrote_or_is_called(self, catalogue: Any) -> None:
        """Erasure does not reach samples, and EXPLAIN's estimates show them to everybody."""
        rows = catalogue.rows(
            "SELECT a.attrelid::regclass::text, a.attname FROM pg_attribute AS a"
            " JOIN pg_class AS c ON c.oid = a.attrelid"
            " WHERE c.relnamespace = 'memoledger'::regnamespace AND c.relkind IN ('r', 'p')"
            " AND a.attnum > 0 AND a.attstattarget IS DISTINCT FROM 0"
            " AND NOT a.atttypid = ANY (ARRAY['uuid', 'timestamptz', 'integer', 'bigint', 'xid8',"
            "   'double precision', 'boolean']::regtype[])"
        )
        assert [row for row in rows if row[1] not in SAMPLED] == []

    def test_the_planner_is_told_instead(self, catalogue: Any) -> None:
        told = catalogue.rows(
            "SELECT tablename, attname, n_distinct FROM pg_stats"
            " WHERE schemaname = 'memoledger' AND attname = 'tenant_id' ORDER BY 1"
        )
        assert {name for name, *_ in told} >= {
            "embeddings",
            "embeddings_late",
            "memories",
            "term_vectors",
        }
        assert {n_distinct for *_, n_distinct in told} == {1.0}
        catalogue.connection.execute("ANALYZE memoledger.memories")
        assert catalogue.rows(
            "SELECT attname, n_distinct FROM pg_stats WHERE tablename = 'memories'"
            " AND attname IN ('external_id', 'content_hash', 'private_to') ORDER BY 1"
        ) == [("content_hash", -1.0), ("external_id", -0.5), ("private_to", 10.0)]
