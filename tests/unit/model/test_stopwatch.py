"""The stopwatch: parts in their order, added up where they return."""

from __future__ import annotations

from memoledger.model.stopwatch import Stopwatch


def test_parts_are_kept_in_their_order_and_added_up() -> None:
    watch = Stopwatch()
    watch.lap("embed")
    watch.lap("search")
    first = watch.laps_ms["search"]
    watch.lap("search")
    assert list(watch.laps_ms) == ["embed", "search"]
    assert watch.laps_ms["search"] >= first >= 0
