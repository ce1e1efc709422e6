"""The cache in the process: how much it keeps, and for how long."""

from __future__ import annotations

from memoledger.adapters.cache.memory import MemoryCache


class Clock:
    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


async def test_what_was_used_longest_ago_goes_first() -> None:
    cache = MemoryCache(3_000)
    for key in "abc":
        await cache.set(key, bytes(600), ttl_s=60)
    await cache.get(["a"])
    await cache.set("d", bytes(600), ttl_s=60)
    assert await cache.get(["a", "b", "c", "d"]) == [bytes(600), None, bytes(600), bytes(600)]


async def test_a_value_larger_than_all_of_it_is_not_kept_and_displaces_nothing() -> None:
    cache = MemoryCache(1_000)
    await cache.set("a", b"tea", ttl_s=60)
    await cache.set("b", bytes(2_000), ttl_s=60)
    assert await cache.get(["a", "b"]) == [b"tea", None]
    await cache.set("a", bytes(2_000), ttl_s=60)
    assert await cache.get(["a"]) == [None]


async def test_room_is_given_back() -> None:
    cache = MemoryCache(100_000)
    for round_ in range(1_000):
        await cache.set(f"k{round_ % 7}", bytes(round_ * 10), ttl_s=60)
    await cache.delete([f"k{number}" for number in range(7)])
    assert cache._bytes == 0


async def test_time_is_told_by_the_clock() -> None:
    clock = Clock()
    cache = MemoryCache(1_000, now_s=clock)
    await cache.set("a", b"tea", ttl_s=10)
    await cache.set("never", b"tea", ttl_s=0)
    clock.now_s = 9.9
    assert await cache.get(["a", "never"]) == [b"tea", None]
    clock.now_s = 10.0
    assert await cache.get(["a"]) == [None]
    assert cache._bytes == 0
