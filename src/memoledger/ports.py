"""The interfaces behind which everything outside PostgreSQL stands.

Services take adapters through these protocols; only `bootstrap` knows the implementations.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Literal, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

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


class Clock(Protocol):
    """Where Python code reads the time; the ledger's own timestamps are PostgreSQL's."""

    def now(self) -> datetime:
        """The present instant, timezone-aware, in UTC."""
        ...
