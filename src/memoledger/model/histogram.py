"""How often a measure fell between which bounds; for whoever watches from outside."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

SECONDS: Final = (
    0.001,
    0.0025,
    0.005,
    0.01,
    0.025,
    0.05,
    0.1,
    0.25,
    0.5,
    1.0,
    2.5,
    5.0,
    10.0,
    30.0,
)
"""Bounds for waits and answers, in seconds: from a fast query to one that gave up."""


@dataclass(frozen=True, slots=True)
class HistogramState:
    """What a histogram held at one moment.

    Args:
        bounds: upper bounds, ascending; a measure equal to one counts as below it.
        below: how many measures were at or below each bound, and last how many there were at all.
        total: the sum of all measures.
    """

    bounds: tuple[float, ...]
    below: tuple[int, ...]
    total: float

    @property
    def count(self) -> int:
        """How many measures there were."""
        return self.below[-1]


class Histogram:
    """Counts measures; of one thread, or of one event loop.

    >>> waits = Histogram((0.1, 1.0))
    >>> for seconds in (0.05, 0.1, 0.5, 3.0):
    ...     waits.note(seconds)
    >>> waits.state.below
    (2, 3, 4)
    """

    __slots__ = ("_bounds", "_counts", "_total")

    def __init__(self, bounds: Sequence[float] = SECONDS) -> None:
        self._bounds = tuple(bounds)
        self._counts = [0] * (len(self._bounds) + 1)
        self._total = 0.0

    def note(self, measure: float) -> None:
        """Count one measure."""
        self._counts[bisect_left(self._bounds, measure)] += 1
        self._total += measure

    @property
    def state(self) -> HistogramState:
        """What has been counted so far."""
        below, so_far = [], 0
        for count in self._counts:
            so_far += count
            below.append(so_far)
        return HistogramState(self._bounds, tuple(below), self._total)
