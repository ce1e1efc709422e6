"""Memories: remember, get, list, update, forget, history."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response

from memoledger.model.errors import ConflictError
from memoledger.model.memory import VERSION_MAX, Draft, Remembered
from memoledger.model.recall import Filter
from memoledger.services.context import Context, Scope
from memoledger.services.exchange import parse_object
from memoledger.services.forget import forget
from memoledger.services.read import get, history, list_memories, no_such_memory
from memoledger.services.remember import as_remembered, remember
from memoledger.services.stores import get_store
from memoledger.services.update import update
from memoledger.surfaces.api import answers, render
from memoledger.surfaces.api.access import MemoryId, StoreId, at, page_size, unless_unseen
from memoledger.surfaces.api.errors import answer_to
from memoledger.surfaces.api.etags import etag_of, is_known, wanted_versions
from memoledger.surfaces.api.once import Done, once
from memoledger.surfaces.api.paging import opened, sealed
from memoledger.surfaces.api.render import as_json
from memoledger.surfaces.api.requests import (
    ChangedMemory,
    Chosen,
    MemoriesAsked,
    NewMemory,
    WriteAsked,
)
from memoledger.surfaces.api.routing import Route, door
from memoledger.surfaces.api.service import service_of

LISTING = "memories"

router = APIRouter(
    prefix="/v1/stores/{storeId:uuid}/memories", tags=["memories"], route_class=Route
)


@router.post("", response_model=answers.Remembered, status_code=201)
@door("write", weight="heavy")
async def remember_memory(
    request: Request, store_id: StoreId, body: NewMemory, asked: Annotated[WriteAsked, Query()]
) -> Response:
    """Remember a text.

    201 if it is new, 200 if it was there (`unchanged`) or its external id was, with other content
    (`updated`: a new version).
    """
    context, scope = at(request, store_id)

    async def act() -> Done:
        draft = Draft(**body.given())
        writing = remember(context, scope, draft, wait=asked.wait)
        return _done(await unless_unseen(context, scope, writing))

    return await once(request, act, lambda kept, status: _again(context, scope, kept, status))


@router.get("", response_model=answers.Memories)
@door("read", weight="heavy")
async def list_store_memories(
    request: Request, store_id: StoreId, asked: Annotated[MemoriesAsked, Query()]
) -> Response:
    """List a store's memories, in the order of their making."""
    context, scope = at(request, store_id)
    page = await list_memories(
        context,
        scope,
        filter=filter_of(asked),
        as_of=asked.as_of,
        limit=page_size(asked.limit, service_of(request).limits),
        cursor=opened(LISTING, asked.cursor),
    )
    if not page.memories:
        await get_store(context, scope.principal, scope.store_id)
    found = [render.memory(one) for one in page.memories]
    return as_json({"memories": found, "nextCursor": sealed(LISTING, page.next_cursor)})


@router.get("/count", response_model=answers.Count)
@door("read")
async def count_memories(request: Request, store_id: StoreId) -> Response:
    """Count a store's current memories."""
    context, scope = at(request, store_id)
    await get_store(context, scope.principal, scope.store_id)
    return as_json({"count": await context.ledger.memories.count(scope.principal, store_id)})


@router.get("/{memoryId:uuid}", response_model=answers.Memory)
@door("read")
async def get_memory(
    request: Request,
    store_id: StoreId,
    memory_id: MemoryId,
    as_of: Annotated[str | None, Query(alias="asOf", description="The version of then.")] = None,
) -> Response:
    """Get the current version of a memory, or that of an instant."""
    context, scope = at(request, store_id)
    found = await get(context, scope, memory_id, as_of=as_of)
    headers = {"ETag": etag_of(found.version), "Cache-Control": "private, no-cache"}
    if is_known(request, found.version):
        return Response(status_code=304, headers=headers)
    return as_json(render.memory(found), headers=headers)


