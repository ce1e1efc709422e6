"""`bench http`: many clients of a service, beside the same calls without HTTP.

A thousand clients over a hundred tenants, who ask four times out of five and tell the fifth time,
each with its tenant's key. The service is a process as users start it; the clients are in another.
Four loads: a closed loop in which every client thinks for five seconds in the mean, an open loop
of the same rate, a closed loop without pauses, which shows what the service can do at most, and an
open loop at half of that, which shows how fast it answers when it is not at its limits.

Each of the first three is also made without HTTP, by a third process that calls the Python API:
the same statements, the same model, the same receipts. That is the floor of the times and the
ceiling of the rates. The two take turns. The generator's share of a core is told, because it has
the same cores.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

import numpy as np
import psutil

from memoledger.model.caller import EVERY_SCOPE, Caller
from memoledger.model.errors import MemoledgerError
from memoledger.services.keys import create_key
from memoledger.settings import PREFIX
from memoledger.surfaces.bench.load import Order, Outcome
from memoledger.surfaces.bench.place import Place
from memoledger.surfaces.bench.pooler import through_pgbouncer
from memoledger.surfaces.bench.report import Row, Say
from memoledger.surfaces.bench.samples import Sampler
from memoledger.surfaces.python.memoledger import Memoledger

LINE_BYTES_MAX: Final = 2**26
START_S: Final = 60.0
STOP_S: Final = 30.0
QUESTIONS: Final = 2_000


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much is measured.

    Args:
        memories: of each tenant.
        clients: of the loops with pauses.
        crowd: clients of the loop without.
        seconds: of each load; `warm_s` before it do not count.
        rounds: so often HTTP and the direct calls take turns without pauses.
    """

    tenants: int = 100
    memories: int = 2_000
    clients: int = 1_000
    crowd: int = 64
    think_s: float = 5.0
    seconds: float = 30.0
    warm_s: float = 8.0
    rounds: int = 3

    @property
    def rate(self) -> float:
        """Requests a second that clients who think make, were answers to take no time."""
        return self.clients / self.think_s


QUICK: Final = Sizes(
    tenants=3, memories=20, clients=12, crowd=4, think_s=0.2, seconds=2.0, warm_s=0.4, rounds=1
)


@dataclass(frozen=True, slots=True)
class Tenant:
    """A tenant's one store, and who asks in it."""

    tenant: str
    user: str
    store_id: str
    key: str


class Generator:
    """A process that makes load."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def make(self, order: Order) -> Outcome:
        """Have it carry out an order."""
        return Outcome(**await self.ask(asdict(order)))

    async def ask(self, what: dict[str, Any]) -> dict[str, Any]:
        """Write a line and read one.

        Raises:
            MemoledgerError: the process ended.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(what).encode() + b"\n")
        line = await self._process.stdout.readline()
        if not line:
            raise MemoledgerError("The process that makes the load has ended.")
        answer: dict[str, Any] = json.loads(line)
        return answer


async def http(place: Place, sizes: Sizes, say: Say, *, pgbouncer: str | None = None) -> list[Row]:
    """Write, serve, and make each load on both ways.

    Args:
        pgbouncer: a PgBouncer, through which both then reach the server; None for no such.
    """
    sampler = Sampler()
    tenants = [await _tenant(place.ledger, number) for number in range(sizes.tenants)]
    for number, tenant in enumerate(tenants):
        if number % 10 == 0:
            say(f"writing {sizes.memories:,} memories for tenant {number} of {sizes.tenants}")
        await _write(place.ledger, tenant, sampler, sizes.memories)
    await place.bare.execute("VACUUM ANALYZE")
    plan = _plan(sizes, sampler, tenants)
    async with AsyncExitStack() as stack:
        where = await _environment(place, pgbouncer, stack)
        url, service = await stack.enter_async_context(_served(where))
        ours = await stack.enter_async_context(_generator({**plan, "url": url}, where))
        direct = await stack.enter_async_context(_generator({**plan, "url": None}, where))
        rows = await _loops(sizes, ours, direct, say)
        most = await _saturation(sizes, ours, direct, say)
        rows += [*most, *await _with_room(sizes, most[0].value, ours, say)]
        peak = service.memory_info().rss
    return [*rows, Row.of(("http", "the service"), "memory", float(peak), "bytes")]


async def _loops(sizes: Sizes, ours: Generator, direct: Generator, say: Say) -> list[Row]:
    """The loads that leave the service time to breathe."""
    closed = Order(
        "closed", sizes.clients, sizes.seconds, warm_s=sizes.warm_s, think_s=sizes.think_s
    )
    orders = {
        f"closed loop, {sizes.clients:,} clients, {sizes.tenants} tenants": closed,
        f"open loop, {sizes.rate:g} requests/s": replace(closed, loop="open", rate=sizes.rate),
    }
    rows: list[Row] = []
    for name, order in orders.items():
        outcomes = []
        for way, generator in (("without HTTP", direct), ("over HTTP", ours)):
            say(f"{name}, {way}")
            outcomes.append(await generator.make(order))
        floor, found = outcomes
        for what, count in found.errors.items():
            say(f"{count} times: {what}")
        rows += _rows(("http", name), found, floor)
    return rows


