"""Killed at any moment, the ledger loses nothing it acknowledged and holds nothing half-written."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import psutil
import psycopg
import pytest

from memoledger import LedgerUnavailable, Memoledger
from memoledger.ledger.embedded import EmbeddedServer
from memoledger.model.indexing import document_vector, lexical_text

PATIENCE_S = 60
ROUNDS = pytest.mark.parametrize(
    ("count", "kills"),
    [pytest.param(800, 1, id="800"), pytest.param(10_000, 3, id="10000", marks=pytest.mark.slow)],
)
"""How much is to be remembered, and how often something is killed on the way."""


def by_path(path: Path) -> Any:
    """A module of the tests by its path: they are no package."""
    spec = importlib.util.spec_from_file_location(f"memoledger_tests_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


WRITER = Path(__file__).with_name("crash_writer.py")
writer = by_path(WRITER)
invariants = by_path(Path(__file__).parents[1] / "invariants.py")


class Scene:
    """A data folder, the process that writes into it, and what that process has acknowledged."""

    def __init__(self, made: Path, folder: Path, count: int) -> None:
        self.data_dir = Path(shutil.copytree(made, folder / "ledger"))
        self.acknowledged = folder / "acknowledged"
        self.acknowledged.touch()
        self.count = count
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> subprocess.Popen[bytes]:
        arguments = [str(self.data_dir), str(self.acknowledged), str(self.count)]
        self.process = subprocess.Popen(
            [sys.executable, str(WRITER), *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )
        assert self.process.stdout is not None
        first = self.process.stdout.readline()
        assert first == b"ready\n", self.process.communicate(timeout=PATIENCE_S)
        return self.process

    def wait_for(self, lines: int) -> None:
        """Until so much was acknowledged; not longer than everything takes."""
        assert self.process is not None
        deadline = time.monotonic() + PATIENCE_S
        while self.lines() < lines and self.process.poll() is None:
            assert time.monotonic() < deadline
            time.sleep(0.001)

    def lines(self) -> int:
        return self.acknowledged.read_bytes().count(b"\n")

    def acks(self) -> list[dict[str, Any]]:
        """What was acknowledged; a last line may have been cut short by the kill."""
        whole = self.acknowledged.read_bytes().rpartition(b"\n")[0]
        return [json.loads(line) for line in whole.splitlines()]

    def end(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.communicate()
            self.process = None


@pytest.fixture(scope="module")
def empty_ledger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data folder of an empty ledger with durable settings; tests work on copies."""
    data_dir = tmp_path_factory.mktemp("made") / "ledger"

    async def make() -> None:
        async with Memoledger.open(data_dir=data_dir, embedder=writer.NoEmbedder()):
            pass

    asyncio.run(make())
    return data_dir


@pytest.fixture
def scene(empty_ledger: Path, tmp_path: Path) -> Iterator[Callable[[int], Scene]]:
    """Makes scenes; whatever runs in them is ended."""
    scenes: list[Scene] = []

    def make(count: int) -> Scene:
        scenes.append(Scene(empty_ledger, tmp_path, count))
        return scenes[-1]

    yield make
    for each in scenes:
        each.end()
        EmbeddedServer.start(each.data_dir).stop()


def server_processes(data_dir: Path) -> list[psutil.Process]:
    """PostgreSQL's first process of a data folder, and all its children."""
    pid = int((data_dir / "postmaster.pid").read_text().split("\n")[0])
    first = psutil.Process(pid)
    assert "postgres" in first.name()
    return [first, *first.children(recursive=True)]


def kill_server(data_dir: Path, *, children: bool) -> None:
    """kill -9, as the kernel does when memory runs out: of the first process, or of all."""
    for process in server_processes(data_dir)[: None if children else 1]:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()


async def check(scene: Scene) -> int:
    """Nothing acknowledged is lost, nothing is half-written; how many memories there are."""
    acks = scene.acks()
    opening = Memoledger.open(data_dir=scene.data_dir, embedder=writer.NoEmbedder())
    async with opening as ledger:
        conninfo = ledger.application.place.admin_conninfo
        await asyncio.to_thread(invariants.assert_consistent, conninfo)
        with psycopg.connect(conninfo) as connection:
            rows = rows_by_version(connection)
        for ack in acks:
            assert rows[UUID(ack["id"]), ack["version"]]["number"] == ack["number"]
        for row in rows.values():
            check_row(row)
        await check_reads(ledger, acks)
    return len({memory_id for memory_id, _ in rows})


