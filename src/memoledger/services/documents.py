"""Documents by themselves: get, list, history, their chunks, and forgetting them."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Final
from uuid import UUID

from memoledger.model import limits
from memoledger.model.checks import check_count, check_instant, check_optional_text
from memoledger.model.document import ChunkPage, Document, DocumentPage
from memoledger.model.errors import ConflictError, InvalidInput, NotFound
from memoledger.model.ids import as_id
from memoledger.model.memory import VERSION_MAX, Memory
from memoledger.model.recall import NO_FILTER, Filter
from memoledger.services.artifacts import delete_dropped
from memoledger.services.cached_documents import current_chunks
from memoledger.services.context import Context, Scope
from memoledger.services.read import CURSOR_REMEDY
from memoledger.services.remember import ATTEMPTS_MAX
from memoledger.services.stores import require_write_access

_POSITION: Final = re.compile(r"([0-9]{1,10})\.([0-9]{1,10})")

ID_REMEDY: Final = "Give the UUID that learn or documents returned."


async def get_document(
    context: Context,
    scope: Scope,
    document_id: UUID | str,
    *,
    as_of: datetime | str | None = None,
    version: int | None = None,
) -> Document:
    """The version that is current, was at `as_of`, or has the number `version`.

    Raises:
        NotFound: there is none, or it was forgotten or erased, or is another's.
        InvalidInput: both `as_of` and `version` were given.
    """
    wanted = as_id("id", document_id, remedy=ID_REMEDY)
    instant = check_instant("as_of", as_of)
    if version is not None:
        check_count("version", version, least=1, most=VERSION_MAX)
        if instant is not None:
            raise InvalidInput(
                "version", version, "as_of names a version already", remedy="Give one of the two."
            )
    found = await context.ledger.documents.get(
        scope.principal, scope.store_id, wanted, as_of=instant, version=version
    )
    if found is None:
        raise no_such_document(wanted)
    return found


async def document_history(
    context: Context, scope: Scope, document_id: UUID | str
) -> list[Document]:
    """Every version of a document, oldest first; of one erased nothing in words is left.

    Raises:
        NotFound: there never was one that the principal may see.
    """
    wanted = as_id("id", document_id, remedy=ID_REMEDY)
    versions = await context.ledger.documents.history(scope.principal, scope.store_id, wanted)
    if not versions:
        raise no_such_document(wanted)
    return versions


async def list_documents(
    context: Context,
    scope: Scope,
    *,
    source: str | None = None,
    filter: Filter | None = None,  # noqa: A002 - the field's natural name
    as_of: datetime | str | None = None,
    limit: int = 100,
    cursor: str | None = None,
) -> DocumentPage:
    """A page of the store's documents, in the order of their making.

    Args:
        source: only those of this source.
        filter: types, tags, since, until and metadata; what else it has is about memories.
        limit: 1 to 1,000.
        cursor: `next_cursor` of the page before.
    """
    at_most = check_count("limit", limit, least=1, most=limits.LIMIT_MAX)
    found = await context.ledger.documents.list(
        scope.principal,
        scope.store_id,
        source=check_optional_text("source", source, chars_max=limits.NAME_BYTES_MAX),
        filter=filter or NO_FILTER,
        after_id=None if cursor is None else as_id("cursor", cursor, remedy=CURSOR_REMEDY),
        as_of=check_instant("as_of", as_of),
        limit=at_most + 1,
    )
    page = found[:at_most]
    return DocumentPage(page, str(page[-1].id) if len(found) > at_most else None)


async def list_chunks(
    context: Context,
    scope: Scope,
    document_id: UUID | str,
    *,
    as_of: datetime | str | None = None,
    version: int | None = None,
    limit: int = 100,
    cursor: str | None = None,
) -> ChunkPage:
    """A page of the chunks of a document, in its order, as they stand in one version of it.

    Args:
        as_of, version: which one; the current one without either. The pages of one listing are of
            one version, whatever is learned meanwhile.
        limit: 1 to 1,000.
        cursor: `next_cursor` of the page before.

    Raises:
        NotFound: there is no such document, or no such version of it.
    """
    at_most = check_count("limit", limit, least=1, most=limits.LIMIT_MAX)
    number, after_place = (version, -1) if cursor is None else _position(cursor)
    instant = as_of if cursor is None else None
    place = {"after_place": after_place, "limit": at_most + 1}
    found = None
    if instant is None and context.cached is not None:
        wanted = as_id("id", document_id, remedy=ID_REMEDY)
        if number is not None:
            check_count("version", number, least=1, most=VERSION_MAX)
        found = await current_chunks(context, context.cached, scope, wanted, number, **place)
    if found is None:
        document = await get_document(context, scope, document_id, as_of=instant, version=number)
        number = document.version
        found = await context.ledger.documents.list_chunks(
            scope.principal, scope.store_id, document.id, number, **place
        )
    page = found[:at_most]
    more = len(found) > at_most
    return ChunkPage(page, f"{page[-1].version}.{page[-1].place}" if more else None)


def _position(cursor: str) -> tuple[int, int]:
    """The version and the place that a cursor names."""
    found = _POSITION.fullmatch(cursor)
    if found is None or int(found[1]) > VERSION_MAX or int(found[2]) > limits.CHUNKS_MAX:
        raise InvalidInput("cursor", cursor, "that is no cursor", remedy=CURSOR_REMEDY)
    return int(found[1]), int(found[2])


async def list_observations(context: Context, scope: Scope, document: Document) -> list[Memory]:
    """The memories that a version of a document yielded, as far as they are still there."""
    observed = await context.ledger.documents.observed(
        scope.principal, scope.store_id, document.id, document.version
    )
    wanted = [(memory_id, version) for memory_id, version, _ in observed]
    if not wanted:
        return []
    found = await context.ledger.memories.get_versions(
        scope.principal, scope.store_id, wanted, None
    )
    return [found[memory_id] for memory_id, _ in wanted if memory_id in found]


async def forget_document(
    context: Context,
    scope: Scope,
    document_id: UUID | str,
    *,
    hard: bool = False,
    if_version: int | None = None,
) -> None:
    """Forget a document: its chunks, and the memories that it made and no other document yields.

    Args:
        hard: also erase the words and vectors of all its versions, its chunks and those memories,
            and its raw sources in the object store (what that does not give up now, a collection
            deletes); this also works on one already forgotten. The audit keeps that it existed.
        if_version: the version the caller saw; another current version is a conflict.

    Raises:
        NotFound: there is no such document to forget.
        ConflictError: it is at another version.
        Forbidden: the store is not the principal's to write.
    """
    wanted = as_id("id", document_id, remedy=ID_REMEDY)
    if if_version is not None:
        check_count("if_version", if_version, least=1, most=VERSION_MAX)
    documents = context.ledger.documents
    act = documents.erase if hard else documents.forget
    for _ in range(ATTEMPTS_MAX):
        if await act(scope.principal, scope.store_id, wanted, if_version):
            if hard:
                await delete_dropped(context, scope, wanted)
            return
        await _refuse(context, scope, wanted, if_version, hard=hard)
        # Nothing stands against it: a learner was faster, and the next attempt meets its version.
    raise ConflictError(
        f"Other writers changed document {wanted} {ATTEMPTS_MAX} times while it was forgotten.",
        remedy="Try again.",
        id=str(wanted),
    )


async def _refuse(
    context: Context, scope: Scope, document_id: UUID, if_version: int | None, *, hard: bool
) -> None:
    """Raise the reason why a document cannot be forgotten, if there is one."""
    version = await _version_to_forget(context, scope, document_id, hard=hard)
    if version is None:
        raise no_such_document(document_id)
    await require_write_access(context, scope)
    if if_version is not None and version != if_version:
        raise ConflictError(
            f"Document {document_id} is at version {version}, not {if_version}.",
            remedy="Read it again, then forget the version you saw.",
            id=str(document_id),
            current_version=version,
        )


async def _version_to_forget(
    context: Context, scope: Scope, document_id: UUID, *, hard: bool
) -> int | None:
    """The current version; for an erasure also the last one of a document forgotten."""
    documents = context.ledger.documents
    if hard:
        versions = await documents.history(scope.principal, scope.store_id, document_id)
        return versions[-1].version if versions and versions[-1].erased_at is None else None
    present = await documents.get(scope.principal, scope.store_id, document_id)
    return None if present is None else present.version


def no_such_document(document_id: UUID) -> NotFound:
    """The error for a document that is not there, or not to be seen."""
    return NotFound(
        f"There is no document {document_id} in this store.",
        remedy="It may be forgotten, erased or another's; its history tells of your own.",
        id=str(document_id),
    )
