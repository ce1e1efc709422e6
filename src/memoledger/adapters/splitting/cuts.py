"""Choosing where to cut, so that a change moves only the cuts near it.

Filling pieces from the beginning makes every cut depend on all that is before it: a word more in
the first paragraph moves them all, and everything would be embedded again. Here a place is cut at
if it is the best within a window on either side: the best level, and among equals the smallest hash
of the line that begins there (content-defined chunking by local extremes; Bjørner, Blass and
Gurevich 2010). That depends on nothing outside the window. What is still too long between two such
cuts is divided evenly.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from itertools import accumulate
from math import ceil
from typing import Final

EVENLY_MAX: Final = 4
"""Stretches of more pieces than this are filled from their beginning instead: dividing evenly would
move all their cuts with every change."""

_EARLIEST: Final = 0.6
"""From which part of its even share on a piece may end, where a better place is to be had."""


class Cuts:
    """Cuts a row of atoms, none longer than a piece, into pieces.

    Args:
        tokens: the length of each atom.
        levels, hashes: of the place before each atom.
        limit: what a piece may have at most.
    """

    def __init__(
        self, tokens: Sequence[int], levels: Sequence[int], hashes: Sequence[int], limit: int
    ) -> None:
        self._before = [0, *accumulate(tokens)]
        self._levels = levels
        self._keys = [(level << 32) | key for level, key in zip(levels, hashes, strict=True)]
        self._limit = limit

    def pieces(self) -> list[tuple[int, int]]:
        """The pieces as half-open ranges of atoms; together they are all atoms."""
        best = [*self._local_minima(self._limit // 2), len(self._keys)]
        found: list[tuple[int, int]] = []
        first = 0
        for stop in best:
            found += self._divided(first, stop)
            first = stop
        return found

    def tokens(self, first: int, stop: int) -> int:
        """How long atoms are together."""
        return self._before[stop] - self._before[first]

    def _local_minima(self, window: int) -> list[int]:
        """Places better than all before them, and as good as all after them, in the window.

        The two ends count as the best places, so no piece at an end is shorter than the window.
        """
        before, keys = self._before, self._keys
        ends = [before[-1]] * len(keys)  # Where each one's first better follower is.
        beaten = [False] * len(keys)
        waiting: list[int] = []  # Places whose better follower has not come yet, the best first.
        for place in range(1, len(keys)):
            while waiting and keys[waiting[-1]] > keys[place]:
                ends[waiting.pop()] = before[place]
            rival = before[waiting[-1]] if waiting else 0
            beaten[place] = before[place] - rival < window
            waiting.append(place)
        return [
            place
            for place in range(1, len(keys))
            if not beaten[place] and ends[place] - before[place] >= window
        ]

    def _divided(self, first: int, stop: int) -> list[tuple[int, int]]:
        """A stretch as pieces that are not too long."""
        found: list[tuple[int, int]] = []
        while (left := self.tokens(first, stop)) > self._limit:
            parts = ceil(left / self._limit)
            share = left / parts if parts <= EVENLY_MAX else float(self._limit)
            end = self._best_end(first, share)
            found.append((first, end))
            first = end
        found.append((first, stop))
        return found

    def _best_end(self, first: int, share: float) -> int:
        """Where a piece from `first` on ends: the best place around its share within the limit."""
        begin = self._before[first]
        latest = bisect_right(self._before, begin + self._limit) - 1
        earliest = min(bisect_left(self._before, begin + share * _EARLIEST), latest)
        places = range(max(earliest, first + 1), latest + 1)
        return min(places, key=lambda at: (self._levels[at], abs(self._before[at] - begin - share)))
