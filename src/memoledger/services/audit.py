"""Audit: who did what to a memory, and when."""

from __future__ import annotations

from uuid import UUID

from memoledger.ledger.audit import Audit, MemoryAct
from memoledger.model.ids import as_id
from memoledger.services.context import Context, Scope


async def audit_of_memory(context: Context, scope: Scope, memory_id: UUID | str) -> list[MemoryAct]:
    """Every recorded act on a memory, first to last, also after it was erased.

    The list is empty for a memory that there never was, or whose store and acts are another's.
    """
    audit = Audit(context.ledger.sessions)
    return await audit.of_memory(scope.principal, scope.store_id, as_id("id", memory_id))
