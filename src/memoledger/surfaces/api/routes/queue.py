"""What waits to be embedded: depth, rows, retry, drop. For admins of the tenant."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response

from memoledger.services.queue import drop_queue, list_queue, queue_depth, retry_queue
from memoledger.surfaces.api import answers, render
from memoledger.surfaces.api.caller import caller_of
from memoledger.surfaces.api.render import as_json
from memoledger.surfaces.api.requests import QueueAsked, QueueIds
from memoledger.surfaces.api.routing import Route, door
from memoledger.surfaces.api.service import service_of

router = APIRouter(prefix="/v1/queue", tags=["queue"], route_class=Route)


@router.get("", response_model=answers.Queue)
@door("admin")
async def get_queue(request: Request, asked: Annotated[QueueAsked, Query()]) -> Response:
    """Say how much of the tenant waits to be embedded, and which rows: what was set aside first."""
    context, caller = service_of(request).context, caller_of(request)
    depth = await queue_depth(context, caller)
    rows = await list_queue(context, caller, poisoned=asked.poisoned, limit=asked.limit)
    return as_json({**render.queue_depth(depth), "rows": [render.queue_row(row) for row in rows]})


@router.post("/retry", response_model=answers.Count)
@door("admin")
async def retry_queue_rows(request: Request, body: QueueIds) -> Response:
    """Try again now what failed or was set aside; how many rows that were."""
    count = await retry_queue(service_of(request).context, caller_of(request), body.ids)
    return as_json({"count": count})


@router.post("/drop", response_model=answers.Count)
@door("admin")
async def drop_queue_rows(request: Request, body: QueueIds) -> Response:
    """Take off the queue what was set aside: it stays without a vector, and words find it."""
    count = await drop_queue(service_of(request).context, caller_of(request), body.ids)
    return as_json({"count": count})
