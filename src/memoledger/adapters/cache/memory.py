"""A cache in the process: what was used longest ago goes first when there is no more room."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Final

from memoledger.model.caching import CacheStatistics

_ENTRY_BYTES: Final = 300
"""About what an entry takes beside its key and its value."""


class MemoryCache:
    """Keeps values in this process, at most so many bytes of them.

    Args:
        bytes_max: bytes of keys and values kept.
        now_s: a clock that is never set back, in seconds.
    """

    def __init__(self, bytes_max: int, *, now_s: Callable[[], float] = time.monotonic) -> None:
        self._bytes_max = bytes_max
        self._now_s = now_s
        self._kept: OrderedDict[str, tuple[bytes, float]] = OrderedDict()
        self._bytes = 0
        self._statistics = CacheStatistics()

    @property
    def name(self) -> str:
        """Which one, for people."""
        return "in the process"

    @property
    def statistics(self) -> CacheStatistics:
        """What it has done."""
        return self._statistics

    async def get(self, keys: Sequence[str]) -> list[bytes | None]:
        """What is kept under each of `keys`."""
        return [self._get(key) for key in keys]

    async def set(self, key: str, value: bytes, *, ttl_s: float) -> None:
        """Keep a value, unless it alone is larger than the whole."""
        self._drop(key)
        size = _size(key, value)
        if size > self._bytes_max or ttl_s <= 0:
            return
        self._kept[key] = (value, self._now_s() + ttl_s)
        self._bytes += size
        self._statistics.written += 1
        while self._bytes > self._bytes_max:
            self._drop(next(iter(self._kept)))

    async def delete(self, keys: Sequence[str]) -> bool:
        """Forget what is kept under `keys`."""
        for key in keys:
            self._drop(key)
        return True

    async def check(self) -> bool:
        """It always answers."""
        return True

    async def aclose(self) -> None:
        """Forget everything."""
        self._kept.clear()
        self._bytes = 0

    def _get(self, key: str) -> bytes | None:
        value, until_s = self._kept.get(key, (None, 0.0))
        if value is None or until_s <= self._now_s():
            self._drop(key)
            self._statistics.note("miss")
            return None
        self._kept.move_to_end(key)
        self._statistics.note("hit")
        return value

    def _drop(self, key: str) -> None:
        gone = self._kept.pop(key, None)
        if gone is not None:
            self._bytes -= _size(key, gone[0])


def _size(key: str, value: bytes) -> int:
    return len(key) + len(value) + _ENTRY_BYTES
