"""Idempotency: a write sent twice under one key is done once and answered twice.

    begin ──> Claim: do the write, then finish (or abandon, if it failed)
          ──> KeptAnswer: it was done; answer the same, made again from the ledger
          ──> ConflictError: the key came with another request, or the first is still under way

A process that dies between its write and `finish` leaves a claim, which whoever sends the request
again takes over once its time is over. The write then runs again, and makes no double: what is
remembered is found by its identity.
"""

from __future__ import annotations

import math
from typing import Final

from memoledger.model.errors import ConflictError
from memoledger.model.idempotency import (
    KEPT_S,
    Answer,
    Claim,
    KeptAnswer,
    check_answer,
    check_idempotency_key,
    key_hash,
    request_hash,
)
from memoledger.model.ids import new_id
from memoledger.model.principal import Principal
from memoledger.services.context import Context

LIMIT_S: Final = 60.0
"""How long a write may take before another may take its claim over."""


async def begin(
    context: Context,
    principal: Principal,
    key: str,
    *,
    method: str,
    path: str,
    body: bytes = b"",
    limit_s: float = LIMIT_S,
) -> Claim | KeptAnswer:
    """Claim a key for a write, or learn what was answered before.

    Args:
        key: the sender's, 1 to 255 visible ASCII characters.
        method, path, body: the request; the same key with another one is refused. Of a stream, give
            as body what tells it apart, or nothing.
        limit_s: seconds within which the claim has to be finished or extended.

    Raises:
        InvalidInput: the key is malformed.
        ConflictError: the key came with another request, or the same one is under way; then
            `details["retry_after_s"]` says when its time is over at the latest.
    """
    check_idempotency_key(key)
    claim = Claim(principal, key_hash(key), new_id())
    hashed = request_hash(key, method, path, body)
    keys = context.ledger.idempotency
    standing = await keys.claim(claim, hashed, limit_s=limit_s, kept_s=KEPT_S)
    if standing is None or (standing.answer is None and standing.left_s <= 0):
        # Whoever had it let go of it just then.
        standing = await keys.claim(claim, hashed, limit_s=limit_s, kept_s=KEPT_S)
    if standing is None:
        raise _under_way(1)
    if standing.claim_id == claim.claim_id:
        return claim
    if standing.request_hash != hashed:
        raise ConflictError(
            "This idempotency key came with another request before.",
            remedy="Use a new key for each write, and the same one only to send it again.",
        )
    if standing.status is None or standing.answer is None:
        raise _under_way(max(1, math.ceil(standing.left_s)))
    return KeptAnswer(standing.status, standing.answer)


async def extend(context: Context, claim: Claim, *, limit_s: float = LIMIT_S) -> bool:
    """Take more time for a write, from now on; False if another has taken it over."""
    return await context.ledger.idempotency.extend(claim, limit_s=limit_s)


async def finish(context: Context, claim: Claim, *, status: int, answer: Answer) -> bool:
    """Keep what the answer is made from, for 24 hours; False if another has taken the write over.

    Args:
        answer: ids, versions, outcomes; no text of more than 200 characters, nothing nested.

    Raises:
        InvalidInput: the answer could carry content.
    """
    check_answer(answer)
    return await context.ledger.idempotency.finish(
        claim, status=status, answer=answer, kept_s=KEPT_S
    )


async def abandon(context: Context, claim: Claim) -> bool:
    """Let the same request be sent again at once: this one failed and wrote nothing that counts."""
    return await context.ledger.idempotency.abandon(claim)


def _under_way(retry_after_s: int) -> ConflictError:
    return ConflictError(
        "The first request with this idempotency key is still under way.",
        remedy="Send it again a little later.",
        retry_after_s=retry_after_s,
    )
