"""Searches of the ledger: candidates with their scores, for recall to fuse."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from memoledger.ledger.memory_rows import as_memory, filter_params
from memoledger.ledger.sessions import Sessions
from memoledger.ledger.statements import statements
from memoledger.ledger.vector_types import HalfVector
from memoledger.model.indexing import TermVector
from memoledger.model.memory import Memory
from memoledger.model.principal import Principal
from memoledger.model.recall import Query
from memoledger.model.vectors import Vector

_SQL = statements("search")


@dataclass(frozen=True, slots=True)
class Candidate:
    """A version of a memory with the scores of the channels that looked at it.

    Args:
        dense: cosine similarity of its best view, -1 to 1; None without a vector.
        lexical: BM25 score, from 0; None if it has none of the words or words were not asked.
    """

    memory_id: UUID
    version: int
    dense: float | None
    lexical: float | None


class Search:
    """Exact searches of one store. Nothing that passes the filter is left out of the ranking."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    async def nearest(
        self, principal: Principal, store_id: UUID, query: Query, vector: Vector, version: int
    ) -> list[tuple[float, Memory]]:
        """The current memories nearest to a vector, with their rows.

        For queries without filter and `as_of`, which it does not look at.
        """
        params = {
            "store_id": store_id,
            "vector": HalfVector(vector),
            "embedding_version": version,
            "min_similarity": _floor(query),
            "limit": query.limit,
        }
        [rows] = await self._sessions.run(principal, store_id, (_SQL["nearest_memories"], params))
        return [(row[0], as_memory(row[1:])) for row in rows]

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
    ) -> list[Candidate]:
        """The best `at_most` memories of each channel the query's mode asks for.

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
        }
        if vector is not None:
            params |= {
                "vector": HalfVector(vector),
                "embedding_version": embedding_version,
                "min_similarity": _floor(query),
            }
        if query.mode != "dense":
            params |= {"asked": terms, "terms": list(terms.indices)}
        call = (_SQL[f"{query.mode}_candidates"], params)
        [rows] = await self._sessions.run(principal, store_id, call)
        return [Candidate(*row) for row in rows]


def _floor(query: Query) -> float:
    """Half precision rounds; without a floor nothing may fall through it."""
    return -2.0 if query.min_similarity is None else query.min_similarity
