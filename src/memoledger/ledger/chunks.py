"""Chunks as recall looks at them: how they compare, and what became of them.

`ledger.documents` writes and reads them.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from memoledger.ledger.memories import Comparable
from memoledger.ledger.memory_rows import filter_params
from memoledger.ledger.receipts import Verdict, as_verdict
from memoledger.ledger.sessions import Sessions
from memoledger.ledger.statements import statements
from memoledger.ledger.vector_types import HalfVector, as_vector
from memoledger.model.document import Chunk
from memoledger.model.indexing import TermVector
from memoledger.model.principal import Principal
from memoledger.model.recall import Filter
from memoledger.model.vectors import Vector

_SQL = statements("chunks")


class Life(NamedTuple):
    """What became of a chunk, and of its document.

    Args:
        document_version: the document's latest version.
        document_deleted_at: when the document was forgotten.
    """

    document_id: UUID
    first_version: int
    recorded_at: datetime
    superseded_at: datetime | None
    erased_at: datetime | None
    document_version: int
    document_deleted_at: datetime | None


class Chunks:
    """What recall asks of chunks beside their texts."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    async def comparable(
        self,
        principal: Principal,
        store_id: UUID,
        chunk_ids: Sequence[UUID],
        embedding_version: int,
    ) -> dict[UUID, Comparable]:
        """What tells the given chunks apart, by id; erased ones are left out."""
        params = {
            "store_id": store_id,
            "chunk_ids": list(chunk_ids),
            "embedding_version": embedding_version,
        }
        [rows] = await self._sessions.run(principal, store_id, (_SQL["comparable_chunks"], params))
        return {one: Comparable(bytes(digest), as_vector(sent)) for one, digest, sent in rows}

    async def life(self, principal: Principal, store_id: UUID, chunk_id: UUID) -> Life | None:
        """What became of a chunk; None if the store never had it."""
        params = {"store_id": store_id, "chunk_id": chunk_id}
        [rows] = await self._sessions.run(principal, store_id, (_SQL["life_of_chunk"], params))
        return Life(*rows[0]) if rows else None

    async def whereabouts(
        self, principal: Principal, chunk_id: UUID
    ) -> tuple[UUID, str, str] | None:
        """Id, name and owner of the store that holds a chunk, among all the principal may read."""
        params = {"chunk_id": chunk_id}
        [rows] = await self._sessions.run(principal, None, (_SQL["store_of_chunk"], params))
        return (rows[0][0], rows[0][1], rows[0][2]) if rows else None

    async def judge(
        self,
        principal: Principal,
        store_id: UUID,
        chunk: Chunk,
        *,
        filter: Filter,  # noqa: A002 - the field's natural name
        vector: Vector | None,
        embedding_version: int,
        terms: TermVector,
    ) -> Verdict | None:
        """What a chunk is to a question; None if it is not to be seen."""
        params = {
            **filter_params(filter),
            "store_id": store_id,
            "chunk_id": chunk.id,
            "version": chunk.version,
            "vector": None if vector is None else HalfVector(vector),
            "embedding_version": embedding_version,
            "asked": terms,
        }
        [rows] = await self._sessions.run(principal, store_id, (_SQL["judge_chunk"], params))
        return as_verdict(rows[0]) if rows else None
