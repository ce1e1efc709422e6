"""Rerank: a closer look at the best of what a search found, where that is asked for."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from uuid import UUID

from memoledger.model.document import Chunk, indexed_chunk
from memoledger.model.errors import InvalidInput
from memoledger.model.indexing import indexed_text, lexical_text
from memoledger.model.memory import Memory
from memoledger.model.recall import Query
from memoledger.model.reranking import scale_verdicts
from memoledger.services.context import Context, Scope
from memoledger.services.found import Version, fetch


def wants_reranking(context: Context, query: Query) -> bool:
    """Whether a query is reranked: as it says, or as the ledger does by default.

    Raises:
        InvalidInput: the query asks for it and the ledger has no reranker.
    """
    asked = query.ranking.rerank
    if asked and context.reranker is None:
        raise InvalidInput(
            "rerank",
            asked,
            "this ledger was opened without a reranker",
            remedy="Leave it out, or set MEMOLEDGER_RERANKER to something other than off.",
        )
    if asked is None:
        return context.rerank_by_default and context.reranker is not None
    return asked


async def verdicts(
    context: Context,
    scope: Scope,
    query: Query,
    ranked: Sequence[Version],
    chunks: Collection[UUID] = (),
) -> dict[UUID, float]:
    """What the reranker thinks of the best, from 0, the worst of them, to 1, the best.

    Takes one round trip for the texts and the reranker's time. A memory that was erased since the
    search is not judged.

    Args:
        ranked: memories and chunks with their versions, best first; as many as the reranker's depth
            are judged.
        chunks: the ids of those that are chunks.

    Raises:
        EmbedderError, RerankerError: the reranker failed.
    """
    reranker = context.reranker
    if reranker is None or not ranked:
        return {}
    found = await fetch(context, scope, ranked[: reranker.depth], chunks, query.as_of)
    texts = {one: _text(shown) for one, shown in found.items()}
    scores = await reranker.rerank(query.text, list(texts.values()))
    return dict(zip(texts, scale_verdicts(scores.tolist()), strict=True))


def _text(memory: Memory | Chunk) -> str:
    """What the reranker reads of a memory or chunk: all that the search knows it by."""
    if isinstance(memory, Chunk):
        return indexed_chunk(memory.text, memory.section)
    body = indexed_text(memory.content, speaker=memory.speaker, occurred_at=memory.occurred_at)
    return lexical_text(body, title=memory.title, summary=memory.summary)
