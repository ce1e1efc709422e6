"""Recall, context, why, and access counts."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from memoledger.model.checks import check_count, check_text
from memoledger.model.context_pack import FOLD
from memoledger.model.recall import Query, question_of
from memoledger.services.compose import compose, limit_for
from memoledger.services.read_receipts import accesses
from memoledger.services.recall import recall
from memoledger.services.stores import get_store
from memoledger.services.why import why
from memoledger.surfaces.api import recall_answers as answers
from memoledger.surfaces.api import render
from memoledger.surfaces.api.access import MemoryId, StoreId, at
from memoledger.surfaces.api.limits import Limits
from memoledger.surfaces.api.render import as_json
from memoledger.surfaces.api.requests import (
    Asked,
    AskedForAccesses,
    AskedForContext,
    AskedForHits,
)
from memoledger.surfaces.api.routing import Route, door
from memoledger.surfaces.api.service import service_of

router = APIRouter(prefix="/v1/stores/{storeId:uuid}", tags=["recall"], route_class=Route)


@router.post("/recall", response_model=answers.Hits)
@door("read", weight="heavy")
async def recall_memories(request: Request, store_id: StoreId, body: AskedForHits) -> Response:
    """Find memories, and chunks of documents, best first.

    How long each part took is in `Server-Timing` too.
    """
    context, scope = at(request, store_id)
    question = _question(body, service_of(request).limits, limit=body.limit)
    found = await recall(context, scope, question, embedding=body.embedding, seen=False)
    request.state.timings_ms = found.timings_ms
    return as_json(render.hits(found))


@router.post("/context", response_model=answers.Context)
@door("read", weight="heavy")
async def compose_context(request: Request, store_id: StoreId, body: AskedForContext) -> Response:
    """Pack the best memories and chunks for a question into a text of at most `maxTokens`.

    Near-duplicates are left out from a cosine of 0.95 on, unless `fold` says otherwise; null keeps
    them all.
    """
    context, scope = at(request, store_id)
    store = await get_store(context, scope.principal, store_id)
    limits = service_of(request).limits
    limit = limit_for(body.max_tokens) if body.limit is None else body.limit
    fold = body.fold if "fold" in body.model_fields_set else FOLD
    question = _question(body, limits, limit=min(limit, limits.page), fold=fold)
    pack = await compose(
        context,
        scope,
        question,
        store=store.name,
        max_tokens=body.max_tokens,
        embedding=body.embedding,
    )
    return as_json(render.context(pack))


@router.post("/memories/{memoryId:uuid}/why", response_model=answers.Why)
@door("read", weight="heavy")
async def explain_memory(
    request: Request, store_id: StoreId, memory_id: MemoryId, body: AskedForHits
) -> Response:
    """Say why a question returns a memory or a chunk, or does not. It leaves no receipt."""
    context, scope = at(request, store_id)
    await get_store(context, scope.principal, store_id)
    question = _question(body, service_of(request).limits, limit=body.limit)
    told = await why(context, scope, memory_id, question, embedding=body.embedding)
    return as_json(render.why(told))


@router.post("/accesses", response_model=answers.Accesses)
@door("read")
async def count_accesses(request: Request, store_id: StoreId, body: AskedForAccesses) -> Response:
    """Say how often each memory was recalled, and when last; one that never was is left out."""
    context, scope = at(request, store_id)
    await get_store(context, scope.principal, store_id)
    found = await accesses(context, scope, body.memory_ids)
    counted = [render.access_count(memory_id, one) for memory_id, one in found.items()]
    return as_json({"accesses": counted})


def _question(body: Asked, limits: Limits, **changed: Any) -> Query:
    """A question of checked values.

    Raises:
        InvalidInput: one of them is wrong, or more than this service takes.
    """
    check_text("query", body.query, chars_max=limits.query_chars)
    check_count("limit", changed["limit"], least=1, most=limits.page)
    given = {**body.given(), **changed}
    for name in ("query", "embedding", "max_tokens"):
        given.pop(name, None)
    return question_of(body.query, given)
