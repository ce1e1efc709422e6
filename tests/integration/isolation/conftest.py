"""A world of two tenants, and an attacker who speaks SQL to it as the application's role.

Whatever a person wrote or named in the world carries a mark, such as
`acme.alice.diary.bob.private`: tenant,
owner of the store, store, author, privacy. An answer of the database, an error message included, is
searched for marks, and every mark in it has to be one that the principal may read.

By the design the settings of the transaction say who acts: SQL can name another tenant. What is
attacked is everything else.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID, uuid4

import numpy as np
import psycopg
import pytest
from psycopg import sql
from pydantic import SecretStr

from memoledger.model.caller import EVERY_SCOPE, Caller
from memoledger.model.embedding import EmbeddingVersion
from memoledger.model.errors import MemoledgerError
from memoledger.model.idempotency import Claim
from memoledger.model.principal import Principal
from memoledger.ports import EmbeddingInput, Vectors
from memoledger.services.idempotency import begin, finish
from memoledger.services.keys import create_key
from memoledger.settings import load_settings
from memoledger.surfaces.python.memoledger import Memoledger
from memoledger.surfaces.python.store import StoreHandle

DIMENSIONS = 8
MARK = re.compile(r"(?:acme|globex)\.\w+\.\w+(?:\.\w+\.(?:shared|private))?")

Rows = list[tuple[Any, ...]]
Person = tuple[str, str]
"""Tenant and user."""

PEOPLE: tuple[Person, ...] = (
    ("acme", "alice"),
    ("acme", "bob"),
    ("acme", "carol"),
    ("globex", "alice"),
    ("globex", "dave"),
)

STORES = {
    # (tenant, owner, store): visibility, {user: access}
    ("acme", "alice", "diary"): ("private", {}),
    ("acme", "alice", "board"): ("tenant", {}),
    ("acme", "alice", "shelf"): ("private", {"bob": "read"}),
    ("acme", "alice", "desk"): ("private", {"bob": "write"}),
    ("acme", "bob", "diary"): ("private", {"carol": "read"}),
    ("acme", "carol", "diary"): ("private", {}),
    ("globex", "alice", "diary"): ("private", {}),
    ("globex", "alice", "board"): ("tenant", {}),
    ("globex", "dave", "diary"): ("private", {"alice": "write"}),
}

StoreKey = tuple[str, str, str]


class TinyEmbedder:
    """A text's vector is drawn from its hash."""

    version = EmbeddingVersion("tiny", DIMENSIONS)

    async def embed(self, texts: Sequence[str], *, input_type: EmbeddingInput) -> Vectors:
        return np.stack([self.vector(text) for text in texts])

    @staticmethod
    def vector(text: str) -> np.ndarray[Any, np.dtype[np.float32]]:
        seed = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8])
        numbers = np.random.default_rng(seed).standard_normal(DIMENSIONS)
        return (numbers / np.linalg.norm(numbers)).astype(np.float32)

    async def aclose(self) -> None:
        """Nothing to close."""


@dataclass(frozen=True)
class World:
    """Who and what there is, and who may read it, as the rules in words say.

    Args:
        stores: the id of each store.
        memories: the id of a memory by its mark and state: `current`, `updated`, `forgotten` or
        `erased`.
    """

    conninfo: Callable[[str], str]
    stores: dict[StoreKey, UUID]
    memories: dict[tuple[str, str], UUID]
    everybody: tuple[Person, ...] = PEOPLE

    def readers(self, key: StoreKey) -> set[Person]:
        """Who may read a store: owner, those granted, or everybody of its tenant."""
        tenant, owner, _ = key
        visibility, grants = STORES[key]
        if visibility == "tenant":
            return {person for person in PEOPLE if person[0] == tenant}
        return {(tenant, user) for user in (owner, *grants)}

    def writers(self, key: StoreKey) -> set[Person]:
        """Who may write to a store: its owner and those granted that."""
        tenant, owner, _ = key
        granted = (user for user, access in STORES[key][1].items() if access == "write")
        return {(tenant, user) for user in (owner, *granted)}

    def marks_of(self, person: Person) -> set[str]:
        """Every mark that a person may see."""
        found = {".".join(key) for key in STORES if person in self.readers(key)}
        for mark, _ in self.memories:
            tenant, owner, store, author, privacy = mark.split(".")
            if person in self.readers((tenant, owner, store)) and (
                privacy == "shared" or author == person[1]
            ):
                found.add(mark)
        return found | {f"{person[0]}.{person[1]}.key"}

    def store(self, tenant: str, owner: str, name: str) -> UUID:
        """The id of a store."""
        return self.stores[tenant, owner, name]

    def root(self) -> psycopg.Connection[tuple[Any, ...]]:
        """A connection that sees everything."""
        return psycopg.connect(self.conninfo("postgres"), autocommit=True)


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
    stores: dict[StoreKey, UUID] = {}
    memories: dict[tuple[str, str], UUID] = {}
    made = World(lambda user: server.conninfo(user, name), stores, memories)
    asyncio.run(_populate(made))
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
    return lambda answer: set(MARK.findall(answer if isinstance(answer, str) else repr(answer)))


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
    async with Memoledger.open(settings=_settings(copied_world), embedder=TinyEmbedder()) as opened:
        yield opened


