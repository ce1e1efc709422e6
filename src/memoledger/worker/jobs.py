"""Jobs: what a worker does when it is woken, and what it does by the clock.

The job queue is procrastinate's. A job carries nothing: it only says that there is something on the
schedule, or that it is time. What is done by the clock is done once, however many workers run.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, cast

from procrastinate import App, PsycopgConnector
from procrastinate.worker import Worker as JobWorker

from memoledger.ledger.claims import DEAD_AFTER_S
from memoledger.ledger.owner_pool import OwnerPool
from memoledger.model.upkeep import Upkeep
from memoledger.worker.clockwork import Act, Loop, cron_of, tried

__all__ = ["EMBED", "UPKEEP", "Round", "cron_of", "loop_of", "upkeep_app", "wakeups_app"]

EMBED: Final = "embed"
"""The task of wake-ups; `memoledger.wake_workers` writes the same word. Their queue has a name of
its own in every ledger."""

UPKEEP: Final = "upkeep"
"""The queue of what is done by the clock."""

SIGN_OF_LIFE_S: Final = 20.0
"""Seconds between the signs of life by which the job queue knows its workers."""


@dataclass(frozen=True, slots=True)
class Round:
    """What is done by the clock.

    Args:
        act: what is done.
        cron: when.
    """

    act: Act
    cron: str


async def wakeups_app(pool: OwnerPool, queue: str, drain: Act, upkeep: Upkeep) -> App:
    """The job queue's application for wake-ups."""
    app = await _app(pool)

    @app.task(name=EMBED, queue=queue)
    async def embed() -> None:
        await tried(EMBED, drain, upkeep)

    return app


async def upkeep_app(pool: OwnerPool, rounds: Mapping[str, Round], upkeep: Upkeep) -> App:
    """The job queue's application for what is done by the clock."""
    app = await _app(pool)
    for name, one in rounds.items():
        _add_round(app, name, one, upkeep)
    return app


def _add_round(app: App, name: str, one: Round, upkeep: Upkeep) -> None:
    # One waits at most: a round that takes longer than its interval is not made up for.
    @app.periodic(cron=one.cron)
    @app.task(name=name, queue=UPKEEP, queueing_lock=name, pass_context=False)
    async def act(timestamp: int) -> None:
        await tried(name, one.act, upkeep)


async def _app(pool: OwnerPool) -> App:
    logging.getLogger("procrastinate").setLevel(logging.WARNING)
    connector = PsycopgConnector()
    app = App(connector=connector, periodic_defaults={"max_delay": 1.0})
    # Not procrastinate's to close, nor to open: the claims use it too.
    await app.open_async(cast("Any", pool.pool))
    return app


def loop_of(
    app: App, queue: str, *, concurrency: int, poll_s: float, listen: bool, ends_within_s: float
) -> Loop:
    """A loop over one queue; `run()` runs it and `stop()` ends it once what it is at is done.

    Args:
        concurrency: jobs at the same time.
        poll_s: seconds between looks for jobs of which no notification came.
        listen: whether a new job is to be noticed at once, which takes a connection.
        ends_within_s: seconds that jobs under way have to end once it is stopped.
    """
    made = JobWorker(
        app,
        queues=[queue],
        name=queue,
        concurrency=concurrency,
        fetch_job_polling_interval=poll_s,
        abort_job_polling_interval=3_600.0,
        listen_notify=listen,
        delete_jobs="always",
        install_signal_handlers=False,
        update_heartbeat_interval=SIGN_OF_LIFE_S,
        stalled_worker_timeout=DEAD_AFTER_S,
        shutdown_graceful_timeout=ends_within_s,
    )
    return cast("Loop", made)
