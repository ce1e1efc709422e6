"""A world of two tenants, and an attacker who speaks SQL to it as the application's role.

An answer of the database, an error message included, is searched for the marks that everything in
the world carries, and every mark in it has to be one that the principal may read.

By the design the settings of the transaction say who acts: SQL can name another tenant. What is
attacked is everything else.
"""

from __future__ import annotations

import asyncio
import importlib.util
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import psycopg
import pytest
from psycopg import sql

from memoledger.model.errors import MemoledgerError
from memoledger.surfaces.python.memoledger import Memoledger

if TYPE_CHECKING:
    from tests.integration.isolation.two_tenants import Person, World

Rows = list[tuple[Any, ...]]


def by_path(name: str) -> Any:
    """A module of this folder by its path: the tests are no package."""
    path = Path(__file__).with_name(f"{name}.py")
    spec = importlib.util.spec_from_file_location(f"memoledger_tests_{name}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


two_tenants = by_path("two_tenants")


@dataclass
class Attacker:
    """A connection of the application's role, and what it hears.

    Args:
        heard: notices of the server and the texts of its errors.
    """

    connection: psycopg.Connection[tuple[Any, ...]]
    world: World
    heard: list[str] = field(default_factory=list)

    def become(self, person: Person | None, store: object = "") -> Attacker:
        """Set the principal for the session; None unsets it."""
        tenant, user = person or ("", "")
        self.ask(
            "SELECT set_config('app.current_tenant_id', %s, false),"
            " set_config('app.current_user', %s, false),"
            " set_config('app.current_store_id', %s, false)",
            tenant,
            user,
            str(store),
        )
        return self

    def ask(self, query: str | sql.Composable, *params: object) -> Rows:
        """What a statement answers; its error is raised."""
        cursor = self.connection.execute(query, params or None)  # type: ignore[arg-type]
        return cursor.fetchall() if cursor.description else []

    def hear(self, query: str | sql.Composable, *params: object) -> str:
        """All that a statement lets out: rows, notices, or the error with its details."""
        self.heard.clear()
        try:
            with self.connection.transaction(force_rollback=True):
                answer = repr(self.ask(query, *params))
        except psycopg.Error as error:
            answer = told(error)
        return "\n".join([answer, *self.heard])

    def refused(self, query: str | sql.Composable, *params: object) -> psycopg.Error:
        """The error of a statement that has to fail, and leaves nothing behind."""
        with (
            pytest.raises(psycopg.Error) as caught,
            self.connection.transaction(force_rollback=True),
        ):
            self.ask(query, *params)
        return caught.value

    def changed(self, query: str | sql.Composable, *params: object) -> int:
        """How many rows a statement would change; it is rolled back."""
        with self.connection.transaction(force_rollback=True):
            return self.connection.execute(query, params or None).rowcount  # type: ignore[arg-type]

    def tables(self, kinds: str = "rpvm") -> list[tuple[str, str]]:
        """Schema and name of every relation of ours that can be selected from."""
        return [
            (row[0], row[1])
            for row in self.ask(
                "SELECT n.nspname, c.relname FROM pg_class AS c "
                "JOIN pg_namespace AS n ON n.oid = c.relnamespace "
                "WHERE n.nspname LIKE 'memoledger%%' AND c.relkind = ANY (%s) ORDER BY 1, 2",
                list(kinds),
            )
        ]

    def open_tables(self) -> list[sql.Identifier]:
        """The tables with tenants in them that the role may select from at all."""
        return [
            sql.Identifier(schema, name)
            for schema, name in self.tables()
            if schema == "memoledger"
            and self.ask("SELECT has_table_privilege(%s, 'SELECT')", f"{schema}.{name}")
            == [(True,)]
        ]


def told(error: psycopg.Error) -> str:
    """Everything that an error says."""
    diag = error.diag
    parts = [
        diag.message_primary,
        diag.message_detail,
        diag.message_hint,
        diag.context,
        diag.constraint_name,
        str(error),
    ]
    return "\n".join(part for part in parts if part)


@pytest.fixture(scope="session")
def world(server: Any, template: str) -> Iterator[World]:
    """The world, made once through the Python API; attacks are rolled back."""
    name = f"isolation_{uuid4().hex[:12]}"
    with psycopg.connect(server.conninfo(), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY")
    made = two_tenants.World(lambda user: server.conninfo(user, name), {}, {}, {})
    asyncio.run(two_tenants.populate(made))
    with made.root() as root:
        root.execute("ANALYZE")
    yield made
    with psycopg.connect(server.conninfo(), autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def attacker(world: World) -> Iterator[Attacker]:
    """A direct connection as the application's role, nobody yet."""
    with psycopg.connect(world.conninfo("memoledger_app"), autocommit=True) as connection:
        made = Attacker(connection, world)
        connection.add_notice_handler(lambda diag: made.heard.append(str(diag.message_primary)))
        yield made


@pytest.fixture
def another(world: World) -> Iterator[Attacker]:
    """A second connection."""
    with psycopg.connect(world.conninfo("memoledger_app"), autocommit=True) as connection:
        yield Attacker(connection, world)


@pytest.fixture
def marks() -> Callable[[object], set[str]]:
    """Finds the marks in an answer."""
    return lambda answer: set(
        two_tenants.MARK.findall(answer if isinstance(answer, str) else repr(answer))
    )


@pytest.fixture
def copied_world(world: World, server: Any) -> Iterator[World]:
    """The same world in a database of this test's own, to write into."""
    name = f"isolation_{uuid4().hex[:12]}"
    with world.root() as root:
        [(source,)] = root.execute("SELECT current_database()").fetchall()
    with psycopg.connect(server.conninfo(), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {source} STRATEGY FILE_COPY")
    yield replace(world, conninfo=lambda user: server.conninfo(user, name))
    with psycopg.connect(server.conninfo(), autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
async def ledger(copied_world: World) -> AsyncIterator[Memoledger]:
    """The Python API on the copied world."""
    async with two_tenants.opening(two_tenants.settings_of(copied_world)) as opened:
        yield opened


@pytest.fixture
async def ledger_of_a_superuser(copied_world: World) -> AsyncIterator[Memoledger]:
    """The Python API, logged in as one whom no policy would hold."""
    chosen = two_tenants.settings_of(copied_world, login="postgres")
    async with Memoledger.open(settings=chosen, embedder=two_tenants.TinyEmbedder()) as opened:
        yield opened


@pytest.fixture
def refusal() -> type[MemoledgerError]:
    """What the Python API raises."""
    return MemoledgerError
