"""`worker`: the work beside the requests, in a process of its own."""

from __future__ import annotations

import asyncio
import signal
from typing import Final

import typer

from memoledger.model.errors import SettingsError
from memoledger.surfaces.cli.invocation import Invocation, command
from memoledger.surfaces.cli.output import tell

PANEL: Final = "Upkeep"


def register(app: typer.Typer) -> None:
    """Add the command."""
    command(app, "worker", panel=PANEL)(worker)


def worker(given: Invocation) -> None:
    """Embed what was remembered durably, and do the upkeep by the clock, until told to stop.

    An open ledger does that by itself. On a cluster it is the work of such processes, as many as
    there is work for, beside services that were started with --no-worker. They need the
    administrator's connection (MEMOLEDGER_ADMIN_DATABASE_URL on a server), past any pooler. SIGTERM
    or Ctrl-C ends one: what it is embedding is finished; of one that is killed, another takes over
    when its claims end.
    """
    asyncio.run(_work(given))


async def _work(given: Invocation) -> None:
    from memoledger.surfaces.api.logs import configure_logs
    from memoledger.surfaces.python.memoledger import Memoledger

    settings = given.place.settings()
    if settings.sweep_interval_s <= 0:
        raise SettingsError(
            "MEMOLEDGER_SWEEP_INTERVAL_S",
            settings.sweep_interval_s,
            "a worker that never works",
            remedy="Give the seconds between two rounds, or unset it.",
        )
    configure_logs(settings.log_level, settings.log_format)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with Memoledger.open(settings=settings):
        tell(f"working; upkeep every {settings.sweep_interval_s:g} s")
        await stop.wait()
        tell("stopping: what is under way is finished")
    tell("stopped")
