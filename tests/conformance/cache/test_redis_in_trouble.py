"""A Redis that is stopped, frozen, filled with garbage, or no Redis: nobody fails, nobody waits."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from typing import Any

import pytest
from redis.asyncio import Redis

from memoledger.adapters.cache import breaker, redis
from memoledger.adapters.cache.redis import RedisCache
from memoledger.model.errors import SettingsError

SOON_S = 60.0


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(breaker, "PAUSE_FIRST_S", 0.05)
    monkeypatch.setattr(redis, "TRIAL_S", 0.2)


@pytest.fixture
async def cache(redis_server: Any) -> AsyncIterator[RedisCache]:
    opened = RedisCache(redis_server.url, timeout_s=0.2)
    await opened.set("tea", b"green", ttl_s=SOON_S)
    assert await opened.get(["tea"]) == [b"green"]
    yield opened
    await opened.aclose()


async def until_it_answers(cache: RedisCache) -> bytes | None:
    """What it has, once it is asked again: that is found out in the background."""
    for _ in range(200):
        [value] = await cache.get(["tea"])
        if cache.statistics.state == "ok":
            return value or (await cache.get(["tea"]))[0]
        await asyncio.sleep(0.05)
    raise TimeoutError


async def test_a_stopped_one_is_passed_over_and_found_again(
    cache: RedisCache, redis_server: Any
) -> None:
    redis_server.stop()
    for _ in range(20):
        assert await cache.get(["tea"]) == [None]
        await cache.set("tea", b"black", ttl_s=SOON_S)
    told = cache.statistics
    assert told.state == "failing"
    assert told.reason is not None
    assert told.answers["skipped"] >= 15
    assert not await cache.delete(["tea"])
    redis_server.start()
    assert await until_it_answers(cache) is None  # A new one, which never heard of tea.


async def test_a_frozen_one_costs_a_few_requests_and_is_found_again(
    cache: RedisCache, redis_server: Any
) -> None:
    redis_server.send(signal.SIGSTOP)
    asked = 50
    for _ in range(asked):
        assert await cache.get(["tea"]) == [None]
    told = cache.statistics
    assert told.answers["failed"] == breaker.FAILURES_MAX
    assert told.answers["skipped"] == asked - breaker.FAILURES_MAX
    assert (told.state, told.reason) == ("failing", "It did not answer in time.")
    redis_server.send(signal.SIGCONT)
    assert await until_it_answers(cache) == b"green"


async def test_an_answer_that_comes_late_is_nobody_elses(
    cache: RedisCache, redis_server: Any
) -> None:
    """A connection on which an answer is still due is not used again."""
    await cache.set("coffee", b"black", ttl_s=SOON_S)
    redis_server.send(signal.SIGSTOP)
    assert await cache.get(["tea"]) == [None]
    redis_server.send(signal.SIGCONT)
    for _ in range(10):
        assert await cache.get(["coffee"]) == [b"black"]


async def test_keys_of_another_type_are_refused(cache: RedisCache, redis_server: Any) -> None:
    async with Redis.from_url(redis_server.url) as other:
        await other.delete("tea")
        await other.rpush("tea", "a", "b")
        await other.hset("hash", "field", "value")
    assert await cache.get(["tea", "hash"]) == [None, None]
    assert cache.statistics.answers["refused"] == 2
    assert cache.statistics.state == "ok"
    await cache.set("tea", b"green", ttl_s=SOON_S)
    assert await cache.get(["tea"]) == [b"green"]


async def test_of_a_huge_value_only_the_beginning_is_read(
    cache: RedisCache, redis_server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis, "VALUE_BYTES_MAX", 10)
    async with Redis.from_url(redis_server.url) as other:
        await other.setrange("tea", 20_000_000, "x")
    assert await cache.get(["tea"]) == [b"green" + bytes(5)]


async def test_one_without_room_is_no_error(cache: RedisCache, redis_server: Any) -> None:
    async with Redis.from_url(redis_server.url) as other:
        await other.config_set("maxmemory", 1)
        await cache.set("coffee", b"black", ttl_s=SOON_S)
        assert cache.statistics.state == "failing"
        assert cache.statistics.reason == "It failed (OutOfMemoryError)."
        assert await cache.get(["tea"]) == [b"green"]
        await other.config_set("maxmemory", 0)


async def test_what_is_no_redis_is_no_error() -> None:
    async def babble(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n\xff\xfe" * 50)
        writer.close()

    server = await asyncio.start_server(babble, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    cache = RedisCache(f"redis://127.0.0.1:{port}/0", timeout_s=0.5)
    for _ in range(10):
        assert await cache.get(["tea", "coffee"]) == [None, None]
    assert cache.statistics.state == "failing"
    await cache.aclose()
    server.close()


async def test_being_cancelled_leaves_it_usable(cache: RedisCache, redis_server: Any) -> None:
    redis_server.send(signal.SIGSTOP)
    asking = asyncio.create_task(cache.get(["tea"]))
    await asyncio.sleep(0.02)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    redis_server.send(signal.SIGCONT)
    assert await until_it_answers(cache) == b"green"


@pytest.mark.parametrize("url", ["", "http://host", "redis://host:port", "/a/path"])
def test_a_url_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(SettingsError, match="no URL of a Redis"):
        RedisCache(url, timeout_s=1.0)


async def test_the_name_tells_no_password() -> None:
    cache = RedisCache("redis://user:secret@example.test:6380/3", timeout_s=1.0)
    assert cache.name == "Redis example.test:6380, database 3"
    await cache.aclose()
