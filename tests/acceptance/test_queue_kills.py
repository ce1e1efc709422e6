"""Kill -9 writers, workers and PostgreSQL at random: everything is embedded, once."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import psycopg
import pytest

from memoledger import Memoledger
from memoledger.ledger.embedded import EmbeddedServer

PATIENCE_S = 120


def by_path(path: Path) -> Any:
    """A module of the tests by its path: they are no package."""
    spec = importlib.util.spec_from_file_location(f"memoledger_tests_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


PROCESS = Path(__file__).with_name("queue_process.py")
queue = by_path(PROCESS)
invariants = by_path(Path(__file__).parents[1] / "invariants.py")


class Scene:
    """A data folder, and the processes that write into it and work on it."""

    def __init__(self, data_dir: Path, count: int) -> None:
        self.data_dir = data_dir
        self.count = count
        self.running: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, act: str) -> None:
        """Have a process of that kind run, if none does."""
        if act in self.running and self.running[act].poll() is None:
            return
        process = subprocess.Popen(
            [sys.executable, str(PROCESS), str(self.data_dir), act, str(self.count)],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )
        assert process.stdout is not None
        process.stdout.readline()  # "ready", or nothing if PostgreSQL was killed meanwhile
        self.running[act] = process

    def kill(self, act: str) -> None:
        """kill -9 a process, and see it gone."""
        process = self.running.pop(act)
        process.kill()
        process.communicate()

    def kill_server(self) -> None:
        """kill -9 PostgreSQL, as the kernel does when memory runs out."""
        with contextlib.suppress(OSError, ValueError, psutil.NoSuchProcess):
            pid = int((self.data_dir / "postmaster.pid").read_text().split("\n")[0])
            first = psutil.Process(pid)
            assert "postgres" in first.name()
            for one in [first, *first.children(recursive=True)]:
                with contextlib.suppress(psutil.NoSuchProcess):
                    one.kill()

    def end(self) -> None:
        """End whatever still runs."""
        for act in list(self.running):
            self.kill(act)
        EmbeddedServer.start(self.data_dir).stop()


@pytest.fixture
def scene(request: Any, tmp_path: Path) -> Iterator[Scene]:
    """A ledger in a folder of its own."""
    data_dir = tmp_path / "ledger"

    async def make() -> None:
        opening = Memoledger.open(
            data_dir=data_dir, embedder=queue.SlowEmbedder(), sweep_interval_s=0.0
        )
        async with opening:
            pass

    asyncio.run(make())
    made = Scene(data_dir, request.param)
    yield made
    made.end()


async def finished(scene: Scene) -> Any:
    """Write everything, work until nothing is left; the rows of what is there."""
    opening = Memoledger.open(
        data_dir=scene.data_dir, embedder=queue.SlowEmbedder(), **queue.SETTINGS
    )
    async with opening as ledger:
        await queue.write(ledger, scene.count)
        conninfo = ledger.application.place.admin_conninfo
        deadline = time.monotonic() + PATIENCE_S
        with psycopg.connect(conninfo, autocommit=True) as root:
            waiting = "SELECT count(*) FROM memoledger.embedding_schedule"
            while root.execute(waiting).fetchone() != (0,):
                assert time.monotonic() < deadline
                await asyncio.sleep(0.1)
            await asyncio.to_thread(invariants.assert_consistent, conninfo)
            return root.execute(
                "SELECT m.external_id, m.content, m.title,"
                " (SELECT jsonb_object_agg(e.view, e.embedding::real[])"
                "  FROM memoledger.embeddings AS e"
                "  WHERE e.owner_id = m.memory_id AND e.version = m.version)"
                " FROM memoledger.memories AS m"
            ).fetchall()


@pytest.mark.parametrize(
    ("scene", "kills"),
    [
        pytest.param(200, 2, id="2"),
        pytest.param(2_000, 20, id="20", marks=pytest.mark.slow),
    ],
    indirect=["scene"],
)
def test_killed_at_random_everything_is_embedded_once(scene: Scene, kills: int) -> None:
    for number in range(kills):
        scene.start("write")
        scene.start("work")
        time.sleep(random.uniform(0.0, 1.5))
        victim = ("write", "work", "server")[number % 3]
        if victim == "server":
            scene.kill_server()
        elif victim in scene.running:
            scene.kill(victim)
    for act in list(scene.running):
        scene.kill(act)
    rows = asyncio.run(finished(scene))
    assert sorted(int(row[0]) for row in rows) == list(range(scene.count))
    for external_id, content, title, vectors in rows:
        given = queue.memory_of(int(external_id))
        assert (content, title) == (given["content"], given.get("title"))
        texts = {"body": content, **({} if title is None else {"title": title})}
        assert vectors.keys() == texts.keys()
        for view, text in texts.items():
            halved = queue.vector_of(text).astype(np.float16).astype(np.float32)
            assert np.array_equal(np.array(vectors[view], dtype=np.float32), halved)
