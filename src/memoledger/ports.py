"""The interfaces behind which everything outside PostgreSQL stands.

Services take adapters through these protocols; only `bootstrap` knows the implementations.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Literal, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from memoledger.model.caller import Caller
from memoledger.model.embedding import EmbeddingVersion

Vectors = NDArray[np.float32]
"""A matrix of embeddings, shape (texts, dimensions), each row of Euclidean length 1."""

EmbeddingInput = Literal["query", "document"]
"""What a text is to the model: something to search with, or something to be found."""


@runtime_checkable
class Embedder(Protocol):
    """Turns texts into unit vectors of one embedding version."""

    @property
    def version(self) -> EmbeddingVersion:
        """Model, dimensions and settings; two embedders with equal versions are interchangeable."""
        ...

    async def embed(self, texts: Sequence[str], *, input_type: EmbeddingInput) -> Vectors:
        """Embed `texts`, one row each and in their order.

        Returns float32 of shape (len(texts), version.dimensions); rows have length 1.
        The vector of a text does not depend on the other texts of the call.

        Raises:
            EmbedderError: the model failed, timed out, or answered with another number of
                vectors, another dimension, or numbers that are not finite.
        """
        ...

    async def aclose(self) -> None:
        """Release threads and connections. Safe to call twice."""
        ...


@runtime_checkable
class TokenCounter(Protocol):
    """Counts tokens as a model does; an embedder that has its tokenizer at hand is one."""

    async def token_counts(self, texts: Sequence[str]) -> list[int]:
        """How many tokens each of `texts` has, special ones not counted.

        Raises:
            EmbedderError: the tokenizer could not be loaded.
        """
        ...


Scores = NDArray[np.float32]
"""One number for each text, shape (texts,)."""


@runtime_checkable
class Reranker(Protocol):
    """Judges texts against a query more closely than a search can, some tens at a time."""

    @property
    def name(self) -> str:
        """The method and its model."""
        ...

    @property
    def depth(self) -> int:
        """How many of a search's best it is worth asking about, 1 to 200."""
        ...

    @property
    def weight(self) -> float:
        """What its verdict counts beside the search's score, above 0 to 1."""
        ...

    async def rerank(self, query: str, texts: Sequence[str]) -> Scores:
        """Score each of `texts`, higher for a better answer, in an order that fits theirs.

        Returns finite float32 of shape (len(texts),), in a unit of the reranker's own; only the
        scores of one call compare. Equal texts score alike, whatever their order.

        Raises:
            InvalidInput: the query or a text is empty, blank, no string, or has lone surrogates.
            EmbedderError, RerankerError: the model cannot be loaded, failed, or is closed.
        """
        ...

    async def aclose(self) -> None:
        """Release threads and models. Safe to call twice."""
        ...


class TokenVerifier(Protocol):
    """Tells whose a token of an identity provider is."""

    async def caller(self, token: str) -> Caller:
        """Who holds this token: a JWT (RFC 7519), signed, meant for us and in its time.

        Raises:
            Unauthenticated: it is anything else.
        """
        ...

    async def aclose(self) -> None:
        """Release connections. Safe to call twice."""
        ...


class Clock(Protocol):
    """Where Python code reads the time; the ledger's own timestamps are PostgreSQL's."""

    def now(self) -> datetime:
        """The present instant, timezone-aware, in UTC."""
        ...
