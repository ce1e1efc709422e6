"""Receipts: what was asked, and what came back."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path, Query
from starlette.requests import Request
from starlette.responses import Response

from memoledger.services.read_receipts import get_receipt, list_receipts
from memoledger.surfaces.api import recall_answers as answers
from memoledger.surfaces.api import render
from memoledger.surfaces.api.access import page_size
from memoledger.surfaces.api.caller import caller_of
from memoledger.surfaces.api.paging import opened, sealed
from memoledger.surfaces.api.render import as_json
from memoledger.surfaces.api.requests import ReceiptsAsked
from memoledger.surfaces.api.routing import Route, door
from memoledger.surfaces.api.service import service_of

LISTING = "receipts"

router = APIRouter(prefix="/v1/receipts", tags=["receipts"], route_class=Route)


@router.get("", response_model=answers.Receipts)
@door("read")
async def list_own_receipts(request: Request, asked: Annotated[ReceiptsAsked, Query()]) -> Response:
    """List the recalls the caller made, and everybody's on stores of their own; newest first."""
    service = service_of(request)
    page = await list_receipts(
        service.context,
        caller_of(request).principal,
        store_id=asked.store_id,
        memory_id=asked.memory_id,
        since=asked.since,
        until=asked.until,
        limit=page_size(asked.limit, service.limits),
        cursor=opened(LISTING, asked.cursor),
    )
    found = [render.receipt(one) for one in page.receipts]
    return as_json({"receipts": found, "nextCursor": sealed(LISTING, page.next_cursor)})


@router.get("/{receiptId:uuid}", response_model=answers.Receipt)
@door("read")
async def get_one_receipt(
    request: Request,
    receipt_id: Annotated[UUID, Path(alias="receiptId", description="The receipt's id.")],
) -> Response:
    """Get the receipt of one recall, by the `receiptId` of its answer."""
    principal = caller_of(request).principal
    found = await get_receipt(service_of(request).context, principal, receipt_id)
    return as_json(render.receipt(found))
