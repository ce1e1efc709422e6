"""Upkeep of artifacts, of every tenant: collect what nobody keeps, verify what is kept."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Final, Literal
from uuid import UUID

from memoledger.ledger.artifacts import AllArtifacts, Owned
from memoledger.model.artifact import ROOT, StoredObject
from memoledger.model.errors import ArtifactDamaged, ArtifactError, ArtifactMissing, InvalidInput
from memoledger.model.ids import as_id
from memoledger.ports import Artifacts
from memoledger.services.artifacts import ABANDONED_AFTER_S, verified

PAGE: Final = 500
BATCHES_MAX: Final = 100_000

CheckState = Literal["ok", "missing", "damaged", "unreadable", "unknown"]
"""What was found of an artifact; `unknown` is an object that no row knows."""


@dataclass(frozen=True, slots=True)
class Collected:
    """What a collection did.

    Args:
        abandoned: artifacts given up because nobody kept them in time.
        deleted: objects deleted (of those, and of erased documents).
        left: objects that could not be deleted; the next collection tries again.
    """

    abandoned: int
    deleted: int
    left: int


@dataclass(frozen=True, slots=True)
class Checked:
    """What was found of one artifact.

    Args:
        tenant, artifact_id: whose, and which; None where nobody knows.
        reason: what is wrong; None if nothing is.
    """

    state: CheckState
    key: str
    bytes: int
    tenant: str | None = None
    artifact_id: UUID | None = None
    reason: str | None = None


async def collect(
    artifacts: Artifacts,
    rows: AllArtifacts,
    *,
    older_than_s: float = ABANDONED_AFTER_S,
    progress: Callable[[int], None] = lambda _: None,
) -> Collected:
    """Delete what no document keeps: what was never kept in time, and what erasures let go of.

    Nothing that is kept is touched, whatever happens at the same time: a row's state decides, and
    no two artifacts share an object.

    Args:
        older_than_s: how long nobody has to have kept it, in seconds.
        progress: is told after each page how many objects were deleted.
    """
    abandoned = await _drop_abandoned(rows, older_than_s)
    deleted = left = 0
    after: Owned | None = None
    for _ in range(BATCHES_MAX):
        page = await rows.dropped(after, limit=PAGE)
        if not page:
            break
        after = page[-1]
        gone = [one for one in page if await _is_deleted(artifacts, one)]
        deleted += await rows.collect(gone) if gone else 0
        left += len(page) - len(gone)
        progress(deleted)
    for _ in range(BATCHES_MAX):
        if await rows.remove_collected(limit=PAGE) < PAGE:
            break
    return Collected(abandoned, deleted, left)


async def _drop_abandoned(rows: AllArtifacts, older_than_s: float) -> int:
    abandoned = 0
    for _ in range(BATCHES_MAX):
        dropped = await rows.drop_abandoned(older_than_s=older_than_s, limit=PAGE)
        abandoned += dropped
        if dropped < PAGE:
            break
    return abandoned


async def _is_deleted(artifacts: Artifacts, one: Owned) -> bool:
    try:
        await artifacts.delete(one.artifact.key)
    except ArtifactError:
        return False
    return True


async def verify(
    artifacts: Artifacts, rows: AllArtifacts, *, quick: bool = False
) -> AsyncIterator[Checked]:
    """Look at every artifact that a document keeps, then for objects that nobody knows.

    Args:
        quick: compare sizes only; else every byte is read and hashed.

    Raises:
        ArtifactError: the object store cannot be listed.
    """
    after: Owned | None = None
    for _ in range(BATCHES_MAX):
        page = await rows.kept(after, limit=PAGE)
        if not page:
            break
        after = page[-1]
        for one in page:
            yield await _check(artifacts, one, quick=quick)
    async for stranger in _strangers(artifacts, rows):
        yield stranger


async def _check(artifacts: Artifacts, one: Owned, *, quick: bool) -> Checked:
    artifact = one.artifact
    state, reason = await _state(artifacts, one, quick=quick)
    return Checked(state, artifact.key, artifact.bytes, one.tenant, artifact.id, reason)


async def _state(artifacts: Artifacts, one: Owned, *, quick: bool) -> tuple[CheckState, str | None]:
    try:
        if quick:
            size = await artifacts.size(one.artifact.key)
            if size is None:
                return "missing", "There is no such object."
            if size != one.artifact.bytes:
                return "damaged", f"It has {size:,} bytes, not {one.artifact.bytes:,}."
            return "ok", None
        async with aclosing(verified(artifacts, one.artifact)) as pieces:
            async for _ in pieces:
                pass
    except ArtifactMissing as error:
        return "missing", error.message
    except ArtifactDamaged as error:
        return "damaged", error.message
    except ArtifactError as error:
        return "unreadable", error.message
    return "ok", None


async def _strangers(artifacts: Artifacts, rows: AllArtifacts) -> AsyncIterator[Checked]:
    """Objects that no row knows: of another ledger in the same place, or newer than this one."""
    page: list[StoredObject] = []
    async for found in artifacts.list(ROOT):
        page.append(found)
        if len(page) == PAGE:
            for stranger in await _unknown(rows, page):
                yield stranger
            page = []
    for stranger in await _unknown(rows, page):
        yield stranger


async def _unknown(rows: AllArtifacts, page: list[StoredObject]) -> list[Checked]:
    with_ids = [(one.key, _id_in(one.key)) for one in page]
    known = await rows.known([(key, found) for key, found in with_ids if found is not None])
    reason = "No artifact of this ledger is there."
    return [
        Checked("unknown", one.key, one.bytes, reason=reason)
        for one in page
        if one.key not in known
    ]


def _id_in(key: str) -> UUID | None:
    try:
        return as_id("key", key.rpartition("/")[2])
    except InvalidInput:
        return None
