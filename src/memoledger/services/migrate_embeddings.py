"""Migrate embeddings: from one embedding version to another while the ledger serves.

A new version is declared; from then on whoever writes writes its vectors too. It is filled with
those of what was there before (`fill_embeddings`), looked at (`verify_embeddings`), and begins to
serve in one transaction, for which writes are held up for a moment: only then is it certain that
nothing is missing. The version before is kept up to date from then on, so that going back is that
one transaction again. Retired, its partition is dropped.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from typing import Final

from memoledger.ledger.embedding_work import EmbeddingWork
from memoledger.model.embedding import EmbeddingVersion
from memoledger.model.embedding_states import KEPT_UP, KeptVersion, Switched, VersionStatus
from memoledger.model.errors import ConflictError, InvalidInput, MemoledgerError, NotFound
from memoledger.ports import Embedder
from memoledger.services.embedders import NOTICED_S
from memoledger.services.fill_embeddings import Filling
from memoledger.services.verify_embeddings import find_missing_indexes

SWITCHES_MAX: Final = 60
"""How often it is tried to have a version serve while writes come without its vectors."""

PAUSE_S: Final = 0.5

GUIDE: Final = "docs/howto/change-the-embedder.md"

Obtain = Callable[[KeptVersion], Awaitable[Embedder]]
"""Gives the embedder of a version.

Raises:
    SettingsError, EmbedderError: it cannot be had.
