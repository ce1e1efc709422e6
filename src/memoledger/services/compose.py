"""Compose: the best memories and chunks for a question, packed into a budget of tokens."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from memoledger.model.checks import check_count
from memoledger.model.context_pack import (
    BUDGET_MAX,
    NEWEST_NUMBER,
    ContextPack,
    CountTokens,
    Piece,
    arranged,
    choose,
    conversation_of,
    ends_of,
    estimated_tokens,
    items_of,
    render,
)
from memoledger.model.diversity import similarities, topics
from memoledger.model.recall import Hit, Hits, Query
from memoledger.ports import TokenCounter
from memoledger.services.context import Context, Scope
from memoledger.services.found import comparable
from memoledger.services.recall import answer

LINE_TOKENS_MIN: Final = 10
"""A memory rarely takes less: so many memories are looked for as could fit if they all did."""

FOUND_MAX: Final = 200
"""Memories looked for at most, unless the caller says otherwise."""

TOKEN_CHARS_MAX: Final = 16
"""A text with more characters a token is blank or no language; it is not counted to its end."""

CUT_MAX: Final = 2
"""Memories larger than the budget that are cut to have a place: each gets half of the budget."""


def limit_for(max_tokens: int) -> int:
    """How many memories to look for, for a budget.

    Raises:
        InvalidInput: the budget is not a whole number from 1 to 1,000,000.
    """
    budget = check_count("max_tokens", max_tokens, least=1, most=BUDGET_MAX)
    return min(FOUND_MAX, max(10, budget // LINE_TOKENS_MIN))


async def compose(
    context: Context,
    scope: Scope,
    query: Query,
    *,
    store: str,
    max_tokens: int,
    count_tokens: CountTokens | None = None,
    embedding: Sequence[float] | NDArray[np.floating] | None = None,
) -> ContextPack:
    """Recall, and pack what was found into `max_tokens`, headings included.

    The receipt it leaves lists the memories of the pack: those that were given to somebody.

    Args:
        query: its limit is how many memories are considered, its ranking what is folded.
        store: the store's name, for the sources.
        max_tokens: the budget, 1 to 1,000,000.
        count_tokens: counts the tokens of a text for the model that will read it; None for the
            embedder's tokenizer, or an estimate where that is remote.
        embedding: the query's vector, to save embedding it.

    Raises:
        InvalidInput: the budget or the embedding is wrong.
        EmbedderError: the model failed.
    """
    budget = check_count("max_tokens", max_tokens, least=1, most=BUDGET_MAX)
    context = await context.pinned()
    counter = _Counter(count_tokens, context.preparer.token_counter)
    hits = await answer(context, scope, query, embedding=embedding)
    pieces = await _pieces(context, scope, hits)
    chosen = await _pack(pieces, counter, budget)
    text = render(chosen)
    given = {piece.found.id for piece in chosen}
    told = hits.only([hit for hit in hits if hit.id in given])
    told = await context.receipts.keep(
        scope, query, told, embedding_version=context.ledger.embedding_version
    )
    return ContextPack(
        query=query.text,
        text=text,
        items=items_of(chosen, store),
        tokens=await counter.count(text),
        max_tokens=budget,
        omitted=len(pieces) - len(chosen),
        folded=sum(len(hit.folded) for hit in hits),
        counted_by=counter.name,
        receipt_id=told.receipt_id,
        complete=hits.complete,
        pending=hits.pending,
    )


@dataclass(frozen=True, slots=True)
class _Counter:
    """Counts tokens by the caller's function, by the embedder's tokenizer, or by estimate."""

    own: CountTokens | None
    tokenizer: TokenCounter | None

    @property
    def name(self) -> str:
        if self.own is not None:
            return "caller"
        return "estimate" if self.tokenizer is None else "tokenizer"

    async def count(self, text: str) -> int:
        return (await self.counts([text]))[text]

    async def counts(self, texts: Iterable[str]) -> dict[str, int]:
        """The tokens of each text; a blank one has none."""
        asked = [text for text in dict.fromkeys(texts) if text.strip()]
        if self.own is None and self.tokenizer is not None:
            found = await self.tokenizer.token_counts(asked) if asked else []
        else:
            found = [*map(self.own or estimated_tokens, asked)]
        return {"": 0, **dict(zip(asked, found, strict=True))}


async def _pieces(context: Context, scope: Scope, hits: Hits) -> list[Piece]:
    """The hits as pieces, those without a conversation or document grouped by topic."""
    labels = [conversation_of(hit.found) for hit in hits]
    loose = [hit for hit, label in zip(hits, labels, strict=True) if label is None]
    topic_of = await _topics(context, scope, loose)
    return [
        Piece(
            found=hit.found,
            score=hit.score,
            group=_group(hit, label, topic_of),
            label=label,
            folded=hit.folded,
        )
        for hit, label in zip(hits, labels, strict=True)
    ]


def _group(hit: Hit, label: str | None, topic_of: Mapping[UUID, int]) -> str:
    if hit.chunk is not None:
        return f"document {hit.chunk.document_id}"
    return f"topic {topic_of[hit.id]}" if label is None else f"conversation {label}"


async def _topics(context: Context, scope: Scope, hits: Sequence[Hit]) -> dict[UUID, int]:
    """A topic for each memory; chunks have their document."""
    versions = [(hit.id, hit.found.version) for hit in hits]
    if not versions:
        return {}
    known = await comparable(context, scope, versions, ())
    vectors = [known[one].vector if one in known else None for one, _ in versions]
    return dict(zip((one for one, _ in versions), topics(similarities(vectors)), strict=True))


async def _pack(pieces: Sequence[Piece], counter: _Counter, budget: int) -> list[Piece]:
    """The pieces that fit, in the order of the text."""
    tokens = await _line_tokens(pieces, counter, budget)
    offered = list(pieces)
    large = [p for p, piece in enumerate(pieces) if _alone(piece, tokens) > budget][:CUT_MAX]
    for place in large:
        offered[place] = await _cut(pieces[place], counter, budget // 2) or pieces[place]
    tokens |= await counter.counts(offered[place].line(NEWEST_NUMBER) for place in large)
    chosen = [offered[place] for place in choose(offered, tokens, budget)]
    if large and len(chosen) < 2:  # Nothing else fits beside it, so that it can have it all.
        whole = await _cut(pieces[large[0]], counter, budget)
        chosen = chosen if whole is None or (chosen and chosen[0].text is None) else [whole]
    while chosen and await counter.count(render(arranged(chosen))) > budget:
        chosen.pop()  # Counted together they are more than counted one by one.
    return arranged(chosen)


async def _line_tokens(pieces: Sequence[Piece], counter: _Counter, budget: int) -> dict[str, int]:
    """The tokens of every line there may be; of one that is too long anyway, one too many."""
    lines = [piece.line(NEWEST_NUMBER) for piece in pieces]
    frames = [line for piece in pieces for line in piece.frame()]
    long = {line for line in lines if len(line) > budget * TOKEN_CHARS_MAX}
    counted = await counter.counts(line for line in [*lines, *frames] if line not in long)
    return {**counted, **dict.fromkeys(long, budget + 1)}


def _alone(piece: Piece, tokens: Mapping[str, int]) -> int:
    """What a piece takes in a pack of its own."""
    return sum(tokens[line] for line in (*piece.frame(), piece.line(NEWEST_NUMBER)))


async def _cut(piece: Piece, counter: _Counter, budget: int) -> Piece | None:
    """As many of its first sentences as fit, or else words; None if no word does."""
    whole = piece.whole[: budget * TOKEN_CHARS_MAX]
    for ends in ends_of(whole):
        fitting, low, high = None, 0, len(ends)
        while low < high:
            middle = (low + high) // 2
            shorter = piece.shortened(whole[: ends[middle]].rstrip())
            if await counter.count(render([shorter])) <= budget:
                fitting, low = shorter, middle + 1
            else:
                high = middle
        if fitting is not None:
            return fitting
    return None
