"""Where benchmarks run: a ledger as users have it, and a bare connection to the same server."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg

from memoledger.ledger.vector_types import fetch_vector_oids, register_vectors
from memoledger.settings import load_settings
from memoledger.surfaces.bench.samples import DIMENSIONS
from memoledger.surfaces.python.memoledger import Memoledger

BareConnection = psycopg.AsyncConnection[tuple[object, ...]]


@dataclass(frozen=True, slots=True)
class Place:
    """An open ledger, and beside it what the floors are measured on.

    Args:
        bare: a superuser's connection in autocommit mode, to which no policy applies; it prepares
            every statement at its first use, as the ledger's own connections do.
    """

    ledger: Memoledger
    bare: BareConnection


@asynccontextmanager
async def opened_place() -> AsyncIterator[Place]:
    """A new embedded ledger with the settings that users have, so durable; deleted at the end.

    Of the user's own settings only those that do not choose the place or the model are heard.
    """
    with tempfile.TemporaryDirectory(prefix="memoledger-bench-") as folder:
        settings = load_settings().model_copy(
            update={
                "database_url": None,
                "admin_database_url": None,
                "data_dir": Path(folder) / "ledger",
                "auto_migrate": True,
                "embedder": "minilm",
                "embedding_dimensions": None,
                "sweep_interval_s": 0.0,
                "artifacts_url": None,
                "artifacts_options": None,
                "redis_url": None,
            }
        )
        async with Memoledger.open(settings=settings) as ledger:
            conninfo = ledger.application.place.admin_conninfo
            async with await psycopg.AsyncConnection.connect(
                conninfo, autocommit=True, prepare_threshold=0
            ) as bare:
                register_vectors(bare, await fetch_vector_oids(bare))
                yield Place(ledger, bare)


async def make_bare_table(bare: BareConnection) -> None:
    """The least that could hold memories and find them: a content, a vector, and whose they are."""
    await bare.execute("DROP TABLE IF EXISTS public.bare")
    await bare.execute(
        "CREATE TABLE public.bare (store_id uuid NOT NULL, id uuid PRIMARY KEY,"
        f" content text NOT NULL, embedding halfvec({DIMENSIONS}) NOT NULL)"
    )
    await bare.execute("CREATE INDEX ON public.bare (store_id)")
