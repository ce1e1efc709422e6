"""Looks at the vectors of an embedding version: all there, well-formed, and in their place?"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from memoledger.ledger.embedding_texts import Owner
from memoledger.ledger.failures import translated
from memoledger.ledger.round_trip import Connection, Row
from memoledger.ledger.statements import statements
from memoledger.ledger.vector_types import as_vector
from memoledger.model.vectors import Vector

_SQL = statements("embedding_checks")
_BECOME_OWNER = statements("principals")["become_owner"]


@dataclass(frozen=True, slots=True)
class ViewCount:
    """How many texts there are of a kind, and how many vectors."""

    family: str
    view: str
    texts: int
    vectors: int


class EmbeddingChecks:
    """Reads for verification, over all tenants, as the ledger itself.

    Args:
        connection: of a login that may become the owner, in autocommit mode, for this alone.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def counts(self, number: int) -> list[ViewCount]:
        """Texts and vectors by family and view."""
        return [ViewCount(*row) for row in await self._run("vectors_by_view", number=number)]

    async def malformed(self, number: int) -> tuple[int, int]:
        """Vectors of a wrong length, and those whose Euclidean length is not 1."""
        [(wrong, uneven)] = await self._run("malformed_vectors", number=number)
        return int(wrong), int(uneven)

    async def misplaced(self, number: int) -> tuple[int, int]:
        """Vectors of nothing that is there, and those that do not know of its end or its owner."""
        [(orphaned, wrong)] = await self._run("misplaced_vectors", number=number)
        return int(orphaned), int(wrong)

    async def put_in_place(self, number: int) -> int:
        """Remove vectors of nothing, and close those of what has ended; how many those were."""
        [(orphaned,)] = await self._run("remove_orphaned_vectors", number=number)
        [(ended,)] = await self._run("close_ended_vectors", number=number)
        return int(orphaned) + int(ended)

    async def sample(self, number: int, count: int) -> list[Owner]:
        """Some current texts at random that have a vector."""
        rows = await self._run("sample_vectors", number=number, count=count)
        return [Owner(*row) for row in rows]

    async def vectors(self, number: int, owners: Sequence[Owner]) -> dict[Owner, Vector]:
        """The bodies' vectors of given texts, as far as they have one."""
        rows = await self._run(
            "vectors_of",
            number=number,
            tenants=[one.tenant for one in owners],
            store_ids=[one.store_id for one in owners],
            families=[one.family for one in owners],
            owner_ids=[one.owner_id for one in owners],
            versions=[one.version for one in owners],
        )
        found = ((Owner(*key), as_vector(sent)) for *key, sent in rows)
        return {owner: vector for owner, vector in found if vector is not None}

    async def nearest(self, number: int, owner: Owner) -> set[UUID]:
        """The ten nearest of a text in its store, by an exact search."""
        rows = await self._run(
            "nearest_in_version",
            number=number,
            tenant=owner.tenant,
            store_id=owner.store_id,
            family=owner.family,
            owner_id=owner.owner_id,
            version=owner.version,
        )
        return {row[0] for row in rows}

    async def without_index(self, number: int, serving: int) -> list[tuple[str, str, str]]:
        """Stores with an index in the version that serves and none in this: tenant, owner, name."""
        rows = await self._run("stores_without_index", number=number, serving=serving)
        return [(row[0], row[1], row[2]) for row in rows]

    @asynccontextmanager
    async def _owning(self) -> AsyncIterator[None]:
        with translated():
            async with self._connection.transaction():
                await self._connection.execute(_BECOME_OWNER.sql)
                yield

    async def _run(self, name: str, /, **params: Any) -> list[Row]:
        async with self._owning():
            cursor = await self._connection.execute(_SQL[name].sql, params)
            return await cursor.fetchall()
