"""Receipts by the month: made ahead, filled by the time in the id, and dropped once old."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

from memoledger.ledger.receipts import Batch, Receipts
from memoledger.model.errors import Forbidden, LedgerError
from memoledger.model.ids import new_id
from memoledger.model.principal import Principal
from memoledger.model.recall import Query
from memoledger.model.receipts import FreshReceipt, instant_of, least_id_from
from memoledger.surfaces.python.memoledger import Memoledger

ALICE = Principal("acme", "alice")


class Months:
    """The partitions there are, and the ledger's clock in the test's hands."""

    def __init__(self, root: psycopg.Connection[tuple[Any, ...]]) -> None:
        self.root = root

    def tend(self, instant: str) -> None:
        with self.root.transaction():
            self.root.execute("SET LOCAL ROLE memoledger_owner")
            self.root.execute("SELECT memoledger_system.tend_receipts_at(%s)", [instant])

    def keep(self, days: int) -> None:
        self.root.execute("UPDATE memoledger_system.receipt_retention SET days = %s", [days])

    @property
    def names(self) -> list[str]:
        rows = self.root.execute(
            "SELECT c.relname FROM pg_inherits AS i JOIN pg_class AS c ON c.oid = i.inhrelid"
            " WHERE i.inhparent = 'memoledger.receipts'::regclass ORDER BY 1"
        ).fetchall()
        return [name.removeprefix("receipts_") for (name,) in rows]

    def drop_all(self) -> None:
        for name in self.names:
            self.root.execute(f"DROP TABLE memoledger.receipts_{name}".encode())

    def rows(self) -> list[tuple[str, UUID]]:
        return self.root.execute(  # type: ignore[return-value]
            "SELECT replace(tableoid::regclass::text, 'memoledger.receipts_', ''), receipt_id"
            " FROM memoledger.receipts ORDER BY receipt_id"
        ).fetchall()


@pytest.fixture
def months(root: Any) -> Months:
    """No partitions at first."""
    made = Months(root)
    made.drop_all()
    return made


def asked_at(instant: datetime, store_id: UUID | None = None) -> FreshReceipt:
    """A receipt of a recall that was answered then."""
    return FreshReceipt(
        UUID(int=least_id_from(instant).int | (new_id().int & ((1 << 80) - 1))),
        ALICE,
        store_id or uuid4(),
        Query.of("tea"),
        1,
        [],
        [],
        [],
        False,
        "exact",
        True,
        0,
        {},
    )


async def write(ledger: Memoledger, *batch: FreshReceipt) -> None:
    receipts = ledger.application.context.ledger.receipts
    for fresh in batch:
        await receipts.write([Batch(ALICE, fresh.store_id, [fresh])], hashed=False)


def test_this_month_and_the_next_are_made_ahead(months: Months) -> None:
    months.tend("2026-12-31T23:59:59.999Z")
    assert months.names == ["2026_12", "2027_01"]
    months.tend("2026-12-31T23:59:59.999Z")
    assert months.names == ["2026_12", "2027_01"]
    months.tend("2027-01-01T00:00:00Z")
    assert months.names == ["2026_12", "2027_01", "2027_02"]


@pytest.mark.parametrize("zone", ["Asia/Tokyo", "America/Los_Angeles", "UTC"])
def test_months_are_those_of_utc_wherever_the_server_is(
    months: Months, root: Any, zone: str
) -> None:
    root.execute(f"SET timezone = '{zone}'")
    months.tend("2026-03-31T23:30:00Z")
    assert months.names == ["2026_03", "2026_04"]
    bounds = root.execute(
        "SELECT pg_get_expr(relpartbound, oid) FROM pg_class"
        " WHERE oid = 'memoledger.receipts_2026_04'::regclass"
    ).fetchone()[0]
    for instant in (datetime(2026, 4, 1, tzinfo=UTC), datetime(2026, 5, 1, tzinfo=UTC)):
        assert str(least_id_from(instant)) in bounds


async def test_a_receipt_lies_in_the_month_of_its_id(ledger: Memoledger, months: Months) -> None:
    months.tend("2026-04-15T00:00:00Z")
    boundary = datetime(2026, 5, 1, tzinfo=UTC)
    last, first = asked_at(boundary - timedelta(milliseconds=1)), asked_at(boundary)
    await write(ledger, last, first)
    assert months.rows() == [("2026_04", last.receipt_id), ("2026_05", first.receipt_id)]
    alice = await ledger.principal(tenant="acme", user="alice")
    page = await alice.receipts(limit=1)
    assert [receipt.asked_at for receipt in page.receipts] == [boundary]
    page = await alice.receipts(limit=1, cursor=page.next_cursor)
    assert [receipt.id for receipt in page.receipts] == [last.receipt_id]
    assert page.next_cursor is None
    assert [r.id for r in (await alice.receipts(until=boundary)).receipts] == [last.receipt_id]
    assert [r.id for r in (await alice.receipts(since=boundary)).receipts] == [first.receipt_id]


async def test_a_missing_month_is_made_when_it_is_needed(
    ledger: Memoledger, months: Months
) -> None:
    """As after a month's turn in which nothing was swept."""
    alice = await ledger.principal(tenant="acme", user="alice")
    notes = await alice.store("notes")
    hits = await notes.recall("tea")
    assert (await alice.receipt(hits.receipt_id)).query == "tea"
    assert instant_of(hits.receipt_id).strftime("%Y_%m") in months.names  # type: ignore[arg-type]


