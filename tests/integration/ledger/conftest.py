"""Fixtures for tests that look at what is in the database itself."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from pydantic import SecretStr

from memoledger.settings import load_settings
from memoledger.surfaces.python.memoledger import Memoledger
from memoledger.surfaces.python.store import StoreHandle

Root = psycopg.Connection[tuple[Any, ...]]


class Catalogue:
    """Asks pg_catalog."""

    def __init__(self, connection: psycopg.Connection[tuple[Any, ...]]) -> None:
        self.connection = connection

    def rows(self, query: str, *params: object) -> list[tuple[Any, ...]]:
        return self.connection.execute(query, params or None).fetchall()

    def column(self, query: str, *params: object) -> list[Any]:
        return [row[0] for row in self.rows(query, *params)]

    def tables(self, schema: str = "memoledger") -> list[str]:
        found = self.column(
            "SELECT relname FROM pg_class WHERE relnamespace = %s::regnamespace"
            " AND relkind IN ('r', 'p') ORDER BY 1",
            schema,
        )
        assert found
        return found


@pytest.fixture(scope="module")
def catalogue(server: Any, template: str) -> Iterator[Catalogue]:
    """A migrated database with a further embedding version, declared after the fact."""
    name = f"catalogue_{uuid4().hex[:12]}"
    with psycopg.connect(server.conninfo(), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY")
    with psycopg.connect(server.conninfo("postgres", name), autocommit=True) as connection:
        connection.execute("SET ROLE memoledger_owner")
        connection.execute(
            "SELECT memoledger_system.declare_embedding_version('late', 'm', 3, '{}')"
        )
        connection.execute("RESET ROLE")
        yield Catalogue(connection)
    with psycopg.connect(server.conninfo(), autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def root(database: Any) -> Iterator[Root]:
    """The superuser, whom no policy hides anything from."""
    with psycopg.connect(database.conninfo("postgres"), autocommit=True) as connection:
        yield connection


@pytest.fixture(scope="module")
def settled(server: Any, template: str, embedder: Any) -> Iterator[str]:
    """A database with one memory in it, which no test changes: how the superuser connects."""
    name = f"audit_{uuid4().hex[:12]}"
    with psycopg.connect(server.conninfo(), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY")

    async def populate() -> None:
        chosen = load_settings(
            database_url=SecretStr(server.conninfo("memoledger_app", name)),
            admin_database_url=SecretStr(server.conninfo("postgres", name)),
        )
        async with Memoledger.open(settings=chosen, embedder=embedder) as ledger:
            notes = await (await ledger.principal(tenant="acme", user="alice")).store("notes")
            await notes.remember("Tea", title="T", external_id="e", source="s", tags=["t"])

    asyncio.run(populate())
    yield server.conninfo("postgres", name)
    with psycopg.connect(server.conninfo(), autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def settled_root(settled: str) -> Iterator[Root]:
    """The superuser there, in a transaction that is rolled back."""
    with (
        psycopg.connect(settled, autocommit=True) as connection,
        connection.transaction(force_rollback=True),
    ):
        yield connection


@pytest.fixture
async def notes(ledger: Memoledger) -> StoreHandle:
    """A store of Alice's."""
    return await (await ledger.principal(tenant="acme", user="alice")).store("notes")


@pytest.fixture
def new_records(root: Root) -> Callable[[], list[dict[str, Any]]]:
    """The records made since it was last called."""
    seen = 0

    def fetch() -> list[dict[str, Any]]:
        nonlocal seen
        rows = root.execute(
            "SELECT to_jsonb(a) || jsonb_build_object('xid', a.transaction_id::text)"
            " FROM memoledger.audit_records AS a WHERE audit_id > %s ORDER BY audit_id",
            [seen],
        ).fetchall()
        found: list[dict[str, Any]] = [row[0] for row in rows]
        seen = found[-1]["audit_id"] if found else seen
        return found

    return fetch
