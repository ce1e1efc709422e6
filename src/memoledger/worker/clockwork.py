"""What is done by the clock: how often, as cron says it, and what becomes of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final, Protocol

import structlog

from memoledger.model.errors import MemoledgerError
from memoledger.model.upkeep import Upkeep

Act = Callable[[], Awaitable[object]]
"""What is done."""


class Loop(Protocol):
    """A loop over a queue of jobs."""

    async def run(self) -> None:
        """Work until told to stop."""
        ...

    def stop(self) -> None:
        """End once what is under way is done."""
        ...


_log = structlog.get_logger("memoledger.worker")

_SECONDS: Final = (1, 2, 3, 5, 10, 15, 30)
_MINUTES: Final = (1, 2, 3, 5, 10, 15, 20, 30)
_HOURS: Final = (1, 2, 3, 6, 12, 24)


def cron_of(interval_s: float) -> str:
    """The cron expression for the longest regular interval that is no longer than `interval_s`.

    Below a second it is a second. Six fields, of which the last are the seconds, or five.

    >>> cron_of(0.2), cron_of(45), cron_of(300), cron_of(4 * 3600), cron_of(86400)
    ('* * * * * */1', '* * * * * */30', '*/5 * * * *', '0 */3 * * *', '0 0 * * *')
    """
    if interval_s < 60:
        return f"* * * * * */{_fitting(_SECONDS, interval_s)}"
    if interval_s < 3_600:
        return f"*/{_fitting(_MINUTES, interval_s / 60)} * * * *"
    hours = _fitting(_HOURS, interval_s / 3_600)
    return "0 0 * * *" if hours == 24 else f"0 */{hours} * * *"


def _fitting(steps: tuple[int, ...], wanted: float) -> int:
    return max((step for step in steps if step <= wanted), default=steps[0])


async def tried(name: str, act: Act, upkeep: Upkeep) -> None:
    """Do it, and note whether it succeeded; if not, it comes again by itself."""
    try:
        await act()
        upkeep.succeeded(name)
    except MemoledgerError as error:
        upkeep.failed(name)
        _log.warning(f"{name}_failed", code=error.code, reason=error.message)
