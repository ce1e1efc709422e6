"""Migrations: applied once, in order, by one at a time, wholly or not at all."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from memoledger import bootstrap
from memoledger.ledger import migrate
from memoledger.ledger.embedded import EmbeddedServer, postmaster
from memoledger.ledger.embedded.folder import open_folder
from memoledger.ledger.embedded.programs import Programs
from memoledger.ledger.embedding_versions import declare_embedding_version
from memoledger.ledger.migrate import Migration, shipped_migrations
from memoledger.ledger.round_trip import Connection
from memoledger.model.embedding import EmbeddingVersion
from memoledger.model.errors import LedgerUnavailable, MigrationError, ServerUnsuitable

NAMES = [migration.name for migration in shipped_migrations()]

EVERYTHING = """
SELECT c.oid::regclass::text, c.relkind::text, c.relacl::text FROM pg_class AS c
WHERE c.relnamespace::regnamespace::text LIKE 'memoledger%'
UNION ALL
SELECT p.oid::regprocedure::text, p.prosrc, p.proacl::text FROM pg_proc AS p
WHERE p.pronamespace::regnamespace::text LIKE 'memoledger%'
UNION ALL
SELECT polrelid::regclass || polname, pg_get_expr(polqual, polrelid), polroles::regrole[]::text
    FROM pg_policy
