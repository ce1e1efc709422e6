"""Recall: find memories by vectors, by words, or by both."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from memoledger.model.recall import Hit, Hits, Parts, Query
from memoledger.model.spans import span
from memoledger.model.stopwatch import Stopwatch
from memoledger.model.vectors import Vector, as_unit_vector
from memoledger.services.context import Context, Scope
from memoledger.services.diversify import diversify
from memoledger.services.found import fetch
from memoledger.services.rank import Ranked, rank
from memoledger.services.rerank import wants_reranking
from memoledger.services.stores import get_store

CANDIDATES_MIN: Final = 100
"""Candidates of each channel that fusion looks at: more than the answer needs, because a memory
that is middling in both channels can win."""

CANDIDATES_PER_HIT: Final = 4


async def recall(
    context: Context,
    scope: Scope,
    query: Query,
    *,
    embedding: Sequence[float] | NDArray[np.floating] | None = None,
    seen: bool = True,
) -> Hits:
    """The best memories and chunks for a query, best first; equal scores in the order of their ids.

    A hit's score is the cosine similarity in mode "dense", BM25 in mode "lexical", and the fused
    score, 0 to 1, in mode "hybrid" and wherever the caller's weights count; scores of one answer
    can be compared with each other.

    Args:
        embedding: the query's vector, to save embedding it; not used in mode "lexical".
        seen: whether the principal is known to see the store. If not, that is looked up where
            nothing was found, which is what there is in a store that one may not see.

    Raises:
        InvalidInput: the embedding has a wrong length or is not finite.
        EmbedderError: the model failed.
        NotFound: the store was not known to be seen, and is not.
    """
    context = await context.pinned()
    hits = await answer(context, scope, query, embedding=embedding)
    if not hits and not seen:
        await get_store(context, scope.principal, scope.store_id)
    return await context.receipts.keep(
        scope, query, hits, embedding_version=context.ledger.embedding_version
    )


async def answer(
    context: Context,
    scope: Scope,
    query: Query,
    *,
    embedding: Sequence[float] | NDArray[np.floating] | None = None,
) -> Hits:
    """What `recall` answers; it leaves no receipt."""
    context = await context.pinned()
    with span("recall", lambda: {"memoledger.mode": query.mode, "memoledger.limit": query.limit}):
        return await _answer(context, scope, query, embedding)


async def _answer(
    context: Context,
    scope: Scope,
    query: Query,
    embedding: Sequence[float] | NDArray[np.floating] | None,
) -> Hits:
    watch = Stopwatch()
    vector = await _query_vector(context, query, embedding)
    watch.lap("embed")
    if query.mode == "dense" and vector is not None and _is_plain(context, query):
        nearest = await _nearest(context, scope, query, vector)
        if nearest is not None:
            pending = await _pending(context, scope, query)
            watch.lap("search")
            return Hits(nearest, pending=pending, timings_ms=watch.laps_ms)
    terms = context.preparer.query_terms(query.text)
    found = await context.ledger.search.candidates(
        scope.principal,
        scope.store_id,
        query,
        vector=vector,
        embedding_version=context.ledger.embedding_version,
        terms=terms,
        at_most=_at_most(context, query),
    )
    watch.lap("search")
    with span("rank"):
        ranked = await rank(context, scope, query, found, vector=vector, terms=terms)
        order = await diversify(context, scope, query, ranked)
    watch.lap("rank")
    hits = order.noted(await _fetch(context, scope, query, order.ranked))
    pending = await _pending(context, scope, query)
    watch.lap("fetch")
    return Hits(
        hits,
        complete=found.complete,
        pending=pending,
        searched_by=found.searched_by,
        timings_ms=watch.laps_ms,
    )


async def _pending(context: Context, scope: Scope, query: Query) -> int:
    """What of the store waits to be embedded; words find it nevertheless."""
    if query.mode == "lexical":
        return 0
    return await context.ledger.schedules.pending(
        scope.principal, scope.store_id, context.ledger.embedding_version
    )


async def _query_vector(
    context: Context, query: Query, given: Sequence[float] | NDArray[np.floating] | None
) -> Vector | None:
    if query.mode == "lexical":
        return None
    if given is not None:
        return as_unit_vector("embedding", given, context.preparer.dimensions)
    return await context.preparer.embed_query(query.text)


def _at_most(context: Context, query: Query) -> int:
    """Candidates of each channel; where nothing will change their order a few more than hits."""
    if query.mode == "dense" and _is_plain(context, query):
        return query.limit + 10
    return max(CANDIDATES_MIN, CANDIDATES_PER_HIT * query.limit)


def _is_plain(context: Context, query: Query) -> bool:
    ranking = query.ranking
    more = ranking.compares or ranking.weighs or wants_reranking(context, query)
    return query.filter.is_empty and query.as_of is None and not more


async def _nearest(
    context: Context, scope: Scope, query: Query, vector: Vector
) -> list[Hit] | None:
    """The nearest by one exact scan; None where the store has an index."""
    found = await context.ledger.search.nearest(
        scope.principal, scope.store_id, query, vector, context.ledger.embedding_version
    )
    if found is None:
        return None
    chunks = [one for _, one in found if isinstance(one, UUID)]
    rows = await fetch(context, scope, [(one, 0) for one in chunks], chunks, None) if chunks else {}
    shown = [
        (similarity, rows.get(one) if isinstance(one, UUID) else one) for similarity, one in found
    ]
    return [
        Hit(
            found=one,
            score=similarity,
            parts=_dense_parts(similarity, place) if query.explain else None,
        )
        for place, (similarity, one) in enumerate(shown, start=1)
        if one is not None
    ]


def _dense_parts(similarity: float, place: int) -> Parts:
    return Parts(dense=similarity, lexical=None, dense_scaled=None, lexical_scaled=None, rank=place)


async def _fetch(
    context: Context, scope: Scope, query: Query, ranked: Sequence[Ranked]
) -> list[Hit]:
    """The rows of the best; what was forgotten since the search drops out and the next move up."""
    hits: list[Hit] = []
    start = 0
    while len(hits) < query.limit and start < len(ranked):
        wanted = ranked[start : start + query.limit]
        start += len(wanted)
        chunks = {one.id for one in wanted if one.family == "chunk"}
        versions = [(one.id, one.version) for one in wanted]
        rows = await fetch(context, scope, versions, chunks, query.as_of)
        for one in wanted:
            found = rows.get(one.id)
            if found is not None and len(hits) < query.limit:
                parts = None if one.parts is None else replace(one.parts, rank=len(hits) + 1)
                hits.append(Hit(found=found, score=one.score, parts=parts))
    return hits
