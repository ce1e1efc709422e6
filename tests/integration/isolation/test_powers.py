"""The application's role cannot grow: into no other role, over no object or function of ours."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import psycopg
import pytest

from memoledger.ledger.embedded.programs import installation

ALICE = ("acme", "alice")
CAROL = ("acme", "carol")

ROLES = [
    "SET ROLE memoledger_owner",
    "SET ROLE postgres",
    "SET LOCAL ROLE memoledger_owner",
    "SET ROLE pg_read_all_data",
    "SET SESSION AUTHORIZATION postgres",
    "SET SESSION AUTHORIZATION memoledger_owner",
    "SELECT set_config('role', 'memoledger_owner', false)",
    "SELECT set_config('session_authorization', 'postgres', false)",
    "GRANT memoledger_owner TO memoledger_app",
    "GRANT pg_read_all_data TO memoledger_app",
    "ALTER ROLE memoledger_app SUPERUSER",
    "ALTER ROLE memoledger_app BYPASSRLS",
    "ALTER ROLE memoledger_app CREATEROLE",
    "ALTER ROLE postgres PASSWORD 'x'",
    "CREATE ROLE mallory",
    "REASSIGN OWNED BY memoledger_owner TO memoledger_app",
    "SET session_replication_role = replica",
    "SET lo_compat_privileges = on",
    "ALTER SYSTEM SET row_security = off",
    "ALTER DATABASE {database} SET row_security = off",
    "ALTER ROLE ALL SET row_security = off",
    "ALTER ROLE memoledger_app SET app.current_tenant_id = 'globex'",
    "ALTER ROLE memoledger_app IN DATABASE {database} SET app.\"current_user\" = 'dave'",
    "ALTER DATABASE {database} SET app.current_tenant_id = 'globex'",
    "LOAD '/tmp/evil.so'",
    "CREATE EXTENSION file_fdw",
    "CREATE LANGUAGE plpython3u",
    "CREATE SERVER s FOREIGN DATA WRAPPER w",
    "CREATE EVENT TRIGGER e ON ddl_command_start EXECUTE FUNCTION memoledger.refuse_audit_change()",
    "CREATE PUBLICATION p FOR ALL TABLES",
    "CREATE SUBSCRIPTION s CONNECTION '' PUBLICATION p",
    "SELECT pg_create_logical_replication_slot('s', 'pgoutput')",
    "CREATE TABLESPACE t LOCATION '/tmp'",
    "CREATE DATABASE stolen TEMPLATE {database}",
    "CHECKPOINT",
    "SELECT pg_reload_conf()",
]

OBJECTS = [
    "ALTER TABLE {table} DISABLE ROW LEVEL SECURITY",
    "ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY",
    "ALTER TABLE {table} OWNER TO memoledger_app",
    "ALTER TABLE {table} DISABLE TRIGGER ALL",
    "ALTER TABLE {table} ADD COLUMN x text",
    "ALTER TABLE {table} RENAME TO stolen",
    "ALTER TABLE {table} SET SCHEMA pg_temp",
    "ALTER TABLE {table} REPLICA IDENTITY FULL",
    "CREATE POLICY mine ON {table} USING (true)",
    "DROP POLICY maintenance ON {table}",
    "CREATE TRIGGER t BEFORE INSERT ON {table} EXECUTE FUNCTION "
    "suppress_redundant_updates_trigger()",
    "CREATE RULE r AS ON SELECT TO {table} DO INSTEAD SELECT 1",
    "CREATE INDEX ON {table} (tenant_id)",
    "CREATE STATISTICS memoledger.s ON tenant_id, tenant_id FROM {table}",
    "COMMENT ON TABLE {table} IS 'stolen'",
    "GRANT SELECT ON {table} TO PUBLIC",
    "TRUNCATE {table}",
    "TRUNCATE {table} CASCADE",
    "DROP TABLE {table}",
    "VACUUM {table}",
    "CLUSTER {table}",
    "REINDEX TABLE {table}",
    "CREATE TABLE pg_temp.heir () INHERITS ({table})",
    "CREATE TEMP TABLE pointer (t text REFERENCES {table})",
    "ALTER TABLE {table} INHERIT memoledger.tenants",
]

SCHEMAS = [
    "CREATE TABLE memoledger.mine ()",
    "CREATE TABLE memoledger_system.mine ()",
    "CREATE TABLE public.mine ()",
    "CREATE TABLE pg_catalog.mine ()",
    "CREATE FUNCTION memoledger.mine() RETURNS int LANGUAGE sql RETURN 1",
    "CREATE FUNCTION public.mine() RETURNS int LANGUAGE sql RETURN 1",
    "CREATE OR REPLACE FUNCTION memoledger.current_tenant() RETURNS text LANGUAGE sql RETURN "
    "'globex'",
    "ALTER FUNCTION memoledger.current_tenant() SECURITY DEFINER",
    "DROP FUNCTION memoledger.current_tenant() CASCADE",
    "CREATE OPERATOR public.= (leftarg = text, rightarg = text, function = texteq)",
    "CREATE CAST (text AS boolean) WITH INOUT",
    "CREATE SCHEMA mine",
    "CREATE SCHEMA AUTHORIZATION memoledger_app",
    "DROP SCHEMA memoledger CASCADE",
    "ALTER SCHEMA memoledger OWNER TO memoledger_app",
    "CREATE VIEW public.v AS SELECT * FROM memoledger.memories",
    "ALTER DEFAULT PRIVILEGES FOR ROLE memoledger_owner GRANT ALL ON TABLES TO memoledger_app",
]


@pytest.mark.parametrize("statement", ROLES + SCHEMAS)
def test_no_power_can_be_taken(attacker: Any, statement: str) -> None:
    attacker.become(ALICE)
    [(database,)] = attacker.ask("SELECT current_database()")
    with pytest.raises(psycopg.Error):
        attacker.ask(statement.replace("{database}", database))


@pytest.mark.parametrize("statement", OBJECTS)
def test_no_table_of_ours_can_be_changed(attacker: Any, statement: str) -> None:
    attacker.become(ALICE)
    for schema, name in attacker.tables("rp"):
        before = attacker.ask("SELECT count(*) FROM memoledger.stores")
        notices = len(attacker.heard)
        try:
            attacker.ask(statement.replace("{table}", f"{schema}.{name}"))
        except psycopg.Error:
            continue
        # VACUUM, GRANT and the like pass over what they may not touch, with a warning.
        warned = "".join(attacker.heard[notices:])
        assert "permission denied" in warned or "no privileges were granted" in warned, name
        assert attacker.ask("SELECT count(*) FROM memoledger.stores") == before


def test_policies_cannot_be_switched_off(attacker: Any) -> None:
    attacker.become(ALICE)
    attacker.ask("SET row_security = off")
    for table in attacker.open_tables():
        error = attacker.refused(f"SELECT * FROM {table.as_string(None)}")
        assert "row-level security" in str(error)


def test_a_table_is_not_locked_against_the_others(attacker: Any) -> None:
    attacker.become(ALICE)
    lockable = []
    for table in attacker.open_tables():
        for mode in ("SHARE", "SHARE ROW EXCLUSIVE", "EXCLUSIVE", "ACCESS EXCLUSIVE"):
            heard = attacker.hear(f"LOCK TABLE {table.as_string(None)} IN {mode} MODE NOWAIT")
            if "permission denied" not in heard:
                lockable.append(table.as_string(None))
    # PostgreSQL lets whoever may delete rows lock their table; a grant is taken back by deleting
    # it.
    assert set(lockable) == {'"memoledger"."grants"'}


class TestTemporaryObjects:
    """Where a server allows temporary objects, they bend nothing of ours."""

    def test_the_audits_triggers_cannot_be_hung_elsewhere(self, attacker: Any, world: Any) -> None:
        """With the owner's rights they would write any record that a table describes."""
        attacker.become(ALICE)
        with world.root() as root:
            functions = [
                row[0]
                for row in root.execute(
                    "SELECT p.oid::regproc::text FROM pg_proc AS p WHERE p.prorettype = "
                    "'trigger'::regtype"
                    " AND p.pronamespace::regnamespace::text LIKE 'memoledger%'"
                ).fetchall()
            ]
        assert len(functions) >= 8
        attacker.ask(
            "CREATE TEMP TABLE users (tenant_id text, user_id text, store_id uuid, created_by text)"
        )
        for function in functions:
            error = attacker.refused(
                f"CREATE TRIGGER forge AFTER INSERT ON users REFERENCING NEW TABLE AS new_rows"
                f" FOR EACH STATEMENT EXECUTE FUNCTION {function}('user_id')"
            )
            assert isinstance(error, psycopg.errors.InsufficientPrivilege), function

    @pytest.mark.parametrize(
        "path",
        [
            "pg_temp, pg_catalog, memoledger",
            "pg_temp, memoledger, pg_catalog",
            "memoledger, public, pg_catalog, pg_temp",
            "''",
        ],
    )
    def test_shadows_of_our_names_are_not_used(
        self, attacker: Any, world: Any, marks: Any, path: str
    ) -> None:
        attacker.become(CAROL)
        honest = {
            table.as_string(None): attacker.ask(f"SELECT count(*) FROM {table.as_string(None)}")
            for table in attacker.open_tables()
        }
        for statement in (
            "CREATE TEMP TABLE stores AS SELECT * FROM memoledger.stores WITH NO DATA",
            "CREATE TEMP TABLE grants (tenant_id text, store_id uuid, grantee_id text, access "
            "text)",
            "CREATE TEMP TABLE audit_records AS SELECT * FROM memoledger.audit_records WITH NO "
            "DATA",
            "CREATE TEMP TABLE new_rows AS SELECT * FROM memoledger.memories WITH NO DATA",
            "CREATE FUNCTION pg_temp.current_setting(text, boolean) RETURNS text LANGUAGE sql"
            " RETURN 'alice'",
            "CREATE FUNCTION pg_temp.current_tenant() RETURNS text LANGUAGE sql RETURN 'globex'",
            "CREATE FUNCTION pg_temp.current_actor() RETURNS text LANGUAGE sql RETURN 'system'",
            "CREATE FUNCTION pg_temp.same(text, text) RETURNS boolean LANGUAGE sql RETURN true",
            "CREATE OPERATOR pg_temp.= (leftarg = text, rightarg = text, function = pg_temp.same)",
        ):
            attacker.ask(statement)
        attacker.ask(
            "INSERT INTO stores SELECT 'acme', id, 'carol', 'x', 'tenant', now(), 'x', now(), 'x'"
            " FROM unnest(%s::uuid[]) AS id",
            [str(store) for store in world.stores.values()],
        )
        attacker.ask(
            "INSERT INTO grants SELECT 'acme', id, 'carol', 'write' FROM unnest(%s::uuid[]) AS id",
            [str(store) for store in world.stores.values()],
        )
        attacker.ask(f"SET search_path = {path}")
        for table, count in honest.items():
            assert attacker.ask(f"SELECT count(*) FROM {table}") == count
        theirs = world.store("acme", "alice", "diary")
        attacker.become(CAROL, theirs)
        assert attacker.ask(
            "SELECT memoledger.readable_store_ids(), memoledger.writable_store_ids(),"
            " memoledger.granted_store_ids('write')"
        ) == [([], [], [])]

    def test_an_audited_write_with_shadows_is_recorded_all_the_same(
        self, attacker: Any, world: Any
    ) -> None:
        attacker.become(CAROL)
        attacker.ask("CREATE TEMP TABLE audit_records (LIKE memoledger.audit_records)")
        attacker.ask("CREATE TEMP TABLE new_rows (LIKE memoledger.users)")
        attacker.ask("SET search_path = pg_temp, pg_catalog")
        with attacker.connection.transaction(force_rollback=True):
            attacker.ask(
                "INSERT INTO memoledger.users (tenant_id, user_id, created_by)"
                " VALUES ('acme', 'zoe', 'carol')"
            )
            assert attacker.ask(
                "SELECT actor, act, row_key FROM memoledger.audit_records"
                " WHERE row_key ->> 'user_id' = 'zoe'"
            ) == [("carol", "insert", {"user_id": "zoe"})]
            assert attacker.ask("SELECT count(*) FROM pg_temp.audit_records") == [(0,)]


