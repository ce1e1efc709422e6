"""Diagnose: is this ledger fit to be used, and if not, what to do about it."""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from memoledger.ledger.embedding_versions import EmbeddingVersions
from memoledger.ledger.inspection import protections, server_facts
from memoledger.ledger.migrate import pending_migrations, shipped_migrations
from memoledger.ledger.round_trip import Connection
from memoledger.ledger.server import check_server
from memoledger.ledger.store_indexes import StoreIndexes
from memoledger.model.artifact import ROOT
from memoledger.model.embedding import EmbeddingVersion
from memoledger.model.errors import ArtifactError, MemoledgerError
from memoledger.ports import Artifacts, Cache, Embedder
from memoledger.services.index_stores import NO_STORE, plan

Status = Literal["ok", "warn", "fail"]

FREE_BYTES_WARN: Final = 1_000_000_000
FREE_BYTES_FAIL: Final = 100_000_000
"""About what a new embedded ledger takes; with less, writing stops soon."""

ANSWER_S: Final = 5.0
"""A store of raw sources answers within this time, or something is wrong with it."""

_SPECIMEN: Final = "The committee moved its meeting from Tuesday to Thursday."


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at.

    Args:
        check: what it was.
        status: "ok", "warn" (works, but) or "fail".
        message: what was found.
        remedy: what to do about it; None where there is nothing to do.
    """

    check: str
    status: Status
    message: str
    remedy: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """The finding as JSON-ready data."""
        return {
            "check": self.check,
            "status": self.status,
            "message": self.message,
            "remedy": self.remedy,
        }


def failed(check: str, error: MemoledgerError) -> Finding:
    """The finding of a check that ended in an error."""
    return Finding(check, "fail", error.message, error.remedy)


async def guarded(check: str, look: Callable[[], Awaitable[Finding]]) -> Finding:
    """What `look` finds; an error of ours is a finding too."""
    try:
        return await look()
    except MemoledgerError as error:
        return failed(check, error)


async def find_versions(connection: Connection) -> Finding:
    """Which PostgreSQL and which pgvector answer."""
    facts = await server_facts(connection)
    vector = (
        f"pgvector {facts.vector_version}" if facts.vector_version else "pgvector not yet in it"
    )
    return Finding("server", "ok", f"PostgreSQL {facts.version}, {vector}.")


async def find_rights(connection: Connection, *, embedded: bool, migrating: bool) -> Finding:
    """Whether the login may do what it must, and can do no more than it should.

    Args:
        embedded: whether the server is the ledger's own, where the administrator is its superuser
            and nobody else can connect.
        migrating: whether the login shall also make or migrate the schema.
    """
    report = await check_server(connection, migrating=migrating)
    if report.warnings and not embedded:
        return Finding(
            "rights",
            "warn",
            " ".join(report.warnings),
            "Give the application a login of its own: docs/howto/use-a-server.md.",
        )
    return Finding("rights", "ok", f"{report.login!r} may do what it must in {report.database!r}.")


async def find_migrations(connection: Connection, *, auto_migrate: bool) -> Finding:
    """Whether the schema is that of this program."""
    shipped, pending = len(shipped_migrations()), await pending_migrations(connection)
    if not pending:
        return Finding("migrations", "ok", f"All {shipped} are applied.")
    names = ", ".join(migration.name for migration in pending)
    message = f"{len(pending)} of {shipped} are not applied: {names}."
    if auto_migrate:
        remedy = "Opening the ledger applies them; `memoledger migrate` does it now."
        return Finding("migrations", "warn", message, remedy)
    return Finding("migrations", "fail", message, "Run `memoledger migrate`.")


async def find_isolation(connection: Connection) -> Finding:
    """Whether row-level security is enabled and forced on every table."""
    tables = await protections(connection)
    if not tables:
        remedy = "Run `memoledger init`."
        return Finding("isolation", "warn", "There are no tables yet.", remedy)
    open_ones = [table.table for table in tables if not table.is_complete]
    if open_ones:
        return Finding(
            "isolation",
            "fail",
            f"Row-level security is not complete on: {', '.join(open_ones)}.",
            "Find out who changed it, then ALTER TABLE … ENABLE and FORCE ROW LEVEL SECURITY.",
        )
    message = f"Row-level security is forced on all {len(tables)} tables."
    return Finding("isolation", "ok", message)


async def find_namespace(connection: Connection, version: EmbeddingVersion) -> Finding:
    """Whether the ledger's vectors are of the embedder's version."""
    if await pending_migrations(connection):
        return Finding("embedding version", "warn", "There is none yet.", "Run `memoledger init`.")
    kept = [one for one in await EmbeddingVersions(connection).all() if one.state != "retired"]
    serving = next((one for one in kept if one.state == "serving"), None)
    if serving is None:
        return Finding("embedding version", "ok", f"None yet; it will be {version.name}.")
    others = "".join(f", {one.name} is {one.state}" for one in kept if one != serving)
    if version.name == serving.name:
        return Finding("embedding version", "ok", f"{serving.name} serves{others}.")
    known = any(one.name == version.name for one in kept)
    as_it_was = "" if serving.spec is None else f" Set MEMOLEDGER_EMBEDDER={serving.spec}."
    return Finding(
        "embedding version",
        "warn" if known else "fail",
        f"The settings' embedder makes {version.name}; {serving.name} serves{others}.",
        f"The ledger goes on with the one that serves.{as_it_was}"
        if known
        else f"{as_it_was} To change the embedder: docs/howto/change-the-embedder.md.".strip(),
    )


async def find_indexes(connection: Connection, *, index_from: int) -> Finding:
    """Whether stores that outgrew exact search have their indexes."""
    if await pending_migrations(connection):
        return Finding("indexes", "ok", "No store has one yet.")
    indexes = StoreIndexes(connection)
    surveyed = await indexes.survey(least=index_from or NO_STORE)
    steps = plan(surveyed, index_from=index_from, embedding_versions=await indexes.versions())
    ready = sum(one.state == "ready" for one in surveyed)
    due = sum(step.act == "build" for step in steps)
    if index_from and due:
        remedy = "An open ledger makes them in the background; `memoledger stores indexes --build`."
        return Finding("indexes", "warn", f"{due} large stores are searched without one.", remedy)
    return Finding("indexes", "ok", f"{ready} large stores have one; the others are small.")


async def find_embedder(embedder: Embedder) -> Finding:
    """Whether the embedder answers; loading the local one compares its files with their hashes."""
    begun = time.perf_counter()
    vectors = await embedder.embed([_SPECIMEN], input_type="document")
    first_s = time.perf_counter() - begun
    begun = time.perf_counter()
    await embedder.embed([_SPECIMEN], input_type="query")
    again_s = time.perf_counter() - begun
    version = embedder.version
    digest = version.settings.get("model_sha256")
    checked = f", SHA-256 {digest}… as it should be" if digest else ""
    return Finding(
        "embedder",
        "ok",
        f"{version.model}, {vectors.shape[1]} dimensions{checked}; "
        f"loaded in {first_s:.2f} s, a query takes {again_s * 1e3:.1f} ms.",
    )


def find_room(folder: Path) -> Finding:
    """Whether there is room on the disk under a folder, or under where it would be made."""
    there = next(path for path in (folder, *folder.parents) if path.exists())
    free_bytes = shutil.disk_usage(there).free
    message = f"{free_bytes / 1e9:,.1f} GB are free under {folder}."
    if free_bytes >= FREE_BYTES_WARN:
        return Finding("disk", "ok", message)
    status: Status = "fail" if free_bytes < FREE_BYTES_FAIL else "warn"
    return Finding("disk", status, message, "Free some space, or move the data folder.")


async def find_artifacts(artifacts: Artifacts | None) -> Finding:
    """Whether the store of raw sources answers, in a few seconds; it is not named here."""
    if artifacts is None:
        return Finding("artifacts", "ok", "Raw sources of documents are not kept.")
    try:
        async with asyncio.timeout(ANSWER_S), aclosing(artifacts.list(ROOT)) as found:
            async for _ in found:
                break
    except TimeoutError:
        message = f"The store of raw sources does not answer within {ANSWER_S:g} s."
    except ArtifactError:
        message = "The store of raw sources cannot be read."
    else:
        return Finding("artifacts", "ok", "The store of raw sources answers.")
    return Finding(
        "artifacts", "fail", message, "Look at MEMOLEDGER_ARTIFACTS_URL and its options."
    )


async def find_cache(cache: Cache | None) -> Finding:
    """Whether the cache answers; without it everything takes a little longer, and nothing fails."""
    if cache is None:
        return Finding("cache", "ok", "Nothing is cached.")
    answers = await cache.check()
    told = cache.statistics
    counts = ", ".join(f"{count:,} {outcome}" for outcome, count in told.answers.items() if count)
    if answers:
        return Finding("cache", "ok", f"It answers{f'; so far {counts}' if counts else ''}.")
    reason = told.reason or "It does not answer."
    message = f"{reason} Answers are the same without it{f'; so far {counts}' if counts else ''}."
    return Finding("cache", "warn", message, "Look at the Redis of MEMOLEDGER_REDIS_URL.")
