"""Killed at any moment, no receipt that was flushed is lost, and each is counted once."""

from __future__ import annotations

import asyncio
import importlib.util
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import psutil
import psycopg
import pytest

from memoledger import Memoledger
from memoledger.ledger.embedded import EmbeddedServer

WRITER = Path(__file__).with_name("receipts_writer.py")
LINES = 5


def module() -> Any:
    """The writer's module, by its path: the tests are no package."""
    spec = importlib.util.spec_from_file_location("memoledger_tests_receipts_writer", WRITER)
    assert spec is not None
    assert spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


@pytest.fixture
def data_dir(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "ledger"
    yield folder
    EmbeddedServer.start(folder).stop()


def kill_server(data_dir: Path) -> None:
    """kill -9 of PostgreSQL's first process and all its children."""
    pid = int((data_dir / "postmaster.pid").read_text().split("\n")[0])
    first = psutil.Process(pid)
    for process in [first, *first.children(recursive=True)]:
        process.kill()


def run_until_killed(data_dir: Path, *, server_too: bool) -> set[UUID]:
    """The receipts that a process said were durable before it was killed."""
    process = subprocess.Popen(
        [sys.executable, str(WRITER), str(data_dir)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    try:
        assert process.stdout is not None
        said = b"".join(process.stdout.readline() for _ in range(LINES))
        os.kill(process.pid, signal.SIGSTOP)  # It would start the server again.
        if server_too:
            kill_server(data_dir)
    finally:
        process.kill()
        rest, errors = process.communicate()
    assert said.count(b"\n") == LINES, errors[-2_000:]
    whole = said + rest.rpartition(b"\n")[0]
    return {UUID(word) for word in whole.decode().split()}


@pytest.mark.parametrize("server_too", [False, True], ids=["the process", "the server too"])
async def test_what_was_flushed_is_there_and_counted_once(data_dir: Path, server_too: bool) -> None:
    durable = await asyncio.to_thread(run_until_killed, data_dir, server_too=server_too)
    async with Memoledger.open(data_dir=data_dir, embedder=module().OneVector()) as ledger:
        with psycopg.connect(ledger.application.place.admin_conninfo) as root:
            rows = root.execute("SELECT receipt_id, user_id FROM memoledger.receipts").fetchall()
            counted = root.execute("SELECT sum(count) FROM memoledger.memory_access").fetchone()
    kept = {receipt_id for receipt_id, _ in rows}
    assert len(durable) >= LINES * module().USERS * 4
    assert durable <= kept
    assert len(kept) == len(rows)
    assert counted == (len(rows),)


async def test_receipts_outlive_the_death_of_the_server(data_dir: Path) -> None:
    """They wait in the process until it is back."""
    opening = Memoledger.open(data_dir=data_dir, embedder=module().OneVector(), pool_wait_s=20.0)
    async with opening as ledger:
        alice = await ledger.principal(tenant="acme", user="alice")
        notes = await alice.store("notes")
        await notes.remember("tea")
        before = [(await notes.recall("tea")).receipt_id for _ in range(20)]
        await asyncio.to_thread(kill_server, data_dir)
    # Closing wrote them, for which it had to start the server once more.
    async with Memoledger.open(data_dir=data_dir, embedder=module().OneVector()) as ledger:
        alice = await ledger.principal(tenant="acme", user="alice")
        listed = (await alice.receipts(limit=100)).receipts
        assert {receipt.id for receipt in listed} >= set(before)
