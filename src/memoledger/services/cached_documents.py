"""Documents and their chunks in a cache, each behind a question to the ledger.

The ledger says which version is current and whether the principal may see it, and gives the secret
that opens what is cached of it; so an answer is the ledger's, whatever the cache holds. Of versions
that are not current nothing is read here: the end of one of their chunks may still change.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import fields
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from memoledger.model.caching import CHUNKS, DEDUPE, DOCUMENT
from memoledger.model.document import Chunk, Document
from memoledger.model.plain import as_plain
from memoledger.services.caching import Cached, chunks_key, dedupe_key, document_key
from memoledger.services.context import Context, Scope

Reading = tuple[str, Callable[[Any], Any] | None]
"""A field, and what makes its value of what JSON holds; None where that is the value."""

_MADE_OF_JSON: Final[dict[str, Callable[[Any], Any]]] = {
    **dict.fromkeys(("id", "document_id", "store_id"), UUID),
    **dict.fromkeys(
        ("occurred_at", "recorded_at", "superseded_at", "deleted_at", "erased_at"),
        datetime.fromisoformat,
    ),
    **dict.fromkeys(("tags", "keywords"), tuple),
}
_OF_THE_VERSION: Final = frozenset(
    [
        "document_id",
        "version",
        "store_id",
        "source",
        "source_id",
        "title",
        "type",
        "tags",
        "occurred_at",
    ]
)
"""Fields that all chunks of a document's version have in common."""


def _readings(names: Iterable[str]) -> tuple[Reading, ...]:
    return tuple((name, _MADE_OF_JSON.get(name)) for name in names)


_DOCUMENT: Final = _readings(field.name for field in fields(Document))
_COMMON: Final = _readings(f.name for f in fields(Chunk) if f.name in _OF_THE_VERSION)
_OWN: Final = _readings(f.name for f in fields(Chunk) if f.name not in _OF_THE_VERSION)


async def current_chunks(
    context: Context,
    cached: Cached,
    scope: Scope,
    document_id: UUID,
    version: int | None,
    *,
    after_place: int,
    limit: int,
) -> list[Chunk] | None:
    """Chunks of a document's current version, in their order.

    Args:
        version: the version wanted; None for the current one.
        after_place: the place after which they begin, -1 for the first.
        limit: how many at most.

    Returns:
        None if there is no current version, or it is not the one wanted.
    """
    documents = context.ledger.documents
    stamp = await documents.stamp(scope.principal, scope.store_id, document_id)
    if stamp is None or version not in (None, stamp[0]):
        return None
    number, secret = stamp
    page = f"{after_place + 1}+{limit}"
    key = f"{chunks_key(scope.principal.tenant, document_id, number)}:{page}"
    kept = await cached.get(key, secret)
    if kept is not None:
        return decode_chunks(kept)
    found = await documents.list_chunks(
        scope.principal, scope.store_id, document_id, number, after_place=after_place, limit=limit
    )
    if found:
        await cached.put(CHUNKS, key, secret, encode_chunks(found))
    return found


async def current_document(
    context: Context, cached: Cached, scope: Scope, document_id: UUID
) -> Document | None:
    """The current version of a document by way of the cache; None if there is none.

    Reading the row itself takes no longer than asking for its stamp (`bench cache` compares them),
    so nothing does it this way but that.
    """
    documents = context.ledger.documents
    stamp = await documents.stamp(scope.principal, scope.store_id, document_id)
    if stamp is None:
        return None
    key, secret = document_key(scope.principal.tenant, document_id), stamp[1]
    kept = await cached.get(key, secret)
    if kept is not None:
        return _decoded(kept)
    found = await documents.get(scope.principal, scope.store_id, document_id)
    if found is not None:
        await cached.put(DOCUMENT, key, secret, _encoded(found))
    return found


async def note_learned(cached: Cached, scope: Scope, document: Document) -> None:
    """Cache what was learned from a source, so that the same content again is recognised."""
    key = _dedupe_key(scope, document.source, document.source_id)
    content = json.dumps([str(document.id), document.version]).encode()
    await cached.put(DEDUPE, key, bytes.fromhex(document.content_hash), content)


async def learned_before(
    cached: Cached, scope: Scope, source: str, source_id: str, content_hash: str
) -> tuple[UUID, int] | None:
    """Which document, and which version of it, was learned from this content of a source.

    It is a hint: the ledger has to confirm that this version is still the current one.
    """
    key = _dedupe_key(scope, source, source_id)
    kept = await cached.get(key, bytes.fromhex(content_hash))
    if kept is None:
        return None
    document_id, version = json.loads(kept)
    return UUID(document_id), int(version)


def _dedupe_key(scope: Scope, source: str, source_id: str) -> str:
    return dedupe_key(scope.principal.tenant, scope.store_id, source, source_id)


def encode_chunks(chunks: Sequence[Chunk]) -> bytes:
    """Chunks of one version of a document as bytes."""
    common = [_plain(chunk, _COMMON) for chunk in chunks[:1]]
    return _json([common, [_plain(chunk, _OWN) for chunk in chunks]])


def decode_chunks(content: bytes) -> list[Chunk]:
    """The chunks that `encode_chunks` was given."""
    common, rows = json.loads(content)
    shared = {name: value for row in common for name, value in _read(_COMMON, row).items()}
    return [Chunk(**shared, **_read(_OWN, row)) for row in rows]


def _encoded(document: Document) -> bytes:
    return _json(_plain(document, _DOCUMENT))


def _decoded(content: bytes) -> Document:
    return Document(**_read(_DOCUMENT, json.loads(content)))


def _plain(value: Document | Chunk, readings: Sequence[Reading]) -> list[object]:
    return [as_plain(getattr(value, name)) for name, _ in readings]


def _json(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def _read(readings: Sequence[Reading], row: Sequence[Any]) -> dict[str, Any]:
    return {
        name: value if make is None or value is None else make(value)
        for (name, make), value in zip(readings, row, strict=True)
    }
