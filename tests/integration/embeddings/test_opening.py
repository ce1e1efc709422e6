"""Opening a ledger with an embedder: the one that serves, one that is known, one that is not."""

from __future__ import annotations

from typing import Any

import pytest

from memoledger.model.errors import EmbedderError, SettingsError
from memoledger.surfaces.python.memoledger import Memoledger


async def test_an_empty_ledger_takes_on_whichever_comes(scene: Any) -> None:
    for embedder in (scene.new, scene.old, scene.new):
        async with scene.opening(embedder=embedder):
            pass
        found = scene.states()
        serving = [model for model, state in found.items() if state == "serving"]
        assert serving == [embedder.version.model]
        [partitions] = scene.root.execute(
            "SELECT count(*) FROM pg_inherits WHERE inhparent = 'memoledger.embeddings'::regclass"
        ).fetchone()
        assert partitions == 1
    assert found["old"] == "retired"


async def test_one_that_holds_something_refuses_what_it_has_no_vectors_of(scene: Any) -> None:
    await scene.notes.remember("tea in the garden")
    before = scene.states()
    with pytest.raises(SettingsError, match="old_16") as caught:
        await scene.opening(embedder=scene.new)
    assert str(caught.value.value).startswith("new_24")
    assert "memoledger embeddings create" in (caught.value.remedy or "")
    assert scene.states() == before


async def test_it_goes_on_in_the_version_that_serves(scene: Any) -> None:
    """Whatever the settings name, as long as the ledger knows it."""
    await scene.notes.remember("tea in the garden")
    await scene.ledger.embeddings.create(scene.new)
    async with scene.opening(embedder=scene.new, more=[scene.old]) as other:
        alice = await other.principal(tenant="acme", user="alice")
        store = await alice.store("notes")
        [hit] = await store.recall("tea", mode="dense")
        expected = scene.old.vector("tea") @ scene.old.vector("tea in the garden")
        assert hit.score == pytest.approx(float(expected), abs=2e-3)


async def test_without_its_embedder_it_goes_on_in_the_version_before(scene: Any) -> None:
    await scene.notes.remember("tea in the garden")
    version = await scene.ledger.embeddings.create(scene.new)
    await scene.ledger.embeddings.backfill(version.name)
    await scene.ledger.embeddings.cutover(version.name)
    # With an embedder alone that no setting opens, and the other is such an object too.
    async with scene.opening() as other:
        alice = await other.principal(tenant="acme", user="alice")
        store = await alice.store("notes")
        assert len(await store.recall("tea", mode="dense")) == 1
        await store.remember("coffee in the kitchen")
        assert len(scene.lacking("new")) == 1
        await scene.ledger.embeddings.refresh(version.name)
        assert scene.lacking("new") == []
        assert len(await scene.notes.recall("coffee", mode="dense")) == 2
        await scene.ledger.embeddings.retire("old")
        await other.application.context.embedders.look()
        with pytest.raises(EmbedderError, match="new_24"):
            await store.recall("tea", mode="dense")
    with pytest.raises(SettingsError, match="no vectors of this one"):
        await scene.opening()


async def test_what_the_settings_say_is_noted_without_any_key(database: Any, root: Any) -> None:
    for _ in range(2):
        async with Memoledger.open(settings=database.settings()):
            pass
        row = root.execute(
            "SELECT opening FROM memoledger_system.embedding_versions WHERE state = 'serving'"
        ).fetchone()
        assert row == ({"embedder": "minilm"},)


async def test_a_version_of_the_settings_is_opened_by_every_process(database: Any) -> None:
    """Only its words are in the ledger; the other process finds out what to do with them."""
    async with Memoledger.open(settings=database.settings()) as ledger:
        alice = await ledger.principal(tenant="acme", user="alice")
        notes = await alice.store("notes")
        await notes.remember("tea in the garden")
        version = await ledger.embeddings.create("minilm", dimensions=128)
        await ledger.embeddings.backfill(version.name)
        async with Memoledger.open(settings=database.settings()) as other:
            await ledger.embeddings.cutover(version.name)
            bob = await other.principal(tenant="acme", user="alice")
            store = await bob.store("notes")
            embedders = other.application.context.embedders
            assert embedders is not None
            await embedders.look()
            [hit] = await store.recall("garden", mode="dense")
            assert hit.memory.content == "tea in the garden"
            assert embedders.preparers[version.number].dimensions == 128
        shorter = database.settings(embedding_dimensions=128)
        async with Memoledger.open(settings=shorter) as third:
            assert third.application.embedder.version.dimensions == 128
