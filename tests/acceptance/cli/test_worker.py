"""`memoledger worker`: it works until it is told to stop, and ends in order."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest

from memoledger import Memoledger
from memoledger.adapters.embedders.local import LocalEmbedder
from memoledger.surfaces.cli import main

EXPIRES_S = 3
WAIT_S = 60


async def test_it_sweeps_until_sigterm(tmp_path: Path, embedder: LocalEmbedder) -> None:
    folder = tmp_path / "ledger"
    environment = {
        **os.environ,
        "MEMOLEDGER_DATA_DIR": str(folder),
        "MEMOLEDGER_SWEEP_INTERVAL_S": "0.2",
    }
    opening = Memoledger.open(data_dir=folder, embedder=embedder, sweep_interval_s=0.0)
    async with opening as ledger:
        notes = await (await ledger.principal(tenant="acme", user="alice")).store("notes")
        soon = datetime.now(UTC) + timedelta(seconds=EXPIRES_S)
        await notes.remember("It goes soon.", expires_at=soon)
        conninfo = ledger.application.place.admin_conninfo
        await asyncio.to_thread(_let_it_work, environment, conninfo)


def _let_it_work(environment: dict[str, str], conninfo: str) -> None:
    command = [sys.executable, "-m", "memoledger", "worker"]
    with (
        psycopg.connect(conninfo, autocommit=True) as root,
        subprocess.Popen(command, env=environment, stderr=subprocess.PIPE) as worker,
    ):
        try:
            assert worker.stderr is not None
            assert b"working; upkeep every 0.2 s" in worker.stderr.readline()
            deadline = time.monotonic() + WAIT_S
            query = "SELECT deleted_at FROM memoledger.memories"
            while root.execute(query).fetchall() == [(None,)]:
                assert time.monotonic() < deadline
                time.sleep(0.1)
            worker.send_signal(signal.SIGTERM)
            assert b"stopped" in worker.stderr.read()
            assert worker.wait() == 0
        finally:
            worker.kill()


def test_a_worker_that_never_works_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MEMOLEDGER_DATA_DIR", str(tmp_path / "ledger"))
    monkeypatch.setenv("MEMOLEDGER_SWEEP_INTERVAL_S", "0")
    assert main.run(["worker"]) == 2
    assert "MEMOLEDGER_SWEEP_INTERVAL_S" in capsys.readouterr().err
