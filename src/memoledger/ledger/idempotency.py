"""Idempotency keys in the ledger: claimed, finished, abandoned, taken over."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb

from memoledger.ledger.sessions import Sessions
from memoledger.ledger.statements import statements
from memoledger.model.idempotency import Answer, Claim
from memoledger.model.principal import Principal

_SQL = statements("idempotency")


@dataclass(frozen=True, slots=True)
class Standing:
    """What a key stands for.

    Args:
        status, answer: of a finished write; None while it is under way.
        left_s: seconds that the claim still lasts; below 0 once it may be taken over.
    """

    claim_id: UUID
    request_hash: bytes
    status: int | None
    answer: dict[str, Any] | None
    left_s: float


class IdempotencyKeys:
    """A user's idempotency keys. Nobody else sees them."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    async def claim(
        self, claim: Claim, request_hash: bytes, *, limit_s: float, kept_s: float
    ) -> Standing | None:
        """Claim a key if it is free, and say what it stands for; in one round trip.

        Its claim id is the given claim's if that has succeeded. None if it vanished meanwhile.

        Args:
            limit_s: seconds after which another may take over.
            kept_s: seconds after which nothing of it is kept.
        """
        params = {
            **_params(claim),
            "request_hash": request_hash,
            "limit_s": limit_s,
            "kept_s": kept_s,
        }
        _, rows = await self._sessions.run(
            claim.principal,
            None,
            (_SQL["claim_idempotency_key"], params),
            (_SQL["idempotency_key"], params),
        )
        for claim_id, hashed, status, answer, left_s in rows:
            return Standing(claim_id, bytes(hashed), status, answer, left_s)
        return None

    async def extend(self, claim: Claim, *, limit_s: float) -> bool:
        """Give a claim more time; False if it is no longer the same one's."""
        return await self._changed("extend_idempotency_key", claim, limit_s=limit_s)

    async def finish(self, claim: Claim, *, status: int, answer: Answer, kept_s: float) -> bool:
        """Keep the answer; False if the claim is no longer the same one's."""
        given = {"status": status, "answer": Jsonb(dict(answer)), "kept_s": kept_s}
        return await self._changed("finish_idempotency_key", claim, **given)

    async def abandon(self, claim: Claim) -> bool:
        """Forget the claim; False if it is no longer the same one's."""
        return await self._changed("abandon_idempotency_key", claim)

    async def _changed(self, name: str, claim: Claim, **given: Any) -> bool:
        call = (_SQL[name], {**_params(claim), **given})
        [rows] = await self._sessions.run(claim.principal, None, call)
        return bool(rows)


def _params(claim: Claim) -> dict[str, Any]:
    principal: Principal = claim.principal
    return {
        "tenant": principal.tenant,
        "user": principal.user,
        "key_hash": claim.key_hash,
        "claim_id": claim.claim_id,
    }
