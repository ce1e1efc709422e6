"""A ledger made ready: its schema up to date, its embedder fitting."""

from __future__ import annotations

from collections.abc import Mapping

from memoledger.bootstrap.embeddings import settle_version
from memoledger.bootstrap.place import Place, administering
from memoledger.ledger.job_schema import apply_job_schema, pending_job_migrations
from memoledger.ledger.migrate import apply_migrations, pending_migrations, prepare_database
from memoledger.ledger.receipts import keep_receipts_for
from memoledger.ledger.round_trip import Connection
from memoledger.model.embedding import EmbeddingVersion
from memoledger.model.errors import MigrationError
from memoledger.settings import Settings


async def make_ready(
    settings: Settings,
    place: Place,
    version: EmbeddingVersion,
    opening: Mapping[str, str] | None = None,
) -> None:
    """Bring the schema up to date, and see that the embedder fits the ledger.

    Args:
        version: what the embedder makes.
        opening: with which words it was opened; None for an object of a program's own.

    Raises:
        ServerUnsuitable: the server lacks a version, an extension or a right.
        MigrationError: the schema is behind and may not be migrated now, or does not fit.
        SettingsError: the ledger holds vectors of another embedder, and none of this one's.
    """
    async with administering(settings, place) as connection:
        if settings.auto_migrate:
            await migrate(connection, embedded=place.embedded)
        else:
            await refuse_pending(connection)
        if settings.receipts_retention_days is not None:
            await keep_receipts_for(connection, settings.receipts_retention_days)
        await settle_version(connection, version, opening)


async def migrate(connection: Connection, *, embedded: bool) -> list[str]:
    """Prepare the database where that is needed and apply what is pending; the names applied."""
    if not await pending_migrations(connection) and not await pending_job_migrations(connection):
        return []
    if not embedded:
        await check_rights(connection)
    await prepare_database(connection, embedded=embedded)
    applied = await apply_migrations(connection)
    await apply_job_schema(connection)
    return applied


async def check_rights(connection: Connection) -> None:
    """See that a given server will do, before anything is changed in it.

    Raises:
        ServerUnsuitable: with the SQL that grants what is missing.
    """
    from memoledger.ledger.server import check_server

    await check_server(connection)


async def refuse_pending(connection: Connection) -> None:
    """See that nothing is to be migrated.

    Raises:
        MigrationError: something is.
    """
    names = [migration.name for migration in await pending_migrations(connection)]
    names += await pending_job_migrations(connection)
    if names:
        raise MigrationError(
            f"The schema lacks {len(names)} migrations, from {names[0]} on.",
            remedy="Run `memoledger migrate`, or set MEMOLEDGER_AUTO_MIGRATE=true.",
        )
