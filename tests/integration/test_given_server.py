"""A given server, step by step as docs/howto/use-a-server.md says."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest
from pydantic import SecretStr

from memoledger import Memoledger
from memoledger.adapters.embedders.local import LocalEmbedder
from memoledger.ledger.embedded import EmbeddedServer
from memoledger.model.errors import Forbidden, MigrationError, ServerUnsuitable
from memoledger.settings import load_settings

NAME = "given"


@pytest.fixture
def given() -> Iterator[EmbeddedServer]:
    """A server of its own: roles are the server's, and these tests begin without ours."""
    server = EmbeddedServer.temporary()
    with psycopg.connect(server.conninfo(database="postgres"), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {NAME} ENCODING 'UTF8' TEMPLATE template0")
        connection.execute("CREATE ROLE memoledger_admin LOGIN CREATEROLE")
        connection.execute("CREATE ROLE memory_service LOGIN NOBYPASSRLS")
        connection.execute(f"GRANT CREATE ON DATABASE {NAME} TO memoledger_admin")
    yield server
    server.stop()


def _extend(server: EmbeddedServer) -> None:
    with psycopg.connect(server.conninfo(database=NAME), autocommit=True) as connection:
        connection.execute("CREATE EXTENSION vector")


def _url(server: EmbeddedServer, user: str) -> SecretStr:
    return SecretStr(server.conninfo(user, NAME))


async def test_an_administrator_without_superuser_migrates_and_a_plain_login_works(
    given: EmbeddedServer, embedder: LocalEmbedder
) -> None:
    _extend(given)
    admin = load_settings(database_url=_url(given, "memoledger_admin"))
    async with Memoledger.open(settings=admin, embedder=embedder):
        pass
    with psycopg.connect(given.conninfo("memoledger_admin", NAME), autocommit=True) as connection:
        connection.execute("GRANT memoledger_app TO memory_service")

    service = load_settings(database_url=_url(given, "memory_service"))
    async with Memoledger.open(settings=service, embedder=embedder) as ledger:
        alice = await ledger.principal(tenant="acme", user="alice")
        notes = await alice.store("notes")
        await notes.remember("The plumber comes on Tuesday.")
        [hit] = await notes.recall("when does the plumber come?")
        assert hit.memory.content == "The plumber comes on Tuesday."


async def test_the_missing_extension_is_named_with_its_sql(
    given: EmbeddedServer, embedder: LocalEmbedder
) -> None:
    admin = load_settings(database_url=_url(given, "memoledger_admin"))
    with pytest.raises(ServerUnsuitable, match="CREATE EXTENSION"):
        async with Memoledger.open(settings=admin, embedder=embedder):
            pass


async def test_a_login_that_may_not_migrate_is_told_what_to_do(
    given: EmbeddedServer, embedder: LocalEmbedder
) -> None:
    _extend(given)
    service = load_settings(database_url=_url(given, "memory_service"))
    with pytest.raises(ServerUnsuitable, match=r"GRANT|CREATEROLE"):
        async with Memoledger.open(settings=service, embedder=embedder):
            pass
    refusing = load_settings(database_url=_url(given, "memory_service"), auto_migrate=False)
    with pytest.raises(MigrationError, match="memoledger migrate"):
        async with Memoledger.open(settings=refusing, embedder=embedder):
            pass


async def test_a_new_embedding_version_needs_the_administrator(
    given: EmbeddedServer, embedder: LocalEmbedder
) -> None:
    _extend(given)
    admin = load_settings(database_url=_url(given, "memoledger_admin"))
    async with Memoledger.open(settings=admin, embedder=embedder):
        pass
    with psycopg.connect(given.conninfo("memoledger_admin", NAME), autocommit=True) as connection:
        connection.execute("GRANT memoledger_app TO memory_service")
    service = load_settings(database_url=_url(given, "memory_service"))
    with pytest.raises(Forbidden, match="MEMOLEDGER_ADMIN_DATABASE_URL"):
        async with Memoledger.open(settings=service, embedder=LocalEmbedder(dimensions=128)):
            pass
