"""Documents: learn, upload, get, list, history, chunks, observations, forget."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import Response

from memoledger.model.document import Document, DocumentDraft, Learned
from memoledger.model.errors import ConflictError
from memoledger.model.memory import VERSION_MAX
from memoledger.model.queue import Wait
from memoledger.model.recall import Filter
from memoledger.services.context import Context, Scope
from memoledger.services.documents import (
    document_history,
    forget_document,
    get_document,
    list_chunks,
    list_documents,
    list_observations,
    no_such_document,
)
from memoledger.services.exchange import parse_object
from memoledger.services.learn import learn
from memoledger.services.remember import as_remembered
from memoledger.services.stores import get_store
from memoledger.surfaces.api import document_answers as answers
from memoledger.surfaces.api import render
from memoledger.surfaces.api.access import DocumentId, StoreId, at, page_size, unless_unseen
from memoledger.surfaces.api.document_requests import (
    ChunksAsked,
    DocumentsAsked,
    NewDocument,
    UploadedDocument,
    VersionAsked,
)
from memoledger.surfaces.api.errors import answer_to
from memoledger.surfaces.api.etags import etag_of, is_known, wanted_versions
from memoledger.surfaces.api.once import Done, once
from memoledger.surfaces.api.paging import opened, sealed
from memoledger.surfaces.api.render import as_json
from memoledger.surfaces.api.routing import Route, door
from memoledger.surfaces.api.service import service_of
from memoledger.surfaces.api.uploads import upload_of

LISTING = "documents"
CHUNK_LISTING = "chunks"

router = APIRouter(
    prefix="/v1/stores/{storeId:uuid}/documents", tags=["documents"], route_class=Route
)


@router.post("", response_model=answers.Learned, status_code=201)
@door("write", weight="long")
async def learn_document(request: Request, store_id: StoreId, body: NewDocument) -> Response:
    """Learn a text.

    201 if it is new, 200 if it was there (`unchanged`) or another version of it was (`updated`: of
    the new version only the chunks that are new were embedded).
    """
    return await _learn(request, at(request, store_id), DocumentDraft(**body.draft()), body.wait)


@router.post("/upload", response_model=answers.Learned, status_code=201)
@door("write", weight="long", form=True)
async def upload_document(request: Request, store_id: StoreId) -> Response:
    """Learn a file: text, Markdown, HTML, PDF, DOCX, CSV, JSON, mail, a chat, or source code.

    The form has the file, and may have a part with what else is known of it, as JSON.
    """
    upload = upload_of(request)
    try:
        told = UploadedDocument.model_validate(upload.fields)
    except ValidationError as error:
        found = [{**one, "loc": ("body", *one["loc"])} for one in error.errors()]
        raise RequestValidationError(found) from None
    given = {"source": told.source, "source_id": upload.name or "upload", **told.draft()}
    if upload.media_type is not None:
        given.setdefault("media_type", upload.media_type)
    draft = DocumentDraft(file=upload.path, **given)
    return await _learn(request, at(request, store_id), draft, told.wait)


@router.get("", response_model=answers.Documents)
@door("read", weight="heavy")
async def list_store_documents(
    request: Request, store_id: StoreId, asked: Annotated[DocumentsAsked, Query()]
) -> Response:
    """List a store's documents, in the order of their making."""
    context, scope = at(request, store_id)
    page = await list_documents(
        context,
        scope,
        source=asked.source,
        filter=_filter_of(asked),
        as_of=asked.as_of,
        limit=page_size(asked.limit, service_of(request).limits),
        cursor=opened(LISTING, asked.cursor),
    )
    if not page.documents:
        await get_store(context, scope.principal, scope.store_id)
    found = [render.document(one) for one in page.documents]
    return as_json({"documents": found, "nextCursor": sealed(LISTING, page.next_cursor)})


@router.get("/{documentId:uuid}", response_model=answers.Document)
@door("read")
async def get_one_document(
    request: Request,
    store_id: StoreId,
    document_id: DocumentId,
    asked: Annotated[VersionAsked, Query()],
) -> Response:
    """Get the current version of a document, that of an instant, or that of a number."""
    context, scope = at(request, store_id)
    found = await get_document(
        context, scope, document_id, as_of=asked.as_of, version=asked.version
    )
    headers = {"ETag": etag_of(found.version), "Cache-Control": "private, no-cache"}
    if is_known(request, found.version):
        return Response(status_code=304, headers=headers)
    return as_json(render.document(found), headers=headers)


