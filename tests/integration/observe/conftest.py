"""A service over the test's ledger, called without a socket."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import httpx
import pytest

from memoledger.model.principal import Principal
from memoledger.surfaces.api.app import create_app
from memoledger.surfaces.python.memoledger import Memoledger

Service = Callable[..., Any]


@pytest.fixture
async def service(ledger: Memoledger) -> AsyncIterator[Service]:
    """Gives a client of a service with these settings; it acts as alice of acme without a key."""
    async with AsyncExitStack() as stack:

        async def start(*, address: str = "127.0.0.1", **overrides: Any) -> httpx.AsyncClient:
            application = ledger.application
            application.settings = application.settings.model_copy(update=overrides)
            return await stack.enter_async_context(_client(application, address))

        yield start


@asynccontextmanager
async def _client(application: Any, address: str) -> AsyncIterator[httpx.AsyncClient]:
    app = create_app(application, application.settings, development=Principal("acme", "alice"))
    transport = httpx.ASGITransport(app, client=(address, 50_000))
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8427") as client:
        yield client
