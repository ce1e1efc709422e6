"""A server that the user gave: reached, refused, checked."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from memoledger.ledger.embedded import EmbeddedServer, postmaster
from memoledger.ledger.embedded.folder import open_folder
from memoledger.ledger.embedded.programs import Programs
from memoledger.ledger.server import ServerReport, check_server, checks, connect_with_retry
from memoledger.ledger.server import connecting as connecting_module
from memoledger.model.errors import LedgerUnavailable, ServerUnsuitable, SettingsError

PASSWORD = "s3cret-of-the-test"
LOGIN = 'it\'s "me"'
PATIENCE_S = 30


@pytest.fixture(scope="module")
def server() -> Iterator[EmbeddedServer]:
    """A server whose login `guarded` needs a password; everyone else is trusted."""
    with EmbeddedServer.temporary() as running:
        with psycopg.connect(running.conninfo(), autocommit=True) as connection:
            connection.execute(
                sql.SQL("CREATE ROLE guarded LOGIN PASSWORD {}").format(sql.Literal(PASSWORD))
            )
            hba = running.data_dir / "pg_hba.conf"
            hba.write_text(f"local all guarded scram-sha-256\n{hba.read_text()}")
            connection.execute("SELECT pg_reload_conf()")
        yield running


@pytest.fixture
def database(server: EmbeddedServer) -> Iterator[str]:
    """The URL of the administrator in a new database, on a server without our roles."""
    name = "the ledger's"
    with psycopg.connect(server.conninfo(), autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        connection.execute(sql.SQL("CREATE ROLE {} LOGIN").format(sql.Identifier(LOGIN)))
        yield server.conninfo(database=name)
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))
        for role in (LOGIN, "memoledger_app", "memoledger_owner"):
            connection.execute(sql.SQL("DROP ROLE IF EXISTS {}").format(sql.Identifier(role)))


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connecting_module, "PAUSE_FIRST_S", 0.01)


def administer(conninfo: str, *statements: str) -> None:
    with psycopg.connect(conninfo, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement.encode())


async def check(conninfo: str, user: str = LOGIN, *, migrating: bool = True) -> ServerReport:
    connection = await connect_with_retry(
        make_conninfo(conninfo, user=user), attempts=1, timeout_s=PATIENCE_S
    )
    async with connection:
        return await check_server(connection, migrating=migrating)


def sql_of(error: ServerUnsuitable) -> list[str]:
    statements: list[str] = error.details["sql"]
    assert all(statement in str(error) for statement in statements)
    return statements


class TestChecking:
    async def test_a_superuser_may_everything_and_is_warned_about(self, database: str) -> None:
        report = await check(database, "postgres")
        assert report.version_num >= 180_000
        assert report.vector_version is None
        assert (report.database, report.login) == ("the ledger's", "postgres")
        assert any("superuser" in warning for warning in report.warnings)

    async def test_changes_nothing(self, database: str) -> None:
        await check(database, "postgres")
        with psycopg.connect(database) as connection:
            found = connection.execute(
                "SELECT (SELECT count(*) FROM pg_extension WHERE extname = 'vector'),"
                " (SELECT count(*) FROM pg_roles WHERE rolname LIKE 'memoledger%')"
            ).fetchone()
        assert found == (0, 0)

    @pytest.mark.parametrize("migrating", [True, False])
    async def test_the_remedy_is_sql_that_cures(self, database: str, migrating: bool) -> None:
        """A plain login lacks everything; after the SQL of one error nothing is missing."""
        with pytest.raises(ServerUnsuitable) as caught:
            await check(database, migrating=migrating)
        administer(database, *sql_of(caught.value))
        report = await check(database, migrating=migrating)
        assert report.vector_version is not None
        assert report.login == LOGIN

    async def test_everything_that_is_missing_is_named_at_once(self, database: str) -> None:
        with pytest.raises(ServerUnsuitable) as caught:
            await check(database)
        assert sql_of(caught.value) == [
            "CREATE EXTENSION vector;",
            "CREATE ROLE memoledger_owner NOLOGIN NOSUPERUSER NOBYPASSRLS;",
            'GRANT "memoledger_owner" TO "it\'s ""me""" WITH INHERIT FALSE, SET TRUE;',
            "CREATE ROLE memoledger_app NOLOGIN NOSUPERUSER NOBYPASSRLS;",
            'GRANT "memoledger_app" TO "it\'s ""me""" WITH INHERIT FALSE, SET TRUE;',
            'GRANT CREATE ON DATABASE "the ledger\'s" TO "it\'s ""me""";',
        ]

    async def test_a_login_that_creates_roles_needs_none_made(self, database: str) -> None:
        administer(
            database,
            "CREATE EXTENSION vector",
            'ALTER ROLE "it\'s ""me""" CREATEROLE',
            'GRANT CREATE ON DATABASE "the ledger\'s" TO "it\'s ""me"""',
        )
        report = await check(database)
        assert all("fsync" in warning for warning in report.warnings)

    async def test_a_member_that_may_not_become_the_role_is_not_enough(self, database: str) -> None:
        administer(
            database,
            "CREATE EXTENSION vector",
            "CREATE ROLE memoledger_app NOLOGIN",
            'GRANT memoledger_app TO "it\'s ""me""" WITH SET FALSE, INHERIT TRUE',
        )
        with pytest.raises(ServerUnsuitable, match="may not become memoledger_app"):
            await check(database, migrating=False)

    @pytest.mark.parametrize(
        ("spoiling", "text", "cure"),
        [
            (
                "ALTER ROLE memoledger_app BYPASSRLS",
                "above row-level security",
                "ALTER ROLE memoledger_app NOSUPERUSER NOBYPASSRLS;",
            ),
            (
                "ALTER ROLE memoledger_app SUPERUSER",
                "above row-level security",
                "ALTER ROLE memoledger_app NOSUPERUSER NOBYPASSRLS;",
            ),
            (
                "GRANT memoledger_owner TO memoledger_app",
                "can act as memoledger_owner",
                "REVOKE memoledger_owner FROM memoledger_app;",
            ),
        ],
    )
    async def test_an_application_role_with_too_much_power_is_refused(
        self, database: str, spoiling: str, text: str, cure: str
    ) -> None:
        administer(
            database,
            "CREATE ROLE memoledger_owner NOLOGIN",
            "CREATE ROLE memoledger_app NOLOGIN",
            spoiling,
        )
        with pytest.raises(ServerUnsuitable, match=text) as caught:
            await check(database, "postgres")
        assert sql_of(caught.value) == [cure]

    async def test_bypassing_policies_is_warned_about(self, database: str) -> None:
        with pytest.raises(ServerUnsuitable) as caught:
            await check(database)
        administer(database, *sql_of(caught.value), 'ALTER ROLE "it\'s ""me""" BYPASSRLS')
        report = await check(database)
        assert [warning for warning in report.warnings if "BYPASSRLS" in warning]

    async def test_another_encoding(self, server: EmbeddedServer) -> None:
        create = "CREATE DATABASE latin TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'"
        administer(server.conninfo(), f"{create} LOCALE_PROVIDER libc")
        try:
            with pytest.raises(ServerUnsuitable, match="LATIN1, not UTF8") as caught:
                await check(server.conninfo(database="latin"), "postgres")
            assert "TEMPLATE template0 ENCODING 'UTF8'" in str(caught.value)
        finally:
            administer(server.conninfo(), "DROP DATABASE latin")

    async def test_a_server_that_takes_no_writes(self, database: str) -> None:
        administer(database, "ALTER ROLE postgres SET default_transaction_read_only = on")
        try:
            with pytest.raises(ServerUnsuitable, match="takes no writes"):
                await check(database, "postgres")
        finally:
            with psycopg.connect(database, autocommit=True) as connection:
                connection.execute("SET default_transaction_read_only = off")
                connection.execute("ALTER ROLE postgres RESET default_transaction_read_only")

    async def test_a_server_too_old(self, database: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(checks, "VERSION_NUM_MIN", 990_000)
        with pytest.raises(ServerUnsuitable, match=r"(?s)18\.\d+ is too old.*99 or newer"):
            await check(database, "postgres")

    @pytest.mark.parametrize("installed", [True, False])
    async def test_a_pgvector_too_old(
        self, database: str, monkeypatch: pytest.MonkeyPatch, installed: bool
    ) -> None:
        if installed:
            administer(database, "CREATE EXTENSION vector")
        monkeypatch.setattr(checks, "VECTOR_VERSION_MIN", (99, 0, 0))
        with pytest.raises(ServerUnsuitable, match=r"99\.0\.0") as caught:
            await check(database, "postgres")
        note, statement = sql_of(caught.value)
        assert note.startswith("-- install pgvector 99.0.0 or newer")
        assert statement.startswith("ALTER" if installed else "CREATE")

    async def test_postgresql_16(self, tmp_path: Path) -> None:
        folder = open_folder(tmp_path / "old")
        programs = Programs.of(16, folder.account)
        for part in (folder.private, folder.log):
            part.rename(tmp_path / part.name)
        options = ["-U", "postgres", "--encoding=utf8", "--no-sync", "-D", str(folder.path)]
        programs.run("initdb", options, data_dir=folder.path)
        for part in (folder.private, folder.log):
            (tmp_path / part.name).rename(part)
        with folder.lock("server") as lock:
            running = postmaster.bring_up(folder, programs, lock, configure=lambda: None)
        try:
            conninfo = postmaster.connection_string(
                running, folder.path, user="postgres", database="postgres"
            )
            administer(conninfo, 'CREATE ROLE "it\'s ""me""" LOGIN')
            with pytest.raises(ServerUnsuitable) as caught:
                await check(conninfo)
            administer(conninfo, *sql_of(caught.value))
            assert 160_000 <= (await check(conninfo)).version_num < 170_000
        finally:
            with folder.lock("server") as lock:
                postmaster.take_down(folder, lock)


class TestConnecting:
    async def test_in_autocommit_mode(self, server: EmbeddedServer) -> None:
        connection = await connect_with_retry(server.conninfo(), attempts=1, timeout_s=PATIENCE_S)
        async with connection:
            assert connection.autocommit
            row = await (await connection.execute("SELECT 1")).fetchone()
        assert row == (1,)

    async def test_waits_for_a_server_that_is_still_starting(self, tmp_path: Path) -> None:
        folder = tmp_path / "ledger"
        with EmbeddedServer.start(folder) as server:
            conninfo = server.conninfo()
        waiting = asyncio.create_task(
            connect_with_retry(conninfo, attempts=1_000, timeout_s=PATIENCE_S)
        )
        await asyncio.sleep(0)
        assert not waiting.done()
        restarted = await asyncio.to_thread(EmbeddedServer.start, folder)
        try:
            await (await waiting).close()
        finally:
            await asyncio.to_thread(restarted.stop)

    async def test_waits_for_a_free_connection(self, server: EmbeddedServer) -> None:
        administer(server.conninfo(), "CREATE ROLE narrow LOGIN CONNECTION LIMIT 1")
        conninfo = server.conninfo(user="narrow")
        with psycopg.connect(conninfo):
            with pytest.raises(LedgerUnavailable, match="too many connections"):
                await connect_with_retry(conninfo, attempts=2, timeout_s=PATIENCE_S)
            waiting = asyncio.create_task(
                connect_with_retry(conninfo, attempts=1_000, timeout_s=PATIENCE_S)
            )
        await (await waiting).close()

    async def test_nobody_there_names_the_address_and_not_the_password(
        self, free_port: int
    ) -> None:
        url = f"postgresql://alice:{PASSWORD}@127.0.0.1:{free_port}/ledger"
        with pytest.raises(LedgerUnavailable) as caught:
            await connect_with_retry(url, attempts=2, timeout_s=PATIENCE_S)
        text = str(caught.value)
        assert f"host 127.0.0.1, port {free_port}, database ledger" in text
        assert "refused" in text
        assert_no_secret(caught.value)

    async def test_tries_as_often_as_told(
        self, free_port: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        pauses: list[float] = []

        async def remember(seconds: float) -> None:
            pauses.append(seconds)

        monkeypatch.setattr(connecting_module, "sleep", remember)
        monkeypatch.setattr(connecting_module, "PAUSE_FIRST_S", 1.0)
        with pytest.raises(LedgerUnavailable):
            await connect_with_retry(
                f"host=127.0.0.1 port={free_port}", attempts=6, timeout_s=PATIENCE_S
            )
        bounds = [1, 2, 4, 5, 5]
        assert len(pauses) == len(bounds)
        assert all(bound / 2 <= pause <= bound for bound, pause in zip(bounds, pauses, strict=True))

    async def test_a_server_that_never_answers(self, silent_port: int) -> None:
        with pytest.raises(LedgerUnavailable, match=f"port {silent_port}"):
            await connect_with_retry(
                f"postgresql://127.0.0.1:{silent_port}/x", attempts=1, timeout_s=0.05
            )

    async def test_a_host_that_does_not_exist(self) -> None:
        with pytest.raises(LedgerUnavailable, match=r"host nowhere\.invalid"):
            await connect_with_retry(
                "postgresql://nowhere.invalid/x", attempts=1, timeout_s=PATIENCE_S
            )

    async def test_a_wrong_password_is_reported_at_once(
        self, server: EmbeddedServer, no_pauses: None
    ) -> None:
        conninfo = server.conninfo(user="guarded")
        with pytest.raises(SettingsError, match="refused the login") as caught:
            await connect_with_retry(
                make_conninfo(conninfo, password=f"not {PASSWORD}"),
                attempts=5,
                timeout_s=PATIENCE_S,
            )
        assert "guarded@" in str(caught.value)
        assert_no_secret(caught.value)
        right = make_conninfo(conninfo, password=PASSWORD)
        await (await connect_with_retry(right, attempts=1, timeout_s=PATIENCE_S)).close()

    @pytest.mark.parametrize("user", ["guarded", "who?"])
    async def test_no_password_or_no_such_user(
        self, server: EmbeddedServer, user: str, no_pauses: None
    ) -> None:
        with pytest.raises(SettingsError, match="refused the login"):
            await connect_with_retry(server.conninfo(user=user), attempts=5, timeout_s=PATIENCE_S)

    async def test_a_missing_database_is_reported_with_the_sql(
        self, server: EmbeddedServer, no_pauses: None
    ) -> None:
        with pytest.raises(ServerUnsuitable, match="no database 'not \"there'") as caught:
            await connect_with_retry(
                server.conninfo(database='not "there'), attempts=5, timeout_s=PATIENCE_S
            )
        expected = (
            'CREATE DATABASE "not ""there" OWNER "postgres" TEMPLATE template0 ENCODING \'UTF8\';'
        )
        assert sql_of(caught.value) == [expected]

    async def test_a_closed_database_is_reported_with_the_sql_that_opens_it(
        self, server: EmbeddedServer, database: str, no_pauses: None
    ) -> None:
        administer(database, 'REVOKE CONNECT ON DATABASE "the ledger\'s" FROM public')
        mine = make_conninfo(database, user=LOGIN)
        with pytest.raises(ServerUnsuitable, match="may not connect") as caught:
            await connect_with_retry(mine, attempts=5, timeout_s=PATIENCE_S)
        administer(server.conninfo(), *sql_of(caught.value))
        await (await connect_with_retry(mine, attempts=1, timeout_s=PATIENCE_S)).close()

    async def test_a_role_without_login_is_reported_with_the_sql_that_grants_it(
        self, server: EmbeddedServer, database: str, no_pauses: None
    ) -> None:
        administer(database, 'ALTER ROLE "it\'s ""me""" NOLOGIN')
        mine = make_conninfo(database, user=LOGIN)
        with pytest.raises(ServerUnsuitable, match="may not log in") as caught:
            await connect_with_retry(mine, attempts=5, timeout_s=PATIENCE_S)
        administer(server.conninfo(), *sql_of(caught.value))
        await (await connect_with_retry(mine, attempts=1, timeout_s=PATIENCE_S)).close()

    @pytest.mark.parametrize(
        "url",
        [
            "mysql://alice:{secret}@db/ledger",
            "postgresql://alice:{secret}%zz@db/ledger",
            "postgresql://alice:{secret}@rest@db/ledger",
            "postgresql://alice:{secret}/rest@db/ledger",
            "postgresql://alice:12/{secret}@db/ledger",
            "postgresql://alice:{secret}@db:port/ledger",
            "postgresql://alice:{secret}@db:99999/ledger",
            "postgresql://alice:{secret}@127.0.0.1/ledger?sslmode=perhaps",
            "postgresql://alice:{secret}@db/ledger?unknown=1",
            "postgresql://alice:{secret}@127.0.0.1/ledger?connect_timeout=soon",
            "password={secret} host",
            "host=db password='{secret}",
            "postgresql://db/\0{secret}",
            "just {secret}",
        ],
    )
    async def test_a_malformed_url_is_refused_without_quoting_it(
        self, url: str, no_pauses: None
    ) -> None:
        with pytest.raises(SettingsError, match="database_url") as caught:
            await connect_with_retry(
                url.replace("{secret}", PASSWORD), attempts=5, timeout_s=PATIENCE_S
            )
        assert_no_secret(caught.value)

    async def test_no_attempt_is_no_way_to_connect(self, server: EmbeddedServer) -> None:
        with pytest.raises(ValueError, match="attempts"):
            await connect_with_retry(server.conninfo(), attempts=0, timeout_s=1)


@pytest.fixture
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fails the test if anything is tried again."""

    def refuse(attempt: int) -> float:
        raise AssertionError(f"attempt {attempt} was not the last")

    monkeypatch.setattr(connecting_module, "_pause_s", refuse)


@pytest.fixture
def free_port() -> int:
    """A port of the loopback at which nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
    return port


@pytest.fixture
async def silent_port() -> AsyncIterator[int]:
    """A port whose server takes connections and says nothing."""

    async def keep_silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    listening = await asyncio.start_server(keep_silent, "127.0.0.1", 0)
    yield listening.sockets[0].getsockname()[1]
    listening.close()


def assert_no_secret(error: BaseException) -> None:
    """Neither in the message nor in anything that a traceback would print."""
    seen: BaseException | None = error
    while seen is not None:
        assert PASSWORD not in str(seen)
        assert PASSWORD not in repr(getattr(seen, "details", ""))
        seen = None if seen.__suppress_context__ else (seen.__cause__ or seen.__context__)
