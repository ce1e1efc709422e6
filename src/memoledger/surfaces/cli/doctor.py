"""`doctor`: is everything as it should be, and if not, what to do about it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

import typer
from rich.table import Table
from rich.text import Text

from memoledger.model.errors import MemoledgerError
from memoledger.surfaces.cli.failures import FAILED
from memoledger.surfaces.cli.invocation import Invocation, command, send_logs_to_standard_error
from memoledger.surfaces.cli.output import say, visible, write_json

if TYPE_CHECKING:
    from memoledger.bootstrap import Place
    from memoledger.ledger.round_trip import Connection
    from memoledger.ports import Embedder
    from memoledger.services.diagnose import Finding
    from memoledger.settings import Settings

PANEL: Final = "Upkeep"

SECOND_START_WARN_S: Final = 1.0

_SIGNS: Final = {"ok": ("ok", "green"), "warn": ("warn", "yellow"), "fail": ("FAIL", "bold red")}


def register(app: typer.Typer) -> None:
    """Add the command."""
    command(app, "doctor", panel=PANEL)(doctor)


def doctor(given: Invocation) -> None:
    """Look at everything the ledger needs, and say what is wrong and what to do about it.

    Looked at are the settings, the data folder or the server, its versions and rights, the
    migrations, row-level security on every table, large stores' indexes, the store of raw sources,
    the cache, the embedder and its files' hashes, the room on the disk, and how long a second start
    takes. Nothing is changed. The exit code is 1 if anything failed.
    """
    send_logs_to_standard_error()
    findings = asyncio.run(_examine(given))
    healthy = all(finding.status != "fail" for finding in findings)
    if given.as_json:
        write_json({"ok": healthy, "checks": [finding.as_dict() for finding in findings]})
    else:
        say(_table(findings))
    if not healthy:
        raise typer.Exit(FAILED)


async def _examine(given: Invocation) -> list[Finding]:
    from memoledger.services.diagnose import Finding, failed

    try:
        settings = given.place.settings()
    except MemoledgerError as error:
        return [failed("settings", error)]
    place = "a server" if settings.database_url is not None else f"{settings.data_dir}"
    findings = [Finding("settings", "ok", f"They are valid; the ledger is in {place}.")]
    embedder, finding = await _examine_embedder(settings)
    try:
        findings += [found async for found in _examine_server(settings, embedder)]
        return [*findings, finding]
    finally:
        if embedder is not None:
            await embedder.aclose()


async def _examine_embedder(settings: Settings) -> tuple[Embedder | None, Finding]:
    from memoledger.bootstrap import embeddings
    from memoledger.services.diagnose import failed, find_embedder, guarded

    try:
        embedder = await embeddings.embedder_of(settings)
    except MemoledgerError as error:
        return None, failed("embedder", error)
    return embedder, await guarded("embedder", lambda: find_embedder(embedder))


async def _examine_server(settings: Settings, embedder: Embedder | None) -> AsyncIterator[Finding]:
    """Reach the server and look inside; where there is no ledger yet, try a temporary one."""
    from memoledger import bootstrap
    from memoledger.services.diagnose import Finding, failed, find_room

    embedded = settings.database_url is None
    exists = not embedded or (settings.data_dir.expanduser() / "PG_VERSION").exists()
    if embedded:
        yield find_room(settings.data_dir.expanduser().absolute())
        yield _folder(settings.data_dir, exists=exists)
    check = "start" if embedded else "server"
    try:
        if embedded:
            yield await _second_start(settings, exists=exists)
        async with (
            bootstrap.placed(settings, temporary=not exists) as place,
            bootstrap.administering(settings, place) as connection,
        ):
            check = "database"
            if exists:
                async for finding in _examine_database(settings, connection, embedder):
                    yield finding
                async for finding in _examine_stores_of_bytes(settings, place):
                    yield finding
            else:
                yield Finding("server", "ok", "A temporary one started: PostgreSQL runs here.")
    except MemoledgerError as error:
        yield failed(check, error)


def _folder(data_dir: Path, *, exists: bool) -> Finding:
    from memoledger.services.diagnose import Finding

    if exists:
        return Finding("data folder", "ok", f"There is a ledger in {data_dir}.")
    message = f"There is no ledger in {data_dir} yet."
    return Finding("data folder", "warn", message, "The first command makes one; so does init.")


async def _second_start(settings: Settings, *, exists: bool) -> Finding:
    """How long the server takes to start once everything has been started before."""
    from memoledger import bootstrap
    from memoledger.services.diagnose import Finding

    took_s = 0.0
    for _ in range(2 if exists else 1):
        begun = time.perf_counter()
        async with bootstrap.placed(settings, temporary=not exists):
            took_s = time.perf_counter() - begun
    what = "A second start" if exists else "Making and starting a temporary ledger"
    message = f"{what} takes {took_s:.2f} s."
    if exists and took_s > SECOND_START_WARN_S:
        return Finding("start", "warn", message, "See whether the disk or the processor is busy.")
    return Finding("start", "ok", message)


async def _examine_database(
    settings: Settings, connection: Connection, embedder: Embedder | None
) -> AsyncIterator[Finding]:
    from memoledger.bootstrap import embeddings
    from memoledger.services import diagnose

    embedded, auto = settings.database_url is None, settings.auto_migrate
    yield await diagnose.guarded("server", lambda: diagnose.find_versions(connection))
    yield await diagnose.guarded(
        "rights", lambda: diagnose.find_rights(connection, embedded=embedded, migrating=auto)
    )
    yield await diagnose.guarded(
        "migrations", lambda: diagnose.find_migrations(connection, auto_migrate=auto)
    )
    yield await diagnose.guarded("isolation", lambda: diagnose.find_isolation(connection))
    yield await diagnose.guarded(
        "indexes", lambda: diagnose.find_indexes(connection, index_from=settings.index_from)
    )
    if embedder is not None:
        version = embeddings.index_version(embedder.version)
        yield await diagnose.guarded(
            "embedding version", lambda: diagnose.find_namespace(connection, version)
        )


async def _examine_stores_of_bytes(settings: Settings, place: Place) -> AsyncIterator[Finding]:
    from memoledger import bootstrap
    from memoledger.bootstrap.bytes import cache_of
    from memoledger.services import diagnose

    artifacts, cache = bootstrap.artifacts_of(settings, place), cache_of(settings)
    try:
        yield await diagnose.guarded("artifacts", lambda: diagnose.find_artifacts(artifacts))
        yield await diagnose.guarded("cache", lambda: diagnose.find_cache(cache))
    finally:
        for opened in (artifacts, cache):
            if opened is not None:
                await opened.aclose()


def _table(findings: list[Finding]) -> Table:
    table = Table.grid(padding=(0, 2))
    for finding in findings:
        sign, style = _SIGNS[finding.status]
        told = Text(visible(finding.message))
        if finding.remedy:
            told.append(f"\n→ {visible(finding.remedy)}", style="bold")
        table.add_row(Text(sign, style=style), Text(finding.check, style="bold"), told)
    return table
