"""The system's clock."""

from __future__ import annotations

from datetime import UTC, datetime


class SystemClock:
    """The present instant as the operating system tells it."""

    def now(self) -> datetime:
        """The present instant in UTC."""
        return datetime.now(UTC)
