"""Receipts in the ledger: written in batches as the user who asked, read as a user may see them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple
from uuid import UUID

from memoledger.ledger.failures import translated
from memoledger.ledger.memory_rows import filter_params
from memoledger.ledger.round_trip import Call, Connection, Row
from memoledger.ledger.sessions import Sessions
from memoledger.ledger.statements import statements
from memoledger.ledger.vector_types import HalfVector
from memoledger.model.errors import Forbidden, LedgerError
from memoledger.model.indexing import TermVector
from memoledger.model.principal import Principal
from memoledger.model.recall import Filter
from memoledger.model.receipts import Accesses, FreshReceipt, Receipt, ReceiptHit, asked_besides
from memoledger.model.vectors import Vector

_SQL = statements("receipts")
_BECOME_OWNER = statements("principals")["become_owner"]

_NO_PARTITION: Final = "23514"
"""What PostgreSQL reports for a row for which there is no partition (or that breaks a check)."""

_LAST_ID: Final = UUID(int=(1 << 128) - 1)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one version of a memory is to a question.

    Args:
        conditions: whether it meets each condition that was asked for, by its name.
        similarity: cosine similarity of its best view; None if it is not embedded or not asked.
        embedded: whether it has a vector in the ledger's embedding version.
        shares_words: whether it has any of the question's words.
    """

    conditions: Mapping[str, bool]
    similarity: float | None
    embedded: bool
    shares_words: bool


class Batch(NamedTuple):
    """Receipts of one user about one store."""

    principal: Principal
    store_id: UUID
    receipts: Sequence[FreshReceipt]


class Receipts:
    """Receipts, and the access counts that the database makes of them."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    async def write(self, batches: Sequence[Batch], *, hashed: bool) -> None:
        """Write receipts in one transaction, each as its user; those that are there already stay.

        Args:
            batches: in the order of their stores, and of each store one: two transactions that
                counted the accesses to several stores in different orders could wait for each
                other.
            hashed: keep a salted hash of each question instead of its words.
        """
        work = [(b.principal, b.store_id, _calls(b, hashed)) for b in batches]
        try:
            await self._sessions.run_each(work)
        except LedgerError as error:
            if error.details.get("sqlstate") != _NO_PARTITION:
                raise
            await self.tend()
            await self._sessions.run_each(work)

    async def get(self, principal: Principal, receipt_id: UUID) -> Receipt | None:
        """A receipt, if the principal may see it."""
        call = (_SQL["receipt_by_id"], {"receipt_id": receipt_id})
        [rows] = await self._sessions.run(principal, None, call)
        return as_receipt(rows[0]) if rows else None

    async def list(
        self,
        principal: Principal,
        *,
        store_id: UUID | None,
        memory_id: UUID | None,
        first_id: UUID,
        before_id: UUID | None,
        limit: int,
    ) -> list[Receipt]:
        """At most `limit` receipts from `first_id` on and before `before_id`, newest first."""
        params = {
            "user": principal.user,
            "store_id": store_id,
            "memory_id": memory_id,
            "from": first_id,
            "before": before_id or _LAST_ID,
            "limit": limit,
        }
        [rows] = await self._sessions.run(principal, store_id, (_SQL["list_receipts"], params))
        return [as_receipt(row) for row in rows]

    async def own_hash(self, principal: Principal, text: str) -> str | None:
        """The hash under which the principal's question is kept; None if none was ever hashed."""
        params = {"user": principal.user, "query": text}
        [rows] = await self._sessions.run(principal, None, (_SQL["own_hash"], params))
        return bytes(rows[0][0]).hex() if rows else None

    async def accesses(
        self, principal: Principal, store_id: UUID, memory_ids: Sequence[UUID]
    ) -> dict[UUID, Accesses]:
        """How often each memory was recalled, and when last; those that never were are left out."""
        params = {"store_id": store_id, "memory_ids": [*memory_ids]}
        [rows] = await self._sessions.run(principal, store_id, (_SQL["memory_accesses"], params))
        return {memory_id: Accesses(count, last) for memory_id, count, last in rows}

    async def tend(self) -> None:
        """Make the partitions that receipts will need, and drop those past their retention."""
        await self._sessions.run(_NOBODY, None, (_SQL["tend_receipts"], {}))

    async def whereabouts(
        self, principal: Principal, memory_id: UUID
    ) -> tuple[UUID, str, str] | None:
        """Id, name and owner of the store that holds a memory, among all the principal may read."""
        params = {"memory_id": memory_id}
        [rows] = await self._sessions.run(principal, None, (_SQL["whereabouts"], params))
        return (rows[0][0], rows[0][1], rows[0][2]) if rows else None

    async def judge(
        self,
        principal: Principal,
        store_id: UUID,
        version: tuple[UUID, int],
        *,
        filter: Filter,  # noqa: A002 - the field's natural name
        vector: Vector | None,
        embedding_version: int,
        terms: TermVector,
    ) -> Verdict | None:
        """What a version of a memory is to a question; None if it is not to be seen."""
        params = {
            **filter_params(filter),
            "store_id": store_id,
            "memory_id": version[0],
            "version": version[1],
            "vector": None if vector is None else HalfVector(vector),
            "embedding_version": embedding_version,
            "asked": terms,
        }
        [rows] = await self._sessions.run(principal, store_id, (_SQL["judge_version"], params))
        if not rows:
            return None
        return as_verdict(rows[0])


