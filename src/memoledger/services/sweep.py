"""Sweep: close what has expired, which no read shows before either, and tidy up behind."""

from __future__ import annotations

from typing import Final

from memoledger.services.context import Context

SWEEP_BATCHES_MAX: Final = 1_000


async def sweep(context: Context) -> None:
    """Close every expired memory, in batches, each a transaction of its own.

    Receipts get the partition of the next month, and lose those that are older than they are kept.
    Idempotency keys of more than a day ago go too.
    """
    await context.ledger.receipts.tend()
    maintenance = context.ledger.maintenance
    for step in (maintenance.sweep_expired, maintenance.sweep_idempotency_keys):
        for _ in range(SWEEP_BATCHES_MAX):
            if not await step():
                break
