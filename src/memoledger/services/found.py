"""What a search found, as it is shown: memories and chunks by their ids."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from uuid import UUID

from memoledger.ledger.memories import Comparable
from memoledger.model.document import Chunk
from memoledger.model.memory import Memory
from memoledger.services.context import Context, Scope

Version = tuple[UUID, int]
"""The id of a memory or chunk, and its version."""


async def fetch(
    context: Context,
    scope: Scope,
    wanted: Sequence[Version],
    chunks: Collection[UUID],
    as_of: datetime | None,
) -> dict[UUID, Memory | Chunk]:
    """What may still be shown of what a search found, by id; a round trip for each family in it.

    Args:
        wanted: memories and chunks.
        chunks: the ids of those that are chunks.
    """
    memories = [one for one in wanted if one[0] not in chunks] if chunks else wanted
    found: dict[UUID, Memory | Chunk] = {}
    if memories:
        found |= await context.ledger.memories.get_versions(
            scope.principal, scope.store_id, memories, as_of
        )
    if len(memories) < len(wanted):
        ids = [one for one, _ in wanted if one in chunks]
        found |= await context.ledger.documents.get_chunks(
            scope.principal, scope.store_id, ids, as_of
        )
    return found


async def comparable(
    context: Context, scope: Scope, wanted: Sequence[Version], chunks: Collection[UUID]
) -> dict[UUID, Comparable]:
    """What tells memories and chunks apart, by id; likewise."""
    memories = [one for one in wanted if one[0] not in chunks] if chunks else wanted
    found: dict[UUID, Comparable] = {}
    version = context.ledger.embedding_version
    if memories:
        found |= await context.ledger.memories.comparable(
            scope.principal, scope.store_id, memories, version
        )
    if len(memories) < len(wanted):
        ids = [one for one, _ in wanted if one in chunks]
        found |= await context.ledger.chunks.comparable(
            scope.principal, scope.store_id, ids, version
        )
    return found
