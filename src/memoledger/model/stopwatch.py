"""A stopwatch for the parts of one piece of work."""

from __future__ import annotations

from time import perf_counter


class Stopwatch:
    """Takes the time of parts that follow each other; a part that returns is added up.

    >>> watch = Stopwatch()
    >>> watch.lap("embed")
    >>> list(watch.laps_ms)
    ['embed']
    """

    __slots__ = ("_since", "laps_ms")

    def __init__(self) -> None:
        self.laps_ms: dict[str, float] = {}
        self._since = perf_counter()

    def lap(self, part: str) -> None:
        """End a part: the time since the one before it, in milliseconds, is its own."""
        now = perf_counter()
        self.laps_ms[part] = self.laps_ms.get(part, 0.0) + (now - self._since) * 1e3
        self._since = now