@router.patch("/{memoryId:uuid}", response_model=answers.Remembered)
@door("write", weight="heavy")
async def update_memory(
    request: Request, store_id: StoreId, memory_id: MemoryId, body: ChangedMemory
) -> Response:
    """Write a memory's next version: the present one with the given fields changed.

    With `If-Match` only if the current version is the one the client saw.
    """
    context, scope = at(request, store_id)

    async def act() -> Done:
        if_version = await _if_version(request, context, scope, memory_id)
        work = update(context, scope, memory_id, body.given(), if_version=if_version)
        return _done(await unless_unseen(context, scope, work))

    try:
        return await once(request, act, lambda kept, status: _again(context, scope, kept, status))
    except ConflictError as error:
        return _mismatch(request, error)


@router.delete("/{memoryId:uuid}", status_code=204, response_class=Response)
@door("write", weight="heavy")
async def forget_memory(
    request: Request,
    store_id: StoreId,
    memory_id: MemoryId,
    hard: Annotated[
        bool, Query(description="Also erase the texts and vectors of all its versions.")
    ] = False,
) -> Response:
    """Forget a memory."""
    context, scope = at(request, store_id)

    async def act() -> Done:
        if_version = await _if_version(request, context, scope, memory_id)
        work = forget(context, scope, memory_id, hard=hard, if_version=if_version)
        await unless_unseen(context, scope, work)
        return Done(204, {"id": str(memory_id)})

    async def again(kept: Mapping[str, Any], status: int) -> Done:
        return Done(status, kept)

    try:
        return await once(request, act, again)
    except ConflictError as error:
        return _mismatch(request, error)


@router.get("/{memoryId:uuid}/history", response_model=answers.Versions)
@door("read", weight="heavy")
async def memory_history(request: Request, store_id: StoreId, memory_id: MemoryId) -> Response:
    """List every version of a memory, oldest first; texts are empty once they were erased."""
    context, scope = at(request, store_id)
    versions = await history(context, scope, memory_id)
    return as_json({"versions": [render.memory(one) for one in versions]})


def filter_of(asked: Chosen) -> Filter:
    """The filter that parameters of a query name.

    Raises:
        InvalidInput: one of them is wrong.
    """
    metadata = asked.metadata
    return Filter.of(
        types=asked.types or None,
        tags=asked.tags or None,
        since=asked.since,
        until=asked.until,
        min_importance=asked.min_importance,
        metadata=None if metadata is None else parse_object("metadata", metadata),
        valid_at=asked.valid_at,
    )


def _done(written: Remembered) -> Done:
    return Done(
        status=201 if written.outcome == "created" else 200,
        kept={"id": str(written.id), "version": written.version, "outcome": written.outcome},
        content=render.remembered(written),
        headers={
            "ETag": etag_of(written.version),
            "Location": f"/v1/stores/{written.store_id}/memories/{written.id}",
        },
    )


async def _again(context: Context, scope: Scope, kept: Mapping[str, Any], status: int) -> Done:
    """The answer to a write that was done before: the version of then, as the ledger has it now."""
    for version in await history(context, scope, kept["id"]):
        if version.version == kept["version"]:
            done = _done(as_remembered(version, kept["outcome"]))
            return Done(status, done.kept, done.content, done.headers)
    raise no_such_memory(kept["id"])


async def _if_version(
    request: Request, context: Context, scope: Scope, memory_id: MemoryId
) -> int | None:
    """The version that If-Match takes; None where any will do.

    Raises:
        ConflictError: the current one is none of those that it names.
    """
    wanted = wanted_versions(request)
    if wanted is None:
        return None
    if len(wanted) == 1 and 1 <= (only := min(wanted)) <= VERSION_MAX:
        return only  # The service compares, and words the conflict as at every door.
    present = await get(context, scope, memory_id)
    if present.version in wanted:
        return present.version
    raise ConflictError(
        f"Memory {memory_id} is at version {present.version}, which If-Match does not name.",
        remedy="Read it again, and send its ETag.",
        id=str(memory_id),
        current_version=present.version,
    )


def _mismatch(request: Request, error: ConflictError) -> Response:
    """412 where another version was current than the one that If-Match names."""
    if "current_version" in error.details and "if-match" in request.headers:
        return answer_to(request, error, status=412)
    raise error
