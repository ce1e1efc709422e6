"""Workers against a real ledger, and models that count, fail and wait as they are told."""

from __future__ import annotations

import asyncio
import hashlib
import importlib.util
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
import pytest

from memoledger.bootstrap import queueing
from memoledger.ledger.claims import Claims
from memoledger.model.embedding import EmbeddingVersion
from memoledger.ports import Embedder, EmbeddingInput, Vectors
from memoledger.surfaces.python.memoledger import Memoledger
from memoledger.surfaces.python.store import StoreHandle
from memoledger.worker.drain import Drain, Terms
from memoledger.worker.throttle import Throttle

DIMENSIONS = 16
PATIENCE_S = 30.0


def by_path(path: Path) -> Any:
    """A module of the tests by its path: they are no package."""
    spec = importlib.util.spec_from_file_location(f"memoledger_tests_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


class CountingEmbedder:
    """A text's vector is drawn from its hash; every text is counted, and a call may wait or fail.

    Args:
        before: called before each call's answer, with its texts; it may raise or wait.
    """

    def __init__(self) -> None:
        self.version = EmbeddingVersion("counting:model", DIMENSIONS)
        self.texts: Counter[str] = Counter()
        self.calls: list[int] = []
        self.before: Callable[[Sequence[str]], Awaitable[None]] | None = None

    async def embed(self, texts: Sequence[str], *, input_type: EmbeddingInput) -> Vectors:
        """One vector a text."""
        if self.before is not None:
            await self.before(texts)
        self.texts.update(texts)
        self.calls.append(len(texts))
        return np.stack([self.vector(text) for text in texts])

    @staticmethod
    def vector(text: str) -> np.ndarray[Any, np.dtype[np.float32]]:
        """A direction for each text."""
        seed = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8])
        numbers = np.random.default_rng(seed).standard_normal(DIMENSIONS)
        return (numbers / np.linalg.norm(numbers)).astype(np.float32)

    async def aclose(self) -> None:
        """Nothing to close."""


class Bench:
    """An open ledger without a worker of its own, and workers that are run by hand.

    Args:
        database: of the test.
        embedder: what the ledger embeds with.
    """

    def __init__(self, database: Any, embedder: Embedder, stack: AsyncExitStack) -> None:
        self.database = database
        self.embedder = embedder
        self._stack = stack

    async def open(self, **overrides: object) -> Bench:
        """Open the ledger."""
        settings = self.database.settings(**overrides)
        opening = Memoledger.open(settings=settings, embedder=self.embedder)
        self.ledger: Memoledger = await self._stack.enter_async_context(opening)
        pool = await self._stack.enter_async_context(
            queueing(settings, self.ledger.application.place)
        )
        self.claims = Claims(pool)
        return self

    async def store(self, user: str = "alice", tenant: str = "acme") -> StoreHandle:
        """A store of a user's."""
        return await (await self.ledger.principal(tenant=tenant, user=user)).store("notes")

    def worker(self, **terms: Any) -> Drain:
        """A worker; `run()` drains the schedule once."""
        application = self.ledger.application
        return Drain(
            application.context,
            self.claims,
            terms=Terms(**terms),
            throttle=Throttle({}),
            statistics=application.queue,
        )

    @property
    def done(self) -> Any:
        """What workers have done."""
        return self.ledger.application.queue

    def sql(self, query: str, *params: object) -> list[tuple[Any, ...]]:
        """Rows, as a superuser."""
        with psycopg.connect(self.database.conninfo("postgres"), autocommit=True) as root:
            cursor = root.execute(query, params)
            return cursor.fetchall() if cursor.description else []

    def schedule(self) -> list[tuple[Any, ...]]:
        """Attempts, last error and whether it was set aside, of all that is on the schedule."""
        return self.sql(
            "SELECT attempts, last_error, poisoned_at IS NOT NULL"
            " FROM memoledger.embedding_schedule ORDER BY owner_id"
        )

    def vectors(self) -> int:
        """How many vectors there are."""
        [(count,)] = self.sql("SELECT count(*) FROM memoledger.embeddings")
        return int(count)

    def hurry(self) -> None:
        """Have all that waits for a later attempt due now."""
        self.sql("UPDATE memoledger.embedding_schedule SET due_at = now() WHERE claimed_by IS NULL")

    def abandon(self) -> None:
        """Have every claim end now, as if its worker had been killed a while ago."""
        self.sql(
            "UPDATE memoledger.embedding_schedule SET due_at = now(), claimed_until = now()"
            " WHERE claimed_by IS NOT NULL"
        )

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait until it holds."""
        deadline = time.monotonic() + PATIENCE_S
        while not await asyncio.to_thread(holds):
            assert time.monotonic() < deadline
            await asyncio.sleep(0.05)


@pytest.fixture
def counting() -> CountingEmbedder:
    """The model of this test's ledger."""
    return CountingEmbedder()


@pytest.fixture
async def stack(database: Any) -> AsyncIterator[AsyncExitStack]:
    """Closed at the end of the test, and before its database is dropped."""
    async with AsyncExitStack() as opened:
        yield opened


@pytest.fixture
async def bench(database: Any, counting: CountingEmbedder, stack: AsyncExitStack) -> Bench:
    """A ledger and workers run by hand."""
    return await Bench(database, counting, stack).open()


@pytest.fixture
def open_bench(database: Any, stack: AsyncExitStack) -> Callable[..., Awaitable[Bench]]:
    """Opens one with another model, or other settings."""

    async def opening(embedder: Embedder, **overrides: object) -> Bench:
        return await Bench(database, embedder, stack).open(**overrides)

    return opening


@pytest.fixture
async def provider(stack: AsyncExitStack) -> Any:
    """A server on loopback that speaks the embedding calls of OpenAI and Ollama."""
    path = Path(__file__).parents[2] / "unit/adapters/embedders/fake_server.py"
    return await stack.enter_async_context(by_path(path).FakeProvider())
