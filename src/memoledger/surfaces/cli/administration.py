"""`init` and `migrate`: make the ledger ready, and keep its schema and server up to date."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from memoledger.model.errors import InvalidInput
from memoledger.surfaces.cli.invocation import Invocation, command, send_logs_to_standard_error
from memoledger.surfaces.cli.output import facts, say, write_json

if TYPE_CHECKING:
    from memoledger.ledger.round_trip import Connection
    from memoledger.settings import Settings


def register_init(app: typer.Typer) -> None:
    """Add `init`."""
    command(app, "init", panel="To begin with")(init)


def register_migrate(app: typer.Typer) -> None:
    """Add `migrate`."""
    command(app, "migrate", panel="Upkeep")(migrate)


def init(given: Invocation) -> None:
    """Make the ledger ready: its folder or database, its schema, its embedder; say where it is.

    It can be run again at any time. No other command needs it: each makes ready what is missing.
    """
    found = asyncio.run(_init(given))
    if given.as_json:
        write_json(found)
        return
    say("The ledger is ready.")
    say(facts(found))


async def _init(given: Invocation) -> dict[str, Any]:
    from memoledger import bootstrap
    from memoledger.ledger.inspection import server_facts

    settings = given.place.settings()
    async with _administering(settings) as (connection, embedded):
        applied = await bootstrap.migrate(connection, embedded=embedded)
        server, where = await server_facts(connection), _where(settings, connection, embedded)
        async with given.ledger() as ledger:
            version = ledger.application.embedder.version
    return {
        **where,
        "database": server.database,
        "server_version": server.version,
        "pgvector_version": server.vector_version,
        "migrations_applied": applied,
        "embedder": version.model,
        "dimensions": version.dimensions,
    }


def migrate(
    given: Invocation,
    status: Annotated[
        bool, typer.Option("--status", help="Only say what is applied and what is not.")
    ] = False,
    upgrade_server: Annotated[
        bool,
        typer.Option(
            "--upgrade-server",
            help="First bring a data folder of an older major version of PostgreSQL to this "
            "program's. Programs that use it must be closed; the old contents are kept.",
        ),
    ] = False,
) -> None:
    """Apply the migrations that the schema lacks, also where MEMOLEDGER_AUTO_MIGRATE is false."""
    settings = given.place.settings()
    upgraded = _upgrade_server(settings) if upgrade_server else None
    if status:
        answer = asyncio.run(_status(settings))
    else:
        names = asyncio.run(_migrate(settings))
        answer = {"migrations_applied": names}
    if given.as_json:
        write_json({**answer, **({} if upgraded is None else {"server": upgraded})})
        return
    if upgraded is not None:
        _say_upgraded(upgraded)
    if status:
        say(facts(answer))
    elif answer["migrations_applied"]:
        say(f"Applied: {', '.join(answer['migrations_applied'])}.")
    else:
        say("The schema is up to date.")


async def _status(settings: Settings) -> dict[str, Any]:
    from memoledger.ledger.migrate import pending_migrations, shipped_migrations

    async with _administering(settings) as (connection, _):
        pending = [migration.name for migration in await pending_migrations(connection)]
    shipped = [migration.name for migration in shipped_migrations()]
    return {"applied": [name for name in shipped if name not in pending], "pending": pending}


async def _migrate(settings: Settings) -> list[str]:
    from memoledger import bootstrap

    async with _administering(settings) as (connection, embedded):
        return await bootstrap.migrate(connection, embedded=embedded)


def _upgrade_server(settings: Settings) -> dict[str, Any]:
    from memoledger.ledger.embedded import EmbeddedServer

    if settings.database_url is not None:
        raise InvalidInput(
            "--upgrade-server",
            "a server given by its URL",
            "only the embedded server's folder can be upgraded here",
            remedy="Upgrade that server with its own tools (pg_upgrade).",
        )
    done = EmbeddedServer.upgrade(settings.data_dir)
    return {
        "data_dir": str(settings.data_dir),
        "from": done.from_major,
        "to": done.to_major,
        "previous": None if done.previous is None else str(done.previous),
    }


def _say_upgraded(upgraded: dict[str, Any]) -> None:
    if upgraded["previous"] is None:
        say(f"The folder is of PostgreSQL {upgraded['to']} already.")
    else:
        say(
            f"Upgraded from PostgreSQL {upgraded['from']} to {upgraded['to']}. "
            f"The old contents are in {upgraded['previous']}; delete them once you are sure."
        )


@asynccontextmanager
async def _administering(settings: Settings) -> AsyncIterator[tuple[Connection, bool]]:
    """A connection that may migrate, and whether the server is the embedded one."""
    from memoledger import bootstrap

    send_logs_to_standard_error()
    async with (
        bootstrap.placed(settings) as place,
        bootstrap.administering(settings, place) as connection,
    ):
        yield connection, place.embedded


def _where(settings: Settings, connection: Connection, embedded: bool) -> dict[str, Any]:
    """Where the ledger is, without secrets."""
    if embedded:
        return {"embedded": True, "data_dir": str(settings.data_dir.expanduser().absolute())}
    return {"embedded": False, "host": connection.info.host, "port": connection.info.port}
