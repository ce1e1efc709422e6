"""Who may what in our schemas, which functions have whose rights, and what is audited."""

from __future__ import annotations

from typing import Any

SCHEMAS = ["memoledger", "memoledger_system"]

DERIVED = {
    "audit_records": "the audit itself",
    "outbox": "written by the triggers of what it tells of, in the same statement",
    "embeddings": "made from a memory's version beside which they are written; that is audited",
    "term_vectors": "likewise",
    "store_indexes": "about the ledger's own work; it makes them of the two above",
    "store_postings": "made of term_vectors",
    "receipts": "the record of reads itself: append-only, struck by erasures that are audited",
    "memory_access": "counted from receipts, in the same statement",
    "receipt_salts": "random numbers that are written once",
    "document_chunks": "ids and numbers, written with a document's version; that is audited",
    "document_memories": "likewise",
    "api_key_uses": "when keys were used last; the acts on keys are audited",
    "idempotency_keys": "hashes of requests and what came of them, for a day",
    "embedding_schedule": "what is left to be done about what was written; that is audited",
    "index_schedule": "likewise",
}
"""Tables without an audit of their own, and why."""

CALLABLE = {
    "memoledger.current_tenant",
    "memoledger.granted_store_ids",
    "memoledger.readable_store_ids",
    "memoledger.writable_store_ids",
    "memoledger.memory_commitment",
    "memoledger.sweep_expired",
    "memoledger.refresh_statistics",
    "memoledger.owned_store_ids",
    "memoledger.tend_receipts",
    "memoledger.thread_of",
    "memoledger.place_of",
    "memoledger.asking_share",
    "memoledger.document_commitment",
    "memoledger.chunk_commitment",
    "memoledger.being_learned_since",
    "memoledger.current_scopes",
    "memoledger.first_managed_user",
    "memoledger.last_managed_user",
    "memoledger.good_keys",
    "memoledger.sweep_idempotency_keys",
    "memoledger.managed_tenant",
    "memoledger.wake_workers",
    "memoledger.settle_schedule",
    "memoledger.tenant_queue",
    "memoledger.tenant_queue_depth",
    "memoledger.retry_tenant_queue",
    "memoledger.drop_tenant_queue",
}
"""Functions that the application's role may call."""

DEFINERS_CALLABLE = {
    "memoledger.sweep_expired",
    "memoledger.refresh_statistics",
    "memoledger.tend_receipts",
    "memoledger.sweep_idempotency_keys",
    "memoledger.wake_workers",
}
"""Those of them that run with the owner's rights: no argument, and one bit at most to tell."""

NEVER_DELETED = {"memories", "documents", "chunks"}
"""Audited tables whose rows are only ever emptied."""

ANSWERS_WHO_KNOWS = {"memoledger.good_keys", "memoledger.settle_schedule"}
"""More of them, which tell of a key, or of a batch, to whoever has all of it, or claimed it."""

MANAGES = {
    "memoledger.tenant_queue",
    "memoledger.tenant_queue_depth",
    "memoledger.retry_tenant_queue",
    "memoledger.drop_tenant_queue",
}
"""The rest, which ask for the scope admin and go by ids and counts of one tenant."""

AUDITED_WHEN_CHANGED = {"artifacts": "nothing is one before a document keeps it"}

CALLS_THE_JOB_QUEUE = "memoledger.wake_workers"
"""Its library's triggers look their own names up in the schema of jobs."""

AUDITED_BY_ROW = {"api_keys": "made one at a time; their digests and names stay out of the audit"}

APP_RIGHTS = {"SELECT", "INSERT", "UPDATE", "DELETE"}