def rows_by_version(connection: psycopg.Connection[Any]) -> dict[tuple[UUID, int], Any]:
    """What is stored of each version, in all tables."""
    cursor = connection.execute(
        "SELECT m.memory_id, m.version, m.content, m.title, m.importance, m.tags, m.metadata,"
        " m.external_id, t.length, t.weights::text AS weights,"
        " (SELECT jsonb_object_agg(e.view, e.embedding::real[]) FROM memoledger.embeddings AS e"
        "  WHERE e.owner_id = m.memory_id AND e.version = m.version) AS vectors"
        " FROM memoledger.memories AS m"
        " JOIN memoledger.term_vectors AS t ON t.owner_id = m.memory_id AND t.version = m.version"
    )
    assert cursor.description is not None
    names = [column.name for column in cursor.description]
    rows = [dict(zip(names, row, strict=True)) for row in cursor]
    for row in rows:
        row["number"] = row["metadata"]["number"]
    return {(row["memory_id"], row["version"]): row for row in rows}


def check_row(row: dict[str, Any]) -> None:
    """Content, fields, vectors and words are those of its number's memory."""
    given = writer.memory_of(row["number"])
    for name in ("content", "importance", "tags", "metadata"):
        assert row[name] == given[name]
    assert row["title"] == given.get("title")
    assert row["external_id"] == given.get("external_id")
    expected = {"body": given["embedding"]}
    if "title" in given:
        expected["title"] = writer.title_vector(given["title"])
    assert row["vectors"].keys() == expected.keys()
    for view, vector in expected.items():
        halved = vector.astype(np.float16).astype(np.float32)
        assert np.array_equal(np.array(row["vectors"][view], dtype=np.float32), halved)
    terms = document_vector(lexical_text(given["content"], title=given.get("title")))
    stored = dict(part.split(":") for part in row["weights"].partition("}")[0][1:].split(","))
    assert row["length"] == terms.length
    assert {int(index): float(weight) for index, weight in stored.items()} == pytest.approx(
        dict(zip(terms.indices, terms.weights, strict=True)), rel=1e-6
    )


async def check_reads(ledger: Memoledger, acks: list[dict[str, Any]]) -> None:
    """What was acknowledged is got and recalled through the front door."""
    store = await (await ledger.principal(tenant="acme", user="alice")).store("notes")
    latest = {ack["id"]: ack for ack in sorted(acks, key=lambda ack: ack["version"])}
    # Of what many change, a later version than the last acknowledged may have been written.
    own = [ack for ack in latest.values() if not writer.is_shared(ack["number"])]
    for ack in random.sample(own, min(15, len(own))):
        given = writer.memory_of(ack["number"])
        assert (await store.get(ack["id"])).content == given["content"]
        for mode, query in (("dense", "x"), ("lexical", str(ack["number"]))):
            hits = await store.recall(query, mode=mode, limit=3, embedding=given["embedding"])
            assert str(hits[0].memory.id) == ack["id"], (mode, ack)
    for ack in latest.values():
        if writer.is_shared(ack["number"]):
            assert (await store.get(ack["id"])).version >= ack["version"]


async def finish(scene: Scene) -> None:
    """Done again, everything is there, and every memory once."""
    await writer.write(scene.data_dir, scene.acknowledged, scene.count)
    shared = sum(writer.is_shared(number) for number in range(scene.count))
    assert await check(scene) == scene.count - shared + min(shared, writer.SHARED_IDS)
    acks = {ack["number"]: ack for ack in scene.acks()}
    assert set(acks) == set(range(scene.count))


