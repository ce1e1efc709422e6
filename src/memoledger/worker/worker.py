"""A worker: it embeds what is scheduled and does the upkeep, beside the requests or in their place.

Two loops of the job queue run in it, so that upkeep that takes minutes holds up nobody who waits to
be embedded. If PostgreSQL goes away both end, and begin anew once it is back.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from importlib import import_module
from typing import Final

import structlog

from memoledger.bootstrap import Application, queueing
from memoledger.ledger.claims import Claims
from memoledger.ledger.owner_pool import OwnerPool
from memoledger.model.errors import Forbidden, MemoledgerError, SettingsError
from memoledger.model.queue import QueueStatistics
from memoledger.worker.clockwork import Act, Loop, tried
from memoledger.worker.drain import Drain, Terms
from memoledger.worker.throttle import Throttle, rates_of

BEGINS_AGAIN_S: Final = (1.0, 30.0)
"""Seconds after which a worker that lost PostgreSQL begins anew: at first, and at most."""

DAY_S: Final = 86_400.0

EMBEDDING_ENDS_WITHIN_S: Final = 25.0
"""Seconds that batches under way have to end when a worker is stopped; then they are given back."""

UPKEEP_ENDS_WITHIN_S: Final = 2.0
"""Seconds that upkeep has to end; making an index takes minutes, and the next round begins anew."""

ENDS_WITHIN_S: Final = 30.0
"""Seconds after which a worker that does not end is not waited for any more."""

_log = structlog.get_logger("memoledger.worker")


class Worker:
    """Works in the background from `start` to `aclose`.

    Args:
        application: the open ledger; its settings say how.
        rounds: what is done by the clock, by name, every `sweep_interval_s` seconds.
        daily: what is done once a day.
    """

    def __init__(
        self, application: Application, rounds: Mapping[str, Act], daily: Mapping[str, Act]
    ) -> None:
        settings = application.settings
        self._application = application
        self._rounds = rounds
        self._daily = daily
        self._throttle = Throttle(rates_of(settings.queue_per_minute))
        self._terms = Terms(
            batch=settings.queue_batch,
            lease_s=settings.queue_lease_s,
            attempts_max=settings.queue_attempts_max,
        )
        self._drain: Drain | None = None
        self._loops: list[Loop] = []
        self._stopping = asyncio.Event()
        self._running: asyncio.Task[None] | None = None

    @property
    def statistics(self) -> QueueStatistics:
        """What it has done so far."""
        return self._application.queue

    def start(self) -> None:
        """Begin, in the background."""
        self._running = asyncio.create_task(self._keep_running(), name="memoledger worker")

    async def aclose(self) -> None:
        """Claim nothing more, let what is under way end, and stop. Safe to call twice."""
        self._stopping.set()
        self._stop_loops()
        running, self._running = self._running, None
        if running is None:
            return
        done, _ = await asyncio.wait([running], timeout=ENDS_WITHIN_S)
        if not done:
            running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running

    def _stop_loops(self) -> None:
        if self._drain is not None:
            self._drain.stop()
        for loop in self._loops:
            loop.stop()

    async def _keep_running(self) -> None:
        pause_s, longest_s = BEGINS_AGAIN_S
        while not self._stopping.is_set():
            started = asyncio.get_running_loop().time()
            try:
                await self._run()
            except (Forbidden, SettingsError) as error:
                self._application.upkeep.failed("worker")
                _log.warning("worker_without_queue", code=error.code, reason=error.message)
                await self._run_without_queue()
            except MemoledgerError as error:
                self._application.upkeep.failed("worker")
                _log.warning("worker_failed", code=error.code, reason=error.message)
            except Exception as error:  # the job queue's own, for PostgreSQL's troubles
                self._application.upkeep.failed("worker")
                _log.warning("worker_failed", reason=type(error).__name__)
            if self._stopping.is_set():
                return
            if asyncio.get_running_loop().time() - started > longest_s:
                pause_s = BEGINS_AGAIN_S[0]
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), pause_s)
            pause_s = min(2 * pause_s, longest_s)

    async def _run_without_queue(self) -> None:
        """Do by the clock what takes no rights of the owner's; the rest is left to others."""
        interval_s = self._application.settings.sweep_interval_s
        while not self._stopping.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), interval_s)
                return
            for name, act in self._rounds.items():
                await tried(name, act, self._application.upkeep)

    async def _run(self) -> None:
        """Work until told to stop.

        Raises:
            LedgerError, SettingsError: the ledger's own connections cannot be had, or were lost.
        """
        settings, place = self._application.settings, self._application.place
        async with queueing(settings, place) as pool:
            claims = Claims(pool)
            self._drain = Drain(
                self._application.context,
                claims,
                terms=self._terms,
                throttle=self._throttle,
                statistics=self.statistics,
            )
            try:
                await self._run_loops(pool, claims, self._drain)
            finally:
                self._loops = []
                self._drain = None

    async def _run_loops(self, pool: OwnerPool, claims: Claims, drain: Drain) -> None:
        # The job queue takes a moment to import, and a ledger that only reads has no use for it.
        await asyncio.to_thread(import_module, "memoledger.worker.jobs")
        from memoledger.worker import jobs

        settings, upkeep = self._application.settings, self._application.upkeep
        cron = jobs.cron_of(settings.sweep_interval_s)
        rounds = {name: jobs.Round(act, cron) for name, act in self._rounds.items()}
        rounds |= {name: jobs.Round(act, jobs.cron_of(DAY_S)) for name, act in self._daily.items()}
        rounds["check_schedule"] = jobs.Round(
            lambda: self._check(claims), jobs.cron_of(min(settings.sweep_interval_s, 60.0))
        )
        queue = await claims.queue_name()
        wakeups = await jobs.wakeups_app(pool, queue, drain.run, upkeep)
        clock = await jobs.upkeep_app(pool, rounds, upkeep)
        self._loops = [
            jobs.loop_of(
                wakeups,
                queue,
                concurrency=settings.queue_at_once,
                poll_s=settings.queue_poll_s,
                listen=True,
                ends_within_s=EMBEDDING_ENDS_WITHIN_S,
            ),
            jobs.loop_of(
                clock,
                jobs.UPKEEP,
                concurrency=2,
                poll_s=max(0.2, min(settings.queue_poll_s, settings.sweep_interval_s)),
                listen=False,
                ends_within_s=UPKEEP_ENDS_WITHIN_S,
            ),
        ]
        if self._stopping.is_set():
            return
        await self._check(claims)
        async with asyncio.TaskGroup() as group:
            for loop in self._loops:
                group.create_task(self._run_loop(loop))

    async def _run_loop(self, loop: Loop) -> None:
        """Run one loop; if it ends by itself, the other ends with it."""
        try:
            # A loop forgets, when it begins, that it was told to stop before.
            if not self._stopping.is_set():
                await loop.run()
        finally:
            self._stop_loops()

    async def _check(self, claims: Claims) -> None:
        """Look after the schedule: what dead workers left, and how long it is."""
        await claims.check()
        self.statistics.depth = await claims.depth()
