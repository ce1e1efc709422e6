"""Reading the audit. Nothing here writes it: triggers do, in the transaction that they record."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from memoledger.ledger.sessions import Sessions
from memoledger.ledger.statements import statements
from memoledger.model.principal import Principal

_SQL = statements("audit")


@dataclass(frozen=True, slots=True)
class MemoryAct:
    """One act on a version of a memory.

    Args:
        act: remember, update, supersede, forget, expire or erase.
        commitment: salted SHA-256 of what the version said, in hexadecimal; None once it is erased.
    """

    audit_id: int
    recorded_at: datetime
    actor: str
    act: str
    version: int
    commitment: str | None


class Audit:
    """The audit's records, as a principal may see them."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    async def of_memory(
        self, principal: Principal, store_id: UUID, memory_id: UUID
    ) -> list[MemoryAct]:
        """The acts on one memory, first to last; looks through the tenant's records."""
        params = {"store_id": store_id, "memory_id": str(memory_id)}
        call = (_SQL["records_of_memory"], params)
        [rows] = await self._sessions.run(principal, store_id, call)
        return [MemoryAct(*row) for row in rows]