# What each function says to one who calls it with whatever fits its arguments.
ARGUMENTS = {
    "text": "'read'",
    "uuid": "gen_random_uuid()",
    "uuid[]": "ARRAY[gen_random_uuid()]",
    "timestamp without time zone": "localtimestamp",
    "timestamp with time zone": "now()",
    "integer": "1",
    "integer[]": "ARRAY[1]",
    "jsonb": "'{}'",
    "boolean": "false",
    "bytea[]": "ARRAY[sha256('')]",
    "double precision[]": "ARRAY[0.0]",
    "regclass": "'memoledger.memories'",
    "memoledger.memories": "(SELECT m FROM memoledger.memories AS m LIMIT 1)",
    "memoledger.documents": "(SELECT d FROM memoledger.documents AS d LIMIT 1)",
    "memoledger.chunks": "(SELECT c FROM memoledger.chunks AS c LIMIT 1)",
}

CALLABLE = {
    "current_tenant",
    "granted_store_ids",
    "readable_store_ids",
    "writable_store_ids",
    "memory_commitment",
    "sweep_expired",
    "refresh_statistics",
    "owned_store_ids",
    "tend_receipts",
    "thread_of",
    "place_of",
    "asking_share",
    "document_commitment",
    "chunk_commitment",
    "being_learned_since",
    "current_scopes",
    "first_managed_user",
    "last_managed_user",
    "good_keys",
    "sweep_idempotency_keys",
    "settle_schedule",
    "wake_workers",
    "managed_tenant",
    "tenant_queue_depth",
    "tenant_queue",
    "retry_tenant_queue",
    "drop_tenant_queue",
}
"""Functions that the role may call; each is in the tests below or in those of the oracles."""


