"""A version beside the one that serves: it is written where it can be, and holds up nobody."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from memoledger.model.embedding import EmbeddingVersion
from memoledger.model.errors import EmbedderError
from memoledger.services import companions
from memoledger.services.beside import beside_vectors
from memoledger.services.companions import Companion
from memoledger.services.embedding_statistics import EmbeddingStatistics


class Counting:
    """An embedder that fails while it is told to."""

    def __init__(self, dimensions: int = 2) -> None:
        self.version = EmbeddingVersion("counting", dimensions)
        self.calls = 0
        self.fails = False
        self.takes_s = 0.0

    async def embed(self, texts: Sequence[str], *, input_type: str) -> Any:
        self.calls += 1
        await asyncio.sleep(self.takes_s)
        if self.fails:
            raise EmbedderError("away")
        return np.ones((len(texts), self.version.dimensions), dtype=np.float32)

    async def aclose(self) -> None:
        """Nothing to close."""


def companion(embedder: Any, number: int = 2, state: Any = "ready") -> Companion:
    return Companion(number, f"v{number}", state, embedder, EmbeddingStatistics())


async def test_after_a_failure_it_is_left_alone_for_a_while(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    embedder = Counting()
    one = companion(embedder)
    embedder.fails = True
    assert await one.embed(["a"]) is None
    embedder.fails = False
    assert await one.embed(["a"]) is None
    assert embedder.calls == 1
    monkeypatch.setattr(companions, "PAUSE_S", 0.0)
    one = companion(embedder)
    embedder.fails = True
    assert await one.embed(["a"]) is None
    embedder.fails = False
    found = await one.embed(["a", "b"])
    assert found is not None
    assert found.shape == (2, 2)


async def test_it_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(companions, "PATIENCE_S", 0.01)
    embedder = Counting()
    embedder.takes_s = 60.0
    assert await companion(embedder).embed(["a"]) is None


async def test_without_an_embedder_it_has_none() -> None:
    assert await companion(None).embed(["a"]) is None


async def test_vectors_are_dealt_out_view_by_view() -> None:
    broken = Counting()
    broken.fails = True
    beside = [companion(Counting(3)), companion(broken, 3), companion(None, 4, "filling")]
    views: Any = [[("body", "a"), ("title", "b")], [("body", "c")]]
    found = await beside_vectors(beside, views, embed=True)
    assert found.later == (3,)  # what is being filled is looked for anyway
    first, second = found.dealt
    assert [(one.embedding_version, one.views, one.vectors.shape) for one in (*first, *second)] == [
        (2, ("body", "title"), (2, 3)),
        (2, ("body",), (1, 3)),
    ]


async def test_nothing_is_embedded_where_that_is_left_to_the_workers() -> None:
    embedder = Counting()
    found = await beside_vectors([companion(embedder)], [[("body", "a")]], embed=False)
    assert embedder.calls == 0
    assert found.later == (2,)
    assert list(found.dealt) == [()]
