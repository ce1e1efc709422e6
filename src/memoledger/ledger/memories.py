"""Memories in the ledger: their reads and writes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import numpy as np

from memoledger.ledger.arrays import integer_array, uuid_array
from memoledger.ledger.memory_rows import (
    Prepared,
    as_memory,
    as_remembered,
    batch_params,
    field_params,
    filter_params,
    next_version,
    owner_params,
    search_params,
)
from memoledger.ledger.round_trip import Call
from memoledger.ledger.schedules import ONE_OF_MANY, SOMEBODY_WAITS, schedule_memories
from memoledger.ledger.sessions import Sessions
from memoledger.ledger.statements import statements
from memoledger.ledger.vector_types import as_vector
from memoledger.model.embedding import View
from memoledger.model.memory import CheckedDraft, Memory, Remembered
from memoledger.model.principal import Principal
from memoledger.model.recall import Filter
from memoledger.model.vectors import Vector

_SQL = statements("memories")


@dataclass(frozen=True, slots=True)
class Holder:
    """The memory that holds an identity, with the hash of its content; it may have expired."""

    memory: Memory
    content_hash: bytes
    expired: bool


@dataclass(frozen=True, slots=True)
class Known:
    """An identity that is held: whose, with which content."""

    memory_id: UUID
    version: int
    content_hash: bytes


@dataclass(frozen=True, slots=True)
class Comparable:
    """A version's content, as it is compared with others'.

    Args:
        content_hash: SHA-256 of the normalised content.
        vector: the body's unit vector; None while it waits to be embedded.
    """

    content_hash: bytes
    vector: Vector | None


Identity = tuple[str | None, bytes | None, str | None]
"""External id, or else content hash; and the one user who may read it, or None."""


def identity_of(draft: CheckedDraft, user: str) -> Identity:
    """What makes a draft the same memory as another of its store."""
    private_to = user if draft.privacy == "creator" else None
    if draft.external_id is not None:
        return draft.external_id, None, private_to
    return None, draft.content_hash, private_to


def _left_to_workers(store_id: UUID, batch: Sequence[Prepared], urgency: int) -> list[Call]:
    """What schedules those that lack a vector, in the transaction that writes them."""
    waiting = [one.memory_id for one in batch if one.later or not one.is_embedded]
    return schedule_memories(store_id, waiting, urgency=urgency)


class Memories:
    """Reads and writes of memories, each in a transaction of the principal's."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    async def write_first(
        self, principal: Principal, store_id: UUID, prepared: Prepared, embedding_version: int
    ) -> Remembered | None:
        """Write a new memory; None if its identity is held by another."""
        params = {
            **owner_params(principal, store_id),
            **field_params(prepared.draft),
            **search_params(prepared, embedding_version),
            "memory_id": prepared.memory_id,
        }
        call = (_SQL["remember_one"], params)
        later = _left_to_workers(store_id, [prepared], SOMEBODY_WAITS)
        rows, *_ = await self._sessions.run(principal, store_id, call, *later)
        if not rows:
            return None
        return as_remembered(prepared, store_id, principal.user, rows[0], "created")

    async def write_batch(
        self,
        principal: Principal,
        store_id: UUID,
        batch: Sequence[Prepared],
        embedding_version: int,
    ) -> set[UUID]:
        """Write many new memories; the ids of those whose identity was free."""
        params = {**owner_params(principal, store_id), **batch_params(batch, embedding_version)}
        call = (_SQL["remember_batch"], params)
        later = _left_to_workers(store_id, batch, ONE_OF_MANY)
        rows, *_ = await self._sessions.run(principal, store_id, call, *later)
        return {row[0] for row in rows}

    async def write_version(
        self,
        principal: Principal,
        store_id: UUID,
        prepared: Prepared,
        embedding_version: int,
        *,
        expected_version: int,
    ) -> Remembered | None:
        """Write the next version of `prepared.memory_id`; None if another version is current."""
        params = {
            **owner_params(principal, store_id),
            **field_params(prepared.draft),
            **search_params(prepared, embedding_version),
            "memory_id": prepared.memory_id,
            "expected_version": expected_version,
        }
        call = (_SQL["write_version"], {**params, "other_than": None})
        later = _left_to_workers(store_id, [prepared], SOMEBODY_WAITS)
        rows, *_ = await self._sessions.run(principal, store_id, call, *later)
        return next_version(prepared, store_id, principal.user, rows)

    async def write_next(
        self, principal: Principal, store_id: UUID, prepared: Prepared, embedding_version: int
    ) -> Remembered | None:
        """Write the version after the current one, whichever that is by then.

        Those who do it at the same time take their turns, so that each of them succeeds.

        Returns:
            the version; None if there is no current one, or it has the same content.
        """
        params = {
            **owner_params(principal, store_id),
            **field_params(prepared.draft),
            **search_params(prepared, embedding_version),
            "memory_id": prepared.memory_id,
            "expected_version": None,
            "other_than": prepared.draft.content_hash,
        }
        turn = (_SQL["take_turn"], {"memory_id": prepared.memory_id})
        call = (_SQL["write_version"], params)
        later = _left_to_workers(store_id, [prepared], SOMEBODY_WAITS)
        _, rows, *_ = await self._sessions.run(principal, store_id, turn, call, *later)
        return next_version(prepared, store_id, principal.user, rows)

    async def vectors(
        self, principal: Principal, memory: Memory, embedding_version: int
    ) -> dict[View, Vector]:
        """The vectors of one version of a memory, by view."""
        params = {
            "store_id": memory.store_id,
            "memory_id": memory.id,
            "version": memory.version,
            "embedding_version": embedding_version,
        }
        call = (_SQL["version_vectors"], params)
        [rows] = await self._sessions.run(principal, memory.store_id, call)
        return {view: np.array(numbers, dtype=np.float32) for view, numbers in rows}

    async def comparable(
        self,
        principal: Principal,
        store_id: UUID,
        versions: Sequence[tuple[UUID, int]],
        embedding_version: int,
    ) -> dict[UUID, Comparable]:
        """What tells the given versions (id and version) apart, by id; erased ones are left out."""
        params = {
            "store_id": store_id,
            "memory_ids": uuid_array(memory_id for memory_id, _ in versions),
            "versions": integer_array(version for _, version in versions),
            "embedding_version": embedding_version,
        }
        call = (_SQL["comparable_versions"], params)
        [rows] = await self._sessions.run(principal, store_id, call)
        return {
            memory_id: Comparable(bytes(digest), as_vector(sent))
            for memory_id, digest, sent in rows
        }

    async def holder(
        self, principal: Principal, store_id: UUID, draft: CheckedDraft
    ) -> Holder | None:
        """The memory that holds a draft's identity."""
        external_id, digest, private_to = identity_of(draft, principal.user)
        name = "current_by_content" if external_id is None else "current_by_external_id"
        params = {
            "store_id": store_id,
            "external_id": external_id,
            "content_hash": digest,
            "private_to": private_to,
        }
        [rows] = await self._sessions.run(principal, store_id, (_SQL[name], params))
        if not rows:
            return None
        *fields, content_hash, expired = rows[0]
        return Holder(as_memory(fields), content_hash, bool(expired))

    async def known(
        self, principal: Principal, store_id: UUID, drafts: Sequence[CheckedDraft]
    ) -> dict[Identity, Known]:
        """Which of the drafts' identities are held."""
        params = {
            "store_id": store_id,
            "external_ids": [d.external_id for d in drafts if d.external_id is not None],
            "content_hashes": [d.content_hash for d in drafts if d.external_id is None],
        }
        [rows] = await self._sessions.run(principal, store_id, (_SQL["known_identities"], params))
        return {
            (ext, None if ext is not None else digest, private): Known(memory_id, version, digest)
            for ext, digest, private, memory_id, version in rows
        }

    async def get(
        self, principal: Principal, store_id: UUID, memory_id: UUID, as_of: datetime | None = None
    ) -> Memory | None:
        """The version that is current, or was at `as_of`."""
        params = {"store_id": store_id, "memory_id": memory_id, "as_of": as_of}
        [rows] = await self._sessions.run(principal, store_id, (_SQL["get_memory"], params))
        return as_memory(rows[0]) if rows else None

    async def get_versions(
        self,
        principal: Principal,
        store_id: UUID,
        wanted: Sequence[tuple[UUID, int]],
        as_of: datetime | None,
    ) -> dict[UUID, Memory]:
        """The given versions that may still be shown, by id."""
        params = {
            "store_id": store_id,
            "memory_ids": uuid_array(memory_id for memory_id, _ in wanted),
            "versions": integer_array(version for _, version in wanted),
            "as_of": as_of,
        }
        [rows] = await self._sessions.run(principal, store_id, (_SQL["get_memories"], params))
        return {memory.id: memory for memory in map(as_memory, rows)}

    async def history(self, principal: Principal, store_id: UUID, memory_id: UUID) -> list[Memory]:
        """Every version, oldest first."""
        params = {"store_id": store_id, "memory_id": memory_id}
        [rows] = await self._sessions.run(principal, store_id, (_SQL["memory_history"], params))
        return [as_memory(row) for row in rows]

    async def list(
        self,
        principal: Principal,
        store_id: UUID,
        *,
        filter: Filter,  # noqa: A002 - the field's natural name
        after_id: UUID | None,
        as_of: datetime | None,
        limit: int,
    ) -> list[Memory]:
        """At most `limit` memories after `after_id`, in the order of their making."""
        params = {
            **filter_params(filter),
            "store_id": store_id,
            "after_id": after_id,
            "as_of": as_of,
            "limit": limit,
        }
        [rows] = await self._sessions.run(principal, store_id, (_SQL["list_memories"], params))
        return [as_memory(row) for row in rows]

    async def count(self, principal: Principal, store_id: UUID) -> int:
        """How many memories of the store are current."""
        call: Call = (_SQL["count_memories"], {"store_id": store_id})
        [rows] = await self._sessions.run(principal, store_id, call)
        return int(rows[0][0])

    async def forget(
        self, principal: Principal, store_id: UUID, memory_id: UUID, expected_version: int | None
    ) -> bool:
        """Close a memory; False if there is no current one of that id (and version)."""
        return await self._close("forget_memory", principal, store_id, memory_id, expected_version)

    async def erase(
        self, principal: Principal, store_id: UUID, memory_id: UUID, expected_version: int | None
    ) -> bool:
        """Empty every version of a memory and drop its vectors; False if there is none to erase."""
        return await self._close("erase_memory", principal, store_id, memory_id, expected_version)

    async def close_expired(self, principal: Principal, store_id: UUID, memory_id: UUID) -> bool:
        """Sweep one expired memory; False if it is not expired."""
        return await self._close("close_expired_memory", principal, store_id, memory_id, None)

    async def _close(
        self,
        statement: str,
        principal: Principal,
        store_id: UUID,
        memory_id: UUID,
        expected_version: int | None,
    ) -> bool:
        params = {
            "store_id": store_id,
            "memory_id": memory_id,
            "expected_version": expected_version,
        }
        [rows] = await self._sessions.run(principal, store_id, (_SQL[statement], params))
        return bool(rows)
