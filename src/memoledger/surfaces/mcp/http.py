"""The transport by streamable HTTP: the service's `/mcp`, for many users at a time.

Every request stands alone: it is answered as JSON to the POST that brought it, and says who makes
it. There are no sessions, so any process of a service can answer any request, a restart goes
unnoticed, and clients that go away leave nothing behind.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Final

import anyio
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.routing import Route
from starlette.types import Message, Receive, Scope, Send

from memoledger.model.errors import MemoledgerError
from memoledger.model.keys import Scope as KeyScope
from memoledger.surfaces.api.bodies import StrictRequest, read_json
from memoledger.surfaces.api.caller import caller_of, identify
from memoledger.surfaces.api.errors import kind_of, log_failure, on_unexpected, problem_of
from memoledger.surfaces.api.routing import time_limit
from memoledger.surfaces.api.service import Service
from memoledger.surfaces.mcp.acting import DEFAULT_STORE, Acting, Tell
from memoledger.surfaces.mcp.failures import Told
from memoledger.surfaces.mcp.quiet import keep_words_out_of_logs
from memoledger.surfaces.mcp.server import build_server
from memoledger.surfaces.python.principal import PrincipalHandle

PATH: Final = "/mcp"


class McpEndpoint:
    """`/mcp` of a service, as an ASGI application; `route` and `running` put it into one.

    Args:
        service: tells who calls, and limits what they may take.
    """

    def __init__(self, service: Service) -> None:
        keep_words_out_of_logs()
        self._service = service
        self._manager = StreamableHTTPSessionManager(
            build_server(_ServiceDoor(service), tells=_told, turn=self._turn),
            json_response=True,
            stateless=True,
            max_request_body_size=service.limits.body_bytes,
        )
        self.route = Route(PATH, endpoint=self, include_in_schema=False)

    def running(self) -> AbstractAsyncContextManager[None]:
        """Enter it when the service starts, once, and leave it when it ends."""
        return self._manager.run()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request.

        Raises:
            MemoledgerError: it is refused; the service's own handlers say how.
            HTTPException: it is no POST: there is no stream to open, and no session to end.
        """
        scope["route"] = self.route
        request = StrictRequest(scope, receive)
        if request.method != "POST":
            raise HTTPException(405, headers={"Allow": "POST"})
        begun = _Begun(send)
        try:
            await identify(request, self._service)
            body = await read_json(request, self._service.limits)
            await self._serve(scope, _Replay(body, receive), begun)
        except MemoledgerError:
            raise
        except Exception as error:
            if begun.is_so:
                raise
            await (await on_unexpected(request, error))(scope, receive, send)

    async def _serve(self, scope: Scope, replay: _Replay, send: Send) -> None:
        """Have it answered; what is done for a client that has gone away is given up."""
        async with anyio.create_task_group() as group:

            async def watch() -> None:
                await replay.until_gone()
                group.cancel_scope.cancel()

            group.start_soon(watch)
            await self._manager.handle_request(scope, replay, send)
            group.cancel_scope.cancel()

    @asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        async with self._service.heavy.turn(), time_limit(self._service.limits.request_s):
            yield


class _ServiceDoor:
    """The door of a service: each request brings its caller along."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def scopes(self, request: Request | None) -> frozenset[KeyScope]:
        """Those of the key or token."""
        assert request is not None
        return caller_of(request).scopes

    async def acting(self, request: Request | None, tell: Tell) -> Acting:
        """The caller; `?store=` in the address is their default store."""
        assert request is not None
        principal = PrincipalHandle(self._service.context, caller_of(request).principal)
        asked = request.query_params
        return Acting(principal, asked.get("store", DEFAULT_STORE), asked.get("owner"))


class _Replay:
    """Gives the SDK a body that was read already, and after it waits for the client to go."""

    def __init__(self, body: bytes, receive: Receive) -> None:
        self._body: bytes | None = body
        self._receive = receive
        self._gone = asyncio.Event()

    async def __call__(self) -> Message:
        """The next message of the request."""
        if self._body is not None:
            body, self._body = self._body, None
            return {"type": "http.request", "body": body, "more_body": False}
        await self._gone.wait()
        return {"type": "http.disconnect"}

    async def until_gone(self) -> None:
        """Return once the client has closed the connection."""
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self._gone.set()


class _Begun:
    """Sends, and remembers whether the answer has begun."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.is_so = False

    async def __call__(self, message: Message) -> None:
        self.is_so = True
        await self._send(message)


def _told(error: Exception) -> Told:
    """As much of an error as the service tells anybody; the rest goes to its log."""
    if not kind_of(error).told:
        log_failure(error, "")
    problem = problem_of(error)
    message = problem.pop("detail", f"{problem['title']}.")
    remedy = problem.pop("remedy", None)
    code = problem.pop("code")
    for name in ("type", "title", "status"):
        problem.pop(name)
    return Told(code, message, remedy, problem)
