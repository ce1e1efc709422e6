"""A service on a real ledger, reached without a socket."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager

import httpx
import pytest
from fastapi import FastAPI

from memoledger.adapters.embedders.local import LocalEmbedder
from memoledger.model.caller import EVERY_SCOPE, Caller
from memoledger.model.keys import FreshKey, Scope
from memoledger.model.principal import Principal
from memoledger.services.keys import create_key
from memoledger.surfaces.api.app import create_app
from memoledger.surfaces.python.memoledger import Memoledger

MakeClient = Callable[..., Awaitable[httpx.AsyncClient]]


def client_of(app: FastAPI, key: str | None = None, **headers: str) -> httpx.AsyncClient:
    """A client that sends a key with every request."""
    given = {**({} if key is None else {"authorization": f"Bearer {key}"}), **headers}
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(app, raise_app_exceptions=False),
        base_url="http://127.0.0.1",
        headers=given,
    )


async def make_key(
    ledger: Memoledger,
    tenant: str,
    user: str,
    scopes: tuple[Scope, ...] = ("read", "write"),
) -> FreshKey:
    """A key as an administrator of the command line makes it."""
    await ledger.principal(tenant=tenant, user=user)
    caller = Caller(Principal(tenant, user), EVERY_SCOPE, "development")
    return await create_key(ledger.application.context, caller, name=f"{user}'s", scopes=scopes)


@pytest.fixture
def app(ledger: Memoledger) -> FastAPI:
    """The API on the test's ledger."""
    return create_app(ledger.application, ledger.application.settings)


@pytest.fixture
async def caller(app: FastAPI, ledger: Memoledger) -> AsyncIterator[MakeClient]:
    """Makes clients: `await caller("bob", tenant="acme", scopes=("read",))`, or one with a key."""
    async with AsyncExitStack() as stack:

        async def make(
            user: str | None = None,
            *,
            tenant: str = "acme",
            scopes: tuple[Scope, ...] = ("read", "write"),
            key: str | None = None,
        ) -> httpx.AsyncClient:
            if user is not None:
                key = (await make_key(ledger, tenant, user, scopes)).secret
            return await stack.enter_async_context(client_of(app, key))

        yield make


@pytest.fixture
async def alice(caller: MakeClient) -> httpx.AsyncClient:
    """A client with the key of alice of acme."""
    return await caller("alice")


@pytest.fixture
async def admin(caller: MakeClient) -> httpx.AsyncClient:
    """A client with the key of an admin of acme, which reads and writes nothing."""
    return await caller("root", scopes=("admin",))


@pytest.fixture
async def store(alice: httpx.AsyncClient) -> str:
    """The path of alice's store."""
    made = await alice.post("/v1/stores", json={"name": "notes"})
    assert made.status_code == 201, made.text
    return f"/v1/stores/{made.json()['id']}"


@pytest.fixture
def service_with(
    ledger: Memoledger, embedder: LocalEmbedder
) -> Callable[..., AbstractAsyncContextManager[httpx.AsyncClient]]:
    """Makes a service with other settings, and a client of alice's for it."""

    @asynccontextmanager
    async def make(**settings: object) -> AsyncIterator[httpx.AsyncClient]:
        changed = ledger.application.settings.model_copy(update=settings)
        application = ledger.application
        before, application.settings = application.settings, changed
        try:
            app = create_app(application, changed)
            key = await make_key(ledger, "acme", "alice")
            async with client_of(app, key.secret) as client:
                yield client
        finally:
            application.settings = before

    return make
