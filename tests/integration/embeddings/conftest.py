"""A ledger whose embedders are made up: a vector follows from the model's name and the words."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import psycopg
import pytest

from memoledger.model.embedding import EmbeddingVersion
from memoledger.model.errors import EmbedderError
from memoledger.ports import EmbeddingInput, Vectors
from memoledger.services import embedders as following
from memoledger.surfaces.python.memoledger import Memoledger
from memoledger.surfaces.python.store import StoreHandle


class Made:
    """An embedder that can be told to fail, and that refuses texts with "REFUSED" in them."""

    def __init__(self, model: str, dimensions: int) -> None:
        self.version = EmbeddingVersion(model, dimensions)
        self.texts: list[str] = []
        self.fails = False
        self.before: Callable[[Sequence[str]], None] = lambda texts: None

    async def embed(self, texts: Sequence[str], *, input_type: EmbeddingInput) -> Vectors:
        self.before(texts)
        if self.fails:
            raise EmbedderError("The model is away.")
        if any("REFUSED" in text for text in texts):
            raise EmbedderError("The text is too long.", status=400)
        self.texts.extend(texts)
        return np.stack([self.vector(text) for text in texts])

    def vector(self, text: str) -> np.ndarray[Any, np.dtype[np.float32]]:
        """Texts that share words are near each other."""
        total = np.zeros(self.version.dimensions)
        for word in text.lower().split():
            seed = hashlib.sha256(f"{self.version.model} {word}".encode()).digest()[:8]
            numbers = np.random.default_rng(int.from_bytes(seed))
            total += numbers.standard_normal(self.version.dimensions)
        return (total / np.linalg.norm(total)).astype(np.float32)

    async def aclose(self) -> None:
        """Nothing to close."""


@pytest.fixture
def old() -> Made:
    """What embeds at first."""
    return Made("old", 16)


@pytest.fixture
def new() -> Made:
    """What is to embed later."""
    return Made("new", 24)


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Processes look often, and nothing waits long for them."""
    from memoledger.ledger import store_indexes
    from memoledger.services import migrate_embeddings

    monkeypatch.setattr(following, "NOTICED_S", 0.05)
    monkeypatch.setattr(migrate_embeddings, "NOTICED_S", 0.05)
    monkeypatch.setattr(store_indexes, "_MARGIN_S", 0.01)


@pytest.fixture
def opening(database: Any, old: Made) -> Callable[..., Any]:
    """Opens the test's ledger, with the old embedder unless told otherwise."""

    def open_ledger(*, embedder: Any = None, more: Sequence[Any] = (), **overrides: object) -> Any:
        return Memoledger.open(
            settings=database.settings(**overrides),
            embedder=embedder or old,
            more_embedders=more,
        )

    return open_ledger


@dataclass(frozen=True)
class Scene:
    """An open ledger that can open both embedders, and a store of alice's in it.

    Args:
        root: a superuser's connection, to which no policy applies.
        opening: opens the same ledger once more.
    """

    ledger: Memoledger
    notes: StoreHandle
    root: psycopg.Connection[Any]
    old: Made
    new: Made
    opening: Callable[..., Any]

    def states(self) -> dict[str, str]:
        """The state of each version, by its model."""
        rows = self.root.execute("SELECT model, state FROM memoledger_system.embedding_versions")
        return dict(rows.fetchall())

    def lacking(self, model: str) -> list[Any]:
        """What lacks a vector of a model, told in another way than the ledger does."""
        return self.root.execute(_LACKING, (model,)).fetchall()


_LACKING = """
SELECT m.memory_id, m.version, v.view
FROM memoledger.memories AS m
CROSS JOIN unnest(ARRAY['body', CASE WHEN m.title IS NOT NULL THEN 'title' END,
                        CASE WHEN m.summary IS NOT NULL THEN 'summary' END]) AS v (view)
WHERE v.view IS NOT NULL AND m.erased_at IS NULL
EXCEPT
SELECT e.owner_id, e.version, e.view
FROM memoledger.embeddings AS e
JOIN memoledger_system.embedding_versions AS x USING (embedding_version)
WHERE x.model = %s
"""


@pytest.fixture
def root(database: Any) -> Any:
    """A superuser's connection, to which no policy applies."""
    with psycopg.connect(database.conninfo("postgres"), autocommit=True) as connection:
        yield connection


@pytest.fixture
async def scene(opening: Callable[..., Any], root: Any, old: Made, new: Made) -> Any:
    """Where most tests happen."""
    async with opening(more=[new]) as ledger:
        alice = await ledger.principal(tenant="acme", user="alice")
        yield Scene(ledger, await alice.store("notes"), root, old, new, opening)
