"""What surrounds every request: its id, security headers, Server-Timing, a line in the log."""

from __future__ import annotations

import re
import time
from collections.abc import MutableMapping
from typing import Any, Final
from uuid import uuid4

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from memoledger.surfaces.api.errors import TYPES, as_response
from memoledger.surfaces.api.names import camel_query
from memoledger.surfaces.api.service import Answered, Service

REQUEST_ID: Final = b"x-request-id"
_ID: Final = re.compile(rb"[A-Za-z0-9._:-]{1,128}")

_CLOSED: Final = b"default-src 'none'; frame-ancestors 'none'"
_PAGES: Final = (
    b"default-src 'self'; script-src 'self' 'unsafe-inline' https://cdn.jsdelivr.net; "
    b"style-src 'self' 'unsafe-inline' https://cdn.jsdelivr.net; "
    b"img-src 'self' data: https://fastapi.tiangolo.com; frame-ancestors 'none'"
)
"""What the pages under /docs load, where they are switched on."""

SECURITY_HEADERS: Final = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
)

_LOOPBACK: Final = re.compile(rb"(localhost|127(\.\d{1,3}){3}|\[::1\])(:\d+)?", re.IGNORECASE)

_log = structlog.get_logger("memoledger.api")


class Frame:
    """The outermost layer of the service. It holds no body and sees no content.

    Args:
        only_loopback: refuse requests whose Host is not this machine's own name for itself. A web
            page can make a browser call a service without keys by another name that leads there.
    """

    def __init__(self, app: ASGIApp, *, service: Service, only_loopback: bool = False) -> None:
        self._app = app
        self._service = service
        self._only_loopback = only_loopback

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun = time.perf_counter()
        state: MutableMapping[str, Any] = scope.setdefault("state", {})
        state["request_id"] = request_id = _request_id(scope)
        scope["query_string"] = camel_query(scope["query_string"])
        headers = _Headers(scope, request_id, begun)

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers.complete(message, closing=self._service.closing.is_set())
            await send(message)

        app = self._app
        if self._only_loopback and not _is_loopback(scope):
            app = _foreign_host
        try:
            await app(scope, receive, sending)
        finally:
            self._note(scope, headers.status, time.perf_counter() - begun)

    def _note(self, scope: Scope, status: int, duration_s: float) -> None:
        state = scope["state"]
        caller = state.get("caller")
        route = scope.get("route")
        answered = Answered(
            method=scope["method"],
            route=str(getattr(route, "path_format", "")),
            status=status,
            duration_s=duration_s,
            timings_ms=state.get("timings_ms") or {},
            request_id=state["request_id"],
            tenant=None if caller is None else caller.principal.tenant,
        )
        for observe in self._service.observers:
            observe(answered)
        _log.info(
            "answered",
            method=answered.method,
            route=answered.route,
            status=status,
            code=state.get("code"),
            duration_ms=round(duration_s * 1e3, 1),
            request_id=answered.request_id,
            tenant=answered.tenant,
            key=None if caller is None or caller.key_id is None else str(caller.key_id),
        )


class _Headers:
    """Completes the headers of an answer as it begins."""

    def __init__(self, scope: Scope, request_id: str, begun: float) -> None:
        self._scope = scope
        self._request_id = request_id
        self._begun = begun
        self.status = 0

    def complete(self, message: Message, *, closing: bool) -> None:
        self.status = message["status"]
        headers = message.setdefault("headers", [])
        present = {name.lower() for name, _ in headers}
        headers += [(REQUEST_ID, self._request_id.encode()), *SECURITY_HEADERS]
        path = self._scope["path"]
        pages = path.startswith("/docs")
        headers.append((b"content-security-policy", _PAGES if pages else _CLOSED))
        if b"cache-control" not in present:
            headers.append((b"cache-control", b"no-store"))
        # How long it took to refuse something says something about what was refused.
        if self.status < 400:
            headers.append((b"server-timing", self._timing()))
        if closing and b"connection" not in present:
            headers.append((b"connection", b"close"))

    def _timing(self) -> bytes:
        """Server-Timing (W3C): the parts that are known, and the whole until now."""
        parts = dict(self._scope["state"].get("timings_ms") or {})
        parts["total"] = (time.perf_counter() - self._begun) * 1e3
        return ", ".join(f"{name};dur={ms:.2f}" for name, ms in parts.items()).encode()


def _request_id(scope: Scope) -> str:
    """The id that the client or a proxy gave the request, if it is a decent one, or a new one."""
    for name, value in scope["headers"]:
        if name == REQUEST_ID and _ID.fullmatch(value):
            return bytes(value).decode()
    return uuid4().hex


def _is_loopback(scope: Scope) -> bool:
    hosts = [value for name, value in scope["headers"] if name == b"host"]
    return len(hosts) == 1 and _LOOPBACK.fullmatch(hosts[0]) is not None


async def _foreign_host(scope: Scope, receive: Receive, send: Send) -> None:
    problem = {
        "type": f"{TYPES}misdirected",
        "title": "A service in development answers on loopback only",
        "status": 421,
        "code": "misdirected",
        "remedy": "Call it as 127.0.0.1 or localhost, or start it with keys.",
        "requestId": scope["state"]["request_id"],
    }
    await as_response(problem)(scope, receive, send)
