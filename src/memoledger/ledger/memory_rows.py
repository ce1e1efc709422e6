"""Memories as rows: what a statement is given, and what is made of its answer."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import numpy as np
from numpy.typing import NDArray
from psycopg.types.json import Jsonb

from memoledger.ledger.round_trip import Row
from memoledger.ledger.vector_types import HalfVectors, TermVectors
from memoledger.model.embedding import View
from memoledger.model.indexing import TermVector
from memoledger.model.memory import CheckedDraft, Memory, Outcome, Remembered, memory_of
from memoledger.model.principal import Principal
from memoledger.model.recall import Filter


@dataclass(frozen=True, slots=True)
class Beside:
    """Vectors of a text in another embedding version than the one that serves.

    Args:
        embedding_version: its number.
        views, vectors: as in `Prepared`.
    """

    embedding_version: int
    views: tuple[View, ...]
    vectors: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Prepared:
    """A checked draft with everything that is written beside it.

    Args:
        memory_id: the id it gets if its identity is free.
        draft: the checked draft.
        views: which texts were embedded, the body before the others; those that are missing are
            left to the workers.
        vectors: one unit vector a view, shape (len(views), dimensions).
        terms: its words, weighed for BM25.
        beside: its vectors in the other embedding versions that are kept up to date.
        later: those of them whose vectors are left to the workers.
    """

    memory_id: UUID
    draft: CheckedDraft
    views: tuple[View, ...]
    vectors: NDArray[np.float32]
    terms: TermVector
    beside: tuple[Beside, ...] = ()
    later: tuple[int, ...] = ()

    @property
    def is_embedded(self) -> bool:
        """Whether every text that is embedded has its vector."""
        draft = self.draft
        return len(self.views) == 1 + (draft.title is not None) + (draft.summary is not None)


_FIELDS: Final = [field.name for field in fields(Memory)]
_CONTENT: Final = _FIELDS.index("content")
_TAGS: Final = _FIELDS.index("tags")
_SUBJECT_REFS: Final = _FIELDS.index("subject_refs")


def as_memory(row: Row | Sequence[Any]) -> Memory:
    """A memory from the columns that every statement here selects, in the order of its fields."""
    values = list(row)
    values[_CONTENT] = values[_CONTENT] or ""
    values[_TAGS] = tuple(values[_TAGS])
    values[_SUBJECT_REFS] = tuple(values[_SUBJECT_REFS])
    return memory_of(values)


def filter_params(filter: Filter) -> dict[str, Any]:  # noqa: A002 - the field's natural name
    """The parameters with which statements express a filter."""
    return {
        "types": None if filter.types is None else list(filter.types),
        "tags": None if filter.tags is None else list(filter.tags),
        "since": filter.since,
        "until": filter.until,
        "min_importance": filter.min_importance,
        "metadata": None if filter.metadata is None else Jsonb(dict(filter.metadata)),
        "valid_at": filter.valid_at,
    }


def owner_params(principal: Principal, store_id: UUID) -> dict[str, Any]:
    """Whose row it is, and who writes it."""
    return {"tenant": principal.tenant, "user": principal.user, "store_id": store_id}


def field_params(draft: CheckedDraft) -> dict[str, Any]:
    """A version's own columns."""
    return {
        "content": draft.content,
        "content_hash": draft.content_hash,
        "type": draft.type,
        "importance": draft.importance,
        "source": draft.source,
        "tags": list(draft.tags),
        "subject_refs": list(draft.subject_refs),
        "metadata": Jsonb(draft.metadata),
        "title": draft.title,
        "summary": draft.summary,
        "external_id": draft.external_id,
        "privacy": draft.privacy,
        "occurred_at": draft.occurred_at,
        "valid_from": draft.valid_from,
        "valid_to": draft.valid_to,
        "expires_at": draft.expires_at,
    }


