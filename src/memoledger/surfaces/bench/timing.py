"""Measuring two ways of doing the same, turn by turn.

Machines drift: clocks step down, disks and neighbours get busy. So what is measured and its floor
take turns, and who begins changes with every turn; what disturbs one disturbs both.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

WARM_UP: Final = 20
"""Turns before the first that counts: plans are chosen, pages read, caches filled."""

Turn = Callable[[int], Awaitable[object]]
"""One call to be measured; it is given the number of the turn, from 0."""


@dataclass(frozen=True, slots=True)
class Times:
    """How long each call took, in seconds."""

    seconds: NDArray[np.float64]

    @property
    def p50_ms(self) -> float:
        """The median, in milliseconds."""
        return float(np.percentile(self.seconds, 50)) * 1_000

    @property
    def p95_ms(self) -> float:
        """The 95th percentile, in milliseconds."""
        return float(np.percentile(self.seconds, 95)) * 1_000

    def per_second(self, count: int) -> float:
        """The median rate where each call did `count` things."""
        return count / float(np.percentile(self.seconds, 50))


async def take_turns(
    floor: Turn, ours: Turn, turns: int, *, warm_up: int = WARM_UP
) -> tuple[Times, Times]:
    """Call both `turns` times, one after the other; how long the floor took, and how long ours.

    Args:
        warm_up: turns made before those that count, with numbers from 0 as well.
    """
    for turn in range(warm_up):
        await floor(turn)
        await ours(turn)
    floors, others = np.empty(turns), np.empty(turns)
    for turn in range(turns):
        pair = ((floor, floors), (ours, others))
        for call, seconds in pair if turn % 2 else reversed(pair):
            started = time.perf_counter()
            await call(turn)
            seconds[turn] = time.perf_counter() - started
    return Times(floors), Times(others)


async def repeat(call: Turn, turns: int, *, warm_up: int = WARM_UP) -> Times:
    """Call `turns` times, where there is no floor; how long each took."""
    for turn in range(warm_up):
        await call(turn)
    seconds = np.empty(turns)
    for turn in range(turns):
        started = time.perf_counter()
        await call(turn)
        seconds[turn] = time.perf_counter() - started
    return Times(seconds)
