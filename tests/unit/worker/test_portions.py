"""What goes into one call of the model."""

from __future__ import annotations

from uuid import uuid4

from hypothesis import given
from hypothesis import strategies as st

from memoledger.model.queue import Claimed, backoff_s, portion_size
from memoledger.worker.clockwork import cron_of
from memoledger.worker.drain import portions


def row(attempts: int, embedding_version: int) -> Claimed:
    return Claimed("acme", "alice", uuid4(), embedding_version, "memory", uuid4(), 1, attempts, 0.0)


@given(
    st.lists(st.builds(row, st.integers(1, 30), st.integers(1, 3)), max_size=100),
    st.integers(1, 64),
)
def test_every_row_is_in_one_call_with_its_like(rows: list[Claimed], batch: int) -> None:
    found = portions(uuid4(), rows, batch)
    assert sorted(r.owner_id for p in found for r in p.rows) == sorted(r.owner_id for r in rows)
    for portion in found:
        assert {r.embedding_version for r in portion.rows} == {portion.embedding_version}
        assert len(portion.rows) <= min(portion_size(r.attempts, batch) for r in portion.rows)


@given(st.integers(1, 1_000))
def test_the_pause_grows_to_a_bound(attempts: int) -> None:
    assert 0 < backoff_s(attempts) <= 900


@given(st.floats(0.01, 90_000))
def test_rounds_come_no_later_than_asked_for(interval_s: float) -> None:
    cron = cron_of(interval_s)
    step = int(cron.split("*/")[1].split()[0]) if "*/" in cron else 24
    unit = 1 if interval_s < 60 else 60 if interval_s < 3_600 else 3_600
    assert step * unit <= max(interval_s, 1.0)