@router.delete("/{documentId:uuid}", status_code=204, response_class=Response)
@door("write", weight="heavy")
async def forget_one_document(
    request: Request,
    store_id: StoreId,
    document_id: DocumentId,
    hard: Annotated[
        bool,
        Query(description="Also erase the words and vectors of all its versions, and its sources."),
    ] = False,
) -> Response:
    """Forget a document, its chunks, and the memories that it alone yielded."""
    context, scope = at(request, store_id)

    async def act() -> Done:
        if_version = await _if_version(request, context, scope, document_id)
        work = forget_document(context, scope, document_id, hard=hard, if_version=if_version)
        await unless_unseen(context, scope, work)
        return Done(204, {"id": str(document_id)})

    async def again(kept: Mapping[str, Any], status: int) -> Done:
        return Done(status, kept)

    try:
        return await once(request, act, again)
    except ConflictError as error:
        if "current_version" in error.details and "if-match" in request.headers:
            return answer_to(request, error, status=412)
        raise


@router.get("/{documentId:uuid}/history", response_model=answers.DocumentVersions)
@door("read", weight="heavy")
async def list_document_versions(
    request: Request, store_id: StoreId, document_id: DocumentId
) -> Response:
    """List every version of a document, oldest first; words are empty once they were erased."""
    context, scope = at(request, store_id)
    versions = await document_history(context, scope, document_id)
    return as_json({"versions": [render.document(one) for one in versions]})


@router.get("/{documentId:uuid}/chunks", response_model=answers.Chunks)
@door("read", weight="heavy")
async def list_document_chunks(
    request: Request,
    store_id: StoreId,
    document_id: DocumentId,
    asked: Annotated[ChunksAsked, Query()],
) -> Response:
    """List the chunks of one version of a document, in its order."""
    context, scope = at(request, store_id)
    page = await list_chunks(
        context,
        scope,
        document_id,
        as_of=asked.as_of,
        version=asked.version,
        limit=page_size(asked.limit, service_of(request).limits),
        cursor=opened(CHUNK_LISTING, asked.cursor),
    )
    found = [render.chunk(one) for one in page.chunks]
    return as_json({"chunks": found, "nextCursor": sealed(CHUNK_LISTING, page.next_cursor)})


@router.get("/{documentId:uuid}/observations", response_model=answers.Observations)
@door("read", weight="heavy")
async def list_document_observations(
    request: Request,
    store_id: StoreId,
    document_id: DocumentId,
    asked: Annotated[VersionAsked, Query()],
) -> Response:
    """List the memories that one version of a document yielded, as far as they are there."""
    context, scope = at(request, store_id)
    found = await get_document(
        context, scope, document_id, as_of=asked.as_of, version=asked.version
    )
    memories = await list_observations(context, scope, found)
    return as_json({"memories": [render.memory(one) for one in memories]})


def _filter_of(asked: DocumentsAsked) -> Filter:
    metadata = asked.metadata
    return Filter.of(
        types=asked.types or None,
        tags=asked.tags or None,
        since=asked.since,
        until=asked.until,
        metadata=None if metadata is None else parse_object("metadata", metadata),
    )


async def _learn(
    request: Request, place: tuple[Context, Scope], draft: DocumentDraft, wait: Wait
) -> Response:
    context, scope = place

    async def act() -> Done:
        return _done(await unless_unseen(context, scope, learn(context, scope, draft, wait=wait)))

    return await once(request, act, lambda kept, status: _again(context, scope, kept, status))


def _done(learned: Learned) -> Done:
    document = learned.document
    counts = {"chunks": learned.chunks, "chunks_new": learned.chunks_new}
    return Done(
        status=201 if learned.outcome == "created" else 200,
        kept={
            "id": str(document.id),
            "version": document.version,
            "outcome": learned.outcome,
            **counts,
        },
        content=render.learned(learned),
        headers={
            "ETag": etag_of(document.version),
            "Location": f"/v1/stores/{document.store_id}/documents/{document.id}",
        },
    )


async def _again(context: Context, scope: Scope, kept: Mapping[str, Any], status: int) -> Done:
    """The answer to what was learned before: the version of then, as the ledger has it now."""
    for version in await document_history(context, scope, kept["id"]):
        if version.version == kept["version"]:
            done = _done(await _learned_then(context, scope, version, kept))
            return Done(status, done.kept, done.content, done.headers)
    raise no_such_document(kept["id"])


async def _learned_then(
    context: Context, scope: Scope, version: Document, kept: Mapping[str, Any]
) -> Learned:
    memories = await list_observations(context, scope, version)
    return Learned(
        version,
        kept["outcome"],
        kept["chunks"],
        kept["chunks_new"],
        kept["chunks"] - kept["chunks_new"],
        tuple(as_remembered(memory, "unchanged") for memory in memories),
    )


async def _if_version(
    request: Request, context: Context, scope: Scope, document_id: UUID
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
    present = await get_document(context, scope, document_id)
    if present.version in wanted:
        return present.version
    raise ConflictError(
        f"Document {document_id} is at version {present.version}, which If-Match does not name.",
        remedy="Read it again, and send its ETag.",
        id=str(document_id),
        current_version=present.version,
    )
