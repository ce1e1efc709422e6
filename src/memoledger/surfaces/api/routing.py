"""The way of a request to its operation: who calls, may they, is there room, and how long.

All of that comes before the operation's arguments are looked at: who may not call learns nothing
about what would be wrong with the call, and costs no parsing.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final, Literal, ParamSpec, TypeVar

from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from memoledger.model.errors import MemoledgerError, TimeLimit
from memoledger.model.keys import Scope
from memoledger.surfaces.api.bodies import LINES_TOO, StrictRequest, read_json, require_media
from memoledger.surfaces.api.caller import identify
from memoledger.surfaces.api.errors import on_unexpected
from memoledger.surfaces.api.limits import Limits
from memoledger.surfaces.api.service import Service, service_of
from memoledger.surfaces.api.uploads import uploaded

P = ParamSpec("P")
R = TypeVar("R")

Weight = Literal["light", "heavy", "stream", "long"]
"""Whether an operation takes a turn among those that search and write, or among the streams.

A long one is no stream, but takes its turn among them, and may take as long."""


@dataclass(frozen=True, slots=True)
class Door:
    """What it takes to be let in to an operation.

    Args:
        scope: which scope; None where any caller is let in.
        open: whether nobody has to say who they are.
        lines: whether the body is a stream of JSON Lines, which the operation reads itself.
        form: whether the body is a form with a file.
    """

    scope: Scope | None = None
    weight: Weight = "light"
    open: bool = False
    lines: bool = False
    form: bool = False


CLOSED: Final = Door()
"""For whoever has a key or token, with any scope."""

_DOOR: Final = "__memoledger_door__"


def door(
    scope: Scope | None = None,
    *,
    weight: Weight = "light",
    open: bool = False,  # noqa: A002 - reads well where it is used
    lines: bool = False,
    form: bool = False,
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Say of an operation what it takes to be let in."""

    def mark(operation: Callable[P, R]) -> Callable[P, R]:
        setattr(operation, _DOOR, Door(scope, weight, open, lines, form))
        return operation

    return mark


def door_of(operation: Callable[..., Any]) -> Door:
    """What it takes to be let in to an operation."""
    found = getattr(operation, _DOOR, CLOSED)
    assert isinstance(found, Door)
    return found


class Route(APIRoute):
    """A route that lets nobody in unless the operation's door says so."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """What serves a request."""
        perform = super().get_route_handler()
        let_in = door_of(self.endpoint)

        async def serve(given: Request) -> Response:
            request = StrictRequest(given.scope, given.receive)
            try:
                return await _serve(request, let_in, perform)
            except (MemoledgerError, RequestValidationError):
                raise
            except ClientDisconnect:
                return Response(status_code=499)  # nobody is there to read it
            except Exception as error:  # A mistake of ours; the log says where.
                return await on_unexpected(request, error)

        return serve


async def _serve(
    request: StrictRequest,
    let_in: Door,
    perform: Callable[[Request], Coroutine[Any, Any, Response]],
) -> Response:
    service = service_of(request)
    if not let_in.open:
        caller = await identify(request, service)
        if let_in.scope is not None:
            caller.require(let_in.scope)
    async with _body(request, let_in, service.limits):
        seconds = service.limits.stream_s if let_in.weight == "long" else service.limits.request_s
        async with _turn(service, let_in.weight), time_limit(seconds):
            return await perform(request)


@asynccontextmanager
async def _body(request: StrictRequest, let_in: Door, limits: Limits) -> AsyncIterator[None]:
    """The body, read before the operation takes its turn, for as long as that needs it."""
    if let_in.form:
        async with uploaded(request, limits):
            yield
        return
    if let_in.lines:
        require_media(request, LINES_TOO)
    elif request.method not in ("GET", "HEAD"):
        await read_json(request, limits)
    yield


@asynccontextmanager
async def _turn(service: Service, weight: Weight) -> AsyncIterator[None]:
    # A stream takes its turn when its answer begins, and keeps it to the end.
    if weight == "heavy":
        async with service.heavy.turn():
            yield
    elif weight == "long":
        async with service.streams.turn():
            yield
    else:
        yield


@asynccontextmanager
async def time_limit(seconds: float) -> AsyncIterator[None]:
    """End what takes longer than a request may.

    Raises:
        TimeLimit: it did; what was not committed by then is not.
    """
    try:
        async with asyncio.timeout(seconds) as timer:
            yield
    except TimeoutError:
        if not timer.expired():
            raise
        raise TimeLimit(
            f"It took longer than the {seconds:g} seconds that a request may take.",
            remedy="Ask for less at a time, or try again when the service has less to do.",
        ) from None
