"""The synchronous twins: the same verbs, without a loop of one's own."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from memoledger import InvalidInput, NotFound, Remembered
from memoledger.model.bulk import Progress
from memoledger.model.recall import Hits


def test_every_verb(blocking_ledger: Any, tenant: str) -> None:
    alice = blocking_ledger.principal(tenant=tenant, user="alice")
    assert alice.principal.user == "alice"
    notes = alice.store("notes")
    assert (alice.find_store("notes").id, alice.store_by_id(notes.id).name) == (notes.id, "notes")
    assert notes.details == alice.stores().stores[0]
    tea = notes.remember("Tea at five", tags=["a"])
    assert isinstance(tea, Remembered)
    hits = notes.recall("tea")
    assert isinstance(hits, Hits)
    assert notes.why(tea.id, "tea").recalled
    assert notes.context("tea", max_tokens=100).items[0].source.memory_id == tea.id
    assert notes.update(tea.id, content="Tea at six").version == 2
    assert [memory.version for memory in notes.history(tea.id)] == [1, 2]
    assert (notes.get(tea.id).content, notes.count()) == ("Tea at six", 1)
    assert notes.list().memories[0].id == tea.id
    assert notes.accesses([tea.id])[tea.id].count == 2
    assert {receipt.id for receipt in alice.receipts().receipts} >= {hits.receipt_id}
    assert alice.receipt(hits.receipt_id).query == "tea"
    assert notes.share("bob").grantee == notes.grants()[0].grantee == "bob"
    notes.unshare("bob")
    assert notes.set_visibility("tenant").visibility == "tenant"
    told: list[Progress] = []
    report = notes.remember_many(({"content": f"{i}"} for i in range(5)), on_progress=told.append)
    assert report.progress == told[-1] == Progress(created=5)
    notes.forget(tea.id)
    with pytest.raises(NotFound):
        notes.get(tea.id)


def test_errors_come_through(blocking_notes: Any) -> None:
    with pytest.raises(InvalidInput) as caught:
        blocking_notes.remember("")
    assert caught.value.field == "content"


def test_from_several_threads(blocking_notes: Any) -> None:
    with ThreadPoolExecutor(8) as threads:
        written = list(threads.map(lambda i: blocking_notes.remember(f"Memory {i}"), range(24)))
    assert len({memory.id for memory in written}) == blocking_notes.count() == 24


def test_closing_twice(blocking_ledger: Any) -> None:
    blocking_ledger.close()
    blocking_ledger.close()
