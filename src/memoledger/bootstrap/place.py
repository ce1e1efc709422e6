"""Where the ledger is: a server that was named, or the embedded one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from memoledger.ledger.connect import connected
from memoledger.ledger.embedded import EmbeddedServer
from memoledger.ledger.round_trip import Connection
from memoledger.settings import Settings

APP_ROLE = "memoledger_app"
"""The role requests run as; in the embedded server it is also their login."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where the ledger is: connection strings for requests and for administration."""

    conninfo: str
    admin_conninfo: str
    embedded: bool
    revive: Callable[[], Awaitable[str]] | None = None
    """Starts an embedded server again if it died, and gives `conninfo` anew."""
    data_dir: Path | None = None
    """The embedded server's folder."""
    temporary: bool = False
    """Whether all of it is gone when it is closed."""


def administering(settings: Settings, place: Place) -> AbstractAsyncContextManager[Connection]:
    """A connection of the login that may migrate, for one piece of work.

    Raises:
        LedgerUnavailable: the server could not be reached.
    """
    return connected(
        place.admin_conninfo,
        attempts=settings.connect_attempts,
        timeout_s=settings.connect_timeout_s,
    )


@asynccontextmanager
async def placed(settings: Settings, *, temporary: bool = False) -> AsyncIterator[Place]:
    """The server that the settings name: a given one, or the embedded one while this is open."""
    if settings.database_url is not None and not temporary:
        url = settings.database_url.get_secret_value()
        admin = settings.admin_database_url or settings.database_url
        yield Place(url, admin.get_secret_value(), embedded=False)
        return
    server = await asyncio.to_thread(_start_embedded, settings.data_dir, temporary)
    try:
        yield Place(
            server.conninfo(APP_ROLE),
            server.conninfo(),
            embedded=True,
            revive=_reviving(server),
            data_dir=server.data_dir,
            temporary=temporary,
        )
    finally:
        await asyncio.to_thread(server.stop)


def _reviving(server: EmbeddedServer) -> Callable[[], Awaitable[str]]:
    """For the pool, which asks before it connects: nobody else would start the server again."""
    started = True

    async def revive() -> str:
        nonlocal started
        if not started:
            await asyncio.to_thread(server.ensure_running)
        started = False
        return server.conninfo(APP_ROLE)

    return revive


def _start_embedded(data_dir: Path, temporary: bool) -> EmbeddedServer:
    return EmbeddedServer.temporary() if temporary else EmbeddedServer.start(data_dir)
