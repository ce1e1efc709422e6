"""Searches of the ledger: candidates with their scores, for recall to fuse."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final
from uuid import UUID

from memoledger.ledger.candidates import NO_CANDIDATES, Candidates, as_candidates
from memoledger.ledger.indexed_search import DEFAULT_BOUNDS, Bounds, IndexedSearch
from memoledger.ledger.memory_rows import as_memory, filter_params
from memoledger.ledger.sessions import Sessions
from memoledger.ledger.statements import statements
from memoledger.ledger.store_indexes import StoreIndex
from memoledger.ledger.vector_types import HalfVector
from memoledger.model.errors import LedgerError
from memoledger.model.indexing import TermVector
from memoledger.model.memory import Memory
from memoledger.model.principal import Principal
from memoledger.model.recall import Query
from memoledger.model.vectors import Vector

__all__ = ["Candidates", "Search"]

_SQL = statements("search")

_CANCELED: Final = "57014"
"""PostgreSQL's code for a statement that took longer than it may."""

_WIDEST: Final = 1_000
"""Candidates of each channel that a filter is tried on where a scan took too long."""


class Search:
    """Searches of one store: exact while it is small, through its index once it has one.

    A filter or a past instant is always searched for exactly, so that no memory is lost to it.

    Args:
        bounds: what scans of a store that has an index may take.
    """

    def __init__(self, sessions: Sessions, bounds: Bounds = DEFAULT_BOUNDS) -> None:
        self._sessions = sessions
        self.indexed = IndexedSearch(sessions, bounds)

    async def nearest(
        self, principal: Principal, store_id: UUID, query: Query, vector: Vector, version: int
    ) -> list[tuple[float, Memory | UUID]] | None:
        """The current memories and chunks nearest to a vector, by one exact scan.

        Memories come with their rows, chunks as their ids. None where the store has an index, which
        `candidates` uses. For queries without filter and `as_of`, which it does not look at.
        """
        if await self.indexed.index_of(principal, store_id, version) is not None:
            return None
        params = {
            "store_id": store_id,
            "vector": HalfVector(vector),
            "embedding_version": version,
            "min_similarity": _floor(query),
            "limit": query.limit,
            "families": list(query.families),
        }
        [rows] = await self._sessions.run(principal, store_id, (_SQL["nearest_memories"], params))
        return [(row[0], row[1] if row[2] is None else as_memory(row[2:])) for row in rows]

    async def candidates(
        self,
        principal: Principal,
        store_id: UUID,
        query: Query,
        *,
        vector: Vector | None,
        embedding_version: int,
        terms: TermVector,
        at_most: int,
    ) -> Candidates:
        """The best `at_most` memories and chunks of each channel the query's mode asks for.

        Args:
            vector: the query's embedding; needed unless the mode is lexical.
            terms: the query's distinct words, each with weight 1; rarity is counted in the store.
            at_most: candidates of each channel.
        """
        params: dict[str, Any] = {
            **filter_params(query.filter),
            "unfiltered": query.filter.is_empty,
            "store_id": store_id,
            "as_of": query.as_of,
            "candidates": at_most,
            "embedding_version": embedding_version,
            "min_similarity": _floor(query),
            "families": list(query.families),
        }
        if vector is not None:
            params["vector"] = HalfVector(vector)
        if query.mode != "dense":
            params |= {"asked": terms, "terms": list(terms.indices)}
        index = await self.indexed.index_of(principal, store_id, embedding_version)
        if index is None:
            return await self._exact(principal, query, params)
        if _suits(index, query):
            found = await self.indexed.candidates(principal, index, query, params)
            if found is not None:
                return found
        return await self._scan(principal, index, query, params)

    async def _exact(
        self, principal: Principal, query: Query, params: Mapping[str, Any]
    ) -> Candidates:
        # Without a filter and of the present there is a statement that is planned once.
        plain = query.mode != "dense" and query.filter.is_empty and query.as_of is None
        name = f"{query.mode}_current" if plain else f"{query.mode}_candidates"
        [rows] = await self._sessions.run(principal, params["store_id"], (_SQL[name], params))
        return as_candidates(rows)

    async def _scan(
        self, principal: Principal, index: StoreIndex, query: Query, params: Mapping[str, Any]
    ) -> Candidates:
        """An exact search of a large store; cut short if it takes too long."""
        try:
            async with self.indexed.scanning() as within:
                call = (_SQL[f"{query.mode}_candidates"], params)
                *_, rows = await self._sessions.run(principal, params["store_id"], within, call)
                return as_candidates(rows)
        except LedgerError as error:
            if error.details.get("sqlstate") != _CANCELED or query.as_of is not None:
                raise
        widest = {**params, "candidates": max(_WIDEST, params["candidates"])}
        found = await self.indexed.candidates(principal, index, query, widest)
        if found is None:
            return replace(NO_CANDIDATES, complete=False)
        if query.filter.is_empty:
            return replace(found, complete=False)
        return await self.indexed.passing(principal, found, params)


def _suits(index: StoreIndex, query: Query) -> bool:
    """Whether the index can answer as an exact search would.

    It ranks all that it holds together: a question that leaves out a family of it is none for it.
    """
    measured = index.ef_search is not None or query.mode == "lexical"
    asked = set(index.families) <= set(query.families)
    return measured and asked and query.filter.is_empty and query.as_of is None


def _floor(query: Query) -> float:
    """Half precision rounds; without a floor nothing may fall through it."""
    return -2.0 if query.min_similarity is None else query.min_similarity
