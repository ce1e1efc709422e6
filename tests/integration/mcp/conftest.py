"""Servers and the SDK's own client to talk to them."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
import uvicorn
from mcp import ClientSession, types
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.memory import create_connected_server_and_client_session

from memoledger.model.caller import EVERY_SCOPE, Caller
from memoledger.model.keys import Scope
from memoledger.model.principal import Principal
from memoledger.services.keys import create_key
from memoledger.surfaces.api.app import create_app
from memoledger.surfaces.mcp.failures import META_KEY
from memoledger.surfaces.mcp.opening import OwnDoor
from memoledger.surfaces.mcp.server import build_server
from memoledger.surfaces.python.memoledger import Memoledger

ALICE = Principal("acme", "alice")
BOTH: frozenset[Scope] = frozenset({"read", "write"})


@dataclass(frozen=True)
class Agent:
    """A client in a session."""

    session: ClientSession

    async def call(self, name: str, **arguments: Any) -> Any:
        """What a tool answers that succeeds."""
        result = await self.session.call_tool(name, arguments)
        assert not result.isError, result.content
        [block] = result.content
        assert isinstance(block, types.TextContent)
        assert block.text
        return result.structuredContent

    async def refused(self, name: str, **arguments: Any) -> Any:
        """The error that a tool answers, as data."""
        result = await self.session.call_tool(name, arguments)
        assert result.isError, result.structuredContent
        [block] = result.content
        assert isinstance(block, types.TextContent)
        assert result.meta is not None
        told = result.meta[META_KEY]
        assert told["remedy"] in block.text
        assert block.text.startswith(told["code"])
        return told


@asynccontextmanager
async def connected(
    ledger: Memoledger, principal: Principal = ALICE, scopes: frozenset[Scope] = BOTH, **more: Any
) -> AsyncIterator[Agent]:
    """An agent of a user's, without a transport between."""

    async def opened() -> Memoledger:
        return ledger

    server = build_server(OwnDoor(opened, principal, scopes=scopes, **more))
    async with create_connected_server_and_client_session(server) as session:
        yield Agent(session)


async def key_of(
    ledger: Memoledger, principal: Principal = ALICE, scopes: Iterable[Scope] = ("read", "write")
) -> str:
    """A new key's text."""
    await ledger.principal(tenant=principal.tenant, user=principal.user)
    caller = Caller(principal, EVERY_SCOPE, "development")
    context = ledger.application.context
    key = await create_key(context, caller, name="test", scopes=scopes, user=principal.user)
    return key.secret


@asynccontextmanager
async def serving(ledger: Memoledger, development: Principal | None = None) -> AsyncIterator[str]:
    """The address of a running service on a ledger."""
    application = ledger.application
    app = create_app(application, application.settings, development=development)
    config = uvicorn.Config(app, log_level="critical", lifespan="on", timeout_graceful_shutdown=5)
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        running = asyncio.create_task(server.serve([listening]))
        while not server.started:
            await asyncio.sleep(0.01)
            assert not running.done()
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}/mcp"
        finally:
            server.should_exit = True
            await running


@asynccontextmanager
async def calling(url: str, key: str | None = None) -> AsyncIterator[Agent]:
    """An agent over streamable HTTP."""
    headers = {} if key is None else {"Authorization": f"Bearer {key}"}
    async with (
        httpx.AsyncClient(headers=headers, timeout=30) as client,
        streamable_http_client(url, http_client=client) as (received, sent, _),
        ClientSession(received, sent) as session,
    ):
        await session.initialize()
        yield Agent(session)


@pytest.fixture
async def url(ledger: Memoledger) -> AsyncIterator[str]:
    """The address of a running service."""
    async with serving(ledger) as address:
        yield address


Connect = Callable[..., AbstractAsyncContextManager[Agent]]
