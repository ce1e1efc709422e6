"""What every Cache has to do, run against each implementation."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from memoledger.adapters.cache import open_cache
from memoledger.ports import Cache

SOON_S = 60.0


@pytest.fixture(params=["memory", "redis"])
async def cache(request: pytest.FixtureRequest) -> AsyncIterator[Cache]:
    url = None
    if request.param == "redis":
        url = request.getfixturevalue("redis_server").url
    opened = open_cache(url, memory_mb=16, timeout_s=2.0)
    assert opened is not None
    yield opened
    await opened.aclose()


async def test_what_was_set_is_there(cache: Cache) -> None:
    await cache.set("a", b"tea", ttl_s=SOON_S)
    await cache.set("b", bytes(range(256)), ttl_s=SOON_S)
    assert await cache.get(["a", "nothing", "b"]) == [b"tea", None, bytes(range(256))]


async def test_asking_for_nothing_gives_nothing(cache: Cache) -> None:
    assert await cache.get([]) == []
    assert await cache.delete([])


async def test_the_later_value_counts(cache: Cache) -> None:
    await cache.set("a", b"tea", ttl_s=SOON_S)
    await cache.set("a", b"coffee", ttl_s=SOON_S)
    assert await cache.get(["a"]) == [b"coffee"]


async def test_what_was_deleted_is_gone(cache: Cache) -> None:
    await cache.set("a", b"tea", ttl_s=SOON_S)
    assert await cache.delete(["a", "nothing"])
    assert await cache.get(["a"]) == [None]


async def test_nothing_outlives_its_time(cache: Cache) -> None:
    await cache.set("short", b"tea", ttl_s=0.01)
    await cache.set("long", b"tea", ttl_s=SOON_S)
    await asyncio.sleep(0.05)
    assert await cache.get(["short", "long"]) == [None, b"tea"]


async def test_large_values_and_strange_keys_pass(cache: Cache) -> None:
    value = bytes(1_000_000)
    await cache.set("memoledger:a%3Ab:chunks:雨 \n", value, ttl_s=SOON_S)
    assert await cache.get(["memoledger:a%3Ab:chunks:雨 \n"]) == [value]


async def test_many_may_ask_at_once(cache: Cache) -> None:
    async def use(number: int) -> Any:
        await cache.set(f"k{number}", str(number).encode(), ttl_s=SOON_S)
        return await cache.get([f"k{number}"])

    found = await asyncio.gather(*(use(number) for number in range(200)))
    assert found == [[str(number).encode()] for number in range(200)]


async def test_it_counts_what_came_of_asking(cache: Cache) -> None:
    await cache.set("a", b"tea", ttl_s=SOON_S)
    await cache.get(["a", "b", "c"])
    told = cache.statistics
    assert (told.answers["hit"], told.answers["miss"], told.written) == (1, 2, 1)
    assert (told.state, told.reason) == ("ok", None)
    assert await cache.check()


async def test_closing_twice_is_fine(cache: Cache) -> None:
    await cache.aclose()
    await cache.aclose()
