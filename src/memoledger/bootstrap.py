"""The only wiring: from settings to an open ledger with its adapters."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from memoledger.adapters.clock import SystemClock
from memoledger.adapters.embedders.choose import open_embedder
from memoledger.adapters.rerankers import open_reranker
from memoledger.ledger.connect import connected
from memoledger.ledger.embedded import EmbeddedServer
from memoledger.ledger.embedding_versions import (
    declare_embedding_version,
    find_embedding_version,
)
from memoledger.ledger.indexed_search import Bounds
from memoledger.ledger.ledger import Ledger
from memoledger.ledger.migrate import apply_migrations, pending_migrations, prepare_database
from memoledger.ledger.receipts import keep_receipts_for
from memoledger.ledger.round_trip import Connection
from memoledger.ledger.sessions import Sessions
from memoledger.ledger.store_indexes import Effort, StoreIndexes
from memoledger.ledger.way import is_pooled
from memoledger.model.analysis import check_language
from memoledger.model.embedding import EmbeddingVersion
from memoledger.model.errors import MigrationError, SettingsError
from memoledger.model.indexing import INDEXED_TEXT_VERSION
from memoledger.model.upkeep import Upkeep
from memoledger.ports import Embedder, TokenVerifier
from memoledger.services.authenticate import Authenticator
from memoledger.services.context import Context
from memoledger.services.prepare import Preparer
from memoledger.services.receipts import ReceiptWriter
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


@dataclass(slots=True)
class Application:
    """An open ledger: what services work with, and how to let go of it all."""

    context: Context
    settings: Settings
    place: Place
    embedder: Embedder
    authenticator: Authenticator
    close: Callable[[], Awaitable[None]]
    upkeep: Upkeep = field(default_factory=Upkeep)


async def open_application(
    settings: Settings, *, temporary: bool = False, embedder: Embedder | None = None
) -> Application:
    """Start or reach the server, bring the schema up to date, open the pool and the embedder.

    Args:
        temporary: use an embedded server in a folder that is deleted at the end.
        embedder: use this one instead of the settings'; it stays open when the ledger closes.

    Raises:
        SettingsError, DataFolderError, LedgerUnavailable, ServerUnsuitable, MigrationError,
        EmbedderError: as their docstrings say; what had been opened is closed again.
    """
    check_language("MEMOLEDGER_LANGUAGE", settings.language)
    async with AsyncExitStack() as stack:
        place = await stack.enter_async_context(placed(settings, temporary=temporary))
        if embedder is None:
            embedder = await embedder_of(settings)
            stack.push_async_callback(embedder.aclose)
        reranker = open_reranker(settings.reranker, embedder=embedder)
        if reranker is not None:
            stack.push_async_callback(reranker.aclose)
        number = await make_ready(settings, place, embedder.version)
        sessions = _sessions(settings, place)
        await sessions.open()
        stack.push_async_callback(sessions.aclose)
        bounds = Bounds(settings.scans_at_once, settings.scan_timeout_s)
        ledger = Ledger.over(sessions, embedding_version=number, bounds=bounds)
        await ledger.receipts.tend()
        receipts = ReceiptWriter(ledger.receipts, words=settings.receipts, embedding_version=number)
        stack.push_async_callback(receipts.aclose)
        context = Context(
            ledger=ledger,
            preparer=Preparer(embedder, settings.language),
            clock=SystemClock(),
            receipts=receipts,
            reranker=reranker,
            rerank_by_default=settings.rerank,
        )
        authenticator = _authenticator(settings, context)
        stack.push_async_callback(authenticator.aclose)
        closing = stack.pop_all()
        return Application(context, settings, place, embedder, authenticator, closing.aclose)


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
async def indexing(settings: Settings, place: Place) -> AsyncIterator[StoreIndexes]:
    """The indexes of stores, over a connection of their own.

    Raises:
        LedgerUnavailable: the server could not be reached.
        SettingsError: the way to it leads through a pooler, where a session's lock means nothing.
    """
    async with administering(settings, place) as connection:
        if not place.embedded:
            await _refuse_pooler(connection)
        yield StoreIndexes(connection, Effort(settings.index_memory_mb, settings.index_workers))


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
            server.conninfo(APP_ROLE), server.conninfo(), embedded=True, revive=_reviving(server)
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


async def make_ready(settings: Settings, place: Place, version: EmbeddingVersion) -> int:
    """Bring the schema up to date and find (or declare) the embedding version; its number.

    Raises:
        ServerUnsuitable: the server lacks a version, an extension or a right.
        MigrationError: the schema is behind and may not be migrated now, or does not fit.
    """
    version = index_version(version)
    async with administering(settings, place) as connection:
        if settings.auto_migrate:
            await migrate(connection, embedded=place.embedded)
        else:
            await _refuse_pending(connection)
        if settings.receipts_retention_days is not None:
            await keep_receipts_for(connection, settings.receipts_retention_days)
        number = await find_embedding_version(connection, version)
        if number is None:
            number = await declare_embedding_version(connection, version)
        return number


async def migrate(connection: Connection, *, embedded: bool) -> list[str]:
    """Prepare the database where that is needed and apply what is pending; the names applied."""
    if not await pending_migrations(connection):
        return []
    if not embedded:
        await check_rights(connection)
    await prepare_database(connection, embedded=embedded)
    return await apply_migrations(connection)


async def check_rights(connection: Connection) -> None:
    """See that a given server will do, before anything is changed in it.

    Raises:
        ServerUnsuitable: with the SQL that grants what is missing.
    """
    from memoledger.ledger.server import check_server

    await check_server(connection)


def index_version(version: EmbeddingVersion) -> EmbeddingVersion:
    """The embedder's version together with the form of the text it is given."""
    form = {"indexed_text": str(INDEXED_TEXT_VERSION)}
    return replace(version, settings={**version.settings, **form})


