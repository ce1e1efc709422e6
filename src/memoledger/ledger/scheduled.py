"""What workers do to scheduled rows as their principals: read the texts, and write the vectors.

Everything here runs under the policies. A worker that is wrong about whose a row is sees nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from memoledger.ledger.round_trip import Row
from memoledger.ledger.sessions import Sessions
from memoledger.ledger.statements import statements
from memoledger.ledger.vector_types import HalfVectors
from memoledger.model.document import indexed_chunk
from memoledger.model.embedding import Family, View
from memoledger.model.principal import Principal

_SQL = statements("schedules")

_MEMORY_WRITES: Final = ("hold_memories", "write_scheduled_memories")
_CHUNK_WRITES: Final = ("hold_chunks", "write_scheduled_chunks")

Key = tuple[UUID, int]
"""Id and version."""

FAMILIES: Final[tuple[Family, ...]] = ("memory", "chunk")
"""Families that can be embedded from the schedule."""


@dataclass(frozen=True, slots=True)
class ScheduledText:
    """A version as it is to be embedded.

    Args:
        content: of a memory its text; of a chunk what is embedded of it.
    """

    family: Family
    id: UUID
    version: int
    content: str
    title: str | None = None
    summary: str | None = None
    speaker: str | None = None
    occurred_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class NewVectors:
    """Vectors of some versions in one embedding version, flat.

    Args:
        keys: of which version each is; views: of which of its texts.
        vectors: unit vectors, shape (len(keys), dimensions).
    """

    embedding_version: int
    keys: Sequence[Key]
    views: Sequence[View]
    vectors: NDArray[np.float32]


class Scheduled:
    """Reads of what is to be embedded and writes of what was, as a principal."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    async def texts(
        self, principal: Principal, store_id: UUID, family: Family, keys: Sequence[Key]
    ) -> list[ScheduledText]:
        """The texts of those versions that are there and that the principal may read."""
        params = {"store_id": store_id, **_split(keys)}
        name = "scheduled_chunks" if family == "chunk" else "scheduled_memories"
        [rows] = await self._sessions.run(principal, store_id, (_SQL[name], params))
        return [_as_text(family, row) for row in rows]

    async def write(
        self,
        principal: Principal,
        store_id: UUID,
        family: Family,
        new: NewVectors,
        *,
        claim: UUID,
        keys: Sequence[Key],
    ) -> int:
        """Write vectors and take their versions off the schedule, in one transaction.

        Args:
            claim: whose rows they have to be still; of others nothing is written.
            keys: all that is settled, those without a vector too.

        Returns:
            how many were settled.
        """
        params = {
            "store_id": store_id,
            "claim": claim,
            **_split(keys),
            "embedding_version": new.embedding_version,
            "vector_owners": [owner_id for owner_id, _ in new.keys],
            "vector_versions": [version for _, version in new.keys],
            "views": list(new.views),
            "vectors": HalfVectors(new.vectors),
        }
        names = _CHUNK_WRITES if family == "chunk" else _MEMORY_WRITES
        hold, write = ((_SQL[name], params) for name in names)
        _, rows = await self._sessions.run(principal, store_id, hold, write)
        return int(rows[0][0])


def _split(keys: Sequence[Key]) -> dict[str, list[UUID] | list[int]]:
    return {
        "owner_ids": [owner_id for owner_id, _ in keys],
        "versions": [version for _, version in keys],
    }


def _as_text(family: Family, row: Row) -> ScheduledText:
    if family == "chunk":
        chunk_id, version, text, section = row
        return ScheduledText(family, chunk_id, version, indexed_chunk(text, section))
    owner_id, version, content, title, summary, speaker, occurred_at = row
    said_by = speaker if isinstance(speaker, str) else None
    return ScheduledText(family, owner_id, version, content, title, summary, said_by, occurred_at)
