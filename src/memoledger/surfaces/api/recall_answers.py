"""What answers about recalls hold, as the OpenAPI document describes it."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import Field

from memoledger.model.recall import Family, Mode
from memoledger.model.why import Reason
from memoledger.surfaces.api.answers import Chunk, Memory, Told


class Parts(Told):
    """What a hit's score is made of; null where that took no part."""

    dense: float | None
    lexical: float | None
    dense_scaled: float | None
    lexical_scaled: float | None
    rank: int
    dense_around: float | None
    lexical_around: float | None
    named: float | None
    timely: float | None
    quoted: float | None
    telling: float | None
    reranked: float | None


class Hit(Told):
    """A memory, or a chunk of a document, that was found; scores of one answer compare."""

    family: Family
    id: UUID = Field(description="Of the memory or chunk.")
    memory: Memory | None
    chunk: Chunk | None
    score: float
    parts: Parts | None
    folded: list[UUID]


class Hits(Told):
    """The memories and chunks that were found, best first."""

    hits: list[Hit]
    receipt_id: UUID | None
    complete: bool = Field(description="False where time ran out: others may be missing.")
    pending: int = Field(description="Memories of the store that wait to be embedded.")
    searched_by: str
    timings_ms: dict[str, float]


class Source(Told):
    """Where an item of a context comes from."""

    store: str
    store_id: UUID
    memory_id: UUID | None = Field(description="Null for a chunk.")
    version: int = Field(description="The memory's, or the document's.")
    speaker: str | None
    occurred_at: datetime | None
    recorded_at: datetime
    chunk_id: UUID | None
    document_id: UUID | None
    section: str | None = Field(description="The headings a chunk stands under.")
    start: int | None = Field(description="Where a chunk stands in its text, in characters.")
    end: int | None


class ContextItem(Told):
    """A memory or chunk as it stands in a context."""

    number: int
    text: str
    truncated: bool
    score: float
    group: str | None
    source: Source
    folded: list[UUID]


class Context(Told):
    """The best memories and chunks for a question, as a text of at most `maxTokens`."""

    query: str
    text: str
    items: list[ContextItem]
    tokens: int
    max_tokens: int
    omitted: int
    folded: int
    counted_by: str
    receipt_id: UUID | None
    complete: bool
    pending: int


class Why(Told):
    """Why a question returns a memory or a chunk, or does not."""

    memory_id: UUID = Field(description="Of the memory or chunk.")
    family: Family
    recalled: bool
    reason: Reason
    text: str
    limit: int
    version: int | None
    rank: int | None
    score: float | None
    parts: Parts | None
    similarity: float | None
    filters: list[str]
    searched_by: str | None


class AccessCount(Told):
    """How often a memory was recalled, and when last."""

    memory_id: UUID
    count: int
    last_accessed: datetime


class Accesses(Told):
    """Access counts; a memory that was never recalled is left out."""

    accesses: list[AccessCount]


class ReceiptHit(Told):
    """A memory or chunk that a recall returned; the score is null once it was erased."""

    memory_id: UUID | None = Field(description="Null for a chunk.")
    version: int = Field(description="The memory's, or the document's.")
    score: float | None
    chunk_id: UUID | None


class Receipt(Told):
    """The durable record of one recall."""

    id: UUID
    user: str
    store_id: UUID
    recorded_at: datetime
    asked_at: datetime
    struck_at: datetime | None
    embedding_version: str | None
    limit: int
    pending: int
    complete: bool
    mode: Mode
    searched_by: str
    query: str | None
    query_hash: str | None
    filters: dict[str, Any]
    hits: list[ReceiptHit]
    timings_ms: dict[str, float]


class Receipts(Told):
    """A page of receipts, newest first."""

    receipts: list[Receipt]
    next_cursor: str | None