def search_params(prepared: Prepared, embedding_version: int) -> dict[str, Any]:
    """What search reads of one memory."""
    sets = _vector_sets(prepared, embedding_version)
    return {
        "embedding_versions": [one.embedding_version for one in sets for _ in one.views],
        "views": [view for one in sets for view in one.views],
        "vectors": HalfVectors(prepared.vectors, [one.vectors for one in prepared.beside]),
        "length": prepared.terms.length,
        "weights": prepared.terms,
    }


def _vector_sets(prepared: Prepared, embedding_version: int) -> tuple[Beside, ...]:
    """Its vectors in every embedding version, those of the one that serves first."""
    own = Beside(embedding_version, prepared.views, prepared.vectors)
    return own, *prepared.beside


def batch_params(batch: Sequence[Prepared], embedding_version: int) -> dict[str, Any]:
    """A batch of memories: rows as JSON, vectors flat, each with the position of its memory."""
    drafts = [_as_json(prepared) for prepared in batch]
    own = np.concatenate([prepared.vectors for prepared in batch])
    # First those of the version that serves, which are of one length and so one matrix.
    placed = [
        (place, embedding_version, view)
        for place, prepared in enumerate(batch, start=1)
        for view in prepared.views
    ]
    placed += [
        (place, one.embedding_version, view)
        for place, prepared in enumerate(batch, start=1)
        for one in prepared.beside
        for view in one.views
    ]
    more = [one.vectors for prepared in batch for one in prepared.beside]
    return {
        "drafts": json.dumps(drafts, ensure_ascii=False),
        "lengths": [prepared.terms.length for prepared in batch],
        "weights": TermVectors([prepared.terms for prepared in batch]),
        "positions": [place for place, _, _ in placed],
        "embedding_versions": [version for _, version, _ in placed],
        "views": [view for _, _, view in placed],
        "vectors": HalfVectors(own, more),
    }


def _as_json(prepared: Prepared) -> dict[str, Any]:
    draft = prepared.draft
    written = {
        "memory_id": str(prepared.memory_id),
        "content": draft.content,
        "type": draft.type,
        "importance": draft.importance,
        "source": draft.source,
        "tags": draft.tags,
        "subject_refs": draft.subject_refs,
        "metadata": draft.metadata,
        "title": draft.title,
        "summary": draft.summary,
        "external_id": draft.external_id,
        "privacy": draft.privacy,
        "occurred_at": _iso(draft.occurred_at),
        "valid_from": _iso(draft.valid_from),
        "valid_to": _iso(draft.valid_to),
        "expires_at": _iso(draft.expires_at),
        "content_hash": "\\x" + draft.content_hash.hex(),
    }
    # What is missing is NULL to PostgreSQL; half of the fields mostly are, and take time to read.
    return {name: value for name, value in written.items() if value is not None}


def _iso(instant: datetime | None) -> str | None:
    return None if instant is None else instant.isoformat()


def next_version(
    prepared: Prepared, store_id: UUID, user: str, rows: Sequence[Row]
) -> Remembered | None:
    """What `write_version` wrote; None if another version is current."""
    if not rows:
        return None
    version, recorded_at, created_by = rows[0]
    written = as_remembered(prepared, store_id, user, (version, recorded_at), "updated")
    return replace(written, created_by=created_by)


def as_remembered(
    prepared: Prepared, store_id: UUID, user: str, row: Row, outcome: Outcome
) -> Remembered:
    """The memory that a row of the statement's answer completes."""
    draft = prepared.draft
    return Remembered(
        id=prepared.memory_id,
        version=row[0],
        store_id=store_id,
        content=draft.content,
        type=draft.type,
        importance=draft.importance,
        source=draft.source,
        tags=draft.tags,
        subject_refs=draft.subject_refs,
        metadata=draft.metadata,
        title=draft.title,
        summary=draft.summary,
        external_id=draft.external_id,
        privacy=draft.privacy,
        occurred_at=draft.occurred_at,
        valid_from=draft.valid_from,
        valid_to=draft.valid_to,
        expires_at=draft.expires_at,
        recorded_at=row[1],
        superseded_at=None,
        deleted_at=None,
        erased_at=None,
        created_by=user,
        updated_by=user,
        outcome=outcome,
    )