@pytest.fixture
async def ledger_of_a_superuser(copied_world: World) -> AsyncIterator[Memoledger]:
    """The Python API, logged in as one whom no policy would hold."""
    chosen = _settings(copied_world, login="postgres")
    async with Memoledger.open(settings=chosen, embedder=TinyEmbedder()) as opened:
        yield opened


def _settings(world: World, login: str = "memoledger_app") -> Any:
    return load_settings(
        database_url=SecretStr(world.conninfo(login)),
        admin_database_url=SecretStr(world.conninfo("postgres")),
        sweep_interval_s=0.0,
    )


async def _populate(world: World) -> None:
    async with Memoledger.open(settings=_settings(world), embedder=TinyEmbedder()) as ledger:
        people = {
            (tenant, user): await ledger.principal(tenant=tenant, user=user)
            for tenant, user in PEOPLE
        }
        for key, (visibility, grants) in STORES.items():
            tenant, owner, name = key
            store = await people[tenant, owner].store(".".join(key))
            await store.set_visibility(visibility)
            for user, access in grants.items():
                await store.share(user, access=access)
            world.stores[key] = store.id
            for author in (owner, *(user for user, access in grants.items() if access == "write")):
                mine = await people[tenant, author].store_by_id(store.id)
                for privacy in ("shared", "private"):
                    mark = f"{tenant}.{owner}.{name}.{author}.{privacy}"
                    await _write(mine, mark, privacy, world.memories)
        for tenant, user in PEOPLE:
            await _give_keys(ledger, Principal(tenant, user))
    await _index_everything(world)
    for words in ("full", "hashed"):
        await _recall_everything(world, receipts=words)


async def _give_keys(ledger: Memoledger, person: Principal) -> None:
    """Everybody has a key, which was used, and a write under an idempotency key."""
    context = ledger.application.context
    caller = Caller(person, EVERY_SCOPE, "development")
    fresh = await create_key(context, caller, name=f"{person.tenant}.{person.user}.key")
    await ledger.application.authenticator.caller(fresh.secret, "192.0.2.1")
    claim = await begin(context, person, "the same key", method="POST", path="/")
    assert isinstance(claim, Claim)
    await finish(context, claim, status=201, answer={"id": f"{person.tenant}.{person.user}.key"})


async def _index_everything(world: World) -> None:
    """Every store gets an index, small as it is."""
    await asyncio.sleep(1.1)  # what was written in the last second is not yet taken in
    chosen = _settings(world).model_copy(update={"index_from": 1})
    async with Memoledger.open(settings=chosen, embedder=TinyEmbedder()) as ledger:
        assert await ledger.index_stores() == len(world.stores)


async def _recall_everything(world: World, **overrides: object) -> None:
    """Every reader asks every store for its name, and finds all that they may see of it."""
    chosen = _settings(world).model_copy(update=overrides)
    async with Memoledger.open(settings=chosen, embedder=TinyEmbedder()) as ledger:
        for key, store_id in world.stores.items():
            for tenant, user in world.readers(key):
                principal = await ledger.principal(tenant=tenant, user=user)
                store = await principal.store_by_id(store_id)
                await store.recall(".".join(key), limit=100)


async def _write(
    store: StoreHandle, mark: str, privacy: str, made: dict[tuple[str, str], UUID]
) -> None:
    for state in ("current", "updated", "forgotten", "erased"):
        memory = await store.remember(
            f"{mark} was {state}",
            privacy="creator" if privacy == "private" else "store",
            title=f"{mark} title",
            summary=f"{mark} summary",
            source=mark,
            tags=[mark],
            subject_refs=[mark],
            metadata={"mark": mark},
            external_id=f"{mark}.{state}",
            importance=0.25,
        )
        made[mark, state] = memory.id
        if state == "updated":
            await store.update(memory.id, content=f"{mark} was changed")
        elif state != "current":
            await store.forget(memory.id, hard=state == "erased")


@pytest.fixture
def refusal() -> type[MemoledgerError]:
    """What the Python API raises."""
    return MemoledgerError
