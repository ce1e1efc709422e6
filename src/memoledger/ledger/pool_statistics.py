"""What a pool of connections has been doing, for whoever watches from outside."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from memoledger.model.histogram import HistogramState


@dataclass(frozen=True, slots=True)
class PoolStatistics:
    """A pool at one moment, and what it has done since it was opened.

    Args:
        size_max: connections it may open.
        size: connections it has.
        free: those of them that nobody uses.
        waiting: callers waiting for one now.
        refused: callers that got none in time, or found too many waiting.
        opened, failed: connections made, and attempts that failed.
        lost: connections that were broken when they came back.
        waits_s: how long callers waited, those that were refused included, in seconds.
    """

    size_max: int
    size: int
    free: int
    waiting: int
    refused: int
    opened: int
    failed: int
    lost: int
    waits_s: HistogramState

    @classmethod
    def of(cls, counted: Mapping[str, int], waits_s: HistogramState) -> PoolStatistics:
        """From psycopg_pool's own counts, which leave out what has not happened yet."""
        return cls(
            size_max=counted["pool_max"],
            size=counted["pool_size"],
            free=counted["pool_available"],
            waiting=counted["requests_waiting"],
            refused=counted.get("requests_errors", 0),
            opened=counted.get("connections_num", 0),
            failed=counted.get("connections_errors", 0),
            lost=counted.get("connections_lost", 0) + counted.get("returns_bad", 0),
            waits_s=waits_s,
        )
