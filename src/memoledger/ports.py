"""The interfaces behind which everything outside PostgreSQL stands.

Services take adapters through these protocols; only `bootstrap` knows the implementations.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Literal, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from memoledger.model.artifact import StoredObject, StoreStatistics
from memoledger.model.caching import CacheStatistics
from memoledger.model.caller import Caller
from memoledger.model.document import Extracted, Piece
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


class Artifacts(Protocol):
    """Where raw sources are kept: a folder, or a bucket of an object store.

    It knows keys and bytes, nothing else; what a key stands for is in the ledger.
    """

    @property
    def name(self) -> str:
        """Which one, for people; without credentials."""
        ...

    @property
    def statistics(self) -> StoreStatistics:
        """What it was asked to do."""
        ...

    async def put(self, key: str, pieces: AsyncIterable[bytes]) -> None:
        """Write an object: whole or not at all, and lasting when this returns.

        An error of `pieces` ends it, and is raised as it is. Memory is bounded, however many
        pieces come.

        Raises:
            ArtifactError: the object store failed or refused.
        """
        ...

    def read(self, key: str) -> AsyncGenerator[bytes]:
        """The bytes of an object, in pieces of at most some megabytes.

        Raises:
            ArtifactMissing: there is none.
            ArtifactError: the object store failed or refused.
        """
        ...

    async def size(self, key: str) -> int | None:
        """How many bytes an object has; None if there is none.

        Raises:
            ArtifactError: the object store failed or refused.
        """
        ...

    async def delete(self, key: str) -> None:
        """Remove an object; one that is not there is no error.

        Raises:
            ArtifactError: the object store failed or refused.
        """
        ...

    def list(self, prefix: str) -> AsyncGenerator[StoredObject]:
        """Every object whose key begins with `prefix`, which ends with a slash.

        Raises:
            ArtifactError: the object store failed or refused.
        """
        ...

    async def aclose(self) -> None:
        """Release connections. Safe to call twice."""
        ...


class Cache(Protocol):
    """Keeps bytes for a while, or does not. Nobody may rely on it, and nothing it does raises.

    What it gives back may be anything: whoever reads it verifies it.
    """

    @property
    def name(self) -> str:
        """Which one, for people; without credentials."""
        ...

    @property
    def statistics(self) -> CacheStatistics:
        """What it has done, and how it is."""
        ...

    async def get(self, keys: Sequence[str]) -> list[bytes | None]:
        """What is kept under each of `keys`, in their order; None for nothing, or no answer."""
        ...

    async def set(self, key: str, value: bytes, *, ttl_s: float) -> None:
        """Keep a value for at most `ttl_s` seconds, if there is room."""
        ...

    async def delete(self, keys: Sequence[str]) -> bool:
        """Forget what is kept under `keys`; False if that is not certain."""
        ...

    async def check(self) -> bool:
        """Whether it answers now."""
        ...

    async def aclose(self) -> None:
        """Release connections. Safe to call twice."""
        ...


class Clock(Protocol):
    """Where Python code reads the time; the ledger's own timestamps are PostgreSQL's."""

    def now(self) -> datetime:
        """The present instant, timezone-aware, in UTC."""
        ...


@runtime_checkable
class Splitter(Protocol):
    """Cuts the text of a document into pieces that are found by themselves.

    It computes and never waits for anything, so it is no coroutine: services call it in a thread.
    """

    @property
    def name(self) -> str:
        """The method and its sizes; a document's lineage tells by which it was split."""
        ...

    def split(self, text: str, media_type: str) -> list[Piece]:
        """The pieces of `text` in their order; a blank text has none.

        For every piece `text[piece.start:piece.end] == piece.text` and it has a visible character;
        starts ascend, neighbours may overlap. The same text always gives the same pieces.
        """
        ...


@runtime_checkable
class Reader(Protocol):
    """Finds the text in a source of any format that is supported.

    Like a splitter it is called in a thread, but it does read files.
    """

    def read(self, source: bytes | Path, media_type: str | None, name: str | None) -> Extracted:
        """What can be read in `source`.

        Args:
            source: the bytes, or the file that holds them.
            media_type: what it is; None to find out.
            name: its file name, which tells the format where nothing else does, and which errors
                name.

        Raises:
            UnreadableSource: the format is not known, or the source is broken, hostile or too
                large.
        """
        ...
