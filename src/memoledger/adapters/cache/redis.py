"""Redis as a cache, through redis-py. It may be away, frozen, full or somebody else's.

Each request is one round trip within a time limit. After three failures in a row nothing is asked
any more, and a ping in the background finds out when it is back: so an outage costs a few requests
the time limit each, and the others nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence
from typing import Final, TypeVar

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError, ResponseError

from memoledger.adapters.cache.breaker import Breaker
from memoledger.model.caching import CacheStatistics
from memoledger.model.errors import SettingsError

T = TypeVar("T")

VALUE_BYTES_MAX: Final = 10_000_000
"""Read of a value at most: under our keys there may be anything."""

CONNECTIONS_MAX: Final = 16
TRIAL_S: Final = 1.0
"""A ping in the background may take longer than a request: nobody waits for it."""

_FAILURES: Final = (RedisError, OSError, TimeoutError, ValueError, UnicodeError)
"""What the library raises; the last two where what answers does not speak as a Redis does."""


class RedisCache:
    """A Redis that is asked as long as it answers in time.

    Args:
        url: redis://, rediss:// or unix://, with user, password and number of the database.
        timeout_s: seconds one round trip may take, with connecting.

    Raises:
        SettingsError: the URL is none of these.
    """

    def __init__(self, url: str, *, timeout_s: float) -> None:
        try:
            self._pool = BlockingConnectionPool.from_url(
                url,
                max_connections=CONNECTIONS_MAX,
                timeout=timeout_s,
                socket_timeout=TRIAL_S,
                socket_connect_timeout=TRIAL_S,
                retry=Retry(NoBackoff(), 0),
                # Nothing is said before the first command: connecting is one round trip less.
                protocol=2,
                driver_info=None,
            )
        except (ValueError, RedisError):
            raise SettingsError(
                "MEMOLEDGER_REDIS_URL",
                "not shown, it may hold a password",
                "it is no URL of a Redis",
                remedy="Write redis://host:6379/0, or rediss:// for TLS.",
            ) from None
        self._redis: Redis = Redis.from_pool(self._pool)
        self._timeout_s = timeout_s
        self._breaker = Breaker()
        self._statistics = CacheStatistics()
        self._trial: asyncio.Task[bool] | None = None

    @property
    def name(self) -> str:
        """Its host and database."""
        told = self._pool.connection_kwargs
        place = told.get("path") or f"{told.get('host', 'localhost')}:{told.get('port', 6379)}"
        return f"Redis {place}, database {told.get('db', 0)}"

    @property
    def statistics(self) -> CacheStatistics:
        """What it has done, and how it is."""
        return self._statistics

    async def get(self, keys: Sequence[str]) -> list[bytes | None]:
        """What is kept under each of `keys`; None for all of them if it does not answer."""
        if not keys or not self._is_asked():
            self._statistics.note("skipped", len(keys))
            return [None] * len(keys)
        batch = self._redis.pipeline(transaction=False)
        for key in keys:
            batch.getrange(key, 0, VALUE_BYTES_MAX - 1)
        found = await self._within_time(batch.execute(raise_on_error=False))
        if found is None:
            self._statistics.note("failed", len(keys))
            return [None] * len(keys)
        return [self._noted(value) for value in found]

    async def set(self, key: str, value: bytes, *, ttl_s: float) -> None:
        """Keep a value, if it answers and has room."""
        if not self._is_asked():
            return
        life_ms = max(1, int(ttl_s * 1_000))
        if await self._within_time(self._redis.set(key, value, px=life_ms)) is not None:
            self._statistics.written += 1

    async def delete(self, keys: Sequence[str]) -> bool:
        """Forget what is kept under `keys`; False if it does not answer."""
        if not keys:
            return True
        if not self._is_asked():
            return False
        return await self._within_time(self._redis.unlink(*keys)) is not None

    async def check(self) -> bool:
        """Whether it answers a ping within a second."""
        return await self._within_time(self._redis.ping(), limit_s=TRIAL_S) is not None

    async def aclose(self) -> None:
        """Close every connection. Safe to call twice."""
        if self._trial is not None:
            self._trial.cancel()
            await asyncio.gather(self._trial, return_exceptions=True)
            self._trial = None
        await self._redis.aclose()
        await self._pool.disconnect()

    def _is_asked(self) -> bool:
        if not self._breaker.is_open:
            return True
        if self._breaker.begin_trial():
            self._trial = asyncio.create_task(self.check())
        return False

    async def _within_time(self, asking: Awaitable[T], *, limit_s: float | None = None) -> T | None:
        """Its answer; None if there is none in time, or an error."""
        try:
            async with asyncio.timeout(limit_s or self._timeout_s):
                answer = await asking
        except _FAILURES as error:
            self._breaker.failed()
            self._statistics.state = "failing"
            self._statistics.reason = _reason(error)
            return None
        self._breaker.succeeded()
        self._statistics.state, self._statistics.reason = "ok", None
        return answer

    def _noted(self, value: object) -> bytes | None:
        """A value as it came; a key may also hold a list or a set of somebody's."""
        if isinstance(value, ResponseError) or not isinstance(value, bytes):
            self._statistics.note("refused")
            return None
        self._statistics.note("hit" if value else "miss")
        return value or None


def _reason(error: BaseException) -> str:
    """Why it failed: the kind of error, since its text may quote what a Redis sent."""
    if isinstance(error, TimeoutError):
        return "It did not answer in time."
    return f"It failed ({type(error).__name__})."
