"""What the ledger does on its own behalf, for every tenant."""

from __future__ import annotations

from memoledger.ledger.round_trip import Call
from memoledger.ledger.sessions import Sessions
from memoledger.ledger.statements import statements
from memoledger.model.principal import Principal

_SQL = statements("maintenance")
_NOBODY = Principal("maintenance", "maintenance")
"""The caller of maintenance: its functions take their rights from the schema, not from a tenant."""


class Maintenance:
    """Bounded steps of work that no request waits for."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    async def sweep_expired(self) -> bool:
        """Close up to 1,000 expired memories; True while there may be more."""
        call: Call = (_SQL["sweep_expired"], {})
        [rows] = await self._sessions.run(_NOBODY, None, call)
        return bool(rows[0][0])

    async def sweep_idempotency_keys(self) -> bool:
        """Remove up to 1,000 idempotency keys whose time is over; True while there may be more."""
        [rows] = await self._sessions.run(_NOBODY, None, (_SQL["sweep_idempotency_keys"], {}))
        return bool(rows[0][0])

    async def refresh_statistics(self) -> None:
        """Let the planner know of tables that have more than doubled since it last looked."""
        await self._sessions.run(_NOBODY, None, (_SQL["refresh_statistics"], {}))
