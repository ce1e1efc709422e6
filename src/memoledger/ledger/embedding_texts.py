"""What lacks a vector in an embedding version, and the writing of what it lacked.

It goes over all tenants, as the ledger itself: through all texts in the order of their keys, a page
at a time, and then by what was written since. Vectors are written outside of any writer's way: the
rows they belong to are locked for as long as that takes and no longer.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import numpy as np

from memoledger.ledger.failures import translated
from memoledger.ledger.round_trip import Connection, Row
from memoledger.ledger.statements import statements
from memoledger.ledger.vector_types import HalfVectors, fetch_vector_oids, register_vectors
from memoledger.model.document import indexed_chunk
from memoledger.model.embedding import Family, View
from memoledger.model.vectors import Vector

_SQL = statements("embedding_texts")
_BECOME_OWNER = statements("principals")["become_owner"]
_REFRESH = statements("maintenance")["refresh_statistics"]

FAMILIES: Final[tuple[Family, ...]] = ("memory", "chunk")
"""Families that are embedded, in the order in which they are gone through."""

PAGE: Final = 1_000
"""Texts looked at in a step; about 10 ms."""

_PAGES: Final[dict[Family, str]] = {"memory": "page_of_memories", "chunk": "page_of_chunks"}
_GIVEN: Final[dict[Family, str]] = {"memory": "memories_of", "chunk": "chunks_of"}
_WRITES: Final[dict[Family, str]] = {
    "memory": "write_memory_vectors",
    "chunk": "write_chunk_vectors",
}
_BEFORE_ALL: Final = UUID(int=0)


@dataclass(frozen=True, slots=True, order=True)
class Owner:
    """Whose a vector is: a version of a memory, or a chunk."""

    tenant: str
    store_id: UUID
    family: Family
    owner_id: UUID
    version: int


@dataclass(frozen=True, slots=True)
class Lacking:
    """A text some of whose views lack a vector.

    Args:
        views: which; none where it lacks nothing, or is not there any more.
        content, title, summary, speaker, occurred_at: what is embedded of it, as in a memory; of a
            chunk its content alone, after its heading.
    """

    owner: Owner
    views: tuple[View, ...]
    content: str
    title: str | None
    summary: str | None
    speaker: str | None
    occurred_at: datetime | None


@dataclass(frozen=True, slots=True)
class Page:
    """A step through all texts.

    Args:
        lacking: those that lack a vector.
        last: the last that was looked at; None if there were none.
    """

    lacking: list[Lacking]
    last: Owner | None


@dataclass(frozen=True, slots=True)
class Made:
    """A vector that was made for one view of a text."""

    owner: Owner
    view: View
    vector: Vector


class EmbeddingTexts:
    """Finds and fills what an embedding version lacks.

    Args:
        connection: of a login that may become the owner, in autocommit mode, for this alone.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._registered = False

    async def missing(self, number: int) -> int:
        """How many texts lack a vector, counted over all of them."""
        async with self._owning():
            [(count,)] = await self._run("count_missing", number=number)
        return int(count)

    async def page(self, number: int, family: Family, after: Owner | None) -> Page:
        """The next texts of a family after one of them, in the order of their keys."""
        params = {
            "number": number,
            "tenant": "" if after is None else after.tenant,
            "store_id": _BEFORE_ALL if after is None else after.store_id,
            "owner_id": _BEFORE_ALL if after is None else after.owner_id,
            "version": 0 if after is None else after.version,
            "limit": PAGE,
        }
        async with self._owning():
            rows = await self._run(_PAGES[family], **params)
        texts = [_as_lacking(row) for row in rows]
        lacking = [one for one in texts if one.views]
        return Page(lacking, texts[-1].owner if texts else None)

    async def recent(self, number: int, since: datetime, *, at_most: int) -> list[Owner]:
        """Current texts that were written since an instant and lack a vector."""
        async with self._owning():
            rows = await self._run("recently_missing", number=number, since=since, limit=at_most)
        return [Owner(*row) for row in rows]

    async def of(self, number: int, owners: Sequence[Owner]) -> list[Lacking]:
        """The given texts as they are now; those that lack nothing are left out."""
        found: list[Lacking] = []
        for family in FAMILIES:
            wanted = [one for one in owners if one.family == family]
            if wanted:
                async with self._owning():
                    rows = await self._run(_GIVEN[family], number=number, **_keys(wanted))
                found += [_as_lacking(row) for row in rows]
        return [one for one in found if one.views]

    async def write(self, number: int, made: Sequence[Made]) -> int:
        """Write vectors of texts that are still there; how many were new.

        Raises:
            ConflictError: it collided with another write; nothing was written.
        """
        await self._register()
        written = 0
        # In one order everywhere, so that no two who do this wait for each other.
        ordered = sorted(made, key=lambda one: one.owner)
        for family in FAMILIES:
            wanted = [one for one in ordered if one.owner.family == family]
            if wanted:
                params = {
                    "number": number,
                    **_keys([one.owner for one in wanted]),
                    "views": [one.view for one in wanted],
                    "vectors": HalfVectors(np.stack([one.vector for one in wanted])),
                }
                async with self._owning():
                    [(count,)] = await self._run(_WRITES[family], **params)
                written += int(count)
        return written

    async def refresh_statistics(self) -> None:
        """Have the planner know of what was written."""
        async with self._owning():
            await self._connection.execute(_REFRESH.sql)

    async def _register(self) -> None:
        if not self._registered:
            oids = await fetch_vector_oids(self._connection)
            register_vectors(self._connection, oids)
            self._registered = True

    @asynccontextmanager
    async def _owning(self) -> AsyncIterator[None]:
        with translated():
            async with self._connection.transaction():
                await self._connection.execute(_BECOME_OWNER.sql)
                yield

    async def _run(self, name: str, /, **params: Any) -> list[Row]:
        cursor = await self._connection.execute(_SQL[name].sql, params)
        return await cursor.fetchall()


def _keys(owners: Sequence[Owner]) -> dict[str, list[Any]]:
    return {
        "tenants": [one.tenant for one in owners],
        "store_ids": [one.store_id for one in owners],
        "owner_ids": [one.owner_id for one in owners],
        "versions": [one.version for one in owners],
    }


def _as_lacking(row: Row) -> Lacking:
    tenant, store_id, family, owner_id, version, views, content, title, summary, said, at = row
    owner = Owner(tenant, store_id, family, owner_id, version)
    if family == "chunk":  # in whose row the heading stands where a memory's speaker does
        content, said = indexed_chunk(content or "", said), None
    return Lacking(owner, tuple(views), content or "", title, summary, said, at)