class TestRights:
    def test_nothing_is_everybodys(self, catalogue: Any) -> None:
        everybodys = (
            "SELECT oid::regclass::text AS what, relacl AS acl FROM pg_class"
            " WHERE relnamespace = ANY (%(schemas)s::text[]::regnamespace[])"
            " UNION ALL SELECT nspname, nspacl FROM pg_namespace WHERE nspname = ANY (%(schemas)s)"
            " UNION ALL SELECT p.oid::regprocedure::text, coalesce(proacl, acldefault('f', "
            "proowner))"
            " FROM pg_proc AS p WHERE pronamespace = ANY (%(schemas)s::text[]::regnamespace[])"
            " UNION ALL SELECT attrelid::regclass || '.' || attname, attacl FROM pg_attribute"
            " JOIN pg_class AS c ON c.oid = attrelid"
            " WHERE c.relnamespace = ANY (%(schemas)s::text[]::regnamespace[])"
        )
        granted = catalogue.connection.execute(
            f"SELECT what FROM ({everybodys}) AS x, LATERAL aclexplode(acl) AS a WHERE a.grantee "
            f"= 0",
            {"schemas": SCHEMAS},
        ).fetchall()
        assert granted == []

    def test_the_application_owns_nothing(self, catalogue: Any) -> None:
        assert not catalogue.column(
            "SELECT classid::regclass || ' ' || objid FROM pg_shdepend"
            " WHERE refclassid = 'pg_authid'::regclass AND refobjid = 'memoledger_app'::regrole"
            " AND deptype = 'o'"
        )

    def test_everything_of_ours_is_the_owners(self, catalogue: Any) -> None:
        assert set(
            catalogue.column(
                "SELECT DISTINCT pg_get_userbyid(owner) FROM ("
                " SELECT relowner AS owner FROM pg_class WHERE relnamespace = ANY "
                "(%s::text[]::regnamespace[])"
                " UNION ALL SELECT proowner FROM pg_proc WHERE pronamespace = ANY "
                "(%s::text[]::regnamespace[])"
                " UNION ALL SELECT nspowner FROM pg_namespace WHERE nspname = ANY (%s)) AS x",
                SCHEMAS,
                SCHEMAS,
                SCHEMAS,
            )
        ) == {"memoledger_owner"}

    def test_the_application_has_no_power_over_policies(self, catalogue: Any) -> None:
        rows = catalogue.rows(
            "SELECT rolname, rolsuper, rolbypassrls, rolcreaterole, rolcreatedb, rolreplication"
            " FROM pg_roles WHERE rolname IN ('memoledger_app', 'memoledger_owner') ORDER BY 1"
        )
        assert [row[0] for row in rows] == ["memoledger_app", "memoledger_owner"]
        assert {row[1:] for row in rows} == {(False,) * 5}
        assert not catalogue.column(
            "SELECT roleid::regrole FROM pg_auth_members WHERE member = 'memoledger_app'::regrole"
        )
        assert not catalogue.column(
            "SELECT setconfig FROM pg_db_role_setting WHERE setrole = 'memoledger_app'::regrole"
        )

    def test_the_application_has_the_four_rights_and_no_other(self, catalogue: Any) -> None:
        rows = catalogue.rows(
            "SELECT c.oid::regclass::text, a.privilege_type, a.is_grantable FROM pg_class AS c,"
            " LATERAL aclexplode(c.relacl) AS a WHERE a.grantee = 'memoledger_app'::regrole"
            " UNION ALL SELECT attrelid::regclass::text, a.privilege_type, a.is_grantable"
            " FROM pg_attribute, LATERAL aclexplode(attacl) AS a WHERE a.grantee = "
            "'memoledger_app'::regrole"
        )
        assert {right for _, right, _ in rows} <= APP_RIGHTS
        assert not any(grantable for *_, grantable in rows)
        assert {table for table, right, _ in rows if right == "DELETE"} == {"memoledger.grants"}
        system = {
            (table, right) for table, right, _ in rows if table.startswith("memoledger_system")
        }
        assert {right for _, right in system} == {"SELECT"}
        assert not any(table.endswith("_seq") for table, *_ in rows)

    def test_a_key_is_never_updated(self, catalogue: Any) -> None:
        columns = catalogue.column(
            "SELECT attname FROM pg_attribute, LATERAL aclexplode(attacl) AS a"
            " WHERE a.grantee = 'memoledger_app'::regrole AND a.privilege_type = 'UPDATE'"
        )
        assert columns
        assert not {
            "tenant_id",
            "store_id",
            "memory_id",
            "owner_id",
            "version",
            "created_by",
        } & set(columns)
        assert not catalogue.column(
            "SELECT c.oid::regclass FROM pg_class AS c, LATERAL aclexplode(c.relacl) AS a"
            " WHERE a.grantee = 'memoledger_app'::regrole AND a.privilege_type = 'UPDATE'"
        )

    def test_the_application_makes_nothing_in_our_schemas(self, catalogue: Any) -> None:
        for schema in (*SCHEMAS, "public"):
            assert catalogue.rows(
                "SELECT has_schema_privilege('memoledger_app', %s, 'CREATE')", schema
            ) == [(False,)]
        assert catalogue.rows(
            "SELECT has_database_privilege('memoledger_app', current_database(), 'CREATE')"
        ) == [(False,)]

    def test_new_objects_are_nobodys_by_default(self, catalogue: Any) -> None:
        with catalogue.connection.transaction(force_rollback=True):
            catalogue.connection.execute("SET LOCAL ROLE memoledger_owner")
            catalogue.connection.execute(
                "CREATE FUNCTION memoledger.newest() RETURNS int LANGUAGE sql RETURN 1"
            )
            catalogue.connection.execute("CREATE TABLE memoledger.newest (tenant_id text)")
            for grantee in ("public", "memoledger_app"):
                assert catalogue.rows(
                    "SELECT has_function_privilege(%s, 'memoledger.newest()', 'EXECUTE'),"
                    " has_table_privilege(%s, 'memoledger.newest', 'SELECT')",
                    grantee,
                    grantee,
                ) == [(False, False)]


