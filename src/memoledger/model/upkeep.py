"""What is done from time to time beside the requests, and when it last succeeded."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime


class Upkeep:
    """Notes of one process's background work, by the name of the task.

    >>> upkeep = Upkeep(now=lambda: datetime(2026, 5, 8, tzinfo=UTC))
    >>> upkeep.succeeded("sweep")
    >>> upkeep.last_success["sweep"].year
    2026
    """

    def __init__(self, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._now = now
        self.last_success: dict[str, datetime] = {}
        self.failures: dict[str, int] = {}

    def succeeded(self, task: str) -> None:
        """A round of it came to its end."""
        self.last_success[task] = self._now()

    def failed(self, task: str) -> None:
        """A round of it did not; the next one tries again."""
        self.failures[task] = self.failures.get(task, 0) + 1