def test_every_function_of_ours_is_closed_or_tells_nothing(
    attacker: Any, world: Any, marks: Any
) -> None:
    for person in (CAROL, ("globex", "dave"), None):
        attacker.become(person)
        allowed = world.marks_of(person) if person else set()
        functions = attacker.ask(
            "SELECT p.pronamespace::regnamespace || '.' || p.proname, p.proname,"
            " ARRAY(SELECT format_type(t, NULL) FROM unnest(p.proargtypes) AS t)"
            " FROM pg_proc AS p WHERE p.pronamespace::regnamespace::text LIKE 'memoledger%%'"
            " AND p.pronamespace <> 'memoledger_jobs'::regnamespace AND p.prokind = 'f'"
        )
        assert len(functions) >= 15
        for full, name, types in functions:
            call = f"SELECT {full}({', '.join(ARGUMENTS[t] for t in types)})"
            heard = attacker.hear(call)
            assert marks(heard) <= allowed, full
            assert ("permission denied for function" in heard) == (name not in CALLABLE), (
                full,
                heard,
            )


def test_the_job_queue_is_out_of_reach(attacker: Any) -> None:
    """Its tables and functions are a library's: nobody here looks into their schema."""
    attacker.become(ALICE)
    assert attacker.ask("SELECT has_schema_privilege('memoledger_jobs', 'USAGE')") == [(False,)]
    assert attacker.ask(
        "SELECT count(*) FROM pg_proc AS p WHERE p.pronamespace = 'memoledger_jobs'::regnamespace"
        " AND has_function_privilege(p.oid, 'EXECUTE')"
    ) == [(0,)]
    for name in ("jobs", "workers", "events", "periodic_defers"):
        attacker.refused(f"SELECT count(*) FROM memoledger_jobs.procrastinate_{name}")


