"""The doors to a ledger: opened here, or behind a service over a real connection.

Every test of this folder runs once through each; what it gets is a principal, and it cannot tell
which door that came through.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import psycopg
import pytest
import structlog
from anyio.from_thread import BlockingPortal, start_blocking_portal
from pydantic import SecretStr

from memoledger import Memoledger, sync
from memoledger.model.caller import Caller
from memoledger.services.keys import create_key
from memoledger.settings import Settings, load_settings

DOORS = ("local", "service")


@dataclass(frozen=True)
class Service:
    """A running service, and a way to have its ledger make keys."""

    url: str
    portal: BlockingPortal
    ledger: Memoledger

    def key(self, tenant: str, user: str, *scopes: str) -> str:
        """A fresh key of a user's own."""
        return self.portal.call(_make_key, self.ledger, tenant, user, scopes or ("read", "write"))


async def _make_key(ledger: Memoledger, tenant: str, user: str, scopes: tuple[Any, ...]) -> str:
    who = await ledger.principal(tenant=tenant, user=user)
    caller = Caller(who.principal, frozenset(scopes), "development")
    made = await create_key(ledger.application.context, caller, name="a test's", scopes=scopes)
    return made.secret


@pytest.fixture(scope="session")
def shared_database(server: Any, template: str) -> Iterator[str]:
    """The database that all tests of this folder share; each has a tenant of its own."""
    name = f"doors_{uuid4().hex[:12]}"
    with psycopg.connect(server.conninfo(), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY")
    yield name
    with psycopg.connect(server.conninfo(), autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="session")
def ledger_settings(server: Any, shared_database: str) -> Callable[..., Settings]:
    """Settings of a ledger in that database."""

    def settings(**overrides: object) -> Settings:
        return load_settings(
            **{
                "database_url": SecretStr(server.conninfo("memoledger_app", shared_database)),
                "admin_database_url": SecretStr(server.conninfo("postgres", shared_database)),
                "sweep_interval_s": 0.0,
                **overrides,
            }
        )

    return settings


@asynccontextmanager
async def serving(
    settings: Settings, embedder: Any, **given: Any
) -> AsyncIterator[tuple[str, Memoledger]]:
    """A service on loopback: its URL and the ledger that it holds."""
    import uvicorn

    from memoledger.surfaces.api.app import create_app

    async with Memoledger.open(settings=settings, embedder=embedder) as ledger:
        app = create_app(ledger.application, settings, **given)
        config = uvicorn.Config(app, host="127.0.0.1", port=0, log_config=None, lifespan="on")
        service = uvicorn.Server(config)
        # Signals are the test runner's.
        service.capture_signals = contextlib.nullcontext  # type: ignore[method-assign]
        running = asyncio.create_task(service.serve())
        while not service.started:
            assert not running.done(), running.exception()
            await asyncio.sleep(0.01)
        [listening] = service.servers[0].sockets
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}", ledger
        finally:
            service.should_exit = True
            await running


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """No log of requests, which come at any time from another thread."""
    before = structlog.get_config()
    structlog.configure(logger_factory=structlog.ReturnLoggerFactory())
    yield
    structlog.configure(**before)


@pytest.fixture
def serve(embedder: Any) -> Callable[..., Any]:
    """Opens a service with settings and options of its own, in the test's loop."""
    return lambda settings, **given: serving(settings, embedder, **given)


@pytest.fixture(scope="session")
def service(ledger_settings: Callable[..., Settings], embedder: Any) -> Iterator[Service]:
    """The service, in a thread of its own, as it is for a client in real life."""
    with start_blocking_portal("asyncio") as portal:
        running = serving(ledger_settings(), embedder)
        with portal.wrap_async_context_manager(running) as (url, ledger):
            yield Service(url, portal, ledger)


class Door:
    """A way to act as anybody. `async with` closes what was opened through it."""

    def __init__(self, name: str, open_here: Callable[[], Any], service: Service | None) -> None:
        self.name = name
        self._open_here = open_here
        self._service = service
        self._stack = AsyncExitStack()
        self._here: Any = None

    async def __aenter__(self) -> Door:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def principal(self, tenant: str, user: str) -> Any:
        """The handle of a principal."""
        ledger = await self.ledger(tenant, user)
        return await ledger.principal(tenant=tenant, user=user)

    async def ledger(self, tenant: str, user: str) -> Any:
        """The ledger, as opened by someone who may act as a principal."""
        if self._service is not None:
            key = self._service.key(tenant, user)
            opening = Memoledger.open(self._service.url, api_key=key)
            return await self._stack.enter_async_context(opening)
        if self._here is None:
            self._here = await self._stack.enter_async_context(self._open_here())
        return self._here


@pytest.fixture(params=DOORS)
def way(
    request: pytest.FixtureRequest, ledger_settings: Callable[..., Settings], embedder: Any
) -> tuple[str, Callable[[], Settings], Any, Service | None]:
    """What it takes to go through one of the doors."""
    service = request.getfixturevalue("service") if request.param == "service" else None
    return request.param, ledger_settings, embedder, service


@pytest.fixture
async def door(way: Any) -> AsyncIterator[Door]:
    """One of the doors."""
    name, settings, embedder, service = way

    def open_here() -> Any:
        return Memoledger.open(settings=settings(), embedder=embedder)

    async with Door(name, open_here, service) as opened:
        yield opened


@pytest.fixture
def blocking_ledger(way: Any, tenant: str) -> Iterator[Any]:
    """The synchronous twin of the ledger, as opened by someone who may act as alice."""
    _, settings, embedder, service = way
    if service is None:
        opening = sync.Memoledger.open(settings=settings(), embedder=embedder)
    else:
        opening = sync.Memoledger.open(service.url, api_key=service.key(tenant, "alice"))
    with opening as ledger:
        yield ledger


@pytest.fixture
def blocking_notes(blocking_ledger: Any, tenant: str) -> Any:
    """Alice's store, synchronous."""
    return blocking_ledger.principal(tenant=tenant, user="alice").store("notes")


@pytest.fixture
def tenant() -> str:
    """A tenant of this test's own."""
    return f"tenant-{uuid4().hex}"


@pytest.fixture
async def alice(door: Door, tenant: str) -> Any:
    """A user of the tenant."""
    return await door.principal(tenant, "alice")


@pytest.fixture
async def bob(door: Door, tenant: str) -> Any:
    """Another user of the tenant."""
    return await door.principal(tenant, "bob")


@pytest.fixture
async def notes(alice: Any) -> Any:
    """Alice's store."""
    return await alice.store("notes")
