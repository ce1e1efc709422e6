"""Artifacts that nobody keeps are collected; those that are kept can be verified."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from memoledger import bootstrap
from memoledger.ledger.artifacts import AllArtifacts
from memoledger.model.document import Learned
from memoledger.model.errors import (
    ArtifactDamaged,
    ArtifactError,
    ArtifactMissing,
    ConflictError,
)
from memoledger.model.ids import new_id
from memoledger.services import artifact_upkeep, artifacts
from memoledger.services.context import Context, Scope
from memoledger.surfaces.python.memoledger import Memoledger
from memoledger.surfaces.python.store import StoreHandle

GUIDE = b"# Guide\n\nTea is hot.\n\n## Brewing\n\nWait four minutes."


async def verify(ledger: Memoledger, **how: bool) -> dict[str, list[str]]:
    """What was found, by state: the keys."""
    application = ledger.application
    store = application.context.artifacts
    assert store is not None
    found: dict[str, list[str]] = {}
    async with bootstrap.administering(application.settings, application.place) as connection:
        async for one in artifact_upkeep.verify(store, AllArtifacts(connection), **how):
            found.setdefault(one.state, []).append(one.key)
    return found


class TestCollection:
    async def test_what_nobody_kept_in_time_goes(
        self,
        notes: StoreHandle,
        objects: Callable[[], Any],
        rows: Callable[[], Any],
        collect: Callable[..., Any],
        sql: Any,
    ) -> None:
        context, scope = notes._context, notes._scope
        lost, young = [await artifacts.put(context, scope, new_id(), GUIDE) for _ in range(2)]
        sql(
            "WITH off AS (SELECT set_config('session_replication_role', 'replica', true))"
            " UPDATE memoledger.artifacts SET changed_at = now() - interval '25 hours'"
            " FROM off WHERE artifact_id = %s RETURNING 1",
            lost.id,
        )
        assert (await collect(artifacts.ABANDONED_AFTER_S)).abandoned == 1
        assert objects() == [young.key]
        assert len(rows()) == 1

    async def test_rows_without_an_object_go_too(
        self,
        context: Context,
        scope: Scope,
        folder: Path,
        rows: Callable[[], Any],
        collect: Callable[..., Any],
    ) -> None:
        """Their writer died between the row and the object."""
        put = await artifacts.put(context, scope, new_id(), GUIDE)
        await asyncio.to_thread(os.unlink, folder / put.key)
        await collect()
        assert rows() == []

    async def test_two_collections_at_once_do_no_harm(
        self,
        context: Context,
        scope: Scope,
        objects: Callable[[], Any],
        rows: Callable[[], Any],
        collect: Callable[..., Any],
    ) -> None:
        for number in range(20):
            await artifacts.put(context, scope, new_id(), b"%d" % number)
        await asyncio.gather(*(collect() for _ in range(3)))
        await collect()
        assert (objects(), rows()) == ([], [])

    async def test_learning_and_collecting_beside_each_other_lose_nothing(
        self,
        notes: StoreHandle,
        collect: Callable[..., Any],
        objects: Callable[[], Any],
        rows: Callable[[], Any],
    ) -> None:
        done = asyncio.Event()

        async def collecting() -> None:
            while not done.is_set():
                await collect()
                await asyncio.sleep(0)

        async def learn(number: int) -> Learned:
            for _ in range(100):
                # What is collected before it is stored is refused, and can be tried again.
                with contextlib.suppress(ArtifactError, ConflictError):
                    return await notes.learn("wiki", str(number), content=f"Page {number}.")
            raise AssertionError("no luck in a hundred attempts")

        task = asyncio.create_task(collecting())
        try:
            learned = [await learn(number) for number in range(15)]
        finally:
            done.set()
            await task
        await collect()
        keys = sorted(one.document.artifact_key or "" for one in learned)
        assert objects() == keys
        assert {state for state, _ in rows()} == {"kept"}


class TestVerifying:
    async def test_everything_is_found_as_it_is(
        self,
        notes: StoreHandle,
        shared: Memoledger,
        collect: Callable[..., Any],
        folder: Path,
        objects: Callable[[], Any],
    ) -> None:
        keys = []
        for number in range(4):
            learned = await notes.learn("wiki", str(number), content=f"Page {number}.")
            keys.append(str(learned.document.artifact_key))
        good, gone, shorter, other = keys

        def harm() -> None:
            (folder / gone).unlink()
            (folder / shorter).write_bytes(b"Page")
            (folder / other).write_bytes(b"Pale 3.")
            (folder / "workspaces" / "stray").write_bytes(b"whose?")

        await asyncio.to_thread(harm)
        found = await verify(shared)
        assert good in found["ok"]
        assert gone in found["missing"]
        assert {shorter, other} <= set(found["damaged"])
        assert found["unknown"] == ["workspaces/stray"]
        quick = await verify(shared, quick=True)
        assert shorter in quick["damaged"]
        assert other in quick["ok"]
        # A collection touches nothing of this: only rows tell it what to delete.
        await collect()
        assert "workspaces/stray" in objects()

    async def test_whoever_reads_is_told(
        self, context: Context, scope: Scope, folder: Path
    ) -> None:
        put = await artifacts.put(context, scope, new_id(), GUIDE)
        await asyncio.to_thread((folder / put.key).write_bytes, GUIDE[::-1])
        with pytest.raises(ArtifactDamaged):
            await artifacts.read_artifact(context, scope, put.id)
        await asyncio.to_thread(os.unlink, folder / put.key)
        with pytest.raises(ArtifactMissing):
            await artifacts.read_artifact(context, scope, put.id)
