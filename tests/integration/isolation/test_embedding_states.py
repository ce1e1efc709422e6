"""Changing the model of a ledger opens nothing to anybody, and is nobody's but the ledger's."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import numpy as np
import psycopg
import pytest

from memoledger.model.embedding import EmbeddingVersion
from memoledger.surfaces.python.memoledger import Memoledger

ATTACKS = (
    "SELECT memoledger_system.serve_embedding_version(1, 'previous')",
    "SELECT memoledger_system.adopt_embedding_version(1)",
    "SELECT memoledger_system.declare_embedding_version('mine', 'm', 8, '{{}}')",
    "UPDATE memoledger_system.embedding_versions SET state = 'retired'",
    "INSERT INTO memoledger_system.embedding_versions (name, model, dimensions)"
    " VALUES ('mine', 'm', 8)",
    "DELETE FROM memoledger_system.embedding_versions",
    "ALTER TABLE memoledger.embeddings DETACH PARTITION memoledger.{partition}",
    "SELECT count(*) FROM memoledger.{partition}",
    "LOCK TABLE memoledger.term_vectors IN SHARE MODE",
    "SELECT memoledger.close_late_memory_vectors()",
)
"""What a request may not; {partition} holds the vectors of the version that serves."""


class Narrow:
    """Eight numbers of a text; another model for another name."""

    def __init__(self, model: str) -> None:
        self.version = EmbeddingVersion(model, 8)

    async def embed(self, texts: Any, *, input_type: str) -> Any:
        rows = np.array(
            [
                [1 + (hash((self.version.model, text)) >> bit & 15) for bit in range(8)]
                for text in texts
            ]
        )
        return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)

    async def aclose(self) -> None:
        """Nothing to close."""


@pytest.fixture
async def changed(database: Any) -> AsyncIterator[tuple[Memoledger, str]]:
    """A ledger of two tenants that has changed its model, and the name of its version."""
    before, after = Narrow("before"), Narrow("after")
    settings = database.settings()
    async with Memoledger.open(
        settings=settings, embedder=before, more_embedders=[after]
    ) as ledger:
        for tenant, user in (("acme", "alice"), ("acme", "bob"), ("globex", "dave")):
            principal = await ledger.principal(tenant=tenant, user=user)
            store = await principal.store("notes")
            await store.remember(f"shared by {user}")
            await store.remember(f"secret of {user}", privacy="creator")
        alice = await ledger.principal(tenant="acme", user="alice")
        await (await alice.store("notes")).share("bob", access="write")
        version = await ledger.embeddings.create(after)
        await ledger.embeddings.backfill(version.name)
        await ledger.embeddings.cutover(version.name)
        yield ledger, version.name


async def test_everybody_finds_what_is_theirs_and_nothing_else(
    changed: tuple[Memoledger, str],
) -> None:
    ledger, _ = changed
    bob = await ledger.principal(tenant="acme", user="bob")
    shared = await bob.find_store("notes", owner="alice")
    found = [hit.memory.content for hit in await shared.recall("secret of alice", mode="dense")]
    assert found == ["shared by alice"]
    own = await bob.find_store("notes")
    found = [hit.memory.content for hit in await own.recall("secret", mode="dense", limit=10)]
    assert set(found) == {"shared by bob", "secret of bob"}


async def test_a_request_changes_no_version(changed: tuple[Memoledger, str], database: Any) -> None:
    for attack in ATTACKS:
        with psycopg.connect(database.conninfo()) as connection:
            connection.execute("SELECT set_config('app.current_tenant_id', 'acme', true)")
            connection.execute("SELECT set_config('app.current_user', 'alice', true)")
            with pytest.raises(psycopg.Error):
                connection.execute(attack.format(partition=f"embeddings_{changed[1]}").encode())


async def test_the_new_vectors_are_under_the_same_policies(
    changed: tuple[Memoledger, str], database: Any
) -> None:
    """Whoever is nobody sees none; whoever is bob sees none of alice's private ones."""
    query = (
        "SELECT count(*) FROM memoledger.embeddings AS e JOIN memoledger_system"
        ".embedding_versions AS v USING (embedding_version) WHERE v.name = %s"
    )
    counts = {}
    for who in (("", ""), ("acme", "alice"), ("acme", "bob"), ("globex", "dave")):
        with psycopg.connect(database.conninfo()) as connection:
            connection.execute("SELECT set_config('app.current_tenant_id', %s, true)", who[:1])
            connection.execute("SELECT set_config('app.current_user', %s, true)", who[1:])
            counts[who] = connection.execute(query, (changed[1],)).fetchone()
    assert counts == {
        ("", ""): (0,),
        ("acme", "alice"): (2,),
        ("acme", "bob"): (3,),
        ("globex", "dave"): (2,),
    }
