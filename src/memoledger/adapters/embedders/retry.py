"""When a remote model is asked again, and how long is waited before."""

from __future__ import annotations

import random
from dataclasses import dataclass

from memoledger.model.errors import InvalidInput

ATTEMPTS_MAX = 20
"""Most attempts at one request."""


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Exponential backoff with full jitter, and respect for what the server asks.

    Full jitter (a wait anywhere between nothing and the backoff) spreads the callers that failed
    together; see "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.

    Args:
        attempts: tries in all, 1 to 20; 1 means never again.
        base_s: upper end of the first wait, in seconds; it doubles with every attempt.
        cap_s: longest backoff in seconds.
        patience_s: longest wait in seconds that a server may ask for (Retry-After); when it asks
            for more, the request fails at once and says so.
    """

    attempts: int = 4
    base_s: float = 0.5
    cap_s: float = 20.0
    patience_s: float = 60.0

    def __post_init__(self) -> None:
        if not 1 <= self.attempts <= ATTEMPTS_MAX:
            raise InvalidInput(
                "attempts",
                self.attempts,
                f"a request is tried 1 to {ATTEMPTS_MAX} times",
                remedy="Leave it out for 4.",
            )

    def wait_s(self, attempt: int, retry_after_s: float | None) -> float | None:
        """Seconds to wait after failed attempt number `attempt` (from 1); None means give up.

        Args:
            attempt: the attempt that failed.
            retry_after_s: the wait the server asked for, if it did; it is a lower bound, and
                jitter comes on top so that its callers do not all return together.
        """
        if attempt >= self.attempts:
            return None
        if retry_after_s is None:
            return random.uniform(0, min(self.cap_s, self.base_s * 2 ** (attempt - 1)))  # noqa: S311
        if retry_after_s > self.patience_s:
            return None
        return max(0.0, retry_after_s) + random.uniform(0, self.base_s)  # noqa: S311
