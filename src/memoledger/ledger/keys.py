"""API keys: made, listed, revoked under the policies; looked up before anybody is known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from memoledger.ledger.round_trip import Call, Row
from memoledger.ledger.sessions import Sessions
from memoledger.ledger.statements import statements
from memoledger.model.caller import Caller
from memoledger.model.keys import ApiKey, Scope, ordered
from memoledger.model.principal import Principal

_SQL = statements("keys")
_PRINCIPALS = statements("principals")
_NOBODY = Principal("nobody", "nobody")
"""Who asks for a key before it is known whose it is: the function answers by the digest alone."""


@dataclass(frozen=True, slots=True)
class KeyUse:
    """A key that came along.

    Args:
        digest: SHA-256 of its text.
        used_ago_s: how long ago, 0 or more; None to ask only whether it is good.
    """

    key_id: UUID
    digest: bytes
    used_ago_s: float | None


class Keys:
    """Reads and writes of API keys; the database decides by their scopes what callers manage."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    async def create(
        self,
        caller: Caller,
        key_id: UUID,
        digest: bytes,
        *,
        name: str,
        user: str,
        scopes: frozenset[Scope],
        expires_at: datetime | None,
    ) -> ApiKey:
        """Make a key for a user of the tenant, who is noted if they are new.

        Raises:
            Forbidden: the caller does not manage that user's keys, or lacks one of the scopes.
        """
        principal = caller.principal
        who = {"tenant": principal.tenant, "user": principal.user}
        params = {
            **who,
            "for_user": user,
            "key_id": key_id,
            "name": name,
            "scopes": list(ordered(scopes)),
            "digest": digest,
            "created_with": caller.key_id,
            "expires_at": expires_at,
        }
        users: list[Call] = [
            (_PRINCIPALS["introduce_user"], {**who, "introduced": introduced})
            for introduced in sorted({principal.user, user})
        ]
        tenant = (_PRINCIPALS["introduce_tenant"], who)
        answers = await self._run(caller, tenant, *users, (_SQL["create_key"], params))
        return _as_key(answers[-1][0])

    async def revoke(self, caller: Caller, key_id: UUID) -> ApiKey | None:
        """Revoke a key; as it is afterwards, or None if the caller manages no such key."""
        params = {"key_id": key_id, "user": caller.principal.user}
        calls: tuple[Call, ...] = ((_SQL["revoke_key"], params), (_SQL["key_by_id"], params))
        _, rows = await self._run(caller, *calls)
        return _as_key(rows[0]) if rows else None

    async def get(self, caller: Caller, key_id: UUID) -> ApiKey | None:
        """A key; None if the caller manages no such key."""
        [rows] = await self._run(caller, (_SQL["key_by_id"], {"key_id": key_id}))
        return _as_key(rows[0]) if rows else None

    async def find(self, key_id: UUID, digest: bytes) -> ApiKey | None:
        """The key of that id and digest, if it is neither revoked nor expired; notes its use."""
        call = (_SQL["good_key"], {"key_id": key_id, "digest": digest})
        [rows] = await self._sessions.run(_NOBODY, None, call)
        return _as_key(rows[0]) if rows else None

    async def still_good(self, uses: Sequence[KeyUse]) -> set[bytes]:
        """The digests of those of some keys that are good now; notes their uses."""
        params = {
            "key_ids": [use.key_id for use in uses],
            "digests": [use.digest for use in uses],
            "used_ago_s": [use.used_ago_s for use in uses],
        }
        [rows] = await self._sessions.run(_NOBODY, None, (_SQL["keys_still_good"], params))
        return {bytes(digest) for (digest,) in rows}

    async def _run(self, caller: Caller, *calls: Call) -> list[list[Row]]:
        return await self._sessions.run(caller.principal, None, *calls, scopes=caller.scopes)

    async def list(
        self, caller: Caller, *, user: str | None, before: UUID | None, limit: int
    ) -> list[ApiKey]:
        """At most `limit` keys that the caller manages, newest first, older than `before`.

        Args:
            user: whose; None for all that the caller manages.
        """
        params = {"for_user": user, "before": before, "limit": limit}
        [rows] = await self._run(caller, (_SQL["list_keys"], params))
        return [_as_key(row) for row in rows]


def _as_key(row: Row | Sequence[Any]) -> ApiKey:
    return ApiKey(
        id=row[0],
        tenant=row[1],
        user=row[2],
        name=row[3],
        scopes=frozenset(row[4]),
        created_at=row[5],
        created_by=row[6],
        created_with=row[7],
        expires_at=row[8],
        revoked_at=row[9],
        last_used_at=row[10],
    )
