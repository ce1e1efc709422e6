"""How many calls a minute a worker makes of each provider of embeddings."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping

from memoledger.model.errors import SettingsError


def rates_of(said: str) -> Mapping[str, float]:
    """Calls a minute by the provider's name; "" is what holds for all others.

    Raises:
        SettingsError: that is no number, or no `provider=number`.

    >>> dict(rates_of("600"))
    {'': 600.0}
    >>> dict(rates_of("openai=3000 ollama=60"))
    {'openai': 3000.0, 'ollama': 60.0}
    """
    rates: dict[str, float] = {}
    for word in said.replace(",", " ").split():
        provider, _, number = word.rpartition("=")
        try:
            rate = float(number)
        except ValueError:
            rate = 0.0
        if not 0 < rate <= 1e9:
            raise SettingsError(
                "MEMOLEDGER_QUEUE_PER_MINUTE",
                said,
                f"{word!r} is no number of calls a minute",
                remedy="Write a number, or several like openai=3000 ollama=600.",
            )
        rates[provider] = rate
    return rates


class Throttle:
    """Lets calls through one after the other, no faster than the rate of their provider.

    Args:
        rates: as `rates_of` gives them; a provider without one is never held up.
        clock, sleep: for tests.
    """

    def __init__(
        self,
        rates: Mapping[str, float],
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._rates = rates
        self._clock = clock
        self._sleep = sleep
        self._next: dict[str, float] = {}

    async def turn(self, model: str) -> None:
        """Wait for the turn of a call to `model`, `provider:name` as embedding versions have it.

        A local model, which has no provider, is never held up.
        """
        provider, colon, _ = model.partition(":")
        if not colon:
            return  # a local one
        rate = self._rates.get(provider, self._rates.get(""))
        if rate is None:
            return
        # The turn is taken before waiting for it: whoever comes next waits for the one after.
        now = self._clock()
        turn = max(now, self._next.get(provider, now))
        self._next[provider] = turn + 60.0 / rate
        if turn > now:
            await self._sleep(turn - now)
