"""Writes that are done once, however often they are sent with one Idempotency-Key."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from memoledger.model.errors import MemoledgerError
from memoledger.model.idempotency import Answer, Claim, KeptAnswer
from memoledger.services import idempotency
from memoledger.surfaces.api.caller import caller_of
from memoledger.surfaces.api.render import as_json
from memoledger.surfaces.api.service import service_of

HEADER: Final = "Idempotency-Key"
REPLAYED: Final = "Idempotency-Replayed"
CLAIM_MORE_S: Final = 30.0
"""A claim lasts so much longer than the request may."""


@dataclass(frozen=True, slots=True)
class Done:
    """A write that was done.

    Args:
        kept: what the answer can be made again from: ids, versions, outcomes; no content.
        content: of the answer; None for an answer without a body.
    """

    status: int
    kept: Answer
    content: Mapping[str, Any] | None = None
    headers: Mapping[str, str] = field(default_factory=dict)

    def response(self, *, replayed: bool = False) -> Response:
        """The answer."""
        headers = {**self.headers, **({REPLAYED: "true"} if replayed else {})}
        if self.content is None:
            return Response(status_code=self.status, headers=headers)
        return as_json(self.content, self.status, headers)


async def once(
    request: Request,
    act: Callable[[], Awaitable[Done]],
    again: Callable[[Mapping[str, Any], int], Awaitable[Done]],
) -> Response:
    """Do a write, or where it was done under the request's key, answer the same again.

    Args:
        act: does it.
        again: makes the answer from what was kept of it, and the status it had.

    Raises:
        InvalidInput: the key is malformed.
        ConflictError: it came with another request, or the first is still under way.
    """
    key = request.headers.get(HEADER)
    if key is None:
        return (await act()).response()
    context, limits = service_of(request).context, service_of(request).limits
    standing = await idempotency.begin(
        context,
        caller_of(request).principal,
        key,
        method=request.method,
        path=_path(request),
        body=await request.body(),
        limit_s=limits.request_s + CLAIM_MORE_S,
    )
    if isinstance(standing, KeptAnswer):
        return (await again(standing.answer, standing.status)).response(replayed=True)
    return await _claimed(request, standing, act)


async def _claimed(request: Request, claim: Claim, act: Callable[[], Awaitable[Done]]) -> Response:
    context = service_of(request).context
    try:
        done = await act()
    except BaseException:
        # Nothing was written: the same may be sent again at once. If that cannot be noted, it may
        # be once the claim's time is over.
        with contextlib.suppress(MemoledgerError):
            await asyncio.shield(idempotency.abandon(context, claim))
        raise
    await idempotency.finish(context, claim, status=done.status, answer=done.kept)
    return done.response()


def _path(request: Request) -> str:
    """What tells requests apart besides method and body; If-Match makes another request."""
    query = request.url.query
    return f"{request.url.path}?{query}#{request.headers.get('if-match', '')}"
