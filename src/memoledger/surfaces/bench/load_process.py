"""A process that makes load: `python -m memoledger.surfaces.bench.load_process`.

It reads a plan from standard input, a line of JSON, then orders, a line each, and answers each
with a line. In the plan are the clients, what they say, and the way they take: over HTTP to a
service, or directly to the ledger as the Python API does, with which the service is compared.
"""

from __future__ import annotations

import asyncio
import json
import sys
from contextlib import AsyncExitStack
from typing import Any

from memoledger.model.errors import MemoledgerError
from memoledger.surfaces.bench.lean_http import Connection, HttpError
from memoledger.surfaces.bench.load import Client, Load, Order
from memoledger.surfaces.python.memoledger import Memoledger
from memoledger.surfaces.python.store import StoreHandle

LIMIT = 10
"""Hits that a recall asks for."""


class OverHttp:
    """A client of the service."""

    def __init__(self, connection: Connection, store_id: str) -> None:
        self._connection = connection
        self._path = f"/v1/stores/{store_id}"

    async def recall(self, question: str) -> None:
        """Ask."""
        await self._connection.post(f"{self._path}/recall", {"query": question, "limit": LIMIT})

    async def remember(self, text: str) -> None:
        """Tell."""
        await self._connection.post(f"{self._path}/memories", {"content": text})


class Direct:
    """A caller of the Python API."""

    def __init__(self, store: StoreHandle) -> None:
        self._store = store

    async def recall(self, question: str) -> None:
        """Ask."""
        await self._store.recall(question, limit=LIMIT)

    async def remember(self, text: str) -> None:
        """Tell."""
        await self._store.remember(text)


async def main() -> None:
    """Read the plan, then carry out order after order until there are no more."""
    plan = json.loads(await asyncio.to_thread(sys.stdin.readline))
    async with AsyncExitStack() as stack:
        errors: type[Exception]
        clients: list[Client]
        if plan["url"] is not None:
            errors, clients = HttpError, _over_http(plan)
        else:
            errors, clients = MemoledgerError, await _direct(plan, stack)
        load = Load(clients, plan["questions"], plan["texts"], errors=errors)
        _say({"ready": True})
        while line := await asyncio.to_thread(sys.stdin.readline):
            _say((await load.make(Order(**json.loads(line)))).as_dict())


def _over_http(plan: dict[str, Any]) -> list[Client]:
    return [
        OverHttp(Connection(plan["url"], who["key"]), who["store_id"]) for who in _clients(plan)
    ]


async def _direct(plan: dict[str, Any], stack: AsyncExitStack) -> list[Client]:
    # Where the ledger is, the environment says.
    ledger = await stack.enter_async_context(Memoledger.open(sweep_interval_s=0.0))
    stores = []
    for who in plan["stores"]:
        principal = await ledger.principal(tenant=who["tenant"], user=who["user"])
        stores.append(await principal.store_by_id(who["store_id"]))
    return [Direct(stores[number % len(stores)]) for number in range(plan["clients"])]


def _clients(plan: dict[str, Any]) -> list[dict[str, str]]:
    """Whom each client is: the stores in turn."""
    stores = plan["stores"]
    return [stores[number % len(stores)] for number in range(plan["clients"])]


def _say(answer: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


def _run() -> None:
    # The loop that the service has; importing what chooses it is not part of any load.
    import uvicorn

    factory = uvicorn.Config("", loop="auto", log_config=None).get_loop_factory()
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(main())


if __name__ == "__main__":
    _run()
