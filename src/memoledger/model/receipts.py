"""Receipts: what is kept of a recall, and how it is read back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal, NamedTuple
from uuid import UUID

from memoledger.model.plain import as_plain
from memoledger.model.principal import Principal
from memoledger.model.recall import FAMILIES, PLAIN_RANKING, Family, Query

ReceiptWords = Literal["full", "hashed", "off"]
"""What receipts keep of a question: its words, only their salted hash, or there are no receipts."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)
_WORDS: Final = ("types", "tags", "metadata")
"""The parts of a filter that hold somebody's words rather than numbers and instants."""


class FreshReceipt(NamedTuple):
    """A recall that has just been answered, before anything of it is written.

    A tuple of plain numbers, because one is made in every recall and some hundreds live for a
    moment: of objects the garbage collector would go through all that the process holds.

    Args:
        receipt_id: a UUID of version 7; its time is the time of the answer.
        embedding_version: the number of the namespace that was searched; None for words alone.
        memory_ids, versions, scores: of each hit, best first; ids as integers.
        chunks: the places, from 0, of those that are chunks.
        private: whether a hit is its creator's alone.
    """

    receipt_id: UUID
    principal: Principal
    store_id: UUID
    query: Query
    embedding_version: int | None
    memory_ids: list[int]
    versions: list[int]
    scores: list[float]
    private: bool
    searched_by: str
    complete: bool
    pending: int
    timings_ms: Mapping[str, float]
    chunks: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class ReceiptHit:
    """A memory, or a chunk, that a recall returned; it has one of the two ids.

    Args:
        version: the memory's, or that of the document in which the chunk stood.
        score: None once the memory or document was erased.
    """

    memory_id: UUID | None
    version: int
    score: float | None
    chunk_id: UUID | None = None

    @classmethod
    def of(cls, id_: UUID, version: int, score: float | None, family: Family) -> ReceiptHit:
        """A hit by its family."""
        if family == "chunk":
            return cls(None, version, score, id_)
        return cls(id_, version, score)

    @property
    def family(self) -> Family:
        """What it is."""
        return "memory" if self.chunk_id is None else "chunk"

    @property
    def id(self) -> UUID:
        """Its id, whichever it is."""
        found = self.memory_id or self.chunk_id
        assert found is not None, "it is either of the two"
        return found

    def as_dict(self) -> dict[str, Any]:
        """The hit as JSON-ready data."""
        return {name: as_plain(value) for name, value in asdict(self).items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """The durable record of one recall.

    Args:
        user: who asked.
        recorded_at: when the ledger wrote it, by its own clock.
        struck_at: when the erasure of a returned memory took the question out; None if none did.
        query: the question; None where only its hash is kept, or once it was struck.
        query_hash: SHA-256 of the asker's salt and the question, in hexadecimal, where kept so.
        filters: what else was asked for, by the names of `recall`'s arguments; only what was given.
        embedding_version: the name of the vectors that were searched; None for words alone.
        searched_by: how vectors and words were searched.
        complete: False if the answer was cut short.
        pending: memories of the store that waited to be embedded.
        hits: what was returned, best first.
        timings_ms: how long each part took, in milliseconds.
    """

    id: UUID
    user: str
    store_id: UUID
    recorded_at: datetime
    struck_at: datetime | None
    embedding_version: str | None
    limit: int
    pending: int
    complete: bool
    mode: str
    searched_by: str
    query: str | None
    query_hash: str | None
    filters: Mapping[str, Any]
    hits: tuple[ReceiptHit, ...]
    timings_ms: Mapping[str, float]

    @property
    def asked_at(self) -> datetime:
        """When it was asked, by the clock of the process that answered, to the millisecond."""
        return instant_of(self.id)

    def as_dict(self) -> dict[str, Any]:
        """The receipt as JSON-ready data."""
        plain = {field.name: getattr(self, field.name) for field in fields(self)}
        return {
            **plain,
            "id": str(self.id),
            "store_id": str(self.store_id),
            "asked_at": self.asked_at.isoformat(),
            "recorded_at": self.recorded_at.isoformat(),
            "struck_at": None if self.struck_at is None else self.struck_at.isoformat(),
            "filters": dict(self.filters),
            "hits": [hit.as_dict() for hit in self.hits],
            "timings_ms": dict(self.timings_ms),
        }


@dataclass(frozen=True, slots=True)
class ReceiptPage:
    """Some receipts, newest first, and where the next page begins (None at the end)."""

    receipts: list[Receipt]
    next_cursor: str | None


@dataclass(frozen=True, slots=True)
class Accesses:
    """How often a memory was returned by a recall, and when last."""

    count: int
    last_accessed: datetime


def instant_of(receipt_id: UUID) -> datetime:
    """The instant in a UUID of version 7, to the millisecond."""
    return _EPOCH + (receipt_id.int >> 80) * _MILLISECOND


def least_id_from(instant: datetime) -> UUID:
    """The least UUID of version 7 that can be made from an instant on; for bounds of a listing."""
    return UUID(int=max(0, (instant - _EPOCH) // _MILLISECOND) << 80)


def asked_besides(query: Query, *, without_words: bool) -> dict[str, Any]:
    """What a question asked for besides its text, as JSON-ready data; only what was given.

    Args:
        without_words: of types, tags and metadata tell only that they were given.
    """
    given: dict[str, Any] = {
        "min_similarity": query.min_similarity,
        "as_of": query.as_of,
        "now": query.now,
        "families": None if query.families == FAMILIES else query.families,
    }
    if not query.filter.is_empty:
        given |= {field.name: getattr(query.filter, field.name) for field in fields(query.filter)}
    if query.ranking != PLAIN_RANKING:
        given |= {
            field.name: getattr(query.ranking, field.name)
            for field in fields(query.ranking)
            if getattr(query.ranking, field.name) != getattr(PLAIN_RANKING, field.name)
        }
    return {
        name: True if without_words and name in _WORDS else as_plain(value)
        for name, value in given.items()
        if value is not None
    }
