"""Load: many clients who ask and tell, in a closed or an open loop.

In a closed loop a client waits for its answer, thinks, and goes on; a service that is slow is asked
less. In an open loop requests come when they come, at a mean rate, whatever became of those before;
the time of each counts from when it was due, so that those who had to queue are not left out.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, Protocol


class Client(Protocol):
    """One who asks and tells."""

    async def recall(self, question: str) -> None:
        """Ask."""
        ...

    async def remember(self, text: str) -> None:
        """Tell something new."""
        ...


@dataclass(frozen=True, slots=True)
class Order:
    """What load to make.

    Args:
        clients: in a closed loop how many there are, in an open one how many requests may be under
            way.
        seconds: how long it is measured, after `warm_s` that do not count.
        think_s: the mean pause of a client in a closed loop; pauses are distributed exponentially.
        rate: requests a second in an open loop.
        recalls: the share of recalls; the others remember.
    """

    loop: Literal["closed", "open"]
    clients: int
    seconds: float
    warm_s: float = 0.0
    think_s: float = 0.0
    rate: float = 0.0
    recalls: float = 0.8


@dataclass(slots=True)
class Outcome:
    """What came of it.

    Args:
        recall_ms, remember_ms: how long each took that was answered.
        answered: those that were answered while it was measured.
        errors: how often what went wrong; warming up is counted too.
        seconds: how long it was measured.
        busy: the share of one core that making the load took.
    """

    seconds: float
    recall_ms: list[float] = field(default_factory=list)
    remember_ms: list[float] = field(default_factory=list)
    answered: int = 0
    errors: dict[str, int] = field(default_factory=dict)
    busy: float = 0.0

    def as_dict(self) -> dict[str, Any]:
        """As JSON-ready data."""
        return asdict(self)

    @property
    def per_second(self) -> float:
        """Answers a second."""
        return self.answered / self.seconds


class Load:
    """Makes load with clients that are there already.

    Args:
        errors: what clients raise; anything else ends the load.
        questions, texts: what is asked and told, at random; texts get a number that makes each new.
    """

    def __init__(
        self,
        clients: Sequence[Client],
        questions: Sequence[str],
        texts: Sequence[str],
        *,
        errors: type[Exception],
    ) -> None:
        self._clients = clients
        self._questions = questions
        self._texts = texts
        self._errors = errors
        self._random = random.Random(11)  # noqa: S311 - no secret
        self._told = 0

    async def make(self, order: Order) -> Outcome:
        """Carry out an order."""
        outcome = Outcome(order.seconds)
        begin = time.perf_counter() + order.warm_s
        worked = time.process_time()
        if order.loop == "closed":
            await self._closed(order, outcome, begin)
        else:
            await self._open(order, outcome, begin)
        took = time.perf_counter() - begin + order.warm_s
        outcome.busy = (time.process_time() - worked) / took
        return outcome

    async def _closed(self, order: Order, outcome: Outcome, begin: float) -> None:
        async def act(client: Client) -> None:
            await asyncio.sleep(self._random.uniform(0, order.think_s))
            while (now := time.perf_counter()) < begin + order.seconds:
                await self._request(client, order, outcome, begin, due=now)
                if order.think_s:
                    await asyncio.sleep(self._random.expovariate(1 / order.think_s))

        chosen = self._clients[: order.clients]
        await asyncio.gather(*(act(client) for client in chosen))

    async def _open(self, order: Order, outcome: Outcome, begin: float) -> None:
        free: asyncio.Queue[Client] = asyncio.Queue()
        for client in self._clients[: order.clients]:
            free.put_nowait(client)

        async def act(due: float) -> None:
            client = await free.get()
            try:
                await self._request(client, order, outcome, begin, due=due)
            finally:
                free.put_nowait(client)

        under_way: set[asyncio.Task[None]] = set()
        due = time.perf_counter()
        while due < begin + order.seconds:
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            task = asyncio.create_task(act(due))
            under_way.add(task)
            task.add_done_callback(under_way.discard)
            due += self._random.expovariate(order.rate)
        await asyncio.gather(*under_way)

    async def _request(
        self, client: Client, order: Order, outcome: Outcome, begin: float, *, due: float
    ) -> None:
        recalls = self._random.random() < order.recalls
        try:
            if recalls:
                await client.recall(self._random.choice(self._questions))
            else:
                self._told += 1
                await client.remember(f"{self._random.choice(self._texts)} {self._told}")
        except self._errors as error:
            name = str(getattr(error, "code", error))
            outcome.errors[name] = outcome.errors.get(name, 0) + 1
            return
        done = time.perf_counter()
        if due >= begin:
            (outcome.recall_ms if recalls else outcome.remember_ms).append((done - due) * 1e3)
        if begin <= done <= begin + order.seconds:
            outcome.answered += 1
