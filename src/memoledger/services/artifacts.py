"""Artifacts: put a raw source into the object store, read it back, give it up, delete it.

The ledger knows of an object before it is written, as `writing`, and the row of a document that
refers to it keeps it, in that row's transaction. So whatever becomes of the process in between, no
object is unknown: what was never kept is collected.
"""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Final
from uuid import UUID

import structlog

from memoledger.model.artifact import (
    Artifact,
    Digest,
    Source,
    artifact_key,
    check_media_type,
)
from memoledger.model.errors import (
    ArtifactDamaged,
    ArtifactError,
    MemoledgerError,
    NotFound,
)
from memoledger.model.ids import as_id, new_id
from memoledger.ports import Artifacts
from memoledger.services.byte_streams import digest_of, joined, lasting, unchanged
from memoledger.services.context import Context, Scope

ABANDONED_AFTER_S: Final = 86_400.0
"""What nobody keeps for so long was written by somebody who is no more."""

DROPPED_MAX: Final = 1_000
"""Objects of a document deleted at once; a collection sees to the rest."""

_log = structlog.get_logger("memoledger")


@dataclass(frozen=True, slots=True)
class OpenArtifact:
    """An artifact and its bytes.

    Args:
        pieces: at most some megabytes each; `ArtifactDamaged` comes after the last one if they are
            not what was written.
    """

    artifact: Artifact
    pieces: AsyncIterator[bytes]


async def put(
    context: Context,
    scope: Scope,
    document_id: UUID,
    source: Source,
    *,
    media_type: str | None = None,
) -> Artifact:
    """Store a raw source of a document, and tell the ledger of it.

    It comes back as `writing`. The document's row keeps it: the one that has this artifact's key
    and hash in `artifact_key` and `artifact_hash`. If no such row comes, it is collected after a
    day, or at once after `give_up`. Content that the document keeps already is not stored again.

    Args:
        document_id: the document's, which may not be there yet.
        source: bytes, the path of a file, or pieces; these are first written to a temporary file.
        media_type: what it is, for example "application/pdf".

    Raises:
        InvalidInput: the media type is wrong, or the file cannot be read.
        Forbidden: the store is not the principal's to write.
        ConflictError: the file changed while it was read.
        ArtifactError: artifacts are off, or the object store failed or refused.
    """
    artifacts, media_type = require_artifacts(context), check_media_type(media_type)
    rows = context.ledger.artifacts
    async with lasting(source) as stored:
        digest = await digest_of(stored)
        held = (document_id, digest.hash, media_type)
        kept = await rows.kept(scope.principal, scope.store_id, *held)
        if kept is not None:
            return kept
        artifact = await rows.write(
            scope.principal,
            scope.store_id,
            artifact_id=new_id(),
            document_id=document_id,
            digest=digest.hash,
            size=digest.bytes,
            media_type=media_type,
        )
        assert artifact.key == artifact_key(
            scope.store_id, document_id, digest.hash, artifact.id
        ), "Python and SQL make the same key"
        await _write(context, scope, artifacts, artifact, unchanged(stored, digest))
    return artifact


async def _write(
    context: Context,
    scope: Scope,
    artifacts: Artifacts,
    artifact: Artifact,
    pieces: AsyncIterator[bytes],
) -> None:
    begun_s = time.monotonic()
    try:
        await artifacts.put(artifact.key, pieces)
    except MemoledgerError:
        await give_up(context, scope, artifact, certain=True)
        raise
    if time.monotonic() - begun_s > ABANDONED_AFTER_S / 2:
        # It may be taken for abandoned before its document is written.
        await give_up(context, scope, artifact, certain=True)
        raise ArtifactError(
            f"Storing {artifact.bytes:,} bytes took longer than {ABANDONED_AFTER_S / 7_200:.0f} "
            "hours.",
            remedy="Look at the way to the object store, then try again.",
        )


