"""Artifacts: kept by the document's row, given up, erased with it."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from memoledger.model.errors import ArtifactError
from memoledger.services import artifacts
from memoledger.services.context import Context
from memoledger.surfaces.python.store import StoreHandle

GUIDE = b"# Guide\n\nTea is hot.\n\n## Brewing\n\nWait four minutes."


class TestKeeping:
    async def test_a_learned_document_keeps_its_source(
        self,
        notes: StoreHandle,
        context: Context,
        objects: Callable[[], Any],
        rows: Callable[[], Any],
    ) -> None:
        learned = await notes.learn("wiki", "tea", data=GUIDE, media_type="text/markdown")
        document = learned.document
        assert document.artifact_hash == hashlib.sha256(GUIDE).hexdigest()
        assert document.artifact_key is not None
        assert objects() == [document.artifact_key]
        assert rows() == [("kept", len(GUIDE))]
        wanted = document.artifact_key.rpartition("/")[2]
        assert await artifacts.read_artifact(context, notes._scope, wanted) == GUIDE

    async def test_the_same_content_is_stored_once(
        self, notes: StoreHandle, objects: Callable[[], Any], rows: Callable[[], Any]
    ) -> None:
        first = await notes.learn("wiki", "tea", content="One.")
        await notes.learn("wiki", "tea", content="Two.")
        again = await notes.learn("wiki", "tea", content="One.")
        assert again.document.version == 3
        assert again.document.artifact_key == first.document.artifact_key
        assert len(objects()) == 2
        assert [state for state, _ in rows()] == ["kept", "kept"]

    async def test_what_is_kept_can_be_neither_given_up_nor_collected(
        self,
        notes: StoreHandle,
        context: Context,
        collect: Callable[..., Any],
        objects: Callable[[], Any],
    ) -> None:
        learned = await notes.learn("wiki", "tea", content="One.")
        assert learned.document.artifact_key is not None
        kept = await artifacts.open_artifact(
            context, notes._scope, learned.document.artifact_key.rpartition("/")[2]
        )
        await artifacts.give_up(context, notes._scope, kept.artifact)
        assert (await collect()).left == 0
        assert objects() == [learned.document.artifact_key]

    async def test_a_store_out_of_order_writes_no_document(
        self, notes: StoreHandle, folder: Path, rows: Callable[[], Any]
    ) -> None:
        await asyncio.to_thread(folder.write_bytes, b"in the way")
        with pytest.raises(ArtifactError):
            await notes.learn("wiki", "tea", content="One.")
        assert (await notes.documents()).documents == []
        assert [state for state, _ in rows()] == ["dropped"]

    async def test_a_row_cannot_keep_what_was_given_up(
        self,
        notes: StoreHandle,
        context: Context,
        objects: Callable[[], Any],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """Then it is stored again: nothing is learned without its source."""
        documents = context.ledger.documents
        write, losses = type(documents).write, iter([True])

        async def too_late(
            self: Any, principal: Any, store_id: UUID, ready: Any, version: int
        ) -> Any:
            if next(losses, False):
                given_up = UUID(ready.fields["artifact_key"].rpartition("/")[2])
                assert await context.ledger.artifacts.drop(principal, store_id, given_up)
            return await write(self, principal, store_id, ready, version)

        monkeypatch.setattr(type(documents), "write", too_late)
        learned = await notes.learn("wiki", "tea", content="One.")
        assert next(losses, None) is None
        assert objects()[-1] == learned.document.artifact_key


class TestErasure:
    async def test_it_takes_every_source_along(
        self,
        notes: StoreHandle,
        objects: Callable[[], Any],
        rows: Callable[[], Any],
        collect: Callable[..., Any],
    ) -> None:
        for text in ("One.", "Two."):
            learned = await notes.learn("wiki", "tea", content=text)
        other = await notes.learn("wiki", "coffee", content="One.")
        await notes.forget_document(learned.document.id, hard=True)
        assert objects() == [other.document.artifact_key]
        assert sorted(state for state, _ in rows()) == ["collected", "collected", "kept"]
        await collect()
        assert [state for state, _ in rows()] == ["kept"]

    async def test_forgetting_alone_leaves_it(
        self, notes: StoreHandle, objects: Callable[[], Any]
    ) -> None:
        learned = await notes.learn("wiki", "tea", content="One.")
        await notes.forget_document(learned.document.id)
        assert objects() == [learned.document.artifact_key]

    async def test_what_cannot_be_deleted_now_is_collected(
        self,
        notes: StoreHandle,
        context: Context,
        objects: Callable[[], Any],
        rows: Callable[[], Any],
        collect: Callable[..., Any],
    ) -> None:
        learned = await notes.learn("wiki", "tea", content="One.")
        store = context.artifacts
        assert store is not None
        delete = store.delete

        async def failing(key: str) -> None:
            raise ArtifactError("It is away.")

        store.delete = failing  # type: ignore[method-assign]
        await notes.forget_document(learned.document.id, hard=True)
        assert [state for state, _ in rows()] == ["dropped"]
        assert (await collect()).left >= 1
        assert [state for state, _ in rows()] == ["dropped"]
        store.delete = delete  # type: ignore[method-assign]
        assert (await collect()).deleted >= 1
        assert (objects(), rows()) == ([], [])

    async def test_nothing_of_its_content_stays_in_ledger_or_audit(
        self, notes: StoreHandle, sql: Callable[..., Any], tenant: str
    ) -> None:
        learned = await notes.learn("wiki", "tea", content="One.", media_type="text/plain")
        await notes.forget_document(learned.document.id, hard=True)
        digest = hashlib.sha256(b"One.").hexdigest()
        [(row,)] = sql(
            "SELECT to_jsonb(a)::text FROM memoledger.artifacts AS a WHERE tenant_id = %s", tenant
        )
        audit = sql(
            "SELECT coalesce(before::text, '') || coalesce(after::text, '') || row_key::text"
            " FROM memoledger.audit_records WHERE tenant_id = %s",
            tenant,
        )
        for text in (row, *(record for (record,) in audit)):
            assert digest not in text
            assert "text/plain" not in text
        acts = sql(
            "SELECT act FROM memoledger.audit_records WHERE tenant_id = %s"
            " AND table_name = 'artifacts' ORDER BY audit_id",
            tenant,
        )
        assert acts == [("keep",), ("drop",), ("collect",)]
