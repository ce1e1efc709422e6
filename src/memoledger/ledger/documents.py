"""Documents in the ledger: their reads and writes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb

from memoledger.ledger.document_rows import PreparedDocument, as_chunk, as_document
from memoledger.ledger.document_writing import REFUSED, learning
from memoledger.ledger.round_trip import Call, Connection, Row
from memoledger.ledger.sessions import Sessions
from memoledger.ledger.statements import statements
from memoledger.model.document import Chunk, Document
from memoledger.model.errors import ConflictError, LedgerError
from memoledger.model.principal import Principal
from memoledger.model.recall import Filter

_SQL = statements("documents")
_MEMORIES = statements("memories")


class Documents:
    """Reads and writes of documents and their chunks, each in a transaction of the principal's."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    async def write(
        self,
        principal: Principal,
        store_id: UUID,
        prepared: PreparedDocument,
        embedding_version: int,
    ) -> Document:
        """Write a version of a document with its chunks, their vectors and its observations.

        All of it is one transaction. Triggers add the audit records and the outbox rows.

        Raises:
            ConflictError: another version is current than the one expected, the identity is taken,
                or an observation's is; nothing was written.
        """
        calls = learning(principal, store_id, prepared, embedding_version)
        try:
            rows, *_ = await self._sessions.run(principal, store_id, *calls)
        except LedgerError as error:
            if error.details.get("sqlstate") not in REFUSED:
                raise
            rows = []
        if not rows:
            raise ConflictError(
                "Another writer changed this document, or a memory that it yields, first.",
                remedy="Try again.",
                id=str(prepared.document_id),
            )
        return as_document(rows[0])

    async def by_source(
        self, principal: Principal, store_id: UUID, source: str, source_id: str
    ) -> Document | None:
        """The document that holds an identity."""
        params = {"store_id": store_id, "source": source, "source_id": source_id}
        return _one(await self._run(principal, store_id, "document_by_source", params))

    async def learned_hashes(
        self, principal: Principal, store_id: UUID, source: str, source_ids: Sequence[str]
    ) -> dict[str, tuple[UUID, int, str]]:
        """Id, version and content hash (hex) of the documents of a source, by their source ids."""
        params = {"store_id": store_id, "source": source, "source_ids": list(source_ids)}
        rows = await self._run(principal, store_id, "learned_hashes", params)
        return {source_id: (id_, version, digest) for source_id, id_, version, digest in rows}

    async def chunks_held(
        self, principal: Principal, store_id: UUID, document: Document
    ) -> list[tuple[UUID, bytes]]:
        """Id and hash of the chunks of a document's version, in its order."""
        params = {
            "store_id": store_id,
            "document_id": document.id,
            "version": document.version,
        }
        rows = await self._run(principal, store_id, "chunks_held", params)
        return [(chunk_id, bytes(digest)) for chunk_id, digest in rows if digest is not None]

    async def get(
        self,
        principal: Principal,
        store_id: UUID,
        document_id: UUID,
        *,
        as_of: datetime | None = None,
        version: int | None = None,
    ) -> Document | None:
        """The version that is current, was at `as_of`, or has the number `version`."""
        params = {
            "store_id": store_id,
            "document_id": document_id,
            "as_of": as_of,
            "version": version,
        }
        return _one(await self._run(principal, store_id, "get_document", params))

    async def stamp(
        self, principal: Principal, store_id: UUID, document_id: UUID
    ) -> tuple[int, bytes] | None:
        """The current version, and the secret for what is cached of it; None if there is none."""
        params = {"store_id": store_id, "document_id": document_id}
        rows = await self._run(principal, store_id, "document_stamp", params)
        return (rows[0][0], bytes(rows[0][1])) if rows else None

    async def history(
        self, principal: Principal, store_id: UUID, document_id: UUID
    ) -> list[Document]:
        """Every version, oldest first."""
        params = {"store_id": store_id, "document_id": document_id}
        rows = await self._run(principal, store_id, "document_history", params)
        return [as_document(row) for row in rows]

    async def count(self, principal: Principal, store_id: UUID) -> int:
        """How many documents of the store are current."""
        rows = await self._run(principal, store_id, "count_documents", {"store_id": store_id})
        return int(rows[0][0])

    async def get_chunks(
        self,
        principal: Principal,
        store_id: UUID,
        ids: Sequence[UUID],
        as_of: datetime | None = None,
    ) -> dict[UUID, Chunk]:
        """Chunks by their ids, as a search found them.

        Each is told with its document's source, title, type, tags and date, and with its place and
        offsets in the version that is current, or was at `as_of`. One that this version does not
        have, because it changed or was forgotten or erased since the search, is left out.
        """
        params = {"store_id": store_id, "chunk_ids": list(ids), "as_of": as_of}
        rows = await self._run(principal, store_id, "get_chunks", params)
        return {chunk.id: chunk for chunk in map(as_chunk, rows)}

    async def list_chunks(
        self,
        principal: Principal,
        store_id: UUID,
        document_id: UUID,
        version: int,
        *,
        after_place: int,
        limit: int,
    ) -> list[Chunk]:
        """At most `limit` chunks of a version after a place, in its order."""
        params = {
            "store_id": store_id,
            "document_id": document_id,
            "version": version,
            "after_place": after_place,
            "limit": limit,
        }
        rows = await self._run(principal, store_id, "list_chunks", params)
        return [as_chunk(row) for row in rows]

    async def observed(
        self, principal: Principal, store_id: UUID, document_id: UUID, version: int
    ) -> list[tuple[UUID, int, bool]]:
        """The memories that a version yielded: id, version, and whether it made them."""
        params = {"store_id": store_id, "document_id": document_id, "version": version}
        rows = await self._run(principal, store_id, "observed_memories", params)
        return [(memory_id, number, made) for memory_id, number, made in rows]

    async def forget(
        self, principal: Principal, store_id: UUID, document_id: UUID, expected_version: int | None
    ) -> bool:
        """Close a document and the memories it alone yielded; False if there is no such one."""
        params = _named(store_id, document_id, expected_version)
        async with self._sessions.transaction(principal, store_id) as connection:
            closed = await _answers(connection, (_SQL["forget_document"], params))
            if not closed:
                return False
            [[instant, chunk_ids]] = closed
            gone = {**params, "chunk_ids": chunk_ids, "instant": instant}
            await _answers(connection, (_SQL["take_out_of_search"], gone))
            await self._close_observations(connection, "forget_memory", params)
        return True

    async def erase(
        self, principal: Principal, store_id: UUID, document_id: UUID, expected_version: int | None
    ) -> bool:
        """Empty every version of a document, its chunks and the memories it alone yielded.

        Returns:
            False if there is none to erase.
        """
        params = _named(store_id, document_id, expected_version)
        async with self._sessions.transaction(principal, store_id) as connection:
            if not await _answers(connection, (_SQL["erase_document"], params)):
                return False
            await self._close_observations(connection, "erase_memory", params)
        return True

    async def _close_observations(
        self, connection: Connection, name: str, params: dict[str, Any]
    ) -> None:
        for [memory_id] in await _answers(connection, (_SQL["own_observations"], params)):
            own = {**params, "memory_id": memory_id, "expected_version": None}
            await _answers(connection, (_MEMORIES[name], own))

    async def _run(
        self, principal: Principal, store_id: UUID, name: str, params: dict[str, Any]
    ) -> list[Row]:
        [rows] = await self._sessions.run(principal, store_id, (_SQL[name], params))
        return rows

    async def list(
        self,
        principal: Principal,
        store_id: UUID,
        *,
        source: str | None,
        filter: Filter,  # noqa: A002 - the field's natural name
        after_id: UUID | None,
        as_of: datetime | None,
        limit: int,
    ) -> list[Document]:
        """At most `limit` documents after `after_id`, in the order of their making."""
        params = {
            "store_id": store_id,
            "source": source,
            "types": None if filter.types is None else list(filter.types),
            "tags": None if filter.tags is None else list(filter.tags),
            "since": filter.since,
            "until": filter.until,
            "metadata": None if filter.metadata is None else Jsonb(dict(filter.metadata)),
            "after_id": after_id,
            "as_of": as_of,
            "limit": limit,
        }
        rows = await self._run(principal, store_id, "list_documents", params)
        return [as_document(row) for row in rows]


def _named(
    store_id: UUID, document_id: UUID, expected_version: int | None
) -> dict[str, UUID | int | None]:
    return {
        "store_id": store_id,
        "document_id": document_id,
        "expected_version": expected_version,
    }


def _one(rows: Sequence[Row]) -> Document | None:
    return as_document(rows[0]) if rows else None


async def _answers(connection: Connection, call: Call) -> list[Row]:
    """The rows with which a statement answers, inside a transaction."""
    statement, params = call
    cursor = await connection.execute(statement.sql, params)
    return await cursor.fetchall() if cursor.description else []
