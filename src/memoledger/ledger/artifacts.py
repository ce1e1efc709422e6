"""Artifacts in the ledger: those a principal sees, and those of every tenant for upkeep."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from memoledger.ledger.failures import translated
from memoledger.ledger.round_trip import Connection, Row
from memoledger.ledger.sessions import Sessions
from memoledger.ledger.statements import statements
from memoledger.model.artifact import Artifact
from memoledger.model.principal import Principal

_SQL = statements("artifacts")
_BECOME_OWNER = statements("principals")["become_owner"]

_BEFORE_ALL: Final = ("", UUID(int=0), UUID(int=0))


class ArtifactRows:
    """What a principal writes and sees of artifacts."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    async def write(
        self,
        principal: Principal,
        store_id: UUID,
        *,
        artifact_id: UUID,
        document_id: UUID,
        digest: str,
        size: int,
        media_type: str | None,
    ) -> Artifact:
        """Note an artifact as `writing`, before its object is written.

        Raises:
            Forbidden: the store is not the principal's to write.
        """
        params = {
            "tenant": principal.tenant,
            "user": principal.user,
            "artifact_id": artifact_id,
            "document_id": document_id,
            "hash": digest,
            "bytes": size,
            "media_type": media_type,
        }
        [artifact] = await self._found("write_artifact", principal, store_id, **params)
        return artifact

    async def kept(
        self,
        principal: Principal,
        store_id: UUID,
        document_id: UUID,
        digest: str,
        media_type: str | None,
    ) -> Artifact | None:
        """The artifact that the document keeps with this content, if there is one."""
        params = {"document_id": document_id, "hash": digest, "media_type": media_type}
        found = await self._found("kept_artifact", principal, store_id, **params)
        return found[0] if found else None

    async def by_id(
        self, principal: Principal, store_id: UUID, artifact_id: UUID
    ) -> Artifact | None:
        """An artifact that is not collected."""
        found = await self._found("artifact_by_id", principal, store_id, artifact_id=artifact_id)
        return found[0] if found else None

    async def dropped(
        self, principal: Principal, store_id: UUID, document_id: UUID, *, limit: int
    ) -> list[Artifact]:
        """Artifacts of a document whose objects are to be deleted."""
        params = {"document_id": document_id, "limit": limit}
        return await self._found("dropped_artifacts", principal, store_id, **params)

    async def drop(self, principal: Principal, store_id: UUID, artifact_id: UUID) -> bool:
        """Give up an artifact that nothing keeps; False if something does, or it is given up."""
        return await self._changed("drop_artifact", principal, store_id, artifact_id)

    async def collect(self, principal: Principal, store_id: UUID, artifact_id: UUID) -> bool:
        """Empty the row of an artifact whose object is gone; False if it was not dropped."""
        return await self._changed("collect_artifact", principal, store_id, artifact_id)

    async def _found(
        self, name: str, principal: Principal, store_id: UUID, **params: Any
    ) -> list[Artifact]:
        call = (_SQL[name], {"store_id": store_id, **params})
        [rows] = await self._sessions.run(principal, store_id, call)
        return [Artifact(*row) for row in rows]

    async def _changed(
        self, name: str, principal: Principal, store_id: UUID, artifact_id: UUID
    ) -> bool:
        call = (_SQL[name], {"store_id": store_id, "artifact_id": artifact_id})
        [rows] = await self._sessions.run(principal, store_id, call)
        return bool(rows)


@dataclass(frozen=True, slots=True)
class Owned:
    """An artifact, and whose it is."""

    tenant: str
    artifact: Artifact


class AllArtifacts:
    """The artifacts of every tenant, over a connection of the administrator's.

    Args:
        connection: in autocommit mode, used by nobody else meanwhile.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def drop_abandoned(self, *, older_than_s: float, limit: int) -> int:
        """Give up what nobody has kept for so long; how many, at most `limit`."""
        return await self._count("drop_abandoned", older_than_s=older_than_s, limit=limit)

    async def dropped(self, after: Owned | None, *, limit: int) -> list[Owned]:
        """Those whose objects are to be deleted, in the order of their keys."""
        return await self._page("all_dropped", after, limit)

    async def kept(self, after: Owned | None, *, limit: int) -> list[Owned]:
        """Those that documents keep, in the order of their keys."""
        return await self._page("all_kept", after, limit)

    async def collect(self, gone: Sequence[Owned]) -> int:
        """Empty the rows of those whose objects are gone; how many."""
        return await self._count(
            "collect_all",
            tenants=[one.tenant for one in gone],
            store_ids=[one.artifact.store_id for one in gone],
            artifact_ids=[one.artifact.id for one in gone],
        )

    async def remove_collected(self, *, limit: int) -> int:
        """Remove the rows of those that are gone; how many, at most `limit`."""
        return await self._count("remove_collected", limit=limit)

    async def known(self, keys: Sequence[tuple[str, UUID]]) -> set[str]:
        """Which keys, given with the id of an artifact that is part of each, are artifacts'."""
        rows = await self._run(
            "known_keys",
            keys=[key for key, _ in keys],
            artifact_ids=[artifact_id for _, artifact_id in keys],
        )
        return {row[0] for row in rows}

    async def _page(self, name: str, after: Owned | None, limit: int) -> list[Owned]:
        place = _BEFORE_ALL
        if after is not None:
            place = (after.tenant, after.artifact.store_id, after.artifact.id)
        params = dict(zip(("tenant", "store_id", "artifact_id"), place, strict=True))
        rows = await self._run(name, **params, limit=limit)
        return [Owned(tenant, Artifact(*fields)) for tenant, *fields in rows]

    async def _count(self, name: str, **params: Any) -> int:
        [row] = await self._run(name, **params)
        return int(row[0])

    async def _run(self, name: str, **params: Any) -> list[Row]:
        async with self._as_owner():
            cursor = await self._connection.execute(_SQL[name].sql, params)
            return await cursor.fetchall()

    @asynccontextmanager
    async def _as_owner(self) -> AsyncIterator[None]:
        with translated():
            async with self._connection.transaction():
                await self._connection.execute(_BECOME_OWNER.sql)
                yield
