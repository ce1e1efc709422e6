"""Artifacts are stored whole, under their key, by those who may write."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from memoledger.model.artifact import artifact_key
from memoledger.model.document import DocumentDraft
from memoledger.model.errors import ArtifactError, ConflictError, Forbidden, InvalidInput, NotFound
from memoledger.model.ids import new_id
from memoledger.services import artifacts
from memoledger.services.context import Context, Scope
from memoledger.services.learn import learn
from memoledger.surfaces.python.memoledger import Memoledger
from memoledger.surfaces.python.store import StoreHandle

GUIDE = b"# Guide\n\nTea is hot.\n\n## Brewing\n\nWait four minutes."


async def test_what_was_put_is_there_under_its_key(
    context: Context, scope: Scope, objects: Callable[[], Any], rows: Callable[[], Any]
) -> None:
    document_id = new_id()
    put = await artifacts.put(context, scope, document_id, GUIDE, media_type="text/markdown")
    digest = hashlib.sha256(GUIDE).hexdigest()
    assert (put.hash, put.bytes, put.media_type) == (digest, len(GUIDE), "text/markdown")
    assert put.key == artifact_key(scope.store_id, document_id, digest, put.id)
    assert objects() == [put.key]
    assert rows() == [("writing", len(GUIDE))]
    assert await artifacts.read_artifact(context, scope, put.id) == GUIDE


async def test_a_file_and_a_stream_are_stored_alike(
    context: Context, scope: Scope, tmp_path: Path
) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(GUIDE), 7):
            yield GUIDE[start : start + 7]

    file = tmp_path / "guide.md"
    await asyncio.to_thread(file.write_bytes, GUIDE)
    for source in (GUIDE, file, pieces()):
        put = await artifacts.put(context, scope, new_id(), source)
        assert await artifacts.read_artifact(context, scope, put.id) == GUIDE


async def test_nothing_can_be_stored_too(context: Context, scope: Scope) -> None:
    put = await artifacts.put(context, scope, new_id(), b"")
    assert await artifacts.read_artifact(context, scope, put.id) == b""


async def test_what_is_no_file_is_refused(
    context: Context, scope: Scope, tmp_path: Path, rows: Callable[[], Any]
) -> None:
    for path in (tmp_path / "nowhere", tmp_path):
        with pytest.raises(InvalidInput, match="no such file"):
            await artifacts.put(context, scope, new_id(), path)
    for media_type in ("", "x" * 201, "text/\n", "té"):
        with pytest.raises(InvalidInput, match="media_type"):
            await artifacts.put(context, scope, new_id(), b"x", media_type=media_type)
    assert rows() == []


async def test_a_file_that_changes_meanwhile_is_not_stored(
    context: Context,
    scope: Scope,
    tmp_path: Path,
    objects: Callable[[], Any],
    rows: Callable[[], Any],
) -> None:
    file = tmp_path / "log"
    await asyncio.to_thread(file.write_bytes, GUIDE)
    store = context.artifacts
    assert store is not None
    write = store.put

    async def changed_before(key: str, pieces: AsyncIterator[bytes]) -> None:
        await asyncio.to_thread(file.write_bytes, GUIDE + b"!")
        await write(key, pieces)

    store.put = changed_before  # type: ignore[method-assign]
    with pytest.raises(ConflictError, match="changed"):
        await artifacts.put(context, scope, new_id(), file)
    assert objects() == []
    assert [state for state, _ in rows()] == ["collected"]


async def test_whoever_may_only_read_writes_nothing(
    notes: StoreHandle, bob: Any, objects: Callable[[], Any]
) -> None:
    context, scope = notes._context, notes._scope
    await notes.share("bob", access="read")
    mine = await artifacts.put(context, scope, new_id(), GUIDE)
    bobs = Scope(bob.principal, scope.store_id)
    with pytest.raises(Forbidden):
        await artifacts.put(context, bobs, new_id(), b"mine")
    assert objects() == [mine.key]
    assert await artifacts.read_artifact(context, bobs, mine.id) == GUIDE
    await artifacts.give_up(context, bobs, mine)
    assert await artifacts.read_artifact(context, scope, mine.id) == GUIDE


async def test_nobody_else_sees_it(
    context: Context, scope: Scope, shared: Memoledger, bob: Any
) -> None:
    mine = await artifacts.put(context, scope, new_id(), GUIDE)
    stranger = await shared.principal(tenant=f"{scope.principal.tenant}-2", user="alice")
    for principal in (bob.principal, stranger.principal):
        with pytest.raises(NotFound):
            await artifacts.open_artifact(context, Scope(principal, scope.store_id), mine.id)
    with pytest.raises(InvalidInput):
        await artifacts.open_artifact(context, scope, "guide.md")


async def test_they_can_be_off(context: Context, scope: Scope) -> None:
    without = replace(context, artifacts=None)
    draft = DocumentDraft(source="wiki", source_id="tea", content="Tea is hot.")
    learned = await learn(without, scope, draft)
    assert learned.document.artifact_key is None
    with pytest.raises(ArtifactError, match="off"):
        await artifacts.put(without, scope, new_id(), b"x")
