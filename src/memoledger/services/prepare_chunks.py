"""From pieces of a text to what is written: vectors, words and keywords of those that are new."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from memoledger.ledger.document_rows import PreparedChunks, VectorSet
from memoledger.model.document import ChunkDraft, Piece
from memoledger.model.indexing import TermVector
from memoledger.model.keywords import keywords_of
from memoledger.model.queue import Wait
from memoledger.ports import Vectors
from memoledger.services.context import Context
from memoledger.services.prepare import let_others_run

EMBEDDED_AT_ONCE: Final = 256
"""Chunks given to the model at a time, between which progress is told."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """Chunks that are ready to be written.

    Args:
        waits_in: the embedding versions in which the new ones are left to the workers; None for
            every one that is kept up to date.
    """

    chunks: PreparedChunks
    waits_in: tuple[int, ...] | None


async def prepare_chunks(
    context: Context,
    chunks: Sequence[ChunkDraft],
    pieces: Sequence[Piece],
    *,
    wait: Wait,
    on_chunks: Callable[[int, int], None] | None = None,
) -> Prepared:
    """Everything that is written beside the chunks of a version; only new ones are embedded.

    Args:
        pieces: all of the version, from which keywords tell each chunk.

    Raises:
        EmbedderError: the model failed; nothing was written.
    """
    texts = [piece.text for piece in pieces]
    places = [place for place, chunk in enumerate(chunks) if chunk.is_new]
    told = await asyncio.to_thread(keywords_of, texts, context.preparer.language, of=places)
    keywords = dict(zip(places, told, strict=True))
    drafts = tuple(
        replace(chunk, keywords=keywords[place]) if chunk.is_new else chunk
        for place, chunk in enumerate(chunks)
    )
    new = [chunk for chunk in drafts if chunk.is_new]
    terms = await _terms(context, new)
    if wait == "durable":
        return Prepared(PreparedChunks(drafts, terms, ()), None)
    sets, waits_in = await _embed(context, [chunk.indexed for chunk in new], on_chunks)
    return Prepared(PreparedChunks(drafts, terms, sets), waits_in)


async def _terms(context: Context, new: Sequence[ChunkDraft]) -> tuple[TermVector, ...]:
    terms = []
    for place, chunk in enumerate(new, start=1):
        await let_others_run(place)
        terms.append(context.preparer.document_terms(chunk.indexed))
    return tuple(terms)


async def _embed(
    context: Context, texts: Sequence[str], on_chunks: Callable[[int, int], None] | None
) -> tuple[tuple[VectorSet, ...], tuple[int, ...]]:
    """A vector for each text in every embedding version; what is said twice is embedded once.

    Returns:
        the vectors, and the versions beside the one that serves that failed to make theirs.
    """
    companions = context.preparer.companions
    distinct = list(dict.fromkeys(texts))
    own: list[Vectors] = [np.empty((0, context.preparer.dimensions), dtype=np.float32)]
    beside: list[list[Vectors] | None] = [[] for _ in companions]
    for first in range(0, len(distinct), EMBEDDED_AT_ONCE):
        batch = distinct[first : first + EMBEDDED_AT_ONCE]
        others = asyncio.gather(*(companion.embed(batch) for companion in companions))
        made, found = await asyncio.gather(context.preparer.embed_documents(batch), others)
        own.append(made)
        beside = [
            None if made is None or parts is None else [*parts, made]
            for parts, made in zip(beside, found, strict=True)
        ]
        if on_chunks is not None:
            on_chunks(first + len(batch), len(distinct))
    rows = {text: row for row, text in enumerate(distinct)}
    order = [rows[text] for text in texts]
    sets = [VectorSet(context.ledger.embedding_version, np.concatenate(own)[order])]
    sets += [
        VectorSet(companion.number, np.concatenate(parts)[order])
        for companion, parts in zip(companions, beside, strict=True)
        if parts
    ]
    later = tuple(
        companion.number
        for companion, parts in zip(companions, beside, strict=True)
        if parts is None and companion.is_scheduled
    )
    return tuple(sets), later
