"""What an administrator's connection is for, each opened for one piece of work."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from memoledger.bootstrap.embeddings import embedders_of
from memoledger.bootstrap.place import Place, administering, placed
from memoledger.bootstrap.schema import migrate, refuse_pending
from memoledger.ledger.artifacts import AllArtifacts
from memoledger.ledger.embedding_work import EmbeddingWork
from memoledger.ledger.owner_pool import OwnerPool, become_owner, owner_pool
from memoledger.ledger.round_trip import Connection
from memoledger.ledger.store_indexes import Effort, StoreIndexes
from memoledger.ledger.way import is_pooled
from memoledger.model.embedding_states import KeptVersion
from memoledger.model.errors import SettingsError
from memoledger.services.embedders import Embedders
from memoledger.settings import Settings


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
async def changing_embeddings(settings: Settings, place: Place) -> AsyncIterator[EmbeddingWork]:
    """What changes embedding versions, over a connection of its own.

    Raises:
        LedgerUnavailable: the server could not be reached.
        SettingsError: the way to it leads through a pooler, where a session's lock means nothing.
    """
    async with administering(settings, place) as connection:
        if not place.embedded:
            await _refuse_pooler(connection)
        effort = Effort(settings.index_memory_mb, settings.index_workers)
        yield EmbeddingWork.over(connection, effort)


@asynccontextmanager
async def administering_embeddings(settings: Settings) -> AsyncIterator[tuple[Place, Embedders]]:
    """Where the ledger is, and embedders by version, without opening it: no version has to serve.

    Raises:
        DataFolderError, LedgerUnavailable, ServerUnsuitable, MigrationError: as at opening.
    """
    async with placed(settings) as place:
        async with administering(settings, place) as connection:
            if settings.auto_migrate:
                await migrate(connection, embedded=place.embedded)
            else:
                await refuse_pending(connection)
        embedders = embedders_of(settings, _read_nothing)
        try:
            yield place, embedders
        finally:
            await embedders.aclose()


async def _read_nothing() -> list[KeptVersion]:
    return []


@asynccontextmanager
async def queueing(settings: Settings, place: Place) -> AsyncIterator[OwnerPool]:
    """Connections of the ledger's own: for claiming what is scheduled, and for the job queue.

    Raises:
        LedgerUnavailable: the server could not be reached.
        Forbidden: the administrator's login cannot become the ledger's owner.
        SettingsError: the way to it leads through a pooler, where a session's role means nothing.
    """
    async with administering(settings, place) as connection:
        if not place.embedded:
            await _refuse_pooler(connection)
        await become_owner(connection)
    async with owner_pool(place.admin_conninfo, wait_s=settings.pool_wait_s) as pool:
        yield pool


@asynccontextmanager
async def all_artifacts(settings: Settings, place: Place) -> AsyncIterator[AllArtifacts]:
    """The artifacts of every tenant, over a connection of the administrator's.

    Raises:
        LedgerUnavailable: the server could not be reached.
    """
    async with administering(settings, place) as connection:
        yield AllArtifacts(connection)


async def _refuse_pooler(connection: Connection) -> None:
    if await is_pooled(connection):
        raise SettingsError(
            "MEMOLEDGER_ADMIN_DATABASE_URL",
            "not shown, it may hold a password",
            "it leads through a pooler, and what is done here takes a session of its own",
            remedy="Give the URL of the server itself, past the pooler.",
        )
