"""What answers about documents hold, as the OpenAPI document describes it."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import Field

from memoledger.model.memory import Outcome
from memoledger.surfaces.api.answers import Chunk, Memory, Remembered, Told


class Document(Told):
    """One version of a document."""

    id: UUID
    version: int
    store_id: UUID
    source: str
    source_id: str
    type: str
    title: str | None
    summary: str | None
    state: str | None
    author: dict[str, Any]
    tags: list[str]
    metadata: dict[str, Any]
    media_type: str | None
    content_hash: str
    artifact_key: str | None
    artifact_hash: str | None
    lineage: dict[str, Any] = Field(description="Where the version comes from.")
    chunk_count: int
    char_count: int
    occurred_at: datetime | None
    recorded_at: datetime
    superseded_at: datetime | None
    deleted_at: datetime | None
    erased_at: datetime | None
    created_by: str
    updated_by: str


class Learned(Told):
    """A document, and what learning it did."""

    document: Document
    outcome: Outcome
    chunks: int
    chunks_new: int = Field(description="Of these, so many were written now.")
    chunks_kept: int = Field(description="Of these, so many were there already.")
    observations: list[Remembered]


class Documents(Told):
    """A page of documents, in the order of their making."""

    documents: list[Document]
    next_cursor: str | None


class DocumentVersions(Told):
    """Every version of a document, oldest first."""

    versions: list[Document]


class Chunks(Told):
    """A page of the chunks of a document, in its order."""

    chunks: list[Chunk]
    next_cursor: str | None


class Observations(Told):
    """The memories that a document yielded."""

    memories: list[Memory]
