"""Caching documents: the answers are the ledger's, whatever the cache does or says."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from pydantic import SecretStr
from redis.asyncio import Redis

from memoledger.bootstrap.bytes import cache_of
from memoledger.model.document import Chunk, Document
from memoledger.model.errors import NotFound
from memoledger.services import cached_documents, diagnose
from memoledger.services.caching import Cached, chunks_key
from memoledger.settings import load_settings
from memoledger.surfaces.python.principal import PrincipalHandle
from memoledger.surfaces.python.store import StoreHandle

PAGES = [f"Page {number} about tea, number {number}." for number in range(30)]
TEXT = "\n\n".join(PAGES)


@asynccontextmanager
async def caching(**settings: Any) -> AsyncIterator[Cached]:
    cache = cache_of(load_settings(**settings))
    assert cache is not None
    yield Cached(cache)
    await cache.aclose()


@pytest.fixture(params=["memory", "redis"])
async def cached(request: pytest.FixtureRequest) -> AsyncIterator[Cached]:
    settings = {}
    if request.param == "redis":
        settings["redis_url"] = SecretStr(request.getfixturevalue("redis_server").url)
    async with caching(**settings) as opened:
        yield opened


def with_cache(store: StoreHandle, cached: Cached | None) -> StoreHandle:
    """The store as a process with that cache has it."""
    context = replace(store._context, cached=cached)
    return StoreHandle(context, store._scope.principal, store.details)


async def chunks(store: StoreHandle, document_id: UUID, **which: Any) -> list[Chunk]:
    return (await store.chunks(document_id, **which)).chunks


@pytest.fixture
async def learned(papers: StoreHandle) -> Document:
    return (await papers.learn("wiki", "tea", content=TEXT)).document


class TestWhatIsCached:
    async def test_the_second_answer_is_the_first_one_and_comes_from_the_cache(
        self, papers: StoreHandle, learned: Document, cached: Cached
    ) -> None:
        store, bare = with_cache(papers, cached), with_cache(papers, None)
        told = cached.cache.statistics
        for asked in range(3):
            assert await chunks(store, learned.id) == await chunks(bare, learned.id)
            assert (told.answers["miss"], told.answers["hit"]) == (1, asked)

    async def test_pages_are_cached_one_by_one(
        self, papers: StoreHandle, learned: Document, cached: Cached
    ) -> None:
        store, bare = with_cache(papers, cached), with_cache(papers, None)
        for _ in range(2):
            cursor, pages = None, []
            while True:
                page = await store.chunks(learned.id, limit=7, cursor=cursor)
                assert page == await bare.chunks(learned.id, limit=7, cursor=cursor)
                pages += page.chunks
                cursor = page.next_cursor
                if cursor is None:
                    break
            assert [chunk.text for chunk in pages] == PAGES
        assert cached.cache.statistics.answers["hit"] == 5

    async def test_a_new_version_is_seen_at_once_and_the_old_one_as_it_ended(
        self, papers: StoreHandle, learned: Document, cached: Cached
    ) -> None:
        store, bare = with_cache(papers, cached), with_cache(papers, None)
        await chunks(store, learned.id)
        await papers.learn("wiki", "tea", content=TEXT + "\n\nOne more.")
        assert [chunk.text for chunk in await chunks(store, learned.id)] == [*PAGES, "One more."]
        for version in (1, 2):
            found = await chunks(store, learned.id, version=version)
            assert found == await chunks(bare, learned.id, version=version)
        await papers.learn("wiki", "tea", content="All new.")
        for version in (1, 2, 3):
            found = await chunks(store, learned.id, version=version)
            assert found == await chunks(bare, learned.id, version=version)

    async def test_what_was_forgotten_is_not_shown(
        self, papers: StoreHandle, learned: Document, cached: Cached
    ) -> None:
        store = with_cache(papers, cached)
        await chunks(store, learned.id)
        await papers.forget_document(learned.id)
        with pytest.raises(NotFound):
            await chunks(store, learned.id)

    async def test_who_may_not_see_it_gets_nothing_from_the_cache_either(
        self, papers: StoreHandle, learned: Document, cached: Cached, bob: PrincipalHandle
    ) -> None:
        store = with_cache(papers, cached)
        await chunks(store, learned.id)
        await papers.share("bob", access="read")
        shared = await bob.find_store("papers", owner="alice")
        theirs = with_cache(shared, cached)
        hits = cached.cache.statistics.answers["hit"]
        assert await chunks(theirs, learned.id) == await chunks(store, learned.id)
        assert cached.cache.statistics.answers["hit"] == hits + 2
        await papers.unshare("bob")
        with pytest.raises(NotFound):
            await chunks(theirs, learned.id)

    async def test_a_document_and_a_known_source_come_back_as_they_are(
        self, papers: StoreHandle, learned: Document, cached: Cached
    ) -> None:
        context, scope = papers._context, papers._scope
        for _ in range(2):
            found = await cached_documents.current_document(context, cached, scope, learned.id)
            assert found == await papers.document(learned.id)
        named = (learned.source, learned.source_id)
        asking = cached_documents.learned_before
        assert await asking(cached, scope, *named, learned.content_hash) is None
        await cached_documents.note_learned(cached, scope, learned)
        assert await asking(cached, scope, *named, learned.content_hash) == (learned.id, 1)
        assert await asking(cached, scope, *named, "ab" * 32) is None
        assert await asking(cached, scope, "wiki", "coffee", learned.content_hash) is None


class TestErasure:
    async def test_what_a_cache_still_has_cannot_be_opened(
        self, papers: StoreHandle, learned: Document, redis_server: Any, sql: Callable[..., Any]
    ) -> None:
        """Even by whoever reads both the Redis and the ledger."""
        [(salt,)] = sql("SELECT salt FROM memoledger.documents WHERE document_id = %s", learned.id)
        async with caching(redis_url=SecretStr(redis_server.url)) as cached:
            store = with_cache(papers, cached)
            await chunks(store, learned.id)
            async with Redis.from_url(redis_server.url) as other:
                [key] = [key async for key in other.scan_iter("*")]
                kept = await other.get(key)
            assert b"tea" not in kept
            assert key.decode().startswith(
                chunks_key(papers._scope.principal.tenant, learned.id, 1)
            )
            assert await cached.get(key.decode(), bytes(salt)) is not None
        await papers.forget_document(learned.id, hard=True)
        left = sql(
            "SELECT to_jsonb(d)::text FROM memoledger.documents AS d WHERE document_id = %s",
            learned.id,
        )
        assert bytes(salt).hex() not in str(left)
        audit = sql("SELECT to_jsonb(a)::text FROM memoledger.audit_records AS a")
        assert bytes(salt).hex() not in str(audit)


class TestARedisInTrouble:
    @pytest.fixture
    async def cached(self, redis_server: Any) -> AsyncIterator[Cached]:
        async with caching(redis_url=SecretStr(redis_server.url), cache_timeout_s=0.2) as opened:
            yield opened

    @pytest.mark.parametrize("trouble", ["stopped", "frozen", "garbage", "lies", "full"])
    async def test_answers_are_the_same(
        self,
        papers: StoreHandle,
        learned: Document,
        cached: Cached,
        redis_server: Any,
        trouble: str,
    ) -> None:
        other = (
            await papers.learn("wiki", "coffee", content=TEXT.replace("tea", "coffee"))
        ).document
        store, bare = with_cache(papers, cached), with_cache(papers, None)
        for document in (learned, other):
            await chunks(store, document.id)
        if trouble == "stopped":
            redis_server.stop()
        elif trouble == "frozen":
            redis_server.send(signal.SIGSTOP)
        else:
            await spoil(redis_server.url, trouble)
        for _ in range(10):
            for document in (learned, other):
                assert await chunks(store, document.id) == await chunks(bare, document.id)
        again = await store.learn("wiki", "tea", content=TEXT + "\n\nMore.")
        assert [chunk.text for chunk in await chunks(store, learned.id)] == [*PAGES, "More."]
        await store.forget_document(again.document.id, hard=True)
        with pytest.raises(NotFound):
            await chunks(store, learned.id)
        if trouble == "frozen":
            redis_server.send(signal.SIGCONT)

    @pytest.mark.parametrize("trouble", ["stopped", "frozen"])
    async def test_health_says_so(self, cached: Cached, redis_server: Any, trouble: str) -> None:
        assert (await diagnose.find_cache(cached.cache)).status == "ok"
        if trouble == "stopped":
            redis_server.stop()
        else:
            redis_server.send(signal.SIGSTOP)
        async with asyncio.timeout(10):
            found = await diagnose.find_cache(cached.cache)
        assert found.status == "warn"
        assert "the same without it" in found.message
        if trouble == "frozen":
            redis_server.send(signal.SIGCONT)


async def spoil(url: str, how: str) -> None:
    """Put something else under every key: noise, another key's value, or a limit on memory."""
    async with Redis.from_url(url) as redis:
        keys = sorted([key async for key in redis.scan_iter("*")])
        assert len(keys) == 2
        if how == "garbage":
            await redis.set(keys[0], bytes(range(256)) * 100)
            await redis.delete(keys[1])
            await redis.rpush(keys[1], "tea")
        elif how == "lies":
            # What is sealed for one place, at another: it is genuine, and wrong.
            one, two = [await redis.get(key) for key in keys]
            await redis.mset({keys[0]: two, keys[1]: one})
        else:
            await redis.config_set("maxmemory", 1)
