"""A server of one user on standard input and output: what hosts such as editors start."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Iterator

from memoledger.surfaces.mcp.opening import OwnDoor
from memoledger.surfaces.mcp.quiet import keep_words_out_of_logs
from memoledger.surfaces.mcp.server import build_server
from memoledger.surfaces.mcp.stdio import protocol_streams


async def serve_stdio(door: OwnDoor) -> None:
    """Serve until the client closes its end, or the process is asked to end; then close the ledger.

    Raises:
        CancelledError: the process was interrupted.
    """
    keep_words_out_of_logs()
    server = build_server(door)
    with _ended_by(signal.SIGTERM):
        try:
            async with protocol_streams() as (received, sent):
                door.begin()
                await server.run(received, sent, server.create_initialization_options())
        finally:
            await door.aclose()


@contextlib.contextmanager
def _ended_by(number: signal.Signals) -> Iterator[None]:
    """Have a signal end this task as an interrupt does, so that the ledger is closed in order."""
    task, loop = asyncio.current_task(), asyncio.get_running_loop()
    assert task is not None
    try:
        loop.add_signal_handler(number, task.cancel)
    except (RuntimeError, ValueError):  # Not the main thread, or a system without signals.
        yield
        return
    try:
        yield
    finally:
        loop.remove_signal_handler(number)
