"""Sweep: close what has expired. Reads never show it before either."""

from __future__ import annotations

from typing import Final

from memoledger.services.context import Context

SWEEP_BATCHES_MAX: Final = 1_000


async def sweep(context: Context) -> None:
    """Close every expired memory, in batches, each a transaction of its own."""
    for _ in range(SWEEP_BATCHES_MAX):
        if not await context.ledger.maintenance.sweep_expired():
            return