@ROUNDS
class TestTheWriter:
    async def test_killed_at_random_moments(
        self, scene: Callable[[int], Scene], count: int, kills: int
    ) -> None:
        writing = scene(count)
        for _ in range(kills):
            process = writing.start()
            writing.wait_for(writing.lines() + random.randint(1, count // 4))
            process.kill()
            process.communicate()
            await check(writing)
        await finish(writing)


@ROUNDS
class TestPostgreSQL:
    @pytest.mark.parametrize("children", [True, False], ids=["with all", "the first"])
    async def test_killed_at_random_moments(
        self, scene: Callable[[int], Scene], count: int, kills: int, children: bool
    ) -> None:
        writing = scene(count)
        for _ in range(kills):
            process = writing.start()
            writing.wait_for(writing.lines() + random.randint(1, count // 4))
            os.kill(process.pid, signal.SIGSTOP)  # It would start the server again.
            kill_server(writing.data_dir, children=children)
            process.kill()
            process.communicate()
            await check(writing)
        await finish(writing)


class TestTwoWriters:
    async def test_two_processes_remember_the_same(self, scene: Callable[[int], Scene]) -> None:
        writing = scene(600)
        first = writing.start()
        second = writing.start()
        for process in (first, second):
            _, errors = process.communicate(timeout=PATIENCE_S)
            assert process.returncode == 0, errors[-2_000:]
        ids: dict[int, set[str]] = {}
        for ack in writing.acks():
            ids.setdefault(ack["number"], set()).add(ack["id"])
        assert set(ids) == set(range(600))
        assert {len(found) for found in ids.values()} == {1}
        assert await check(writing) == 600 - 60 + writer.SHARED_IDS


class TestAnOpenLedger:
    """It says that the server is gone, and goes on by itself when it is back."""

    @pytest.fixture
    async def ledger(self, scene: Callable[[int], Scene]) -> Any:
        opening = Memoledger.open(
            data_dir=scene(0).data_dir, embedder=writer.NoEmbedder(), pool_max=4, pool_wait_s=20.0
        )
        async with opening as opened:
            yield opened

    @staticmethod
    def data_dir(ledger: Memoledger) -> Path:
        return ledger.application.settings.data_dir

    @pytest.mark.parametrize("children", [True, False], ids=["with all", "the first"])
    async def test_when_the_server_is_killed(self, ledger: Memoledger, children: bool) -> None:
        store = await (await ledger.principal(tenant="acme", user="alice")).store("notes")
        told: dict[int, str] = {}
        enough = asyncio.Event()

        async def write(numbers: Iterator[int]) -> None:
            for number in numbers:
                try:
                    memory = await store.remember(**writer.memory_of(number * 10))
                except LedgerUnavailable:
                    told[number] = "unavailable"
                else:
                    told[number] = str(memory.id)
                if len(told) > 100:
                    enough.set()

        numbers = iter(range(600))
        writing = [asyncio.create_task(write(numbers)) for _ in range(8)]
        async with asyncio.timeout(PATIENCE_S):
            await enough.wait()
            await asyncio.to_thread(kill_server, self.data_dir(ledger), children=children)
            await asyncio.gather(*writing)
        # Those under way were told so; those that came after waited and were written.
        unavailable = [number for number, what in told.items() if what == "unavailable"]
        assert len(unavailable) <= 8 * 2
        for number, memory_id in told.items():
            if number not in unavailable:
                read = await store.get(memory_id)
                assert read.content == writer.memory_of(number * 10)["content"]
        for number in unavailable:  # Written or not: again, and it is there once.
            await store.remember(**writer.memory_of(number * 10))
        assert await store.count() == 600
        conninfo = ledger.application.place.admin_conninfo
        await asyncio.to_thread(invariants.assert_consistent, conninfo)

    async def test_when_one_backend_is_killed(self, ledger: Memoledger) -> None:
        """PostgreSQL then throws out everybody and recovers by itself."""
        store = await (await ledger.principal(tenant="acme", user="alice")).store("notes")
        kept = await store.remember("Tea", embedding=writer.vector_of(1))
        conninfo = ledger.application.place.admin_conninfo
        with psycopg.connect(conninfo, autocommit=True) as victim:
            os.kill(victim.info.backend_pid, signal.SIGKILL)
        assert await self.unavailable_at_first(lambda: store.get(kept.id)) <= 200
        assert (await store.get(kept.id)).content == "Tea"
        assert (await store.remember("Milk", embedding=writer.vector_of(2))).outcome == "created"
        await asyncio.to_thread(invariants.assert_consistent, conninfo)

    @staticmethod
    async def unavailable_at_first(act: Callable[[], Any]) -> int:
        """How often it is refused before it goes well ten times in a row."""
        refused = well = 0
        while well < 10 and refused <= 200:
            try:
                await act()
            except LedgerUnavailable:
                refused, well = refused + 1, 0
            else:
                well += 1
            await asyncio.sleep(0.05)
        return refused
