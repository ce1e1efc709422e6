"""An act of learning that is cut off in the middle leaves nothing, wherever that is."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest

from memoledger.model.errors import MemoledgerError, NotFound
from memoledger.surfaces.python.store import StoreHandle

TABLES = ("documents", "chunks", "term_vectors", "document_chunks", "memories", "document_memories")


@pytest.fixture
def conninfo(server: Any, service_database: str) -> str:
    """The superuser's way into the ledger."""
    return str(server.conninfo("postgres", service_database))


@pytest.fixture
def counts(sql: Any, tenant: str) -> Callable[[], list[int]]:
    """How many rows each table has of the tenant; of artifacts that are given up others tell."""

    def count() -> list[int]:
        counted = [
            sql(f"SELECT count(*) FROM memoledger.{table} WHERE tenant_id = %s", tenant)[0][0]
            for table in (*TABLES, "embeddings", "embedding_schedule", "outbox")
        ]
        audited = sql(
            "SELECT count(*) FROM memoledger.audit_records WHERE tenant_id = %s"
            " AND table_name IN ('documents', 'chunks', 'memories')",
            tenant,
        )
        return [*counted, audited[0][0]]

    return count


@contextmanager
def closed(conninfo: str, table: str) -> Iterator[psycopg.Connection[tuple[Any, ...]]]:
    """Nobody can write to a table meanwhile."""
    with psycopg.connect(conninfo) as connection:
        connection.execute(f"LOCK TABLE memoledger.{table} IN EXCLUSIVE MODE")
        yield connection
        connection.rollback()


async def cut_off(connection: psycopg.Connection[tuple[Any, ...]]) -> None:
    """End the server process that waits for the table."""
    for _ in range(500):
        ended = connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE wait_event_type = 'Lock' AND datname = current_database()"
        ).fetchall()
        if ended:
            return
        await asyncio.sleep(0.02)
    raise TimeoutError("nobody waits for the table")


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("wait", ["searchable", "durable"])
async def test_what_is_cut_off_was_never_there(
    papers: StoreHandle, conninfo: str, counts: Any, table: str, wait: Any
) -> None:
    first = await papers.learn("wiki", "old", content="One.\n\nTwo.")
    before = counts()
    for source_id in ("new", "old"):
        with closed(conninfo, table) as connection:
            learning = asyncio.create_task(
                papers.learn(
                    "wiki",
                    source_id,
                    content="One.\n\nThree.",
                    observations=[{"content": "Observed."}],
                    wait=wait,
                )
            )
            await cut_off(connection)
            with pytest.raises(MemoledgerError):
                await learning
        assert counts() == before
    assert await papers.document(first.document.id) == first.document
    learned = await papers.learn(
        "wiki", "old", content="One.\n\nThree.", observations=[{"content": "Observed."}]
    )
    assert (learned.outcome, learned.chunks_new, learned.chunks_kept) == ("updated", 1, 1)


@pytest.mark.parametrize("hard", [False, True])
@pytest.mark.parametrize("table", ["documents", "chunks", "term_vectors", "memories"])
async def test_forgetting_that_is_cut_off_forgot_nothing(
    papers: StoreHandle, conninfo: str, counts: Any, table: str, hard: bool
) -> None:
    learned = await papers.learn(
        "wiki", "x", content="One.", observations=[{"content": "Observed."}]
    )
    before = counts()
    with closed(conninfo, table) as connection:
        forgetting = asyncio.create_task(papers.forget_document(learned.document.id, hard=hard))
        await cut_off(connection)
        with pytest.raises(MemoledgerError):
            await forgetting
    assert counts() == before
    assert await papers.document(learned.document.id) == learned.document
    await papers.forget_document(learned.document.id, hard=hard)
    with pytest.raises(NotFound):
        await papers.document(learned.document.id)