class TestFunctions:
    def test_every_function_has_a_fixed_search_path_or_needs_none(self, catalogue: Any) -> None:
        """Those with the owner's rights, and those that policies call."""
        rows = catalogue.rows(
            "SELECT p.oid::regproc::text, p.prosecdef, p.proconfig, l.lanname, p.prosqlbody IS "
            "NOT NULL,"
            " p.prorettype = 'trigger'::regtype"
            " FROM pg_proc AS p JOIN pg_language AS l ON l.oid = p.prolang"
            " WHERE p.pronamespace = ANY (%s::text[]::regnamespace[])",
            SCHEMAS,
        )
        assert len(rows) >= 15
        for name, definer, configuration, language, bound, trigger in rows:
            jobs = "memoledger_jobs, " if name == CALLS_THE_JOB_QUEUE else ""
            fixed = f"search_path=pg_catalog, {jobs}pg_temp" in (configuration or [])
            if definer or (name in CALLABLE and language == "plpgsql"):
                assert fixed, name
            elif language == "sql":
                assert bound, f"{name}: its names are looked up when it runs"
            assert not (definer and language == "sql"), name
            assert language in {"sql", "plpgsql"}
            assert (
                trigger or fixed or bound or name == "memoledger_system.declare_embedding_version"
            )

    def test_the_application_calls_only_what_it_needs(self, catalogue: Any) -> None:
        callable_by_app = set(
            catalogue.column(
                "SELECT p.oid::regproc::text FROM pg_proc AS p"
                " WHERE p.pronamespace = ANY (%s::text[]::regnamespace[])"
                " AND has_function_privilege('memoledger_app', p.oid, 'EXECUTE')",
                SCHEMAS,
            )
        )
        assert callable_by_app == CALLABLE

    def test_what_runs_with_the_owners_rights_takes_and_tells_next_to_nothing(
        self, catalogue: Any
    ) -> None:
        rows = catalogue.rows(
            "SELECT p.oid::regproc::text, p.pronargs, format_type(p.prorettype, NULL) FROM "
            "pg_proc AS p"
            " WHERE p.prosecdef AND p.pronamespace = ANY (%s::text[]::regnamespace[])"
            " AND p.prorettype <> 'trigger'::regtype",
            SCHEMAS,
        )
        assert {name for name, *_ in rows} == DEFINERS_CALLABLE | ANSWERS_WHO_KNOWS | MANAGES
        assert {
            (arguments, result) for name, arguments, result in rows if name in DEFINERS_CALLABLE
        } <= {(0, "boolean"), (0, "void")}

    def test_what_manages_asks_who_may(self, catalogue: Any) -> None:
        for name in MANAGES:
            [body] = catalogue.column("SELECT prosrc FROM pg_proc WHERE oid = %s::regproc", name)
            assert "managed CONSTANT text := memoledger.managed_tenant();" in body, name
            assert "s.tenant_id = managed" in body, name

    def test_nothing_claims_to_be_leakproof(self, catalogue: Any) -> None:
        assert not catalogue.column(
            "SELECT oid::regproc FROM pg_proc WHERE proleakproof"
            " AND pronamespace = ANY (%s::text[]::regnamespace[])",
            SCHEMAS,
        )


