"""A span for every request, where somebody traces (OpenTelemetry, W3C Trace Context).

Which exporter the spans go to is the business of whoever starts the service: with OpenTelemetry's
own `opentelemetry-instrument`, or an SDK set up before `create_app`. Without one this layer steps
aside.
"""

from __future__ import annotations

from typing import Final

from opentelemetry import propagate, trace
from opentelemetry.trace import Span, SpanKind, StatusCode
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from memoledger.model.spans import TRACER, Attributes

_UNWATCHED: Final = frozenset({"/health/live", "/health/ready", "/metrics"})
"""Asked every few seconds by machines; their spans would bury the others."""

_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class Traced:
    """Opens a span around a request; what the service does for it becomes part of that.

    The names of HTTP attributes are those of OpenTelemetry's semantic conventions. Path and query
    as they were asked for are left out, because they may hold what a user wrote.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http" or scope["path"] in _UNWATCHED or not _somebody_traces():
            await self._app(scope, receive, send)
            return
        headers = {
            name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]
        }
        method = scope["method"] if scope["method"] in _METHODS else "_OTHER"
        with trace.get_tracer(TRACER).start_as_current_span(
            method,
            context=propagate.extract(headers),
            kind=SpanKind.SERVER,
            attributes=_asked(scope, method),
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            await self._serve(scope, receive, send, span, method)

    async def _serve(
        self, scope: Scope, receive: Receive, send: Send, span: Span, method: str
    ) -> None:
        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                _answered(span, message["status"])
            await send(message)

        try:
            await self._app(scope, receive, sending)
        except BaseException as error:
            span.set_attribute("error.type", type(error).__name__)
            span.set_status(StatusCode.ERROR)
            raise
        finally:
            _describe(span, scope, method)


def _somebody_traces() -> bool:
    return not isinstance(
        trace.get_tracer_provider(), trace.ProxyTracerProvider | trace.NoOpTracerProvider
    )


def _asked(scope: Scope, method: str) -> Attributes:
    attributes: Attributes = {
        "http.request.method": method,
        "url.scheme": scope.get("scheme", "http"),
        "network.protocol.version": scope.get("http_version", "1.1"),
    }
    server = scope.get("server")
    if server is not None and server[1] is not None:
        attributes |= {"server.address": server[0], "server.port": server[1]}
    return attributes


def _answered(span: Span, status: int) -> None:
    span.set_attribute("http.response.status_code", status)
    if status >= 500:
        span.set_attribute("error.type", str(status))
        span.set_status(StatusCode.ERROR)


def _describe(span: Span, scope: Scope, method: str) -> None:
    """What is known only once the request has found its operation."""
    route = getattr(scope.get("route"), "path_format", None)
    if route:
        span.update_name(f"{method} {route}")
        span.set_attribute("http.route", route)
    state = scope.get("state", {})
    if "request_id" in state:
        span.set_attribute("memoledger.request_id", state["request_id"])
    caller = state.get("caller")
    if caller is not None:
        span.set_attribute("memoledger.tenant", caller.principal.tenant)
