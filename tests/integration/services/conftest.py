"""Services against a real ledger: one database, a tenant a test, an embedder that counts."""

from __future__ import annotations

import hashlib
import importlib.util
import re
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import psycopg
import pytest
from pydantic import SecretStr

from memoledger.model.document import Extracted, Piece
from memoledger.model.embedding import EmbeddingVersion
from memoledger.ports import EmbeddingInput, Vectors
from memoledger.settings import load_settings
from memoledger.surfaces.python.memoledger import Memoledger
from memoledger.surfaces.python.principal import PrincipalHandle
from memoledger.surfaces.python.store import StoreHandle

DIMENSIONS = 32


class HashEmbedder:
    """A text's vector is drawn from its hash; what was embedded is written down."""

    def __init__(self) -> None:
        self.version = EmbeddingVersion("hash", DIMENSIONS)
        self.texts: list[str] = []
        self.before: Callable[[Sequence[str]], None] = lambda texts: None

    async def embed(self, texts: Sequence[str], *, input_type: EmbeddingInput) -> Vectors:
        self.before(texts)
        self.texts.extend(texts)
        return np.stack([self.vector(text) for text in texts])

    @staticmethod
    def vector(text: str) -> np.ndarray[Any, np.dtype[np.float32]]:
        seed = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8])
        numbers = np.random.default_rng(seed).standard_normal(DIMENSIONS)
        return (numbers / np.linalg.norm(numbers)).astype(np.float32)

    async def aclose(self) -> None:
        """Nothing to close."""


class Paragraphs:
    """Cuts a text at blank lines; lines that begin with # are the sections above."""

    name = "paragraphs"

    def split(self, text: str, media_type: str) -> list[Piece]:
        headings: list[str] = []
        pieces = []
        for found in re.finditer(r"[^\n]+(?:\n[^\n]+)*", text):
            if found[0].startswith("#"):
                marks, _, title = found[0].partition(" ")
                headings[len(marks) - 1 :] = [title]
            elif found[0].strip():
                section = " > ".join(headings) or None
                words = len(found[0].split())
                pieces.append(Piece(found[0], found.start(), found.end(), section, words))
        return pieces


class Utf8:
    """Reads text, of which the first heading is the title."""

    def read(self, source: bytes | Path, media_type: str | None, name: str | None) -> Extracted:
        data = source if isinstance(source, bytes) else source.read_bytes()
        text = data.decode()
        title = text.removeprefix("# ").partition("\n")[0] if text.startswith("# ") else None
        return Extracted(text, title=title, media_type=media_type or "text/markdown")


@pytest.fixture
def hashing() -> HashEmbedder:
    """The embedder of this test's ledger."""
    return HashEmbedder()


@pytest.fixture(scope="session")
def service_database(server: Any, template: str) -> Iterator[str]:
    """The database that all tests of services share: its name."""
    name = f"services_{uuid4().hex[:12]}"
    with psycopg.connect(server.conninfo(), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY")
    yield name
    with psycopg.connect(server.conninfo(), autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def open_ledger(server: Any, service_database: str, hashing: HashEmbedder) -> Callable[..., Any]:
    """Opens a ledger in the shared database, with settings of its own if need be."""

    def opening(**overrides: object) -> Any:
        settings = load_settings(
            **{
                "database_url": SecretStr(server.conninfo("memoledger_app", service_database)),
                "admin_database_url": SecretStr(server.conninfo("postgres", service_database)),
                "sweep_interval_s": 0.0,
                **overrides,
            }
        )
        return Memoledger.open(settings=settings, embedder=hashing)

    return opening


@pytest.fixture
async def shared(open_ledger: Callable[..., Any]) -> AsyncIterator[Memoledger]:
    """An open ledger in the shared database."""
    async with open_ledger() as opened:
        yield opened


@pytest.fixture
def tenant() -> str:
    """A tenant of this test's own."""
    return f"tenant-{uuid4().hex}"


@pytest.fixture
async def alice(shared: Memoledger, tenant: str) -> PrincipalHandle:
    """A user of the tenant."""
    return await shared.principal(tenant=tenant, user="alice")


@pytest.fixture
async def bob(shared: Memoledger, tenant: str) -> PrincipalHandle:
    """Another user of the tenant."""
    return await shared.principal(tenant=tenant, user="bob")


@pytest.fixture
async def papers(shared: Memoledger, tenant: str) -> StoreHandle:
    """A store of Alice's, of a ledger that reads UTF-8 and cuts it into paragraphs."""
    application = shared.application
    application.context = replace(application.context, reader=Utf8(), splitter=Paragraphs())
    return await (await shared.principal(tenant=tenant, user="alice")).store("papers")


@pytest.fixture
async def notes(alice: PrincipalHandle) -> StoreHandle:
    """A store of Alice's."""
    return await alice.store("notes")


@pytest.fixture
def sql(server: Any, service_database: str) -> Callable[..., list[tuple[Any, ...]]]:
    """Runs a query as the superuser, who sees everything."""

    def run(query: str, *params: object) -> list[tuple[Any, ...]]:
        conninfo = server.conninfo("postgres", service_database)
        with psycopg.connect(conninfo, autocommit=True) as connection:
            return connection.execute(query, params).fetchall()

    return run


@pytest.fixture(autouse=True)
def consistent(request: pytest.FixtureRequest) -> Iterator[None]:
    """After every test that writes here, nothing is lost, doubled or half-written."""
    if "tenant" not in request.fixturenames:
        yield
        return
    tenant = request.getfixturevalue("tenant")
    server, database = (request.getfixturevalue(n) for n in ("server", "service_database"))
    yield
    invariants().assert_consistent(server.conninfo("postgres", database), tenant)


def invariants() -> Any:
    """The module invariants.py, by its path: the tests are no package."""
    path = Path(__file__).parents[2] / "invariants.py"
    spec = importlib.util.spec_from_file_location("memoledger_tests_invariants", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
