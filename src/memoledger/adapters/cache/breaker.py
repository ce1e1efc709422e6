"""A breaker: what fails again and again is left alone for a while."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

FAILURES_MAX: Final = 3
PAUSE_FIRST_S: Final = 1.0
PAUSE_MAX_S: Final = 30.0


class Breaker:
    """Says whether something is to be asked.

    After three failures in a row it says no. When a pause of a second is over, somebody tries it
    out, at nobody's expense; if that fails too the pause doubles, up to half a minute.

        closed --three failures--> open --pause is over--> being tried --failure--> open, longer
          ^                                                     |
          +-----------------------success-----------------------+

    Args:
        now_s: a clock that is never set back, in seconds.
    """

    def __init__(self, *, now_s: Callable[[], float] = time.monotonic) -> None:
        self._now_s = now_s
        self._failures = 0
        self._pause_s = PAUSE_FIRST_S
        self._trial_at_s: float | None = None
        self._being_tried = False

    @property
    def is_open(self) -> bool:
        """Whether nobody is to ask."""
        return self._trial_at_s is not None

    def begin_trial(self) -> bool:
        """Whether the caller is to try it out now, and to tell how that ended."""
        if self._trial_at_s is None or self._being_tried:
            return False
        self._being_tried = self._now_s() >= self._trial_at_s
        return self._being_tried

    def succeeded(self) -> None:
        """It answered."""
        self._failures, self._pause_s = 0, PAUSE_FIRST_S
        self._trial_at_s, self._being_tried = None, False

    def failed(self) -> None:
        """It did not answer, or wrongly."""
        self._failures += 1
        if self._being_tried:
            self._pause_s = min(2 * self._pause_s, PAUSE_MAX_S)
        elif self.is_open or self._failures < FAILURES_MAX:
            return
        self._being_tried = False
        self._trial_at_s = self._now_s() + self._pause_s