class TestAuditTriggers:
    def test_every_table_with_a_persons_data_is_audited(self, catalogue: Any) -> None:
        for table in catalogue.tables():
            triggers = catalogue.rows(
                "SELECT tgname, tgtype::int, tgnewtable, tgoldtable FROM pg_trigger"
                " WHERE tgrelid = %s::regclass AND NOT tgisinternal AND tgname LIKE 'audit\\_%%'",
                f"memoledger.{table}",
            )
            # Bits of tgtype: 1 each row, 2 before, 4 insert, 8 delete, 16 update, 32 truncate.
            after = {kind & 28: (new, old) for _, kind, new, old in triggers if not kind & 3}
            if table in DERIVED or table.startswith(("embeddings_", "receipts_")):
                assert after == {}, table
                continue
            if table in AUDITED_BY_ROW:
                assert [kind & 29 for _, kind, *_ in triggers] == [29], table
                continue
            assert after.get(16) == ("new_rows", "old_rows"), table
            if table in AUDITED_WHEN_CHANGED:
                continue
            assert after.get(4) == ("new_rows", None), table
            if table not in NEVER_DELETED:
                assert after.get(8) == (None, "old_rows"), table

    def test_no_table_that_is_audited_can_be_truncated(self, catalogue: Any) -> None:
        for table in set(catalogue.tables()) - DERIVED.keys() | {"audit_records"}:
            if table.startswith(("embeddings_", "receipts_")):
                continue
            assert catalogue.column(
                "SELECT tgname FROM pg_trigger WHERE tgrelid = %s::regclass AND tgtype::int & 32 "
                "= 32",
                f"memoledger.{table}",
            ), table

    def test_triggers_that_refuse_hold_for_replicas_too(self, catalogue: Any) -> None:
        assert set(
            catalogue.column(
                "SELECT tgname FROM pg_trigger WHERE tgenabled = 'A' AND NOT tgisinternal"
            )
        ) == {
            "audit_is_append_only",
            "memories_are_kept",
            "documents_are_kept",
            "chunks_are_kept",
            "places_are_kept",
            "observations_are_kept",
        }

    def test_no_trigger_is_switched_off(self, catalogue: Any) -> None:
        """But those that would tell everybody of jobs."""
        assert set(
            catalogue.column(
                "SELECT tgrelid::regclass || ' ' || tgname FROM pg_trigger"
                " WHERE tgenabled NOT IN ('O', 'A')"
            )
        ) == {
            "memoledger_jobs.procrastinate_jobs procrastinate_jobs_notify_queue_job_inserted_v1",
            "memoledger_jobs.procrastinate_jobs procrastinate_jobs_notify_queue_job_aborted_v1",
        }