"""


async def statuses(work: EmbeddingWork) -> list[VersionStatus]:
    """Every version there is or was, and how complete it is."""
    return [await work.versions.status(one) for one in await work.versions.all()]


async def find_version(work: EmbeddingWork, wanted: str) -> KeptVersion:
    """A version by its name, its number, or the beginning of its name.

    Raises:
        NotFound: there is none, or there are several.
    """
    versions = await work.versions.all()
    exact = [one for one in versions if wanted in {one.name, str(one.number)}]
    found = exact or [one for one in versions if wanted and one.name.startswith(wanted)]
    if len(found) == 1:
        return found[0]
    names = ", ".join(one.name for one in found or versions)
    what = "There are several embedding versions" if found else "There is no embedding version"
    raise NotFound(f"{what} called {wanted!r}.", remedy=f"There are: {names}.", name=wanted)


async def serving_version(work: EmbeddingWork) -> KeptVersion:
    """The version that serves.

    Raises:
        NotFound: the ledger was never opened.
    """
    for one in await work.versions.all():
        if one.state == "serving":
            return one
    raise NotFound("No embedding version serves yet.", remedy="Run `memoledger init`.")


async def create(
    work: EmbeddingWork, version: EmbeddingVersion, opening: Mapping[str, str] | None
) -> KeptVersion:
    """Declare a version; from now on what is written gets its vectors in it too.

    One that is there already and does not serve is left as it is; one that was retired begins
    anew.

    Args:
        version: what its embedder makes, with the form of the text it is given.
        opening: with which words other processes open its embedder; None for an object.

    Raises:
        InvalidInput: it serves already.
        Forbidden: the administrator's login cannot become the ledger's owner.
    """
    serving = await serving_version(work)
    if serving.name == version.name:
        raise InvalidInput(
            "embedder",
            serving.spec or serving.model,
            f"{version.name} serves already",
            remedy="Name another model, or other dimensions.",
        )
    number = await work.versions.declare(version, opening)
    return next(one for one in await work.versions.all() if one.number == number)


async def cutover(
    work: EmbeddingWork,
    kept: KeptVersion,
    embedder: Embedder,
    *,
    missing_max: int = 0,
    without_indexes: bool = False,
) -> Switched:
    """Have a version serve in the place of the one that does, once it lacks nothing.

    Recalls go on all the time, each in one of the two. Writes are held up for the moment in which
    it is seen that nothing is missing; what comes without a vector in the new version before or
    right after that moment gets it here.

    Args:
        embedder: makes vectors of this version.
        missing_max: so many texts may lack a vector, which its model refuses; they are found by
            their words.
        without_indexes: also where large stores have no index in it yet, and are searched slowly
            until they do.

    Raises:
        ConflictError: it serves already, is retired, lacks vectors or indexes, another process is
            filling it, or writes kept coming without vectors; nothing was changed.
        EmbedderError: the model failed; nothing was changed.
    """
    _refuse_what_cannot_serve(kept)
    serving = await serving_version(work)
    if not without_indexes:
        found = await find_missing_indexes(work, kept, serving)
        if found.status == "fail":
            raise ConflictError(found.message, remedy=f"Build them first: {GUIDE}.")
    async with work.versions.alone(kept.number) as free:
        if not free:
            raise _busy(kept)
        filling = Filling(work, kept, embedder)
        since = await filling.everything()
        missing = await work.texts.missing(kept.number)
        if missing > missing_max:
            raise _incomplete(kept, missing, filling)
        held_ms = await _switch(work, kept, filling, since, missing_max)
        # Who took a context before that moment may write without the new version's vectors yet.
        await asyncio.sleep(2 * NOTICED_S)
        await filling.what_came_since(since)
    return Switched(kept.name, serving.name, held_ms, missing, filling.embedded)


async def rollback(work: EmbeddingWork, obtain: Obtain) -> Switched:
    """Have the version serve again that served before, at once; then fill what it lacks.

    Args:
        obtain: gives its embedder; where that cannot be had, what it lacks stays lacking, and is
            told.

    Raises:
        ConflictError: no version served before, or it was retired.
    """
    serving = await serving_version(work)
    before = _latest_previous(await work.versions.all())
    if before is None:
        raise ConflictError(
            "There is no version to go back to.", remedy="A retired one has to be created anew."
        )
    started = time.perf_counter()
    await work.versions.serve(before.number, left_as="ready")
    held_ms = 1_000 * (time.perf_counter() - started)
    missing = await work.texts.missing(before.number)
    embedded = await _fill_if_possible(work, before, obtain)
    return Switched(before.name, serving.name, held_ms, missing, embedded)


async def retire(work: EmbeddingWork, kept: KeptVersion) -> None:
    """Remove a version with its vectors and indexes; its name stays, for receipts.

    What was interrupted is finished by doing it again.

    Raises:
        ConflictError: it serves, or another process is filling it.
    """
    async with work.versions.alone(kept.number) as free:
        if not free:
            raise _busy(kept)
        if not await work.versions.mark_retired(kept.number):
            raise ConflictError(
                f"{kept.name} serves.", remedy="Cut over to another version, or roll back, first."
            )
        # By then every process has looked, and neither searches it nor writes to it any more.
        await asyncio.sleep(2 * NOTICED_S)
        for tenant, store_id, build in await work.versions.builds(kept.number):
            await work.indexes.drop(tenant, store_id, build)
        await work.versions.remove_vectors(kept)


def _refuse_what_cannot_serve(kept: KeptVersion) -> None:
    if kept.state == "serving":
        raise ConflictError(f"{kept.name} serves already.", remedy="There is nothing to be done.")
    if kept.state not in KEPT_UP:
        raise ConflictError(
            f"{kept.name} was retired: its vectors are gone.", remedy="Create and fill it anew."
        )


async def _switch(
    work: EmbeddingWork, kept: KeptVersion, filling: Filling, since: datetime, missing_max: int
) -> float:
    """Try to have it serve until nothing is missing at the moment; for how long writes waited."""
    for _ in range(SWITCHES_MAX):
        started = time.perf_counter()
        left = await work.versions.serve_if_complete(
            kept.number, since, left_as="previous", missing_max=missing_max
        )
        if left is None:
            return 1_000 * (time.perf_counter() - started)
        if left:
            await filling.embed_recent(since)
        else:
            await asyncio.sleep(PAUSE_S)
    raise ConflictError(
        f"Writes keep coming without vectors of {kept.name}, or do not end.",
        remedy="See whether every process can open its embedder, and whether a transaction has "
        "been open for long; then try again. Nothing was changed.",
    )


def _latest_previous(versions: Sequence[KeptVersion]) -> KeptVersion | None:
    found = [one for one in versions if one.state == "previous" and one.replaced_at is not None]
    return max(found, key=lambda one: (one.replaced_at, one.number), default=None)


async def _fill_if_possible(work: EmbeddingWork, kept: KeptVersion, obtain: Obtain) -> int:
    try:
        embedder = await obtain(kept)
    except MemoledgerError:
        return 0  # The caller is told what is missing.
    async with work.versions.alone(kept.number) as free:
        if not free:
            return 0
        filling = Filling(work, kept, embedder)
        await filling.everything()
    return filling.embedded


def _busy(kept: KeptVersion) -> ConflictError:
    return ConflictError(
        f"Another process is filling or retiring {kept.name}.",
        remedy="Wait for it, or end it; what it has done stays.",
    )


def _incomplete(kept: KeptVersion, missing: int, filling: Filling) -> ConflictError:
    refused = len(filling.refused)
    why = f"; its model refused {refused:,}" if refused else ""
    return ConflictError(
        f"{missing:,} texts lack a vector of {kept.name}{why}.",
        remedy="`memoledger embeddings backfill` says which and why. Those can be left to be found "
        "by their words: --missing-max.",
        missing=missing,
    )
