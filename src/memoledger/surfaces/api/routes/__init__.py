"""The operations of the HTTP API, one module for each kind of thing."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter

from memoledger.surfaces.api.routes import (
    bulk,
    documents,
    health,
    memories,
    people,
    queue,
    recall,
    receipts,
    stores,
)

ROUTERS: Final[tuple[APIRouter, ...]] = (
    # What is asked most comes first, and the fixed paths below a store before those with a name
    # in them.
    recall.router,
    bulk.router,
    documents.router,
    memories.router,
    stores.router,
    receipts.router,
    people.router,
    queue.router,
    health.router,
)
"""Every operation, in the order in which their paths are tried."""