def as_verdict(row: Row) -> Verdict:
    """A verdict from the columns that `judge_version` selects."""
    *met, similarity, embedded, shares_words = row
    conditions = {n: bool(m) for n, m in zip(_CONDITIONS, met, strict=True) if m is not None}
    return Verdict(conditions, similarity, embedded, shares_words)


_CONDITIONS: Final = (
    "types",
    "tags",
    "since",
    "until",
    "min_importance",
    "metadata",
    "valid_at",
)
"""In the order of the columns of `judge_version`."""

_NOBODY: Final = Principal("maintenance", "maintenance")
"""The caller of maintenance: its functions take their rights from the schema, not from a tenant."""


async def keep_receipts_for(connection: Connection, days: int) -> None:
    """Have receipts kept so many days from now on, 0 for ever.

    Raises:
        Forbidden: another number is set, and the connection's login cannot become the owner.
    """
    cursor = await connection.execute(_SQL["receipt_retention"].sql)
    row = await cursor.fetchone()
    if row is not None and row[0] == days:
        return
    try:
        with translated():
            async with connection.transaction():
                await connection.execute(_BECOME_OWNER.sql)
                await connection.execute(_SQL["set_receipt_retention"].sql, {"days": days})
    except Forbidden:
        raise Forbidden(
            f"Receipts are kept {row and row[0]} days here, and this login may not change that.",
            remedy="Leave MEMOLEDGER_RECEIPTS_RETENTION_DAYS unset, or open the ledger once with "
            "MEMOLEDGER_ADMIN_DATABASE_URL set to a login that may migrate.",
        ) from None


def _calls(batch: Batch, hashed: bool) -> list[Call]:
    params = {
        "tenant": batch.principal.tenant,
        "user": batch.principal.user,
        "store_id": batch.store_id,
        "hashed": hashed,
        "receipts": json.dumps([_as_json(fresh, hashed) for fresh in batch.receipts]),
    }
    salt: list[Call] = [(_SQL["introduce_salt"], params)] if hashed else []
    return [*salt, (_SQL["write_receipts"], params)]


def _as_json(fresh: FreshReceipt, hashed: bool) -> dict[str, Any]:
    query = fresh.query
    return {
        "receipt_id": fresh.receipt_id.hex,
        "embedding_version": fresh.embedding_version,
        "at_most": query.limit,
        "pending": fresh.pending,
        "complete": fresh.complete,
        "mode": query.mode,
        "searched_by": fresh.searched_by,
        "private": fresh.private,
        "query": query.text,
        "filters": asked_besides(query, without_words=hashed) or None,
        "memory_ids": [f"{number:032x}" for number in fresh.memory_ids],
        "versions": fresh.versions,
        "families": _families(fresh),
        "scores": fresh.scores,
        "timings_ms": {name: round(ms, 3) for name, ms in fresh.timings_ms.items()},
    }


def _families(fresh: FreshReceipt) -> list[str] | None:
    if not fresh.chunks:
        return None
    return ["chunk" if place in fresh.chunks else "memory" for place in range(len(fresh.versions))]


def as_receipt(row: Row) -> Receipt:
    """A receipt from the columns that the statements here select."""
    *_, memory_ids, versions, scores, timings_ms, families = row
    hits = zip(memory_ids, versions, scores, families or ["memory"] * len(memory_ids), strict=True)
    return Receipt(
        id=row[0],
        user=row[1],
        store_id=row[2],
        recorded_at=row[3],
        struck_at=row[4],
        embedding_version=row[5],
        limit=row[6],
        pending=row[7],
        complete=row[8],
        mode=row[9],
        searched_by=row[10],
        query=row[11],
        query_hash=None if row[12] is None else bytes(row[12]).hex(),
        filters=row[13] or {},
        hits=tuple(ReceiptHit.of(*hit) for hit in hits),
        timings_ms=timings_ms,
    )