def test_store_functions_name_no_store_that_is_not_the_principals(
    attacker: Any, world: Any
) -> None:
    for person in (ALICE, CAROL, ("acme", "bob"), ("globex", "alice"), None):
        attacker.become(person)
        readable = {world.stores[key] for key in world.stores if person in world.readers(key)}
        writable = {world.stores[key] for key in world.stores if person in world.writers(key)}
        [(shown, may_write)] = attacker.ask(
            "SELECT memoledger.readable_store_ids(), memoledger.writable_store_ids()"
        )
        assert (set(shown), set(may_write)) == (readable, writable)
        own = {world.stores[key] for key in world.stores if person == key[:2]}
        [(owned,)] = attacker.ask("SELECT memoledger.owned_store_ids()")
        assert set(owned) == own
        for store_id in world.stores.values():
            attacker.become(person, store_id)
            [(shown, may_write)] = attacker.ask(
                "SELECT memoledger.readable_store_ids(), memoledger.writable_store_ids()"
            )
            assert (set(shown), set(may_write)) == (readable & {store_id}, writable & {store_id})


class TestDump:
    """pg_dump as the role gets nothing out, whether it obeys the policies or not."""

    @pytest.fixture
    def dump(self, world: Any) -> Any:
        root = installation(18)
        assert root is not None

        def run(*options: str) -> tuple[int, str]:
            done = subprocess.run(
                [
                    str(Path(root) / "bin" / "pg_dump"),
                    "-d",
                    world.conninfo("memoledger_app"),
                    *options,
                ],
                capture_output=True,
                text=True,
                timeout=60,
                check=False,
            )
            return done.returncode, done.stdout + done.stderr

        return run

    @pytest.mark.parametrize(
        "options",
        [
            ("--data-only",),
            ("--enable-row-security",),
            ("--enable-row-security", "--inserts", "--schema=memoledger"),
            ("--table=memoledger.memories", "--data-only"),
            ("--table=memoledger.memories", "--data-only", "--enable-row-security"),
            ("--table=memoledger.embeddings*", "--data-only", "--enable-row-security"),
            ("--statistics-only",),
        ],
    )
    def test_no_mark_gets_out(self, dump: Any, marks: Any, options: tuple[str, ...]) -> None:
        code, output = dump(*options)
        assert marks(output) == set()
        assert "globex" not in output
        assert code != 0 or "--enable-row-security" in options
