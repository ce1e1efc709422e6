"""Health and version: for whoever watches the service, and whoever decides to send it requests."""

from __future__ import annotations

import asyncio
import time
from typing import Final, Literal
from uuid import UUID

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from memoledger import __version__
from memoledger.model.errors import MemoledgerError
from memoledger.model.principal import Principal
from memoledger.surfaces.api import answers
from memoledger.surfaces.api.caller import caller_of
from memoledger.surfaces.api.examination import examine
from memoledger.surfaces.api.render import as_json
from memoledger.surfaces.api.routing import Route, door
from memoledger.surfaces.api.service import Service, service_of

READY_S: Final = 2.0
"""The ledger answers within this time, or the service is not ready."""

API: Final = "v1"

_NOBODY: Final = Principal("memoledger", "health")
"""Sees nothing and is noted nowhere."""

router = APIRouter(tags=["service"], route_class=Route)

State = Literal["ok", "failing", "closing"]


@router.get("/health/live", response_model=answers.Health)
@door(open=True)
async def is_live() -> Response:
    """Say that the process runs."""
    return as_json({"status": "ok"})


@router.get("/health/ready", response_model=answers.Health)
@door(open=True)
async def is_ready(request: Request) -> Response:
    """Say whether requests can be served: 503 while the ledger is away, or the service ends."""
    state = await _state(service_of(request))
    return as_json({"status": state}, 200 if state == "ok" else 503)


@router.get("/health", response_model=answers.FullHealth)
@door("admin")
async def get_health(request: Request) -> Response:
    """Look at every part of the service, as `memoledger doctor` does."""
    service = service_of(request)
    caller_of(request).require("admin")
    state = await _state(service)
    checks = [finding.as_dict() for finding in await examine(service)]
    if any(check["status"] == "fail" for check in checks) and state == "ok":
        state = "failing"
    return as_json({"status": state, "checks": checks}, 200 if state == "ok" else 503)


@router.get("/version", response_model=answers.Version)
@door(open=True)
async def get_version() -> Response:
    """Say which program answers, and which form of the API."""
    return as_json({"version": __version__, "api": API})


async def _state(service: Service) -> State:
    if service.closing.is_set():
        return "closing"
    now_s = time.monotonic()
    if now_s - service.ready_at_s < 1.0:  # Whoever asks often costs no more.
        return "ok"
    try:
        async with asyncio.timeout(READY_S):
            await service.context.ledger.stores.by_id(_NOBODY, UUID(int=0))
    except (MemoledgerError, TimeoutError):
        return "failing"
    service.ready_at_s = now_s
    return "ok"
