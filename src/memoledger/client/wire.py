"""Values as JSON and back: what the service's answers hold become the model's own classes."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, fields
from datetime import datetime
from typing import Any, Final, TypeAlias, TypeVar
from uuid import UUID

import numpy as np

from memoledger.model.bulk import Item
from memoledger.model.checks import check_count
from memoledger.model.context_pack import ContextItem, ContextPack, Source
from memoledger.model.document import (
    Chunk,
    ChunkPage,
    Document,
    DocumentDraft,
    DocumentPage,
    Learned,
)
from memoledger.model.errors import InvalidInput, LedgerError
from memoledger.model.memory import VERSION_MAX, CheckedDraft, Draft, Memory, Remembered
from memoledger.model.pages import Page, StorePage
from memoledger.model.plain import as_plain, camel, snake
from memoledger.model.principal import Principal
from memoledger.model.queue import Wait, check_wait
from memoledger.model.recall import FAMILIES, Filter, Hit, Hits, Parts, Query
from memoledger.model.receipts import Accesses, Receipt, ReceiptHit, ReceiptPage
from memoledger.model.store import Grant, Store
from memoledger.model.vectors import as_unit_vector
from memoledger.model.why import Why

T = TypeVar("T")

Json: TypeAlias = Any
"""What JSON can hold."""


def body_of(given: Mapping[str, Any]) -> dict[str, Any]:
    """Named values as the body of a request; None is left out."""
    return {camel(name): as_plain(value) for name, value in given.items() if value is not None}


def waiting(wait: Wait) -> dict[str, str] | None:
    """What a request says of when its answer is to come; nothing where that is as usual.

    Raises:
        InvalidInput: it is no such word.
    """
    return None if check_wait(wait) == "searchable" else {"wait": "durable"}


def draft_body(draft: Draft) -> dict[str, Any]:
    """A draft as the body of a request, in its stored form.

    Raises:
        InvalidInput: a field is wrong.
    """
    checked = draft.checked()
    names = [field.name for field in fields(CheckedDraft) if field.name != "content_hash"]
    given = {name: getattr(checked, name) for name in names}
    return body_of({**given, "embedding": vector(draft.embedding)})


def document_body(draft: DocumentDraft) -> dict[str, Any]:
    """What is known of a document besides its text, as the body of a request.

    Raises:
        InvalidInput: a field is wrong.
    """
    checked = draft.checked()
    given = {"source": checked.source, "source_id": checked.source_id, **checked.described}
    observed = [draft_body(one) for one in checked.observations]
    return {**body_of(given), **({"observations": observed} if observed else {})}


def changes_body(changes: Mapping[str, Any]) -> dict[str, Any]:
    """The changes of an update as the body of a request; None is sent, as it takes a value away.

    Raises:
        InvalidInput: a field is wrong by itself.
    """
    checked = Draft(**{"content": "-", **changes}).checked()
    given = {name: getattr(checked, name) for name in changes if name != "embedding"}
    if changes.get("embedding") is not None:
        given["embedding"] = vector(changes["embedding"])
    return {camel(name): as_plain(value) for name, value in given.items()}


def if_match(version: int | None) -> dict[str, str]:
    """The header by which a write wants a version to be the current one.

    Raises:
        InvalidInput: that is no version.
    """
    if version is None:
        return {}
    known = check_count("if_version", version, least=1, most=VERSION_MAX)
    return {"if-match": f'"{known}"'}


def question_body(query: Query, embedding: object = None) -> dict[str, Any]:
    """A question as the body of a request."""
    whole = {field.name: getattr(query, field.name) for field in fields(Query)}
    chosen, ranking = whole.pop("filter"), whole.pop("ranking")
    if query.families == FAMILIES:  # which a service of before does not know
        del whole["families"]
    for part in (chosen, ranking):
        whole |= {field.name: getattr(part, field.name) for field in fields(part)}
    return body_of({"query": whole.pop("text"), **whole, "embedding": vector(embedding)})


def filter_query(chosen: Filter) -> dict[str, Any]:
    """A filter as parameters of a query; metadata is JSON in one of them."""
    given = {field.name: getattr(chosen, field.name) for field in fields(Filter)}
    if chosen.metadata is not None:
        given["metadata"] = json.dumps(chosen.metadata, ensure_ascii=False)
    return body_of(given)


def vector(value: Json) -> list[float] | None:
    """A vector as numbers, checked but for its length, which only the ledger knows.

    Raises:
        InvalidInput: it is no list of finite numbers, or zero everywhere.
    """
    if value is None:
        return None
    is_array = isinstance(value, np.ndarray) and value.ndim > 0
    is_list = isinstance(value, Sequence) and not isinstance(value, str | bytes)
    length = len(value) if is_array or is_list else 0
    numbers: list[float] = as_unit_vector("embedding", value, max(1, length)).tolist()
    return numbers


def decoded(reader: Callable[[Any], T], data: Json) -> T:
    """What a reader makes of an answer.

    Raises:
        LedgerError: it cannot make anything of it.
    """
    try:
        return reader(data)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise LedgerError(
            f"The server's answer cannot be read: {type(error).__name__}, {error}.",
            remedy="See that client and server are of versions that fit (GET /version).",
        ) from error


def nothing(data: Json) -> None:
    """An answer without content."""


def principal(data: Json) -> Principal:
    """Whoever asks."""
    return Principal(data["tenant"], data["user"])


def store(data: Json) -> Store:
    """A store."""
    return _read(Store, data)


def stores(data: Json) -> StorePage:
    """A page of stores."""
    return StorePage([store(one) for one in data["stores"]], data["nextCursor"])


def grant(data: Json) -> Grant:
    """A grant."""
    return _read(Grant, data)


def grants(data: Json) -> list[Grant]:
    """The grants of a store."""
    return [grant(one) for one in data["grants"]]


def memory(data: Json) -> Memory:
    """A memory."""
    return _read(Memory, data)


def remembered(data: Json) -> Remembered:
    """A memory and what remembering did."""
    return _read(Remembered, data)


def memories(data: Json) -> Page:
    """A page of memories."""
    return Page([memory(one) for one in data["memories"]], data["nextCursor"])


def count(data: Json) -> int:
    """How many there are."""
    return int(data["count"])


def versions(data: Json) -> list[Memory]:
    """The versions of a memory."""
    return [memory(one) for one in data["versions"]]


def hits(data: Json) -> Hits:
    """The answer to a recall."""
    return Hits(
        [_hit(one) for one in data["hits"]],
        receipt_id=_id(data["receiptId"]),
        complete=data["complete"],
        pending=data["pending"],
        searched_by=data["searchedBy"],
        timings_ms=dict(data["timingsMs"]),
    )


def _hit(data: Json) -> Hit:
    """A hit; one without a family is of a service that knows memories only."""
    is_chunk = data.get("family") == "chunk"
    return Hit(
        found=_read(Chunk, data["chunk"]) if is_chunk else memory(data["memory"]),
        score=data["score"],
        parts=_parts(data["parts"]),
        folded=_ids(data["folded"]),
    )


def document(data: Json) -> Document:
    """A document."""
    return _read(Document, data)


def documents(data: Json) -> DocumentPage:
    """A page of documents."""
    return DocumentPage([document(one) for one in data["documents"]], data["nextCursor"])


def document_versions(data: Json) -> list[Document]:
    """The versions of a document."""
    return [document(one) for one in data["versions"]]


def learned(data: Json) -> Learned:
    """A document, and what learning it did."""
    return _read(Learned, data)


def chunks(data: Json) -> ChunkPage:
    """A page of chunks."""
    return ChunkPage([_read(Chunk, one) for one in data["chunks"]], data["nextCursor"])


def observations(data: Json) -> list[Memory]:
    """The memories that a document yielded."""
    return [memory(one) for one in data["memories"]]


def pack(data: Json) -> ContextPack:
    """A context."""
    return _read(ContextPack, data)


def why(data: Json) -> Why:
    """Why a question returns a memory, or does not."""
    return _read(Why, data)


def receipt(data: Json) -> Receipt:
    """A receipt."""
    return _read(Receipt, data)


def receipts(data: Json) -> ReceiptPage:
    """A page of receipts."""
    return ReceiptPage([receipt(one) for one in data["receipts"]], data["nextCursor"])


def accesses(data: Json) -> dict[UUID, Accesses]:
    """Access counts by memory."""
    return {UUID(one["memoryId"]): _read(Accesses, one) for one in data["accesses"]}


def item(data: Json, position: int, error: InvalidInput | None) -> Item:
    """What became of an item of a bulk write."""
    if error is not None:
        return Item(position, error=error)
    return Item(position, UUID(data["id"]), int(data["version"]), data["outcome"])


def _read(kind: type[T], data: Json) -> T:
    """An instance of a class of the model; names that it does not have are passed over."""
    readers = _READERS.get(kind, {})
    given: dict[str, Any] = {}
    for field in fields(kind):  # type: ignore[arg-type]  # only dataclasses come here
        name = camel(field.name)
        if name not in data:
            if field.default is MISSING:
                raise KeyError(name)
            continue
        read = readers.get(field.name)
        given[field.name] = data[name] if read is None else read(data[name])
    return kind(**given)


def _instant(value: str | None) -> datetime | None:
    return None if value is None else datetime.fromisoformat(value)


def _id(value: str | None) -> UUID | None:
    return None if value is None else UUID(value)


def _ids(values: list[str]) -> tuple[UUID, ...]:
    return tuple(UUID(value) for value in values)


def _parts(data: Json) -> Parts | None:
    return None if data is None else _read(Parts, data)


_MEMORY: Final[Mapping[str, Callable[[Any], Any]]] = {
    "id": _id,
    "store_id": _id,
    "tags": tuple,
    "subject_refs": tuple,
    **dict.fromkeys(("occurred_at", "valid_from", "valid_to", "expires_at"), _instant),
    **dict.fromkeys(("recorded_at", "superseded_at", "deleted_at", "erased_at"), _instant),
}
_READERS: Final[Mapping[type, Mapping[str, Callable[[Any], Any]]]] = {
    Accesses: {"last_accessed": _instant},
    Chunk: {
        **dict.fromkeys(("id", "document_id", "store_id"), _id),
        **dict.fromkeys(("keywords", "tags"), tuple),
        **dict.fromkeys(("occurred_at", "recorded_at", "superseded_at"), _instant),
    },
    ContextItem: {"source": lambda data: _read(Source, data), "folded": _ids},
    ContextPack: {
        "items": lambda data: tuple(_read(ContextItem, one) for one in data),
        "receipt_id": _id,
    },
    Document: {
        **dict.fromkeys(("id", "store_id"), _id),
        "tags": tuple,
        **dict.fromkeys(("occurred_at", "recorded_at"), _instant),
        **dict.fromkeys(("superseded_at", "deleted_at", "erased_at"), _instant),
    },
    Learned: {
        "document": document,
        "observations": lambda data: tuple(remembered(one) for one in data),
    },
    Grant: {"store_id": _id, "granted_at": _instant},
    Memory: _MEMORY,
    Receipt: {
        "id": _id,
        "store_id": _id,
        "recorded_at": _instant,
        "struck_at": _instant,
        "filters": lambda data: {snake(name): value for name, value in data.items()},
        "hits": lambda data: tuple(_read(ReceiptHit, one) for one in data),
    },
    ReceiptHit: {"memory_id": _id, "chunk_id": _id},
    Remembered: _MEMORY,
    Source: {
        **dict.fromkeys(("store_id", "memory_id", "chunk_id", "document_id"), _id),
        "occurred_at": _instant,
        "recorded_at": _instant,
    },
    Store: {"id": _id, "created_at": _instant, "updated_at": _instant},
    Why: {"memory_id": _id, "parts": _parts, "filters": tuple},
}
