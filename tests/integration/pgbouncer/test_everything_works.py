"""Every verb through a PgBouncer in transaction mode, whichever it is; administration past it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest
from pydantic import SecretStr

from memoledger.ledger.sessions import Sessions
from memoledger.ledger.way import DIRECT, Way, find_way
from memoledger.model.errors import NotFound, SettingsError
from memoledger.settings import Settings
from memoledger.surfaces.python.memoledger import Memoledger


@pytest.fixture
async def ledger(
    pooler: Any, pooled: Callable[..., Settings], tiny: Any
) -> AsyncIterator[Memoledger]:
    async with Memoledger.open(settings=pooled(pooler), embedder=tiny) as opened:
        yield opened


@pytest.fixture
def empty(server: Any) -> Iterator[str]:
    """The name of a database in which there is nothing yet."""
    name = "behind_a_pooler"
    with psycopg.connect(server.conninfo(), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8'")
    yield name
    with psycopg.connect(server.conninfo(), autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


async def test_every_verb(ledger: Memoledger) -> None:
    alice = await ledger.principal(tenant="acme", user="alice")
    notes = await alice.store("notes")
    first = await notes.remember("The plumber comes on Tuesday.", tags=["house"])
    before = datetime.now(UTC)
    changed = await notes.update(first.id, content="The plumber comes on Friday.", if_version=1)
    assert changed.version == 2
    assert (await notes.get(first.id)).content == "The plumber comes on Friday."
    assert (await notes.get(first.id, as_of=before)).content == "The plumber comes on Tuesday."
    assert [memory.version for memory in await notes.history(first.id)] == [1, 2]
    for mode in ("hybrid", "dense", "lexical"):
        [hit] = await notes.recall("plumber", mode=mode)
        assert hit.memory.content.endswith("Friday.")
    [hit] = await notes.recall("plumber Tuesday", as_of=before)
    assert hit.memory.version == 1
    await ledger.application.context.receipts.flush()
    assert len((await alice.receipts()).receipts) == 4
    await notes.share("bob")
    bob = await (await ledger.principal(tenant="acme", user="bob")).store_by_id(notes.id)
    assert len((await bob.list()).memories) == 1
    await notes.forget(first.id, hard=True)
    with pytest.raises(NotFound):
        await notes.get(first.id)


async def test_bulk(ledger: Memoledger) -> None:
    notes = await (await ledger.principal(tenant="acme", user="alice")).store("notes")
    drafts = ({"content": f"Note number {number}"} for number in range(2_500))
    report = await notes.remember_many(drafts)
    assert report.progress.created == 2_500
    assert await notes.count() == 2_500
    assert len(await notes.recall("note number", limit=50)) == 50
    assert len(await notes.recall("note number", limit=50, as_of=datetime.now(UTC))) == 50


async def test_statements_are_prepared_where_they_are_found_again(
    pooler: Any, database: Any
) -> None:
    for conninfo, expected in (
        (database.conninfo(), DIRECT),
        (
            pooler.conninfo("memoledger_app", database.name),
            Way(pooled=True, keeps_prepared=pooler.keeps_prepared),
        ),
    ):
        for _ in range(5):  # the server connections behind it are shared by what was asked before
            async with await psycopg.AsyncConnection.connect(
                conninfo, autocommit=True, prepare_threshold=None
            ) as connection:
                assert await find_way(connection) == expected


async def test_what_was_found_out_is_what_happens(
    ledger: Memoledger, pooler: Any, somebody: Any
) -> None:
    sessions: Sessions = ledger.application.context.ledger.sessions
    assert sessions._prepare is pooler.keeps_prepared
    await (await ledger.principal(tenant="acme", user="alice")).store("notes")
    async with sessions.transaction(somebody) as connection:
        cursor = await connection.execute("SELECT count(*) FROM pg_prepared_statements")
        assert ((await cursor.fetchone()) != (0,)) is pooler.keeps_prepared


async def test_a_superuser_s_login_is_held_by_the_policies_too(
    pooler: Any, pooled: Callable[..., Settings], tiny: Any
) -> None:
    async with Memoledger.open(settings=pooled(pooler, login="postgres"), embedder=tiny) as opened:
        for user in ("alice", "bob"):
            notes = await (await opened.principal(tenant="acme", user=user)).store("notes")
            await notes.remember(f"Of {user} alone")
            assert len(await notes.recall("alone")) == 1


async def test_migrations_go_past_it(
    pooler: Any, empty: str, server: Any, pooled: Callable[..., Settings], tiny: Any
) -> None:
    chosen = pooled(
        pooler,
        database_url=SecretStr(pooler.conninfo("memoledger_app", empty)),
        admin_database_url=SecretStr(server.conninfo("postgres", empty)),
    )
    async with Memoledger.open(settings=chosen, embedder=tiny) as opened:
        notes = await (await opened.principal(tenant="acme", user="alice")).store("notes")
        await notes.remember("The plumber comes on Tuesday.")
        assert await opened.index_stores() == 0


async def test_migrations_would_even_go_through_it(
    pooler: Any, empty: str, pooled: Callable[..., Settings], tiny: Any
) -> None:
    """Their lock is the transaction's. The lock around indexes is the session's, and is refused."""
    url = SecretStr(pooler.conninfo("postgres", empty))
    chosen = pooled(pooler, database_url=url, admin_database_url=None)
    async with Memoledger.open(settings=chosen, embedder=tiny) as opened:
        notes = await (await opened.principal(tenant="acme", user="alice")).store("notes")
        await notes.remember("The plumber comes on Tuesday.")
        with pytest.raises(SettingsError, match="ADMIN_DATABASE_URL") as refused:
            await opened.index_stores()
        assert "postgresql" not in str(refused.value)


async def test_indexes_are_made_past_it(ledger: Memoledger, database: Any) -> None:
    notes = await (await ledger.principal(tenant="acme", user="alice")).store("notes")
    await notes.remember_many({"content": f"Note number {number}"} for number in range(200))
    settings = ledger.application.settings.model_copy(update={"index_from": 100})
    ledger.application.settings = settings
    with psycopg.connect(database.conninfo("postgres")) as connection:
        connection.execute("SELECT pg_sleep(1.1)")  # what was just written is not taken in yet
    assert await ledger.index_stores() >= 1
    hits = await notes.recall("note number", limit=20)
    assert len(hits) == 20
    assert hits.searched_by != "scan"
