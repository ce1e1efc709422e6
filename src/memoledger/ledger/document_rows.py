"""Documents and chunks as rows: what a statement is given, and what is made of its answer."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import numpy as np
from numpy.typing import NDArray
from psycopg.types.json import Jsonb

from memoledger.ledger.memory_rows import Prepared
from memoledger.ledger.round_trip import Row
from memoledger.ledger.vector_types import HalfVectors, TermVectors
from memoledger.model.document import Chunk, ChunkDraft, Document
from memoledger.model.indexing import TermVector


@dataclass(frozen=True, slots=True)
class VectorSet:
    """The vectors of some chunks in one embedding version.

    Args:
        embedding_version: its number.
        vectors: shape (chunks, dimensions), in the chunks' order.
    """

    embedding_version: int
    vectors: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class PreparedChunks:
    """The chunks of a version, with everything that is written beside those that are new.

    Args:
        chunks: all of them, in their order.
        terms: the words of each new one, weighed for BM25.
        vector_sets: the vectors of the new ones, in each embedding version that is written; none
            where they wait to be embedded.
    """

    chunks: tuple[ChunkDraft, ...]
    terms: tuple[TermVector, ...]
    vector_sets: tuple[VectorSet, ...]

    @property
    def new(self) -> list[ChunkDraft]:
        """Those that are to be written."""
        return [chunk for chunk in self.chunks if chunk.is_new]


@dataclass(frozen=True, slots=True)
class Observation:
    """A memory that a document yields, and what is to be done for it.

    Args:
        memory_id: its id, or the one it gets.
        version: the version it is at, or gets.
        prepared: what is to be written; None for one that is there already.
    """

    memory_id: UUID
    version: int
    prepared: Prepared | None


@dataclass(frozen=True, slots=True)
class PreparedDocument:
    """A version of a document that is ready to be written.

    Args:
        document_id: the document's, or the one it gets.
        expected_version: the version that has to be current; None to write the first.
        fields: the columns of the version, by name.
        gone: the chunks of the version before that this one does not have.
        waits_in: the embedding versions in which the new chunks wait to be embedded; None for all
            that are kept up to date.
    """

    document_id: UUID
    expected_version: int | None
    fields: Mapping[str, Any]
    chunks: PreparedChunks
    gone: tuple[UUID, ...] = ()
    observations: tuple[Observation, ...] = ()
    waits_in: tuple[int, ...] | None = ()


def as_document(row: Row | Sequence[Any]) -> Document:
    """A document from the columns that every statement selects, in the order of its fields."""
    (id_, version, store_id, source, source_id, type_, title, summary, state, *rest) = row
    author, tags, metadata, media_type, content_hash, artifact_key, artifact_hash, *last = rest
    lineage, chunk_count, char_count, occurred_at, recorded_at, superseded_at, *ends = last
    deleted_at, erased_at, created_by, updated_by = ends
    return Document(
        id=id_,
        version=version,
        store_id=store_id,
        source=source or "",
        source_id=source_id or "",
        type=type_,
        title=title,
        summary=summary,
        state=state,
        author=author,
        tags=tuple(tags),
        metadata=metadata,
        media_type=media_type,
        content_hash=content_hash or "",
        artifact_key=artifact_key,
        artifact_hash=artifact_hash,
        lineage=lineage,
        chunk_count=chunk_count,
        char_count=char_count,
        occurred_at=occurred_at,
        recorded_at=recorded_at,
        superseded_at=superseded_at,
        deleted_at=deleted_at,
        erased_at=erased_at,
        created_by=created_by,
        updated_by=updated_by,
    )


def as_chunk(row: Row | Sequence[Any]) -> Chunk:
    """A chunk from the columns that every statement selects, in the order of its fields."""
    id_, document_id, version, first_version, store_id, place, text, section, *rest = row
    start, end, token_count, keywords, source, source_id, title, type_, tags, *instants = rest
    occurred_at, recorded_at, superseded_at = instants
    return Chunk(
        id=id_,
        document_id=document_id,
        version=version,
        first_version=first_version,
        store_id=store_id,
        place=place,
        text=text,
        section=section,
        start=start,
        end=end,
        token_count=token_count,
        keywords=tuple(keywords),
        source=source,
        source_id=source_id,
        title=title,
        type=type_,
        tags=tuple(tags),
        occurred_at=occurred_at,
        recorded_at=recorded_at,
        superseded_at=superseded_at,
    )


def version_params(fields: Mapping[str, Any]) -> dict[str, Any]:
    """A version's own columns, as its statement takes them."""
    objects = ("author", "metadata", "lineage")
    return {**fields, **{name: Jsonb(fields[name]) for name in objects}}


def chunk_params(prepared: PreparedChunks, first: int, last: int) -> dict[str, Any]:
    """The new chunks from `first` to before `last`, with their words and vectors."""
    new = prepared.new[first:last]
    terms = prepared.terms[first:last]
    sets = [(s.embedding_version, s.vectors[first:last]) for s in prepared.vector_sets]
    matrices = [vectors for _, vectors in sets]
    empty = np.empty((0, 1), dtype=np.float32)
    return {
        "pieces": json.dumps([_as_json(chunk) for chunk in new], ensure_ascii=False),
        "lengths": [term.length for term in terms],
        "weights": TermVectors(terms),
        "positions": [place for _, v in sets for place in range(1, len(v) + 1)],
        "embedding_versions": [number for number, v in sets for _ in range(len(v))],
        "vectors": HalfVectors(matrices[0] if matrices else empty, matrices[1:]),
    }


def _as_json(chunk: ChunkDraft) -> dict[str, Any]:
    return {
        "chunk_id": str(chunk.chunk_id),
        "token_count": chunk.piece.token_count,
        "text": chunk.piece.text,
        "section": chunk.piece.section,
        "keywords": chunk.keywords,
        "chunk_hash": "\\x" + chunk.hash.hex(),
    }


def place_params(chunks: Sequence[ChunkDraft], first: int) -> dict[str, Any]:
    """Where some chunks stand, the first of them at place `first`."""
    return {
        "places": list(range(first, first + len(chunks))),
        "chunk_ids": [chunk.chunk_id for chunk in chunks],
        "starts": [chunk.piece.start for chunk in chunks],
        "ends": [chunk.piece.end for chunk in chunks],
    }
