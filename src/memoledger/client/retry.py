"""When a request is sent again, and how long is waited before."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

from memoledger.model.checks import check_count

ATTEMPTS_MAX: Final = 20
"""Most attempts at one request."""


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Exponential backoff with full jitter; what the server asks for comes first.

    Args:
        attempts: tries in all, 1 to 20.
        base_s: upper end of the first wait, in seconds; it doubles with every attempt.
        cap_s: upper end of any wait of our own, in seconds.
        patience_s: the longest wait, in seconds, that a server may ask for; if it asks for more,
            the request fails at once.
        draw: a number from 0 to 1, drawn anew each time.

    Raises:
        InvalidInput: the attempts are out of range.
    """

    attempts: int = 4
    base_s: float = 0.2
    cap_s: float = 10.0
    patience_s: float = 30.0
    draw: Callable[[], float] = random.random

    def __post_init__(self) -> None:
        check_count("attempts", self.attempts, least=1, most=ATTEMPTS_MAX)

    def wait_s(self, attempt: int, asked_s: float | None = None) -> float | None:
        """Seconds to wait after failed attempt number `attempt` (from 1); None to give up.

        Args:
            asked_s: the wait that the server asked for. It is a lower bound; jitter is added, so
                that those who were told the same do not come back together.
        """
        if attempt >= self.attempts:
            return None
        if asked_s is None:
            return self.draw() * min(self.cap_s, self.base_s * 2.0 ** (attempt - 1))
        if asked_s > self.patience_s:
            return None
        return asked_s + self.draw() * self.base_s


def retry_after_s(headers: Mapping[str, str], now: Callable[[], datetime]) -> float | None:
    """The wait that an answer asks for, in seconds from now; None if it asks for none.

    Retry-After holds seconds or a date (RFC 9110, 10.2.3); what is neither counts as nothing.
    """
    value = headers.get("retry-after", "").strip()
    if value.isascii() and value.isdigit():
        return float(value[:9])
    try:
        until = parsedate_to_datetime(value)
    except ValueError:
        return None
    # A date in "-0000", which says nothing of a zone, is read as UTC, which HTTP prescribes.
    until = until if until.tzinfo is not None else until.replace(tzinfo=UTC)
    return max(0.0, (until - now()).total_seconds())
