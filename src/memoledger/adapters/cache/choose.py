"""Which cache the settings name."""

from __future__ import annotations

from memoledger.adapters.cache.memory import MemoryCache
from memoledger.ports import Cache


def open_cache(redis_url: str | None, *, memory_mb: int, timeout_s: float) -> Cache | None:
    """A Redis, or a cache in the process; None where that may hold nothing. No connection is made.

    Raises:
        SettingsError: the URL is none of a Redis.
    """
    if redis_url is not None:
        # Its library takes a tenth of a second to import, and few ledgers need it.
        from memoledger.adapters.cache.redis import RedisCache

        return RedisCache(redis_url, timeout_s=timeout_s)
    return MemoryCache(memory_mb * 1_000_000) if memory_mb else None