async def _saturation(sizes: Sizes, ours: Generator, direct: Generator, say: Say) -> list[Row]:
    """What both can do at most, turn by turn."""
    order = Order("closed", clients=sizes.crowd, seconds=sizes.seconds / 3, warm_s=sizes.warm_s / 4)
    found: list[Outcome] = []
    floor: list[Outcome] = []
    for number in range(sizes.rounds):
        say(f"without pauses, round {number + 1} of {sizes.rounds}")
        floor.append(await direct.make(order))
        found.append(await ours.make(order))
    rate, ceiling = (
        float(np.median([outcome.per_second for outcome in outcomes]))
        for outcomes in (found, floor)
    )
    busy = float(np.median([outcome.busy for outcome in found]))
    case = "http", f"without pauses, {sizes.crowd} clients"
    return [
        Row.of(case, "requests, of those without HTTP", rate, "/s", ceiling),
        Row.of(case, "recall p95", _percentile(_all(found, "recall_ms"), 95), "ms"),
        Row.of(case, "errors", float(sum(_errors(outcome) for outcome in found)), "count"),
        Row.of(case, "generator, of one core", busy, "fraction"),
    ]


async def _with_room(sizes: Sizes, most: float, ours: Generator, say: Say) -> list[Row]:
    """What a service answers in that is asked for half of what it can do."""
    order = Order("open", sizes.clients, sizes.seconds, warm_s=sizes.warm_s, rate=most / 2)
    case = "http", "open loop, half of that rate"
    say(case[1])
    return _rows(case, await ours.make(order))


def _rows(case: tuple[str, str], found: Outcome, floor: Outcome | None = None) -> list[Row]:
    """Requests, times, errors; beside those without HTTP, where these were made too."""
    least = None if floor is None else floor.per_second
    rows = [Row.of(case, "requests", found.per_second, "/s", least)]
    for verb in ("recall", "remember"):
        ours = getattr(found, f"{verb}_ms")
        theirs = ours if floor is None else getattr(floor, f"{verb}_ms")
        for p in (50, 95, 99) if ours and theirs else ():
            beside = None if floor is None else _percentile(theirs, p)
            rows.append(Row.of(case, f"{verb} p{p}", _percentile(ours, p), "ms", beside))
    return [
        *rows,
        Row.of(case, "errors", float(_errors(found)), "count"),
        Row.of(case, "generator, of one core", found.busy, "fraction"),
    ]


def _percentile(measured_ms: Sequence[float], share: float) -> float:
    return float(np.percentile(measured_ms, share)) if measured_ms else 0.0


def _all(outcomes: Sequence[Outcome], name: str) -> list[float]:
    return [value for outcome in outcomes for value in getattr(outcome, name)]


def _errors(outcome: Outcome) -> int:
    return sum(outcome.errors.values())


async def _tenant(ledger: Memoledger, number: int) -> Tenant:
    handle = await ledger.principal(tenant=f"tenant-{number}", user="crowd")
    store = await handle.store("notes")
    operator = Caller(handle.principal, EVERY_SCOPE, "development")
    key = await create_key(ledger.application.context, operator, name="bench", scopes=EVERY_SCOPE)
    principal = handle.principal
    return Tenant(principal.tenant, principal.user, str(store.id), key.secret)


async def _write(ledger: Memoledger, tenant: Tenant, sampler: Sampler, memories: int) -> None:
    handle = await ledger.principal(tenant=tenant.tenant, user=tenant.user)
    store = await handle.store_by_id(tenant.store_id)
    await store.remember_many(sampler.memories(memories).drafts(), on_items=lambda _: None)


def _plan(sizes: Sizes, sampler: Sampler, tenants: Sequence[Tenant]) -> dict[str, Any]:
    return {
        "clients": max(sizes.clients, sizes.crowd),
        "stores": [asdict(tenant) for tenant in tenants],
        "questions": sampler.questions(QUESTIONS),
        "texts": sampler.texts(QUESTIONS),
    }


async def _environment(
    place: Place, pgbouncer: str | None, stack: AsyncExitStack
) -> dict[str, str]:
    """What tells the other processes where the ledger is, whatever the user's own says."""
    application = place.ledger.application
    ledger = {"DATA_DIR": str(application.settings.data_dir)}
    if pgbouncer is not None:
        pooled = through_pgbouncer(application.place.conninfo, pgbouncer)
        ledger["DATABASE_URL"] = await stack.enter_async_context(pooled)
        ledger["ADMIN_DATABASE_URL"] = application.place.admin_conninfo
    ledger |= {"EMBEDDER": "minilm", "LOG_LEVEL": "warning"}
    names = ("URL", "API_KEY", "DATABASE_URL", "ADMIN_DATABASE_URL", "EMBEDDING_DIMENSIONS")
    elsewhere = {PREFIX + name for name in names}
    own = {name: value for name, value in os.environ.items() if name not in elsewhere}
    return own | {PREFIX + name: value for name, value in ledger.items()}


@asynccontextmanager
async def _served(environment: dict[str, str]) -> AsyncIterator[tuple[str, psutil.Process]]:
    """`memoledger serve` on a free port: its URL and its process."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "memoledger", "serve", "--no-worker"),
        *("--host", "127.0.0.1", "--port", "0", "--json"),
        stdout=asyncio.subprocess.PIPE,
        env=environment,
    )
    try:
        assert process.stdout is not None
        line = await asyncio.wait_for(process.stdout.readline(), START_S)
        if not line:
            raise MemoledgerError("The service did not start.")
        yield json.loads(line)["url"], psutil.Process(process.pid)
    finally:
        await _end(process)


@asynccontextmanager
async def _generator(plan: dict[str, Any], environment: dict[str, str]) -> AsyncIterator[Generator]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "memoledger.surfaces.bench.load_process"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env=environment,
        limit=LINE_BYTES_MAX,
    )
    try:
        generator = Generator(process)
        await generator.ask(plan)
        yield generator
    finally:
        assert process.stdin is not None
        process.stdin.close()
        await _end(process)


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.terminate()
    try:
        await asyncio.wait_for(process.wait(), STOP_S)
    except TimeoutError:
        process.kill()
        await process.wait()
