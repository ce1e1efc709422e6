"""From a draft to what is written: its views embedded, its words weighed.

Models run here, before any transaction is open.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

from memoledger.ledger.memory_rows import Prepared
from memoledger.model.embedding import View
from memoledger.model.ids import new_id
from memoledger.model.indexing import (
    TermVector,
    document_vector,
    indexed_text,
    lexical_text,
    query_terms,
)
from memoledger.model.memory import CheckedDraft
from memoledger.model.vectors import Vector
from memoledger.ports import Embedder, TokenCounter, Vectors
from memoledger.services.embedding_statistics import EmbeddingStatistics, embed_counted

VIEWS_MAX = 3
"""Body, title, summary."""

GivenVectors = Mapping[View, Vector]
"""Vectors that are there already: of the caller's, or of the version before."""

TURN: Final = 16
"""Memories computed before others get their turn on the event loop: about a millisecond. A batch
under way to the server is sent piece by piece, and would wait for the next one to be computed."""


async def let_others_run(place: int) -> None:
    """Give up the event loop after every sixteenth place, from 1, of a long computation."""
    if place % TURN == 0:
        await asyncio.sleep(0)


class Preparer:
    """Embeds and analyses, with one embedder and one language.

    Args:
        embedder: the model of the ledger's embedding version.
        language: the Snowball stemmer's name.
    """

    def __init__(self, embedder: Embedder, language: str) -> None:
        self._embedder = embedder
        self._language = language
        self.statistics = EmbeddingStatistics()

    @property
    def dimensions(self) -> int:
        """Length of a vector."""
        return self._embedder.version.dimensions

    @property
    def token_counter(self) -> TokenCounter | None:
        """What counts tokens as the embedder does, where its tokenizer is at hand."""
        return self._embedder if isinstance(self._embedder, TokenCounter) else None

    async def prepare(self, drafts: Sequence[tuple[CheckedDraft, GivenVectors]]) -> list[Prepared]:
        """Everything that is written beside each draft; only views without a vector are embedded.

        Raises:
            EmbedderError: the model failed; nothing was written.
        """
        views = [views_of(draft) for draft, _ in drafts]
        texts = [
            text
            for (_, given), found in zip(drafts, views, strict=True)
            for view, text in found
            if view not in given
        ]
        embedded = iter(await self._embed(texts))
        prepared: list[Prepared] = []
        for place, ((draft, given), found) in enumerate(zip(drafts, views, strict=True), start=1):
            await let_others_run(place)
            vectors = _rows([given[v] if v in given else next(embedded) for v, _ in found])
            prepared.append(self._prepared(draft, found, vectors))
        return prepared

    async def embed_query(self, text: str) -> Vector:
        """The query's vector, shape (dimensions,)."""
        vectors = await embed_counted(self._embedder, [text], "query", self.statistics)
        vector: Vector = vectors[0]
        return vector

    def query_terms(self, text: str) -> TermVector:
        """The query's distinct terms, each with weight 1; empty if it has none."""
        indices = tuple(sorted(set(query_terms(text, self._language).values())))
        return TermVector(indices, (1.0,) * len(indices), len(indices))

    async def _embed(self, texts: Sequence[str]) -> Vectors:
        if not texts:
            return np.empty((0, self.dimensions), dtype=np.float32)
        return await embed_counted(self._embedder, texts, "document", self.statistics)

    def _prepared(
        self, draft: CheckedDraft, views: list[tuple[View, str]], vectors: Vectors
    ) -> Prepared:
        text = lexical_text(views[0][1], title=draft.title, summary=draft.summary)
        terms = document_vector(text, self._language)
        return Prepared(new_id(), draft, tuple(view for view, _ in views), vectors, terms)


def _rows(vectors: Sequence[Vector]) -> Vectors:
    # Most memories have one view, for which np.stack would take as long as the rest together.
    return vectors[0][np.newaxis] if len(vectors) == 1 else np.stack(vectors)


def views_of(draft: CheckedDraft) -> list[tuple[View, str]]:
    """What is embedded of a draft: its body first, which may not say who and when, so these do."""
    body = indexed_text(draft.content, speaker=draft.speaker, occurred_at=draft.occurred_at)
    views: list[tuple[View, str]] = [("body", body)]
    if draft.title is not None:
        views.append(("title", draft.title))
    if draft.summary is not None:
        views.append(("summary", draft.summary))
    return views