UNION ALL
SELECT name, checksum, applied_at::text FROM memoledger_system.migrations
ORDER BY 1, 2, 3
"""


@asynccontextmanager
async def connected(conninfo: str) -> AsyncIterator[Connection]:
    connection = await psycopg.AsyncConnection.connect(conninfo, autocommit=True)
    async with connection:
        yield connection


async def migrated(conninfo: str, *, embedded: bool = True) -> list[str]:
    async with connected(conninfo) as connection:
        return await bootstrap.migrate(connection, embedded=embedded)


def asked(conninfo: str, query: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(conninfo, autocommit=True) as connection:
        return connection.execute(query.encode()).fetchall()


def shipping(monkeypatch: pytest.MonkeyPatch, *migrations: Migration) -> None:
    monkeypatch.setattr(migrate, "shipped_migrations", lambda: migrations)


def further(sql: str, name: str = "9999_further") -> Migration:
    return Migration(name, sql, hashlib.sha256(sql.encode()).hexdigest())


class TestApplying:
    async def test_all_in_order_and_each_with_its_checksum(self, empty: str) -> None:
        assert await migrated(empty) == NAMES == sorted(NAMES)
        assert asked(
            empty,
            "SELECT name, checksum FROM memoledger_system.migrations ORDER BY applied_at, name",
        ) == [(migration.name, migration.checksum) for migration in shipped_migrations()]

    async def test_a_second_time_nothing_is_done(self, empty: str) -> None:
        await migrated(empty)
        before = asked(empty, EVERYTHING)
        assert await migrated(empty) == []
        async with connected(empty) as connection:
            # Not even by one who does not look first.
            await migrate.prepare_database(connection, embedded=True)
            assert await migrate.apply_migrations(connection) == []
        assert asked(empty, EVERYTHING) == before

    async def test_only_what_is_missing_is_applied(
        self, empty: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        shipped = shipped_migrations()
        shipping(monkeypatch, *shipped[:2])
        assert await migrated(empty) == NAMES[:2]
        shipping(monkeypatch, *shipped)
        async with connected(empty) as connection:
            pending = await migrate.pending_migrations(connection)
            assert [migration.name for migration in pending] == NAMES[2:]
        assert await migrated(empty) == NAMES[2:]

    async def test_the_application_can_tell_whether_it_fits(self, empty: str) -> None:
        await migrated(empty)
        async with connected(make_conninfo(empty, user="memoledger_app")) as connection:
            assert await migrate.pending_migrations(connection) == []

    async def test_the_embedded_server_allows_requests_no_temporary_objects(
        self, empty: str
    ) -> None:
        await migrated(empty)
        with (
            psycopg.connect(make_conninfo(empty, user="memoledger_app")) as connection,
            pytest.raises(psycopg.errors.InsufficientPrivilege),
        ):
            connection.execute("CREATE TEMP TABLE t ()")

    async def test_on_postgresql_16(self, tmp_path: Path) -> None:
        folder = open_folder(tmp_path / "old")
        programs = Programs.of(16, folder.account)
        beside = (folder.private, folder.log)  # initdb wants an empty folder
        for part in beside:
            part.rename(tmp_path / part.name)
        options = ["-U", "postgres", "--encoding=utf8", "--no-sync", "-D", str(folder.path)]
        programs.run("initdb", options, data_dir=folder.path)
        for part in beside:
            (tmp_path / part.name).rename(part)
        with folder.lock("server") as lock:
            running = postmaster.bring_up(folder, programs, lock, configure=lambda: None)
        try:
            conninfo = postmaster.connection_string(
                running, folder.path, user="postgres", database="postgres"
            )
            assert await migrated(conninfo, embedded=False) == NAMES
            async with connected(conninfo) as connection:
                version = EmbeddingVersion("m", 3)
                number = await declare_embedding_version(connection, version)
                assert await declare_embedding_version(connection, version) == number
        finally:
            with folder.lock("server") as lock:
                postmaster.take_down(folder, lock)


class TestRefusing:
    async def test_a_migration_that_was_changed(
        self, empty: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await migrated(empty)
        first, *others = shipped_migrations()
        shipping(monkeypatch, further(f"{first.sql}\n-- a word more", first.name), *others)
        before = asked(empty, EVERYTHING)
        for attempt in (migrated(empty), self.apply(empty)):
            with pytest.raises(
                MigrationError, match=f"changed after they were applied: {first.name}"
            ):
                await attempt
        assert asked(empty, EVERYTHING) == before

    async def test_a_database_that_is_ahead(
        self, empty: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await migrated(empty)
        shipping(monkeypatch, *shipped_migrations()[:-1])
        for attempt in (migrated(empty), self.apply(empty)):
            with pytest.raises(MigrationError, match=f"does not know: {NAMES[-1]}"):
                await attempt

    async def test_a_gap(self, empty: str, monkeypatch: pytest.MonkeyPatch) -> None:
        await migrated(empty)
        between = further("SELECT 1", f"{NAMES[0]}_and_a_half")
        shipping(monkeypatch, shipped_migrations()[0], between, *shipped_migrations()[1:])
        with pytest.raises(MigrationError, match=f"below one that was applied: {between.name}"):
            await migrated(empty)

    async def apply(self, conninfo: str) -> list[str]:
        async with connected(conninfo) as connection:
            return await migrate.apply_migrations(connection)


class TestFailing:
    @pytest.mark.parametrize(
        ("sql", "reason"),
        [
            ("CREATE TABLE memoledger.half (t text); SELECT 1 / 0", "division by zero"),
            ("DROP TABLE memoledger.outbox; CREATE TABLE memoledger.stores ()", "already exists"),
            ("ALTER TABLE memoledger.stores ADD COLUMN x text; SELEC", "syntax error"),
            ("INSERT INTO memoledger.tenants VALUES ('', now(), 'x')", "violates check constraint"),
            ("ALTER ROLE postgres NOLOGIN", "permission denied"),
        ],
    )
    async def test_it_leaves_nothing_behind_and_says_which_it_was(
        self, empty: str, monkeypatch: pytest.MonkeyPatch, sql: str, reason: str
    ) -> None:
        await migrated(empty)
        before = asked(empty, EVERYTHING)
        shipping(monkeypatch, *shipped_migrations(), further(sql))
        async with connected(empty) as connection:
            with pytest.raises(MigrationError, match=rf"9999_further failed: .*{reason}"):
                await migrate.apply_migrations(connection)
            cursor = await connection.execute("SELECT current_user")
            assert await cursor.fetchone() == ("postgres",)
            assert self.locks(empty) == []
            shipping(monkeypatch, *shipped_migrations())
            assert await migrate.apply_migrations(connection) == []
        assert asked(empty, EVERYTHING) == before

    async def test_those_before_it_stay_applied(
        self, empty: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        shipping(monkeypatch, *shipped_migrations(), further("SELECT 1 / 0"))
        with pytest.raises(MigrationError):
            await migrated(empty)
        shipping(monkeypatch, *shipped_migrations(), further("SELECT 1"))
        assert await migrated(empty) == ["9999_further"]

    async def test_a_migrator_that_is_cut_off_leaves_nothing_and_no_lock(
        self, empty: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await migrated(empty)
        before = asked(empty, EVERYTHING)
        slow = "CREATE TABLE memoledger.half (t text); SELECT pg_sleep(60)"
        shipping(monkeypatch, *shipped_migrations(), further(slow))
        cut_off = asyncio.create_task(migrated(empty))
        sleeping = (
            "FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND datname = current_database()"
        )
        for _ in range(2_000):
            await asyncio.sleep(0.01)
            if asked(empty, f"SELECT pg_terminate_backend(pid, 5000) {sleeping}"):
                break
        with pytest.raises(LedgerUnavailable):
            await cut_off
        assert self.locks(empty) == []
        assert asked(empty, EVERYTHING) == before

    def locks(self, conninfo: str) -> list[tuple[Any, ...]]:
        return asked(
            conninfo,
            "SELECT * FROM pg_locks WHERE locktype = 'advisory'"
            " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())",
        )


class TestRights:
    """On a server that somebody else runs."""

    @pytest.fixture
    def login(self, bare: EmbeddedServer) -> Iterator[str]:
        name = f"plain_{uuid4().hex[:8]}"
        with psycopg.connect(bare.conninfo(), autocommit=True) as connection:
            connection.execute(f"CREATE ROLE {name} LOGIN")
            yield name

    async def test_what_is_missing_is_told_before_anything_is_made_and_its_remedy_cures(
        self, empty: str, login: str
    ) -> None:
        theirs = make_conninfo(empty, user=login)
        with pytest.raises(ServerUnsuitable) as caught:
            await migrated(theirs, embedded=False)
        assert asked(empty, "SELECT 1 FROM pg_namespace WHERE nspname LIKE 'memoledger%'") == []
        assert asked(empty, "SELECT 1 FROM pg_extension WHERE extname = 'vector'") == []
        with psycopg.connect(empty, autocommit=True) as administrator:
            for statement in caught.value.details["sql"]:
                administrator.execute(statement)
        assert await migrated(theirs, embedded=False) == NAMES
        assert asked(
            empty,
            "SELECT DISTINCT pg_get_userbyid(relowner) FROM pg_class"
            " WHERE relnamespace::regnamespace::text LIKE 'memoledger%'",
        ) == [("memoledger_owner",)]
        async with connected(theirs) as connection, connection.transaction():
            await connection.execute("SELECT set_config('role', 'memoledger_app', true)")
            await connection.execute(
                "SELECT set_config('app.current_tenant_id', 'acme', true),"
                " set_config('app.current_user', 'alice', true)"
            )
            done = await connection.execute(
                "INSERT INTO memoledger.tenants (tenant_id, created_by) VALUES ('acme', 'alice')"
            )
            assert done.rowcount == 1


class TestEmbeddingStates:
    """Ledgers of before, whose versions were declared by whoever opened them."""

    async def declared(
        self, conninfo: str, monkeypatch: pytest.MonkeyPatch, vectors: dict[str, int]
    ) -> None:
        """A ledger as it was, with versions that have so many vectors, then migrated."""
        shipped = shipped_migrations()
        shipping(monkeypatch, *(one for one in shipped if one.name < "0016"))
        await migrated(conninfo)
        with psycopg.connect(conninfo, autocommit=True) as connection:
            connection.execute("SET ROLE memoledger_owner")
            for name, count in vectors.items():
                connection.execute(
                    "SELECT memoledger_system.declare_embedding_version(%s, 'm', 3, '{}')", (name,)
                )
                connection.execute(
                    "INSERT INTO memoledger.embeddings (tenant_id, store_id, embedding_version,"
                    " family, owner_id, version, view, recorded_at, embedding)"
                    " SELECT 'acme', gen_random_uuid(), embedding_version, 'memory',"
                    "        gen_random_uuid(), 1, 'body', now(), '[1,0,0]'"
                    " FROM memoledger_system.embedding_versions, generate_series(1, %s)"
                    " WHERE name = %s",
                    (count, name),
                )
        shipping(monkeypatch, *shipped)
        await migrated(conninfo)

    @pytest.mark.parametrize(
        ("vectors", "serving"),
        [({}, None), ({"a": 0}, "a"), ({"a": 3, "b": 1}, "a"), ({"a": 0, "b": 0}, "b")],
    )
    async def test_the_one_with_the_most_vectors_serves(
        self,
        empty: str,
        monkeypatch: pytest.MonkeyPatch,
        vectors: dict[str, int],
        serving: str | None,
    ) -> None:
        await self.declared(empty, monkeypatch, vectors)
        found = asked(empty, "SELECT name, state FROM memoledger_system.embedding_versions")
        assert dict(found) == {
            name: "serving" if name == serving else "filling" for name in vectors
        }

    async def test_only_one_serves(self, empty: str, monkeypatch: pytest.MonkeyPatch) -> None:
        await self.declared(empty, monkeypatch, {"a": 1, "b": 0})
        with (
            psycopg.connect(empty, autocommit=True) as connection,
            pytest.raises(psycopg.errors.UniqueViolation),
        ):
            connection.execute(
                "UPDATE memoledger_system.embedding_versions SET state = 'serving',"
                " served_at = now()"
            )

    async def test_a_retired_one_cannot_serve(
        self, empty: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await self.declared(empty, monkeypatch, {"a": 1, "b": 0})
        with psycopg.connect(empty, autocommit=True) as connection:
            connection.execute(
                "UPDATE memoledger_system.embedding_versions SET state = 'retired',"
                " retired_at = now() WHERE name = 'b'"
            )
            with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState):
                connection.execute(
                    "SELECT memoledger_system.serve_embedding_version(2, 'previous')"
                )
        found = asked(empty, "SELECT name, state FROM memoledger_system.embedding_versions")
        assert dict(found) == {"a": "serving", "b": "retired"}
