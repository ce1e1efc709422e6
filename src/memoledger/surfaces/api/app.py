"""`create_app`: the HTTP API on an open ledger."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import Any, Final

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.types import Receive, Scope, Send

from memoledger import __version__
from memoledger.bootstrap import Application
from memoledger.model.errors import MemoledgerError
from memoledger.model.principal import Principal
from memoledger.settings import Settings
from memoledger.surfaces.api import errors, metrics, openapi
from memoledger.surfaces.api.caller import DEVELOPMENT_TENANT, DEVELOPMENT_USER
from memoledger.surfaces.api.middleware import Frame
from memoledger.surfaces.api.routes import ROUTERS
from memoledger.surfaces.api.service import Service
from memoledger.surfaces.api.tracing import Traced
from memoledger.surfaces.mcp.http import McpEndpoint

TITLE: Final = "Memoledger"
GZIP_LEVEL: Final = 5
GZIP_BYTES_MIN: Final = 1_024
"""Smaller answers are not worth packing."""

_AS_WRITTEN: Final = ("/memories/bulk", "/import")

_SENT: Final = (
    *("Authorization", "Content-Type", "If-Match", "If-None-Match", "Idempotency-Key"),
    *("X-Request-Id", DEVELOPMENT_TENANT, DEVELOPMENT_USER),
)
_READ: Final = (
    *("ETag", "Location", "Retry-After", "Server-Timing", "X-Request-Id"),
    "Idempotency-Replayed",
)


class Packed(GZipMiddleware):
    """Packs answers for those who take gzip, but none whose lines have to arrive as written.

    What packs holds back some kilobytes, and so would hold back the outcomes of many batches.
    """

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] == "http" and scope["path"].endswith(_AS_WRITTEN):
            await self.app(scope, receive, send)
        else:
            await super().__call__(scope, receive, send)


def create_app(
    application: Application,
    settings: Settings,
    *,
    development: Principal | None = None,
    lifespans: Sequence[AbstractAsyncContextManager[object]] = (),
) -> FastAPI:
    """The HTTP API on an open ledger, which stays open when the API ends.

    Args:
        development: as whom requests without a key act; only for a service that nobody but this
            machine can reach. None to require keys or tokens.
        lifespans: what is entered when the API starts and left when it ends.
    """

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            for one in (mcp.running(), *lifespans):
                await stack.enter_async_context(one)
            yield

    app = FastAPI(
        title=TITLE,
        version=__version__,
        lifespan=lifespan,
        docs_url="/docs" if settings.http_docs else None,
        redoc_url=None,
        openapi_url="/openapi.json",
        redirect_slashes=False,
        generate_unique_id_function=openapi.operation_id,
        # FastAPI's own would tell of queries and of errors' messages; ours are in `tracing.py`.
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )
    service = Service.of(application, development=development)
    app.state.service = service
    mcp = McpEndpoint(service)
    app.router.routes.append(mcp.route)
    for router in ROUTERS:
        app.include_router(router)
    metrics.install(app, service, settings)
    service.methods_at = methods_at
    _handle_errors(app)
    _surround(app, service, settings)
    openapi.describe(app, ROUTERS)
    return app


def document() -> dict[str, Any]:
    """The OpenAPI document, for which no ledger is needed."""
    app = FastAPI(
        title=TITLE, version=__version__, generate_unique_id_function=openapi.operation_id
    )
    for router in ROUTERS:
        app.include_router(router)
    openapi.describe(app, ROUTERS)
    return app.openapi()


def methods_at(path: str) -> list[str]:
    """The methods of the operations at a path, in the order of the alphabet."""
    found: set[str] = set()
    for route in openapi.routes_of(ROUTERS):
        if route.path_regex.match(path):
            found |= route.methods or set()
    return sorted(found)


def _handle_errors(app: FastAPI) -> None:
    app.add_exception_handler(MemoledgerError, errors.on_memoledger_error)
    app.add_exception_handler(RequestValidationError, errors.on_invalid_request)
    app.add_exception_handler(HTTPException, errors.on_http_error)
    app.add_exception_handler(Exception, errors.on_unexpected)


def _surround(app: FastAPI, service: Service, settings: Settings) -> None:
    """The layers around the operations; what is added last is outermost."""
    app.add_middleware(Packed, minimum_size=GZIP_BYTES_MIN, compresslevel=GZIP_LEVEL)
    origins = [origin.strip() for origin in settings.http_cors_origins.split(",") if origin.strip()]
    if origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=origins,
            allow_methods=["GET", "POST", "PUT", "PATCH", "DELETE"],
            allow_headers=list(_SENT),
            expose_headers=list(_READ),
        )
    app.add_middleware(Frame, service=service, only_loopback=service.development is not None)
    app.add_middleware(Traced)
