"""From a draft to what is written: its views embedded, its words weighed.

Models run here, before any transaction is open.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final, Protocol

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
from memoledger.model.queue import Wait
from memoledger.model.vectors import Vector
from memoledger.ports import Embedder, TokenCounter, Vectors
from memoledger.services.beside import BesideVectors, beside_vectors
from memoledger.services.companions import Companion
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
        embedder: the model of the embedding version that is searched.
        language: the Snowball stemmer's name.
        companions: the other embedding versions, which get vectors of what is written too.
        statistics: where embedding is counted; None for a count of its own.
    """

    def __init__(
        self,
        embedder: Embedder,
        language: str,
        *,
        companions: Sequence[Companion] = (),
        statistics: EmbeddingStatistics | None = None,
    ) -> None:
        self._embedder = embedder
        self._language = language
        self.companions = tuple(companions)
        self.statistics = EmbeddingStatistics() if statistics is None else statistics

    @property
    def language(self) -> str:
        """The Snowball stemmer's name."""
        return self._language

    @property
    def embedder(self) -> Embedder:
        """The model of the embedding version that is searched."""
        return self._embedder

    @property
    def dimensions(self) -> int:
        """Length of a vector."""
        return self._embedder.version.dimensions

    @property
    def token_counter(self) -> TokenCounter | None:
        """What counts tokens as the embedder does, where its tokenizer is at hand."""
        return self._embedder if isinstance(self._embedder, TokenCounter) else None

    async def prepare(
        self,
        drafts: Sequence[tuple[CheckedDraft, GivenVectors]],
        *,
        wait: Wait = "searchable",
    ) -> list[Prepared]:
        """Everything that is written beside each draft; only views without a vector are embedded.

        Args:
            wait: "durable" to embed nothing now: views without a vector are left to the workers.

        Raises:
            EmbedderError: the model failed; nothing was written.
        """
        views = [views_of(draft) for draft, _ in drafts]
        if wait == "durable":
            views = [
                [(view, text) for view, text in found if view in given]
                for (_, given), found in zip(drafts, views, strict=True)
            ]
        texts = [
            text
            for (_, given), found in zip(drafts, views, strict=True)
            for view, text in found
            if view not in given
        ]
        own, beside = await self._embedded(texts, drafts, wait)
        embedded = iter(own)
        prepared: list[Prepared] = []
        for place, ((draft, given), found) in enumerate(zip(drafts, views, strict=True), start=1):
            await let_others_run(place)
            vectors = self._rows([given[v] if v in given else next(embedded) for v, _ in found])
            ready = self._prepared(draft, found, vectors)
            prepared.append(ready if beside is None else beside.completed(ready))
        return prepared

    async def _embedded(
        self,
        texts: Sequence[str],
        drafts: Sequence[tuple[CheckedDraft, GivenVectors]],
        wait: Wait,
    ) -> tuple[Vectors, BesideVectors | None]:
        """Vectors of the texts, and those of the drafts in the other versions if there are any.

        Vectors that came with a draft are of the version that serves; in the others all of it is
        embedded.
        """
        if not self.companions or not drafts:
            return await self.embed_documents(texts), None
        views = [views_of(draft) for draft, _ in drafts]
        others = beside_vectors(self.companions, views, embed=wait != "durable")
        return await asyncio.gather(self.embed_documents(texts), others)

    async def embed_query(self, text: str) -> Vector:
        """The query's vector, shape (dimensions,)."""
        vectors = await embed_counted(self._embedder, [text], "query", self.statistics)
        vector: Vector = vectors[0]
        return vector

    def document_terms(self, text: str) -> TermVector:
        """The words of a text that is to be found, weighed."""
        return document_vector(text, self._language)

    def query_terms(self, text: str) -> TermVector:
        """The query's distinct terms, each with weight 1; empty if it has none."""
        indices = tuple(sorted(set(query_terms(text, self._language).values())))
        return TermVector(indices, (1.0,) * len(indices), len(indices))

    async def embed_documents(self, texts: Sequence[str]) -> Vectors:
        """The texts' vectors, shape (len(texts), dimensions).

        Raises:
            EmbedderError: the model failed.
        """
        if not texts:
            return np.empty((0, self.dimensions), dtype=np.float32)
        return await embed_counted(self._embedder, texts, "document", self.statistics)

    def _prepared(
        self, draft: CheckedDraft, views: list[tuple[View, str]], vectors: Vectors
    ) -> Prepared:
        text = lexical_text(body_of(draft), title=draft.title, summary=draft.summary)
        terms = document_vector(text, self._language)
        return Prepared(new_id(), draft, tuple(view for view, _ in views), vectors, terms)

    def _rows(self, vectors: Sequence[Vector]) -> Vectors:
        # Most memories have one view, for which np.stack would take as long as the rest together.
        if len(vectors) == 1:
            return vectors[0][np.newaxis]
        if not vectors:
            return np.empty((0, self.dimensions), dtype=np.float32)
        return np.stack(vectors)


class Viewed(Protocol):
    """What is embedded view by view: a draft, or a version that was written."""

    @property
    def content(self) -> str:
        """Its text."""
        ...

    @property
    def title(self) -> str | None:
        """Its title."""
        ...

    @property
    def summary(self) -> str | None:
        """Its summary."""
        ...

    @property
    def speaker(self) -> str | None:
        """Who said it."""
        ...

    @property
    def occurred_at(self) -> datetime | None:
        """When it happened."""
        ...


def body_of(draft: Viewed) -> str:
    """The body as it is searched: it may not say who and when, so these are put before it."""
    return indexed_text(draft.content, speaker=draft.speaker, occurred_at=draft.occurred_at)


def views_of(draft: Viewed) -> list[tuple[View, str]]:
    """What is embedded of a draft, its body first."""
    views: list[tuple[View, str]] = [("body", body_of(draft))]
    if draft.title is not None:
        views.append(("title", draft.title))
    if draft.summary is not None:
        views.append(("summary", draft.summary))
    return views