async def test_a_time_far_off_is_refused_aloud_and_swallowed_by_nothing(
    ledger: Memoledger, months: Months
) -> None:
    for year in (1999, 2222):
        with pytest.raises(LedgerError, match="no partition"):
            await write(ledger, asked_at(datetime(year, 1, 1, tzinfo=UTC)))
    assert months.rows() == []
    assert not months.root.execute(
        "SELECT FROM pg_class WHERE pg_get_expr(relpartbound, oid) = 'DEFAULT'"
        " AND relnamespace = 'memoledger'::regnamespace"
    ).fetchall()


@pytest.mark.parametrize(
    ("days", "instant", "left"),
    [
        (30, "2026-05-30T23:59:59Z", ["2026_04", "2026_05", "2026_06"]),
        (30, "2026-05-31T00:00:00Z", ["2026_05", "2026_06"]),
        (30, "2026-07-30T00:00:00Z", ["2026_06", "2026_07", "2026_08"]),
        (30, "2026-08-01T00:00:00Z", ["2026_08", "2026_09"]),
        (1, "2026-06-02T00:00:00Z", ["2026_06", "2026_07"]),
        (0, "2036-01-01T00:00:00Z", ["2026_04", "2026_05", "2026_06", "2036_01", "2036_02"]),
    ],
)
def test_a_month_is_dropped_once_its_last_receipt_is_old_enough(
    months: Months, days: int, instant: str, left: list[str]
) -> None:
    months.tend("2026-04-01T00:00:00Z")
    months.tend("2026-05-01T00:00:00Z")
    months.keep(days)
    months.tend(instant)
    assert months.names == left


async def test_the_application_makes_the_months_and_drops_the_old(
    ledger: Memoledger, months: Months
) -> None:
    months.tend("2001-01-01T00:00:00Z")
    assert months.names == ["2001_01", "2001_02"]
    await ledger.sweep()
    now = datetime.now(UTC)
    following = (now.replace(day=1) + timedelta(days=32)).replace(day=1)
    assert months.names == [f"{now:%Y_%m}", f"{following:%Y_%m}"]


def test_a_reader_is_not_waited_for(months: Months, database: Any) -> None:
    months.tend("2001-01-01T00:00:00Z")
    months.keep(30)
    with psycopg.connect(database.conninfo("postgres")) as reader:
        reader.execute("SELECT count(*) FROM memoledger.receipts")
        months.tend("2026-01-01T00:00:00Z")
        assert months.names[:2] == ["2001_01", "2001_02"]
    months.tend("2026-01-01T00:00:00Z")
    assert months.names == ["2026_01", "2026_02"]


async def test_many_make_the_same_month_at_once(
    ledger: Memoledger, months: Months, database: Any
) -> None:
    sessions = ledger.application.context.ledger.sessions
    await asyncio.gather(*(Receipts(sessions).tend() for _ in range(8)))
    assert len(months.names) == 2


