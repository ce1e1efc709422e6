"""The operations of the HTTP API, one module for each kind of thing."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter

from memoledger.surfaces.api.routes import (
    bulk,
    health,
    memories,
    people,
    recall,
    receipts,
    stores,
)

ROUTERS: Final[tuple[APIRouter, ...]] = (
    health.router,
    people.router,
    receipts.router,
    # The fixed paths below a store come before those with a name in them.
    bulk.router,
    recall.router,
    memories.router,
    stores.router,
)
"""Every operation, in the order in which their paths are tried."""
