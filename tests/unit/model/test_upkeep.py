"""Upkeep remembers the last success of each task, and counts failures."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from memoledger.model.upkeep import Upkeep

START = datetime(2026, 5, 8, tzinfo=UTC)


def test_a_failure_does_not_touch_the_last_success() -> None:
    times = iter(START + timedelta(minutes=minute) for minute in range(10))
    upkeep = Upkeep(now=lambda: next(times))
    upkeep.succeeded("sweep")
    upkeep.succeeded("sweep")
    upkeep.failed("sweep")
    upkeep.failed("index_stores")
    assert upkeep.last_success == {"sweep": START + timedelta(minutes=1)}
    assert upkeep.failures == {"sweep": 1, "index_stores": 1}
