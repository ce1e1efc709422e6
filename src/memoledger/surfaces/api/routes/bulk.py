"""Bulk writes, import and export: streams of JSON Lines."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response

from memoledger.model.bulk import Item
from memoledger.model.checks import check_count, check_instant
from memoledger.model.errors import InvalidInput
from memoledger.services.context import Context, Scope
from memoledger.services.exchange import Imported, export_lines, import_parsed
from memoledger.services.remember_many import Given, remember_many
from memoledger.services.stores import get_store, require_write_access
from memoledger.surfaces.api.access import StoreId, at
from memoledger.surfaces.api.errors import problem_of
from memoledger.surfaces.api.limits import Limits
from memoledger.surfaces.api.requests import BulkAsked, Chosen
from memoledger.surfaces.api.routes.memories import filter_of
from memoledger.surfaces.api.routing import Route, door
from memoledger.surfaces.api.service import service_of
from memoledger.surfaces.api.streams import Export, LinesAnswer, Put, lines_of

router = APIRouter(prefix="/v1/stores/{storeId:uuid}", tags=["streams"], route_class=Route)


@router.post("/memories/bulk", status_code=200, response_class=Response)
@door("write", weight="stream", lines=True)
async def remember_many_memories(
    request: Request, store_id: StoreId, asked: Annotated[BulkAsked, Query()]
) -> Response:
    """Remember many: a line is a memory, and for each comes a line with what became of it.

    Lines of the answer come as batches are committed: what has its line is kept, whatever happens
    then. They are in order within a batch; `position` says which line is meant. If the stream ends
    early, the last line is `{"problem": {…}}`. Writing is idempotent by identity (`externalId`, or
    else the content), so sending the same lines again makes no double.
    """
    context, scope = at(request, store_id)
    service = service_of(request)
    size = _batch_size(asked.batch_size, service.limits)
    await _require_write_access(context, scope)

    async def values() -> AsyncIterator[Given]:
        async for line in lines_of(request, service):
            yield line.value

    async def work(put: Put) -> None:
        def settled(items: Sequence[Item]) -> None:
            for item in items:
                put(_outcome(item))

        await remember_many(
            context, scope, values(), batch_size=size, on_items=settled, wait=asked.wait
        )

    return LinesAnswer(request, service, work)


@router.post("/import", status_code=200, response_class=Response)
@door("write", weight="stream", lines=True)
async def import_memories(
    request: Request, store_id: StoreId, asked: Annotated[BulkAsked, Query()]
) -> Response:
    """Take in what an export wrote: a line is a memory.

    The answer has a line for each line that was rejected, `{"line": 3, "problem": {…}}`, after
    each batch one with the counts so far, `{"progress": {…}}`, and at the end `{"done": {…}}`. If
    it ends early, the last line is `{"problem": {…}}`; sending the same again goes on where it was.
    """
    context, scope = at(request, store_id)
    service = service_of(request)
    size = _batch_size(asked.batch_size, service.limits)
    await _require_write_access(context, scope)

    async def work(put: Put) -> None:
        last: dict[str, Any] = {}

        def rejected(number: int, error: InvalidInput) -> None:
            put({"line": number, "problem": problem_of(error)})

        def progressed(done: Imported) -> None:
            nonlocal last
            counts = asdict(done.progress)
            last = {**counts, "total": done.progress.total, "bytesDone": done.bytes_done}
            put({"progress": last})

        done = await import_parsed(
            context,
            scope,
            lines_of(request, service),
            batch_size=size,
            on_rejected=rejected,
            on_progress=progressed,
            wait=asked.wait,
        )
        put({"done": last or {**asdict(done), "total": 0, "bytesDone": 0}})

    return LinesAnswer(request, service, work)


@router.get("/export", status_code=200, response_class=Response)
@door("read", weight="stream")
async def export_memories(
    request: Request, store_id: StoreId, asked: Annotated[Chosen, Query()]
) -> Response:
    """Give out every memory of a store as lines that an import takes back, oldest first.

    Fields are written as in the files of `memoledger export`, so that either takes the other's. An
    export that fails in the middle breaks the connection off: one that ended is complete.
    """
    context, scope = at(request, store_id)
    chosen = filter_of(asked)
    check_instant("as_of", asked.as_of)
    await get_store(context, scope.principal, scope.store_id)
    lines = export_lines(context, scope, filter=chosen, as_of=asked.as_of)
    return Export(request, service_of(request), lines)


def _outcome(item: Item) -> dict[str, Any]:
    if item.error is not None:
        problem = problem_of(item.error)
        return {"position": item.position, "outcome": "rejected", "problem": problem}
    return {
        "position": item.position,
        "outcome": item.outcome,
        "id": item.id,
        "version": item.version,
    }


def _batch_size(wanted: int | None, limits: Limits) -> int:
    return check_count("batchSize", wanted or limits.batch, least=1, most=limits.batch)


async def _require_write_access(context: Context, scope: Scope) -> None:
    await get_store(context, scope.principal, scope.store_id)
    await require_write_access(context, scope)
