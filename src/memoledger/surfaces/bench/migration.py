"""`bench migrate-embeddings`: what it costs to change the model while the ledger is in use.

Some stores are filled, one of them large enough for an index. From then on two clients ask and one
writes, without an end, each taking a short breath after every answer; every question is about a
memory that is there, so that an answer without hits is a mistake. Meanwhile the ledger changes to
the same model shortened to 256 dimensions, as an operator would have it: the version is declared,
filled by `memoledger embeddings` in a process of its own, verified, cut over, rolled back, cut over
again, and the one before is retired. The floors are the same recalls before anything began, and the
bare model by itself.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import sys
import time
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from memoledger.model.errors import MemoledgerError
from memoledger.surfaces.bench.bare_model import BareModel
from memoledger.surfaces.bench.place import BareConnection, Place
from memoledger.surfaces.bench.report import Row, Say
from memoledger.surfaces.bench.samples import Sampler
from memoledger.surfaces.python.store import StoreHandle

BENCH: Final = "migrate-embeddings"
DIMENSIONS: Final = 256
MODEL_TEXTS: Final = 500
"""Texts on which the bare model is measured."""

_MISSING: Final = """
SELECT count(*) FROM memoledger.memories AS m WHERE m.erased_at IS NULL AND NOT EXISTS (
    SELECT FROM memoledger.embeddings AS e JOIN memoledger_system.embedding_versions AS v
           USING (embedding_version)
    WHERE v.state = 'serving' AND e.tenant_id = m.tenant_id AND e.store_id = m.store_id
      AND e.family = 'memory' AND e.owner_id = m.memory_id AND e.version = m.version
      AND e.view = 'body')
"""


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much is measured.

    Args:
        stores: memories of each store; one above the size at which a store gets an index has one.
        before_s: seconds of load before anything begins.
        after_s: seconds of load in between, and at the end.
        recallers: clients that ask.
        think_s: how long each client rests after an answer.
        pace: the share of the time in which the model works that fills the version.
    """

    stores: tuple[int, ...] = (40_000, 20_000, 20_000, 20_000)
    before_s: float = 30.0
    after_s: float = 15.0
    recallers: int = 2
    think_s: float = 0.05
    pace: float = 1.0


QUICK: Final = Sizes(stores=(60, 40), before_s=0.5, after_s=0.5)


@dataclass(slots=True)
class Phase:
    """What was asked and told in a phase."""

    recall_ms: list[float] = field(default_factory=list)
    remember_ms: list[float] = field(default_factory=list)


@dataclass(slots=True)
class Load:
    """Clients that ask and tell without an end.

    Args:
        stores: where; with the texts that are there.
    """

    stores: list[tuple[StoreHandle, list[str]]]
    think_s: float
    phases: dict[str, Phase] = field(default_factory=dict)
    phase: str = "before"
    failed: int = 0
    empty: int = 0
    recalls: int = 0
    writes: int = 0
    ends: bool = False

    async def ask(self, seed: int) -> None:
        """One client that asks."""
        draw = random.Random(seed)  # noqa: S311 - no secret
        while not self.ends:
            store, texts = draw.choice(self.stores)
            question = " ".join(draw.choice(texts).split()[:6])
            phase, started = self.phase, time.perf_counter()
            try:
                hits = await store.recall(question)
                self.empty += not hits
            except MemoledgerError:
                self.failed += 1
            self._of(phase).recall_ms.append(1_000 * (time.perf_counter() - started))
            self.recalls += 1
            await asyncio.sleep(self.think_s)

    async def tell(self, seed: int) -> None:
        """One client that tells; every fourth time it changes what it told."""
        draw = random.Random(seed)  # noqa: S311 - no secret
        while not self.ends:
            store, texts = draw.choice(self.stores)
            phase, started = self.phase, time.perf_counter()
            try:
                made = await store.remember(f"{draw.choice(texts)} Said again, {self.writes}.")
                self._of(phase).remember_ms.append(1_000 * (time.perf_counter() - started))
                if self.writes % 4 == 0:
                    await store.update(made.id, content=f"Changed since, {self.writes}.")
            except MemoledgerError:
                self.failed += 1
            self.writes += 1
            await asyncio.sleep(self.think_s)

    def _of(self, phase: str) -> Phase:
        return self.phases.setdefault(phase, Phase())


async def migrate_embeddings(place: Place, sizes: Sizes, say: Say) -> list[Row]:
    """Change the model of a ledger in use; what that took, and what its clients noticed."""
    stores = await _stores(place, sizes, say)
    say("measuring the bare model")
    bare = await asyncio.to_thread(_bare_rate, stores[0][1])
    load = Load(stores, sizes.think_s)
    clients = [asyncio.create_task(load.ask(seed)) for seed in range(sizes.recallers)]
    clients.append(asyncio.create_task(load.tell(99)))
    try:
        return await _migrate(place, sizes, load, bare, say)
    finally:
        load.ends = True
        await asyncio.gather(*clients)


