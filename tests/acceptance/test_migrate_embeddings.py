"""A ledger changes its model while it is written to and asked; what fills it is killed."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import pytest

from memoledger import Memoledger
from memoledger.adapters.embedders.local import LocalEmbedder
from memoledger.surfaces.bench.samples import Sampler

SIZES = pytest.mark.parametrize(
    ("count", "kills"),
    [pytest.param(120, 1, id="120"), pytest.param(5_000, 5, id="5000", marks=pytest.mark.slow)],
)
"""How many memories there are at first, and how often what fills the version is killed."""

PATIENCE_S = 300

LACKING = """
SELECT count(*) FROM memoledger.memories AS m
WHERE m.erased_at IS NULL AND NOT EXISTS (
    SELECT FROM memoledger.embeddings AS e JOIN memoledger_system.embedding_versions AS v
           USING (embedding_version)
    WHERE v.name = %s AND e.owner_id = m.memory_id AND e.version = m.version AND e.view = 'body')
"""
TWICE = """
SELECT count(*) FROM (
    SELECT FROM memoledger.embeddings GROUP BY embedding_version, owner_id, version, view
    HAVING count(*) > 1) AS t
"""


@dataclass
class Life:
    """What goes on in the store all the time, and what came of it."""

    store: Any
    texts: list[str]
    writes: int = 0
    recalls: int = 0
    empty: int = 0
    failures: list[BaseException] = field(default_factory=list)
    ends: asyncio.Event = field(default_factory=asyncio.Event)

    async def write(self) -> None:
        """Remember, change and forget, one after the other."""
        while not self.ends.is_set():
            try:
                text = self.texts[self.writes % len(self.texts)]
                made = await self.store.remember(f"{text} again {self.writes}")
                if self.writes % 3 == 0:
                    await self.store.update(made.id, content=f"{text} changed {self.writes}")
                elif self.writes % 7 == 0:
                    await self.store.forget(made.id)
                self.writes += 1
            except Exception as error:
                self.failures.append(error)
                return
            await asyncio.sleep(0.02)

    async def recall(self) -> None:
        """Ask for what is known to be there."""
        while not self.ends.is_set():
            try:
                text = self.texts[self.recalls % len(self.texts)]
                hits = await self.store.recall(text, mode="dense", limit=3)
                self.empty += not hits
                self.recalls += 1
            except Exception as error:
                self.failures.append(error)
                return
            await asyncio.sleep(0.02)


@pytest.fixture
async def ledger(tmp_path: Path) -> AsyncIterator[Memoledger]:
    """A durable ledger in a folder, which other processes open too."""
    opening = Memoledger.open(data_dir=tmp_path / "ledger", sweep_interval_s=0.0)
    async with opening as opened:
        yield opened


def program(data_dir: Path, *arguments: str) -> subprocess.Popen[bytes]:
    """`memoledger embeddings` in a process of its own."""
    return subprocess.Popen(
        [
            *(sys.executable, "-m", "memoledger", "embeddings", *arguments),
            *("--json", "--data-dir", str(data_dir)),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )


async def answer(process: subprocess.Popen[bytes]) -> Any:
    """What it answers when it succeeds."""
    out, err = await asyncio.to_thread(process.communicate, timeout=PATIENCE_S)
    assert process.returncode == 0, err.decode()
    return json.loads(out)


@SIZES
async def test_nothing_is_lost_and_nobody_waits(
    ledger: Memoledger, tmp_path: Path, count: int, kills: int
) -> None:
    data_dir = tmp_path / "ledger"
    alice = await ledger.principal(tenant="acme", user="alice")
    store = await alice.store("notes")
    sample = Sampler(seed=5).memories(count)
    await store.remember_many([{"content": text} for text in sample.texts])
    life = Life(store, sample.texts)
    tasks = [asyncio.create_task(life.write()), asyncio.create_task(life.recall())]
    try:
        made = await answer(
            program(data_dir, "create", "--embedder", "minilm", "--dimensions", "128")
        )
        name = made["name"]
        conninfo = ledger.application.place.admin_conninfo
        with psycopg.connect(conninfo, autocommit=True) as root:
            for kill in range(kills):
                await kill_while_filling(data_dir, root, name, count * (kill + 1) // (kills + 2))
            found = await answer(program(data_dir, "backfill", name))
            assert found["filled"][0]["state"] == "ready"
            assert (await answer(program(data_dir, "verify", name)))["passed"]
            recalls = life.recalls
            switched = await answer(program(data_dir, "cutover", name))
            assert switched["missing"] == 0
            await until_it_serves(ledger, name)
            assert root.execute(LACKING, (name,)).fetchone() == (0,)
            await more(life, recalls)
            back = await answer(program(data_dir, "rollback"))
            assert back["replaced"] == name
            await until_it_serves(ledger, back["serving"])
            await more(life, life.recalls)
            life.ends.set()
            await asyncio.gather(*tasks)
            for version in (name, back["serving"]):
                assert root.execute(LACKING, (version,)).fetchone() == (0,)
            assert root.execute(TWICE).fetchone() == (0,)
    finally:
        life.ends.set()
        await asyncio.gather(*tasks, return_exceptions=True)
    assert life.failures == []
    assert life.empty == 0
    assert life.writes > 10


async def kill_while_filling(
    data_dir: Path, root: psycopg.Connection[Any], name: str, least: int
) -> None:
    """Begin to fill, and kill it once so many vectors are there, or it is done."""
    process = program(data_dir, "backfill", name, "--batch", "4", "--pace", "0.5")
    query = (
        "SELECT count(*) FROM memoledger.embeddings JOIN memoledger_system.embedding_versions"
        " USING (embedding_version) WHERE name = %s"
    )
    while process.poll() is None:
        [there] = root.execute(query, (name,)).fetchone() or (0,)
        if there >= least:
            process.kill()
        await asyncio.sleep(0.01)
    await asyncio.to_thread(process.communicate)


async def until_it_serves(ledger: Memoledger, name: str) -> None:
    """Until this process has noticed, which takes a second."""
    embedders = ledger.application.context.embedders
    assert embedders is not None
    for _ in range(600):
        if (await embedders.live()).name == name:
            return
        await asyncio.sleep(0.05)
    raise AssertionError(f"{name} does not serve here")


async def more(life: Life, than: int) -> None:
    """Until more has been asked."""
    for _ in range(600):
        if life.failures or life.recalls > than + 10:
            return
        await asyncio.sleep(0.05)


async def test_its_own_embedder_answers_after_it(ledger: Memoledger) -> None:
    """What is found in the shorter vectors is what their own embedder would find."""
    alice = await ledger.principal(tenant="acme", user="alice")
    store = await alice.store("notes")
    await store.remember_many(
        [{"content": text} for text in ("The cat sat on the mat.", "Rain is forecast for Monday.")]
    )
    version = await ledger.embeddings.create("minilm", dimensions=256)
    await ledger.embeddings.backfill(version.name)
    await ledger.embeddings.cutover(version.name)
    [hit, other] = await store.recall("What will the weather be?", mode="dense")
    assert hit.memory.content == "Rain is forecast for Monday."
    shorter = LocalEmbedder(dimensions=256)
    try:
        question, first = await shorter.embed(
            ["What will the weather be?", hit.memory.content], input_type="query"
        )
    finally:
        await shorter.aclose()
    assert hit.score == pytest.approx(float(question @ first), abs=2e-3)
    assert hit.score > other.score