async def give_up(
    context: Context, scope: Scope, artifact: Artifact, *, certain: bool = False
) -> None:
    """Delete an artifact that no document will keep. What cannot be done now, a collection does.

    Args:
        certain: whether it is certain that its document was not written. Then its object goes
            whatever became of its row: a collection that took it for abandoned while it was being
            written may have come before the object. Otherwise the row decides.
    """
    rows = context.ledger.artifacts
    try:
        dropped = await rows.drop(scope.principal, scope.store_id, artifact.id)
        if dropped or certain:
            await _delete(context, scope, artifact)
    except MemoledgerError as error:
        _log.warning("artifact_left", code=error.code, artifact_id=str(artifact.id))


async def delete_dropped(context: Context, scope: Scope, document_id: UUID) -> int:
    """Delete the objects of a document that was erased, after the transaction that erased it.

    Returns:
        how many are left, for a collection to delete: 0 unless the object store is in trouble.
    """
    rows, left = context.ledger.artifacts, 0
    dropped = await rows.dropped(scope.principal, scope.store_id, document_id, limit=DROPPED_MAX)
    for artifact in dropped:
        try:
            await _delete(context, scope, artifact)
        except ArtifactError as error:
            left += 1
            _log.warning("artifact_left", code=error.code, artifact_id=str(artifact.id))
    return left


async def _delete(context: Context, scope: Scope, artifact: Artifact) -> None:
    await require_artifacts(context).delete(artifact.key)
    await context.ledger.artifacts.collect(scope.principal, scope.store_id, artifact.id)


async def open_artifact(context: Context, scope: Scope, artifact_id: UUID | str) -> OpenArtifact:
    """An artifact of the store, to be read.

    Args:
        artifact_id: its id; it is also the last part of its key.

    Raises:
        InvalidInput: that is no id.
        NotFound: there is no such artifact, or it was erased.
        ArtifactError: artifacts are off. Reading raises what the object store reports.
    """
    artifacts, wanted = require_artifacts(context), as_id("id", artifact_id)
    artifact = await context.ledger.artifacts.by_id(scope.principal, scope.store_id, wanted)
    if artifact is None:
        raise NotFound(
            f"There is no artifact {wanted}, or none that you may see.",
            remedy="Take the id from the end of a document's artifact key.",
            id=str(wanted),
        )
    return OpenArtifact(artifact, verified(artifacts, artifact))


async def read_artifact(context: Context, scope: Scope, artifact_id: UUID | str) -> bytes:
    """All bytes of an artifact, verified; for small ones.

    Raises:
        NotFound, InvalidInput: as `open_artifact`.
        ArtifactMissing, ArtifactDamaged, ArtifactError: it cannot be read, or is not what it was.
    """
    opened = await open_artifact(context, scope, artifact_id)
    return await joined(opened.pieces)


async def verified(artifacts: Artifacts, artifact: Artifact) -> AsyncGenerator[bytes]:
    """The bytes of an artifact in pieces.

    Raises:
        ArtifactMissing: there is no object.
        ArtifactDamaged: after the last piece, if they are not those that were written.
        ArtifactError: the object store failed or refused.
    """
    seen = Digest()
    async with aclosing(artifacts.read(artifact.key)) as pieces:
        async for piece in pieces:
            seen.add(piece)
            yield piece
    if (seen.hash, seen.bytes) != (artifact.hash, artifact.bytes):
        raise ArtifactDamaged(
            f"Artifact {artifact.id} is not what was written: it has {seen.bytes:,} bytes with "
            f"SHA-256 {seen.hash[:16]}…, not {artifact.bytes:,} with {artifact.hash[:16]}….",
            remedy="Restore the object from a backup, or learn the document again.",
            id=str(artifact.id),
        )


def require_artifacts(context: Context) -> Artifacts:
    """The object store.

    Raises:
        ArtifactError: it is switched off.
    """
    if context.artifacts is None:
        raise ArtifactError(
            "Raw sources are not kept: MEMOLEDGER_ARTIFACTS_URL is `off`.",
            remedy="Unset it for a folder, or name a bucket.",
        )
    return context.artifacts
