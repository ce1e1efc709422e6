"""`bench cache`: what a cache of documents saves, beside asking the ledger alone.

Both sides ask the ledger first, since nothing of a cache is believed without that; so the floor is
what a caller has without any cache, and a ratio below 1 is what a cache is worth.

- chunks: a page of a document's chunks, by two questions to the ledger, or by one and the cache.
- document: a document's row, by one question, or by one (for its version) and the cache.
- known source: whether a source's content is learned already, by one question, or by the cache and
  one question that confirms it.

With a cache in the process; and with a Redis of its own, where redis-server is installed.
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from pydantic import SecretStr

from memoledger.bootstrap.bytes import cache_of
from memoledger.model.document import Document, DocumentDraft
from memoledger.services.cached_documents import current_document, learned_before, note_learned
from memoledger.services.caching import Cached
from memoledger.services.context import Context, Scope
from memoledger.services.documents import get_document, list_chunks
from memoledger.services.learn import learn
from memoledger.surfaces.bench.place import Place
from memoledger.surfaces.bench.report import Row, Say
from memoledger.surfaces.bench.samples import Sampler
from memoledger.surfaces.bench.timing import take_turns

PAGE: Final = 1_000

_LOOKS_MAX: Final = 500
"""How often, 0.02 s apart, it is looked whether the Redis is there."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much is measured.

    Args:
        sections: of the documents; a section makes a chunk or two.
        turns: questions of each side.
    """

    sections: tuple[int, ...] = (1, 10, 100, 600)
    turns: int = 400


QUICK: Final = Sizes(sections=(2,), turns=5)


async def cache(place: Place, sizes: Sizes, say: Say) -> list[Row]:
    """Measure each kind of question with each kind of cache."""
    context = replace(place.ledger.application.context, artifacts=None, cached=None)
    principal = await place.ledger.principal(tenant="bench", user="reader")
    scope = Scope(principal.principal, (await principal.store("documents")).id)
    say("learning documents")
    documents = [await _learned(context, scope, number) for number in sizes.sections]
    rows: list[Row] = []
    async with _caches(place) as caches:
        for name, cached in caches.items():
            say(name)
            for document in documents:
                rows += await _chunks(context, cached, scope, document, (name, sizes.turns))
            rows += await _document(context, cached, scope, documents[0], (name, sizes.turns))
            rows += await _known(context, cached, scope, documents[0], (name, sizes.turns))
    return rows


async def _learned(context: Context, scope: Scope, sections: int) -> Document:
    texts = Sampler(seed=sections).memories(4 * sections).texts
    parts = [
        f"## Part {number}\n\n" + "\n\n".join(texts[4 * number : 4 * number + 4])
        for number in range(sections)
    ]
    draft = DocumentDraft(
        source="bench",
        source_id=str(sections),
        content="\n\n".join(parts),
        media_type="text/markdown",
    )
    return (await learn(context, scope, draft, wait="durable")).document


async def _chunks(
    context: Context, cached: Cached, scope: Scope, document: Document, how: tuple[str, int]
) -> list[Row]:
    beside = replace(context, cached=cached)

    async def bare(_: int) -> None:
        await list_chunks(context, scope, document.id, limit=PAGE)

    async def ours(_: int) -> None:
        await list_chunks(beside, scope, document.id, limit=PAGE)

    floor, times = await take_turns(bare, ours, how[1])
    case = "cache", f"{how[0]}, a page of {document.chunk_count}"
    return [Row.of(case, "chunks p50", times.p50_ms, "ms", floor.p50_ms)]


async def _document(
    context: Context, cached: Cached, scope: Scope, document: Document, how: tuple[str, int]
) -> list[Row]:
    async def bare(_: int) -> None:
        await get_document(context, scope, document.id)

    async def ours(_: int) -> None:
        await current_document(context, cached, scope, document.id)

    floor, times = await take_turns(bare, ours, how[1])
    case = "cache", f"{how[0]}, a document"
    return [Row.of(case, "document p50", times.p50_ms, "ms", floor.p50_ms)]


async def _known(
    context: Context, cached: Cached, scope: Scope, document: Document, how: tuple[str, int]
) -> list[Row]:
    named = document.source, document.source_id

    async def bare(_: int) -> None:
        await context.ledger.documents.by_source(scope.principal, scope.store_id, *named)

    async def ours(_: int) -> None:
        hint = await learned_before(cached, scope, *named, document.content_hash)
        assert hint == (document.id, document.version)
        await context.ledger.documents.stamp(scope.principal, scope.store_id, document.id)

    await note_learned(cached, scope, document)
    floor, times = await take_turns(bare, ours, how[1])
    case = "cache", f"{how[0]}, a known source"
    return [Row.of(case, "known source p50", times.p50_ms, "ms", floor.p50_ms)]


@asynccontextmanager
async def _caches(place: Place) -> AsyncIterator[dict[str, Cached]]:
    """Each kind of cache there is here, by its name."""
    settings = place.ledger.application.settings
    within = cache_of(settings.model_copy(update={"redis_url": None}))
    assert within is not None, "the settings give it room"
    async with _redis() as url:
        caches = {"in the process": Cached(within)}
        if url is not None:
            secret = SecretStr(url)
            beside = cache_of(
                settings.model_copy(update={"redis_url": secret, "cache_timeout_s": 1.0})
            )
            assert beside is not None
            caches["Redis"] = Cached(beside)
        try:
            yield caches
        finally:
            for cached in caches.values():
                await cached.cache.aclose()


@asynccontextmanager
async def _redis() -> AsyncIterator[str | None]:
    """The URL of a Redis of its own; None where the program is not installed."""
    program = shutil.which("redis-server")
    if program is None:
        yield None
        return
    with tempfile.TemporaryDirectory(prefix="memoledger-redis-") as folder:
        socket = Path(folder) / "redis.sock"
        options = ["--port", "0", "--unixsocket", str(socket), "--save", "", "--dir", folder]
        process = await asyncio.create_subprocess_exec(
            program, *options, stdout=asyncio.subprocess.DEVNULL
        )
        try:
            for _ in range(_LOOKS_MAX):
                if socket.exists():
                    break
                await asyncio.sleep(0.02)
            yield f"unix://{socket}?db=0"
        finally:
            process.kill()
            await process.wait()
