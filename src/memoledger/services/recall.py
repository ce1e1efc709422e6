"""Recall: find memories by vectors, by words, or by both."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from memoledger.ledger.search import Candidate
from memoledger.model import fusion
from memoledger.model.memory import Memory
from memoledger.model.recall import Hit, Hits, Parts, Query
from memoledger.model.vectors import Vector, as_unit_vector
from memoledger.services.context import Context, Scope

CANDIDATES_MIN: Final = 200
"""Candidates of each channel that fusion looks at: more than the answer needs, because a memory
that is middling in both channels can win."""

CANDIDATES_PER_HIT: Final = 4


async def recall(
    context: Context,
    scope: Scope,
    query: Query,
    *,
    embedding: Sequence[float] | NDArray[np.floating] | None = None,
) -> Hits:
    """The best memories for a query, best first; equal scores in the order of their ids.

    A hit's score is the cosine similarity in mode "dense", BM25 in mode "lexical", and the fused
    score, 0 to 1, in mode "hybrid"; scores of one answer can be compared with each other.

    Args:
        embedding: the query's vector, to save embedding it; not used in mode "lexical".

    Raises:
        InvalidInput: the embedding has a wrong length or is not finite.
        EmbedderError: the model failed.
    """
    vector = await _query_vector(context, query, embedding)
    if query.mode == "dense" and vector is not None and _is_plain(query):
        return Hits(await _nearest(context, scope, query, vector))
    candidates = await context.ledger.search.candidates(
        scope.principal,
        scope.store_id,
        query,
        vector=vector,
        embedding_version=context.ledger.embedding_version,
        terms=context.preparer.query_terms(query.text),
        at_most=max(CANDIDATES_MIN, CANDIDATES_PER_HIT * query.limit),
    )
    ranked = _rank(query, candidates)
    return Hits(await _fetch(context, scope, query, ranked, candidates))


async def _query_vector(
    context: Context, query: Query, given: Sequence[float] | NDArray[np.floating] | None
) -> Vector | None:
    if query.mode == "lexical":
        return None
    if given is not None:
        return as_unit_vector("embedding", given, context.preparer.dimensions)
    return await context.preparer.embed_query(query.text)


def _is_plain(query: Query) -> bool:
    return query.filter.is_empty and query.as_of is None


async def _nearest(context: Context, scope: Scope, query: Query, vector: Vector) -> list[Hit]:
    found = await context.ledger.search.nearest(
        scope.principal, scope.store_id, query, vector, context.ledger.embedding_version
    )
    return [
        Hit(
            memory=memory,
            score=similarity,
            parts=_parts(rank, dense=similarity) if query.explain else None,
        )
        for rank, (similarity, memory) in enumerate(found, start=1)
    ]


def _rank(query: Query, candidates: Sequence[Candidate]) -> list[fusion.Fused[UUID]]:
    """All candidates in order; a single channel is ranked by its own score."""
    found = [fusion.Candidate(c.memory_id, c.dense, c.lexical) for c in candidates]
    weight = {"dense": 1.0, "lexical": 0.0, "hybrid": fusion.DENSE_WEIGHT}[query.mode]
    return fusion.fuse(found, dense_weight=weight)


async def _fetch(
    context: Context,
    scope: Scope,
    query: Query,
    ranked: Sequence[fusion.Fused[UUID]],
    candidates: Sequence[Candidate],
) -> list[Hit]:
    """The rows of the best; what was forgotten since the search drops out and the next move up."""
    versions = {c.memory_id: c.version for c in candidates}
    hits: list[Hit] = []
    start = 0
    while len(hits) < query.limit and start < len(ranked):
        wanted = ranked[start : start + query.limit]
        start += len(wanted)
        rows = await context.ledger.memories.get_versions(
            scope.principal, scope.store_id, [(f.id, versions[f.id]) for f in wanted], query.as_of
        )
        for fused in wanted:
            memory = rows.get(fused.id)
            if memory is not None and len(hits) < query.limit:
                hits.append(_hit(query, fused, memory, rank=len(hits) + 1))
    return hits


def _hit(query: Query, fused: fusion.Fused[UUID], memory: Memory, *, rank: int) -> Hit:
    scores = {"dense": fused.dense, "lexical": fused.lexical, "hybrid": fused.score}
    parts = None
    if query.explain:
        parts = _parts(
            rank,
            dense=fused.dense,
            lexical=fused.lexical,
            dense_scaled=fused.dense_scaled,
            lexical_scaled=fused.lexical_scaled,
        )
    return Hit(memory=memory, score=scores[query.mode] or 0.0, parts=parts)


def _parts(
    rank: int,
    *,
    dense: float | None = None,
    lexical: float | None = None,
    dense_scaled: float | None = None,
    lexical_scaled: float | None = None,
) -> Parts:
    return Parts(
        dense=dense,
        lexical=lexical,
        dense_scaled=dense_scaled,
        lexical_scaled=lexical_scaled,
        rank=rank,
    )
