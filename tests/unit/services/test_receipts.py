"""The writer of receipts, on a ledger that can be slow, away or unwilling."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
import structlog
from structlog.testing import capture_logs

from memoledger.ledger.receipts import Batch
from memoledger.model.errors import ConflictError, Forbidden, LedgerError, LedgerUnavailable
from memoledger.model.principal import Principal
from memoledger.model.recall import Hits, Query
from memoledger.model.receipts import FreshReceipt
from memoledger.services import receipts as module
from memoledger.services.context import Scope
from memoledger.services.receipts import BATCH_MAX, ReceiptWriter

ALICE = Principal("acme", "alice")
BOB = Principal("acme", "bob")
STORE = uuid4()
QUERY = Query.of("tea")


class Table:
    """Takes receipts as the ledger does, once each; fails as it is told to."""

    def __init__(self) -> None:
        self.rows: dict[UUID, FreshReceipt] = {}
        self.transactions: list[list[tuple[Principal, int]]] = []
        self.hashed: set[bool] = set()
        self.failures: list[Exception] = []
        self.refused: set[UUID] = set()
        self.changed = asyncio.Condition()

    async def holds(self, count: int) -> None:
        """Returns once there are so many rows."""
        async with self.changed:
            await self.changed.wait_for(lambda: len(self.rows) >= count)

    async def write(self, batches: Sequence[Batch], *, hashed: bool) -> None:
        await asyncio.sleep(0)
        if self.failures:
            raise self.failures.pop(0)
        given = [fresh for batch in batches for fresh in batch.receipts]
        if self.refused & {fresh.receipt_id for fresh in given}:
            raise Forbidden("no")
        stores = [batch.store_id for batch in batches]
        assert stores == sorted(set(stores))
        for principal, store_id, receipts in batches:
            assert {(r.principal, r.store_id) for r in receipts} == {(principal, store_id)}
        self.rows |= {fresh.receipt_id: fresh for fresh in given}
        self.transactions.append([(batch.principal, len(batch.receipts)) for batch in batches])
        self.hashed.add(hashed)
        async with self.changed:
            self.changed.notify_all()


@pytest.fixture
def table() -> Table:
    return Table()


@pytest.fixture
async def writer(table: Table) -> AsyncIterator[ReceiptWriter]:
    made = writer_on(table)
    yield made
    await made.aclose()


def writer_on(table: Table, **options: Any) -> ReceiptWriter:
    return ReceiptWriter(table, embedding_version=1, **options)  # type: ignore[arg-type]


async def recalled(
    writer: ReceiptWriter,
    principal: Principal = ALICE,
    query: Query = QUERY,
    store_id: UUID = STORE,
) -> UUID:
    hits = await writer.keep(Scope(principal, store_id), query, Hits(timings_ms={"search": 1.0}))
    assert hits.receipt_id is not None
    return hits.receipt_id


async def test_it_is_written_by_itself_a_moment_later(writer: ReceiptWriter, table: Table) -> None:
    wanted = await recalled(writer)
    assert table.rows == {}
    await table.holds(1)
    assert table.rows[wanted].embedding_version == 1


async def test_a_full_batch_does_not_wait_for_its_time(
    writer: ReceiptWriter, table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "FLUSH_AFTER_S", 3600.0)
    for _ in range(BATCH_MAX):
        await recalled(writer)
    await table.holds(BATCH_MAX)
    assert table.transactions == [[(ALICE, BATCH_MAX)]]


async def test_closing_writes_what_is_left(table: Table) -> None:
    writer = writer_on(table)
    made = {await recalled(writer) for _ in range(3 * BATCH_MAX + 7)}
    await writer.aclose()
    await writer.aclose()
    assert set(table.rows) == made
    assert (writer.waiting, writer.lost) == (0, 0)


async def test_a_log_that_cannot_be_written_costs_no_receipt(
    table: Table, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with (tmp_path / "log").open("w") as closed:
        pass
    monkeypatch.setattr(module, "_log", structlog.wrap_logger(structlog.PrintLogger(closed)))
    writer = writer_on(table)
    table.failures = [LedgerUnavailable("away")]
    wanted = await recalled(writer)
    await writer.aclose()
    assert (set(table.rows), writer.lost) == ({wanted}, 0)


async def test_one_transaction_takes_the_receipts_of_many_stores(
    writer: ReceiptWriter, table: Table
) -> None:
    others = sorted(uuid4() for _ in range(3))
    for store_id in (*others, *reversed(others)):
        await recalled(writer, store_id=store_id)
    await writer.flush()
    assert table.transactions == [[(ALICE, 2)] * 3]


async def test_users_of_one_store_have_transactions_of_their_own(
    writer: ReceiptWriter, table: Table
) -> None:
    for principal in (ALICE, BOB, ALICE):
        await recalled(writer, principal)
    await writer.flush()
    assert table.transactions == [[(ALICE, 2)], [(BOB, 1)]]


async def test_words_alone_have_no_embedding_version(writer: ReceiptWriter, table: Table) -> None:
    wanted = await recalled(writer, query=Query.of("tea", mode="lexical"))
    await writer.flush()
    assert table.rows[wanted].embedding_version is None


async def test_switched_off_it_keeps_nothing(table: Table) -> None:
    writer = writer_on(table, words="off")
    hits = await writer.keep(Scope(ALICE, STORE), QUERY, Hits())
    assert hits.receipt_id is None
    await writer.flush()
    await writer.aclose()
    assert table.transactions == []


async def test_hashed_is_said_to_the_ledger(table: Table) -> None:
    writer = writer_on(table, words="hashed")
    await recalled(writer)
    await writer.aclose()
    assert table.hashed == {True}


@pytest.mark.parametrize(
    "failure",
    [
        LedgerUnavailable("away"),
        ConflictError("collided"),
        LedgerError("too long", sqlstate="57014"),
    ],
)
async def test_what_passes_is_waited_for(
    table: Table, failure: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "FLUSH_AFTER_S", 0.01)
    writer = writer_on(table)
    table.failures = [failure] * 3
    with capture_logs() as logs:
        made = {await recalled(writer) for _ in range(5)}
        await table.holds(5)
    assert set(table.rows) == made
    assert [(log["event"], log["waiting"]) for log in logs] == [("receipts_wait", 5)] * 3
    await writer.aclose()
    assert writer.lost == 0


async def test_what_is_refused_is_given_up_alone_and_aloud(
    writer: ReceiptWriter, table: Table
) -> None:
    made = [await recalled(writer) for _ in range(5)]
    table.refused = {made[2]}
    with capture_logs() as logs:
        await writer.flush()
    assert set(table.rows) == set(made) - table.refused
    assert (writer.lost, writer.waiting) == (1, 0)
    [log] = logs
    assert (log["event"], log["log_level"], log["code"]) == ("receipts_lost", "error", "forbidden")
    assert log["receipt_id"] == str(made[2])
    assert "tea" not in repr(log)


async def test_what_is_refused_among_several_stores(writer: ReceiptWriter, table: Table) -> None:
    made = [await recalled(writer, store_id=uuid4()) for _ in range(5)]
    table.refused = {made[1], made[4]}
    with capture_logs() as logs:
        await writer.flush()
    assert set(table.rows) == set(made) - table.refused
    assert {log["receipt_id"] for log in logs} == {str(one) for one in table.refused}


async def test_a_mistake_of_ours_does_not_hold_up_the_others(
    writer: ReceiptWriter, table: Table
) -> None:
    await recalled(writer)
    table.failures = [TypeError("ours")]
    with capture_logs() as logs:
        await writer.flush()
    assert [log["code"] for log in logs] == ["TypeError"]
    wanted = await recalled(writer)
    await writer.flush()
    assert set(table.rows) == {wanted}


class TestFull:
    async def test_a_recall_that_finds_no_room_writes_its_own(self, table: Table) -> None:
        writer = writer_on(table, queue_max=2)
        waiting = [await recalled(writer) for _ in range(2)]
        own = await recalled(writer)
        assert set(table.rows) == {own}
        await writer.aclose()
        assert set(table.rows) == {own, *waiting}

    async def test_or_fails_where_it_cannot(self, table: Table) -> None:
        writer = writer_on(table, queue_max=1)
        await recalled(writer)
        table.failures = [LedgerUnavailable("away")]
        with pytest.raises(LedgerUnavailable):
            await recalled(writer)
        assert writer.waiting == 1
        await writer.aclose()
        assert (len(table.rows), writer.lost) == (1, 0)


async def test_closing_while_the_database_stays_away_counts_what_is_lost(
    table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "CLOSE_S", 0.05)
    monkeypatch.setattr(module, "FLUSH_AFTER_S", 0.01)
    writer = writer_on(table)
    for _ in range(3):
        await recalled(writer)
    table.failures = [LedgerUnavailable("away")] * 1_000
    with capture_logs() as logs:
        await writer.aclose()
    assert (writer.lost, writer.waiting) == (3, 0)
    assert logs[-1]["event"] == "receipts_lost"
    assert logs[-1]["count"] == 3


async def test_a_reader_waits_for_its_own_and_not_for_those_after(
    writer: ReceiptWriter, table: Table
) -> None:
    first = await recalled(writer)
    reading = asyncio.create_task(writer.flush())
    await asyncio.sleep(0)
    later = await recalled(writer)
    await reading
    assert first in table.rows
    assert later not in table.rows


async def test_writing_does_not_disturb_those_who_keep(writer: ReceiptWriter, table: Table) -> None:
    async def recall_many(principal: Principal) -> set[UUID]:
        return {await recalled(writer, principal) for _ in range(250)}

    parts = await asyncio.gather(*(recall_many(p) for p in (ALICE, BOB, ALICE, BOB)))
    await writer.flush()
    assert set(table.rows) == set().union(*parts)
