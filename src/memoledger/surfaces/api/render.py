"""The model's values as JSON: fields in lowerCamelCase, ids as text, instants in ISO 8601.

Written by hand and not through the classes of `answers.py`, which would check again what the model
has checked, ten memories a recall. A test compares the two.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields
from operator import attrgetter
from typing import Any, Final

from pydantic import TypeAdapter
from starlette.responses import Response

from memoledger.model.context_pack import ContextItem, ContextPack, Source
from memoledger.model.document import Chunk, Document, Learned
from memoledger.model.keys import ApiKey, FreshKey, ordered
from memoledger.model.memory import Memory, Remembered
from memoledger.model.plain import camel
from memoledger.model.queue import QueueDepth, QueueRow
from memoledger.model.recall import Hit, Hits, Parts
from memoledger.model.receipts import Accesses, Receipt, ReceiptHit
from memoledger.model.store import Grant, Store
from memoledger.model.why import Why

Json = dict[str, Any]

to_json: Final[Callable[[Mapping[str, Any]], bytes]] = TypeAdapter(Any).dump_json
"""Rendered values as the bytes of JSON."""


def _renderer(kind: type, *, but: Iterable[str] = ()) -> Callable[[Any], Json]:
    """What makes an object of the fields of a class, except some."""
    names = [field.name for field in fields(kind) if field.name not in set(but)]
    keys, values = [camel(name) for name in names], attrgetter(*names)
    return lambda one: dict(zip(keys, values(one), strict=True))


memory: Final[Callable[[Memory], Json]] = _renderer(Memory)
remembered: Final[Callable[[Remembered], Json]] = _renderer(Remembered)
chunk: Final[Callable[[Chunk], Json]] = _renderer(Chunk)
document: Final[Callable[[Document], Json]] = _renderer(Document)
store: Final[Callable[[Store], Json]] = _renderer(Store)
grant: Final[Callable[[Grant], Json]] = _renderer(Grant)
parts: Final[Callable[[Parts], Json]] = _renderer(Parts)
_pack = _renderer(ContextPack, but=["items"])
_item = _renderer(ContextItem, but=["source"])
_source = _renderer(Source)
_receipt = _renderer(Receipt, but=["hits"])
_receipt_hit = _renderer(ReceiptHit)
queue_depth: Final[Callable[[QueueDepth], Json]] = _renderer(QueueDepth)
_queue_row = _renderer(QueueRow, but=["tenant"])
_learned = _renderer(Learned, but=["document", "observations"])
_key = _renderer(ApiKey, but=["scopes"])
_why = _renderer(Why, but=["parts"])


def hits(found: Hits) -> Json:
    """The answer to a recall."""
    return {
        "hits": [_hit(hit) for hit in found],
        "receiptId": found.receipt_id,
        "complete": found.complete,
        "pending": found.pending,
        "searchedBy": found.searched_by,
        "timingsMs": {part: round(ms, 3) for part, ms in found.timings_ms.items()},
    }


def _hit(hit: Hit) -> Json:
    return {
        "family": hit.family,
        "id": hit.id,
        "memory": None if hit.chunk is not None else memory(hit.memory),
        "chunk": None if hit.chunk is None else chunk(hit.chunk),
        "score": hit.score,
        "parts": None if hit.parts is None else parts(hit.parts),
        "folded": hit.folded,
    }


def learned(done: Learned) -> Json:
    """A document, and what learning it did."""
    observed = [remembered(one) for one in done.observations]
    return {**_learned(done), "document": document(done.document), "observations": observed}


def queue_row(row: QueueRow) -> Json:
    """A row of the queue."""
    return {**_queue_row(row), "state": row.state}


def context(pack: ContextPack) -> Json:
    """A context."""
    items = [{**_item(one), "source": _source(one.source)} for one in pack.items]
    return {**_pack(pack), "items": items}


def why(told: Why) -> Json:
    """Why a question returns a memory, or does not."""
    inner = None if told.parts is None else parts(told.parts)
    return {**_why(told), "recalled": told.recalled, "parts": inner}


def receipt(kept: Receipt) -> Json:
    """A receipt."""
    found = [_receipt_hit(hit) for hit in kept.hits]
    asked = {camel(name): value for name, value in kept.filters.items()}
    return {**_receipt(kept), "askedAt": kept.asked_at, "filters": asked, "hits": found}


def access_count(memory_id: object, counted: Accesses) -> Json:
    """How often a memory was recalled."""
    return {
        "memoryId": memory_id,
        "count": counted.count,
        "lastAccessed": counted.last_accessed,
    }


def key(one: ApiKey) -> Json:
    """An API key, without its secret."""
    return {**_key(one), "scopes": ordered(one.scopes)}


def fresh_key(one: ApiKey) -> Json:
    """A key just made, with its secret, or one that is told of again, without."""
    return {**key(one), "secret": one.secret if isinstance(one, FreshKey) else None}


def as_json(
    content: Mapping[str, Any], status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """Rendered values as a response."""
    return Response(
        to_json(content), status, media_type="application/json", headers=dict(headers or {})
    )
