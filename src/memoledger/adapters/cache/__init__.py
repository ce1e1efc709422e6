"""Caches: one in the process, and Redis."""

from memoledger.adapters.cache.choose import open_cache

__all__ = ["open_cache"]