class TestRetention:
    def days(self, root: Any) -> int:
        query = "SELECT days FROM memoledger_system.receipt_retention"
        return int(root.execute(query).fetchone()[0])

    async def test_it_is_set_at_opening_and_stays(
        self, database: Any, embedder: Any, root: Any
    ) -> None:
        assert self.days(root) == 365
        for setting, expected in ((30, 30), (None, 30), (0, 0)):
            settings = database.settings(receipts_retention_days=setting)
            async with Memoledger.open(settings=settings, embedder=embedder):
                assert self.days(root) == expected

    async def test_a_login_that_may_not_is_told_so(
        self, database: Any, embedder: Any, root: Any
    ) -> None:
        settings = database.settings(
            receipts_retention_days=30, admin_database_url=database.settings().database_url
        )
        with pytest.raises(Forbidden, match="RETENTION_DAYS"):
            await Memoledger.open(settings=settings, embedder=embedder)
        settings = settings.model_copy(update={"receipts_retention_days": 365})
        async with Memoledger.open(settings=settings, embedder=embedder):
            assert self.days(root) == 365


class TestPlans:
    """Listings read no further than the page, erasures go by the index of memories."""

    @pytest.fixture
    def many(self, root: Any) -> Any:
        root.execute(
            "INSERT INTO memoledger.receipts (tenant_id, receipt_id, user_id, store_id, at_most,"
            " pending, complete, unproven, mode, searched_by, query, memory_ids, versions, scores,"
            " timings_ms)"
            " SELECT 'acme', (overlay(gen_random_uuid()::text PLACING left(%s, 18) FROM 1))::uuid,"
            " 'user' || n %% 50, md5((n %% 50)::text)::uuid, 1, 0, true, false, 'dense', 'exact',"
            " 'q', ARRAY[gen_random_uuid()], '{1}', '{1}', '{}'"
            " FROM generate_series(1, 20000) AS n",
            [str(new_id())],
        )
        root.execute("ANALYZE memoledger.receipts")
        return root

    def plan(self, many: Any, query: str, user: str = "user7") -> str:
        with many.transaction(force_rollback=True):
            many.execute("SET LOCAL ROLE memoledger_app")
            many.execute(
                "SELECT set_config('app.current_tenant_id', 'acme', true),"
                " set_config('app.current_user', %s, true),"
                " set_config('app.current_store_id', '', true)",
                [user],
            )
            rows = many.execute(f"EXPLAIN (ANALYZE, BUFFERS OFF) {query}".encode()).fetchall()
        return "\n".join(row[0] for row in rows)

    def test_ones_own_newest_are_read_off_the_key(self, many: Any) -> None:
        plan = self.plan(
            many,
            "SELECT * FROM memoledger.receipts WHERE user_id = 'user7'"
            " ORDER BY receipt_id DESC LIMIT 10",
        )
        assert "Sort" not in plan
        assert "Seq Scan" not in plan
        assert "_pkey" in plan
        assert "rows=400" not in plan

    def test_one_by_its_id_reads_one(self, many: Any) -> None:
        [(wanted,)] = many.execute(
            "SELECT receipt_id FROM memoledger.receipts WHERE user_id = 'user7' LIMIT 1"
        ).fetchall()
        plan = self.plan(many, f"SELECT * FROM memoledger.receipts WHERE receipt_id = '{wanted}'")
        assert "Seq Scan" not in plan
        assert "Removed" not in plan

    def test_an_erasure_goes_by_the_memory(self, many: Any) -> None:
        with many.transaction(force_rollback=True):
            many.execute("SET LOCAL ROLE memoledger_owner")
            rows = many.execute(
                "EXPLAIN SELECT FROM memoledger.receipts AS r"
                " WHERE r.memory_ids && ARRAY[%s::uuid] AND r.tenant_id = 'acme'"
                " AND r.store_id = %s",
                [uuid4(), uuid4()],
            ).fetchall()
        assert "memory_ids_idx" in "\n".join(row[0] for row in rows)