async def _refuse_pending(connection: Connection) -> None:
    pending = await pending_migrations(connection)
    if pending:
        raise MigrationError(
            f"The schema lacks {len(pending)} migrations, from {pending[0].name} on.",
            remedy="Run `memoledger migrate`, or set MEMOLEDGER_AUTO_MIGRATE=true.",
        )


async def _refuse_pooler(connection: Connection) -> None:
    if await is_pooled(connection):
        raise SettingsError(
            "MEMOLEDGER_ADMIN_DATABASE_URL",
            "not shown, it may hold a password",
            "it leads through a pooler, and indexes are made under a lock of the session",
            remedy="Give the URL of the server itself, past the pooler.",
        )


async def embedder_of(settings: Settings) -> Embedder:
    """Open the embedder that the settings name.

    Raises:
        SettingsError, EmbedderError: there is no such embedder, or it cannot be had.
    """
    key = settings.embedder_api_key
    return await open_embedder(
        settings.embedder,
        dimensions=settings.embedding_dimensions,
        base_url=settings.embedder_url,
        api_key=None if key is None else key.get_secret_value(),
        timeout_s=settings.embedder_timeout_s,
        attempts=settings.embedder_attempts,
    )


def _authenticator(settings: Settings, context: Context) -> Authenticator:
    """What tells callers apart.

    Raises:
        SettingsError: those of tokens are incomplete or contradict each other.
    """
    return Authenticator(
        context.ledger.keys,
        context.ledger.stores,
        context.clock,
        tokens=_token_verifier(settings),
        trusted_s=settings.key_trust_s,
        attempts_max=settings.failed_attempts_max,
    )


def _token_verifier(settings: Settings) -> TokenVerifier | None:
    secret = settings.token_secret
    told = {
        "issuer": settings.token_issuer,
        "audience": settings.token_audience,
        "jwks_url": settings.token_jwks_url,
        "secret": None if secret is None else secret.get_secret_value(),
        "tenant": settings.token_tenant,
        "tenant_claim": settings.token_tenant_claim,
        "scope_claim": settings.token_scope_claim,
    }
    if all(value is None for value in told.values()):
        return None
    # What verifies tokens takes a moment to import, and few ledgers need it.
    from memoledger.adapters.tokens import IdentityProvider, open_tokens

    provider = IdentityProvider(
        **told,
        user_claim=settings.token_user_claim,
        scopes=settings.token_scopes,
        leeway_s=settings.token_leeway_s,
    )
    return open_tokens(provider)


def _sessions(settings: Settings, place: Place) -> Sessions:
    return Sessions(
        place.revive or place.conninfo,
        pool_min=settings.pool_min,
        pool_max=max(settings.pool_min, settings.pool_max),
        wait_s=settings.pool_wait_s,
        waiting_max=settings.pool_waiting_max,
        statement_timeout_s=settings.statement_timeout_s,
        prepare=settings.prepare_statements,
    )


def _start_embedded(data_dir: Path, temporary: bool) -> EmbeddedServer:
    return EmbeddedServer.temporary() if temporary else EmbeddedServer.start(data_dir)