async def _stores(place: Place, sizes: Sizes, say: Say) -> list[tuple[StoreHandle, list[str]]]:
    principal = await place.ledger.principal(tenant="bench", user="owner")
    sampler = Sampler()
    found: list[tuple[StoreHandle, list[str]]] = []
    for number, size in enumerate(sizes.stores, start=1):
        say(f"writing {size:,} memories")
        store = await principal.store(f"notes {number}")
        sample = sampler.memories(size)
        await store.remember_many(sample.drafts(), on_items=lambda _: None)
        found.append((store, sample.texts))
    await place.bare.execute("VACUUM ANALYZE")
    say("indexing what is large")
    await place.ledger.index_stores()
    return found


def _bare_rate(texts: list[str]) -> float:
    """Texts a second that the bare model embeds, with nothing beside it."""
    model, sample = BareModel(), texts[:MODEL_TEXTS]
    model.embed(sample[:20])
    started = time.perf_counter()
    model.embed(sample)
    return len(sample) / (time.perf_counter() - started)


async def _migrate(place: Place, sizes: Sizes, load: Load, bare: float, say: Say) -> list[Row]:
    embeddings = place.ledger.embeddings
    say("asking and telling, before anything begins")
    await asyncio.sleep(sizes.before_s)
    took: dict[str, float] = {}
    load.phase = "filling"
    version = await embeddings.create("minilm", dimensions=DIMENSIONS)
    say("filling the new version")
    filled = await _program(place, "backfill", version.name, "--pace", str(sizes.pace))
    [done] = filled["filled"]
    say("verifying it")
    started = time.perf_counter()
    verified = await embeddings.verify(version.name)
    took["verifying"] = time.perf_counter() - started
    load.phase = "cutting over"
    say("cutting over, rolling back, and cutting over again")
    started = time.perf_counter()
    first = await embeddings.cutover(version.name)
    took["cutting over"] = time.perf_counter() - started
    missing = await _count_missing(place.bare)
    load.phase = "after it"
    await asyncio.sleep(sizes.after_s)
    load.phase = "rolling back"
    started = time.perf_counter()
    back = await embeddings.rollback()
    took["rolling back"] = time.perf_counter() - started
    missing += await _count_missing(place.bare)
    await asyncio.sleep(sizes.after_s)
    load.phase = "cutting over"
    again = await embeddings.cutover(version.name)
    missing += await _count_missing(place.bare)
    load.phase = "retiring"
    started = time.perf_counter()
    await embeddings.retire(back.serving)
    took["retiring"] = time.perf_counter() - started
    await asyncio.sleep(sizes.after_s)
    case = BENCH, f"{sum(sizes.stores):,} memories"
    held_ms = max(first.held_ms, again.held_ms, back.held_ms)
    return [
        Row.of(case, "texts embedded", done["embedded"], "count"),
        Row.of(case, "texts, of the bare model's", done["embedded"] / done["seconds"], "/s", bare),
        Row.of(case, "time, filling", done["seconds"], "s"),
        *(Row.of(case, f"time, {name}", seconds, "s") for name, seconds in took.items()),
        Row.of(case, "writes held up, the longest", held_ms, "ms"),
        Row.of(case, "checks failed", sum(c.status == "fail" for c in verified.checks), "count"),
        Row.of(case, "texts missing", missing, "count"),
        Row.of(case, "recalls", load.recalls, "count"),
        Row.of(case, "writes", load.writes, "count"),
        Row.of(case, "failed", load.failed, "count"),
        Row.of(case, "recalls without hits", load.empty, "count"),
        *_slowdown(case, load),
    ]


def _slowdown(case: tuple[str, str], load: Load) -> list[Row]:
    """Recalls and writes in each phase, beside those of before."""
    rows: list[Row] = []
    for what in ("recall", "remember"):
        for share in (50, 95):
            before = _percentile(load.phases.get("before"), what, share)
            for name, phase in load.phases.items():
                value = _percentile(phase, what, share)
                if value is not None and before is not None:
                    floor = None if name == "before" else before
                    rows.append(Row.of(case, f"{what} p{share}, {name}", value, "ms", floor))
    return rows


def _percentile(phase: Phase | None, what: str, share: int) -> float | None:
    taken = [] if phase is None else phase.recall_ms if what == "recall" else phase.remember_ms
    return float(np.percentile(taken, share)) if taken else None


async def _count_missing(bare: BareConnection) -> int:
    cursor = await bare.execute(_MISSING.encode())
    [count] = await cursor.fetchone() or (0,)
    return int(str(count))


async def _program(place: Place, *arguments: str) -> dict[str, Any]:
    """The answer of `memoledger embeddings` in a process of its own."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "memoledger", "embeddings", *arguments, "--json"),
        *("--data-dir", str(place.ledger.application.settings.data_dir)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={name: value for name, value in os.environ.items() if "MEMOLEDGER" not in name},
    )
    out, err = await process.communicate()
    if process.returncode:
        raise RuntimeError(f"memoledger embeddings {arguments[0]} failed: {err.decode()}")
    answer: dict[str, Any] = json.loads(out)
    return answer
