"""The verbs of a store that are about documents, over HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from memoledger.client import wire
from memoledger.client.transport import File, Transport, path_of
from memoledger.model import limits
from memoledger.model.checks import check_count, check_instant, check_optional_text
from memoledger.model.document import ChunkPage, Document, DocumentDraft, DocumentPage, Learned
from memoledger.model.errors import InvalidInput
from memoledger.model.ids import as_id
from memoledger.model.memory import VERSION_MAX, Draft, Memory
from memoledger.model.queue import Wait, check_wait
from memoledger.model.recall import Filter
from memoledger.model.store import Store

FILE_BYTES_MAX: Final = 200_000_000
"""No larger one is read anywhere; a service's own limit is lower, as a rule."""


class DocumentVerbs:
    """What a store's handle does with documents."""

    _transport: Transport
    details: Store

    async def learn(
        self,
        source: str,
        source_id: str,
        *,
        content: str | None = None,
        data: bytes | None = None,
        file: Path | str | None = None,
        title: str | None = None,
        summary: str | None = None,
        type: str | None = None,  # noqa: A002 - the field's name everywhere
        state: str | None = None,
        author: Mapping[str, Any] | str | None = None,
        tags: Sequence[str] | None = None,
        metadata: Mapping[str, Any] | None = None,
        occurred_at: datetime | str | None = None,
        media_type: str | None = None,
        observations: Sequence[Draft | Mapping[str, Any]] = (),
        wait: Wait = "searchable",
        on_chunks: Callable[[int, int], None] | None = None,
    ) -> Learned:
        """Learn a document from its text, its bytes or its file; see `DocumentDraft`.

        The identity is `source` and `source_id`. The same content again changes nothing
        (`outcome="unchanged"`); changed content is a new version (`"updated"`), in which chunks
        that are the same keep their id and their vectors.

        Args:
            content, data, file: exactly one of them.
            observations: memories that the document yields, written with it.
            wait: "searchable" to embed new chunks first, "durable" to leave that to workers.
            on_chunks: called once the new chunks are embedded, with (done, of).

        Raises:
            InvalidInput: a field is wrong; nothing was written.
            UnreadableSource: the source cannot be read; nothing was written.
            EmbedderError, ArtifactError: the model or the object store failed; nothing was written.
            Forbidden: this principal may not write the store.
        """
        draft = DocumentDraft(
            source=source,
            source_id=source_id,
            content=content,
            data=data,
            file=file,
            title=title,
            summary=summary,
            type=type,
            state=state,
            author=author,
            tags=tags,
            metadata=metadata,
            occurred_at=occurred_at,
            media_type=media_type,
            observations=observations,
        )
        draft.check_origin()
        body = {**wire.document_body(draft), "wait": check_wait(wait)}
        learned = await self._sent(draft, body)
        if on_chunks is not None and learned.chunks_new:
            on_chunks(learned.chunks_new, learned.chunks_new)
        return learned

    async def _sent(self, draft: DocumentDraft, body: dict[str, Any]) -> Learned:
        if draft.content is not None:
            path = self._document_path()
            whole = {**body, "content": draft.content}
            return await self._transport.write_slowly(wire.learned, path, body=whole)
        file = await asyncio.to_thread(_file_of, draft)
        path = self._document_path("upload")
        return await self._transport.write_slowly(wire.learned, path, body=body, file=file)

    async def document(
        self,
        document_id: UUID | str,
        *,
        as_of: datetime | str | None = None,
        version: int | None = None,
    ) -> Document:
        """The version of a document that is current, was at `as_of`, or has that number.

        Raises:
            NotFound: there is none.
        """
        path = self._document_path(as_id("id", document_id))
        query = wire.body_of(_version_asked(as_of, version))
        return await self._transport.ask(wire.document, "GET", path, query=query)

    async def documents(
        self,
        *,
        source: str | None = None,
        types: Sequence[str] | None = None,
        tags: Sequence[str] | None = None,
        since: datetime | str | None = None,
        until: datetime | str | None = None,
        metadata: Mapping[str, Any] | None = None,
        as_of: datetime | str | None = None,
        limit: int = 100,
        cursor: str | None = None,
    ) -> DocumentPage:
        """A page of documents in the order of their making; `next_cursor` leads to the next page.

        Args:
            types, tags, since, until, metadata: see `Filter`; here they are about documents.
            limit: 1 to 1,000.
        """
        chosen = Filter.of(types=types, tags=tags, since=since, until=until, metadata=metadata)
        query = {
            **wire.filter_query(chosen),
            **wire.body_of(
                {
                    "source": check_optional_text(
                        "source", source, chars_max=limits.NAME_BYTES_MAX
                    ),
                    "as_of": check_instant("as_of", as_of),
                    "limit": check_count("limit", limit, least=1, most=limits.LIMIT_MAX),
                    "cursor": cursor,
                }
            ),
        }
        return await self._transport.ask(wire.documents, "GET", self._document_path(), query=query)

    async def document_history(self, document_id: UUID | str) -> list[Document]:
        """Every version of a document, oldest first.

        Raises:
            NotFound: there never was one.
        """
        path = self._document_path(as_id("id", document_id), "history")
        return await self._transport.ask(wire.document_versions, "GET", path)

    async def chunks(
        self,
        document_id: UUID | str,
        *,
        as_of: datetime | str | None = None,
        version: int | None = None,
        limit: int = 100,
        cursor: str | None = None,
    ) -> ChunkPage:
        """A page of the chunks of one version of a document, in its order.

        Raises:
            NotFound: there is no such document, or no such version of it.
        """
        path = self._document_path(as_id("id", document_id), "chunks")
        page = {
            "limit": check_count("limit", limit, least=1, most=limits.LIMIT_MAX),
            "cursor": cursor,
        }
        query = wire.body_of({**_version_asked(as_of, version), **page})
        return await self._transport.ask(wire.chunks, "GET", path, query=query)

    async def observations(
        self, document_id: UUID | str, *, version: int | None = None
    ) -> list[Memory]:
        """The memories that one version of a document yielded, as far as they are still there.

        Raises:
            NotFound: there is no such document, or no such version of it.
        """
        path = self._document_path(as_id("id", document_id), "observations")
        query = wire.body_of(_version_asked(None, version))
        return await self._transport.ask(wire.observations, "GET", path, query=query)

    async def forget_document(
        self, document_id: UUID | str, *, hard: bool = False, if_version: int | None = None
    ) -> None:
        """Forget a document, its chunks, and the memories that it alone yielded.

        Args:
            hard: also erase the words and vectors of all its versions, and its raw sources.
            if_version: the version you saw; if another is current, nothing is forgotten.

        Raises:
            NotFound: there is no such document.
            ConflictError: it is not at `if_version`.
        """
        path = self._document_path(as_id("id", document_id))
        query = {"hard": "true"} if hard else None
        await self._transport.write(
            wire.nothing, "DELETE", path, query=query, headers=wire.if_match(if_version)
        )

    def _document_path(self, *segments: object) -> str:
        return path_of("stores", self.details.id, "documents", *segments)


def _version_asked(as_of: datetime | str | None, version: int | None) -> dict[str, Any]:
    instant = check_instant("as_of", as_of)
    if version is not None:
        check_count("version", version, least=1, most=VERSION_MAX)
    return {"as_of": instant, "version": version}


def _file_of(draft: DocumentDraft) -> File:
    """What is sent, under the name by which its format may be known.

    Raises:
        InvalidInput: the file cannot be read, or is too large.
    """
    if draft.file is None:
        assert draft.data is not None
        return File(Path(draft.source_id).name, bytes(draft.data))
    path = Path(draft.file)
    try:
        with path.open("rb") as file:
            content = file.read(FILE_BYTES_MAX + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it is no path"
        raise InvalidInput(
            "file", str(path), reason.lower(), remedy="Check the path and its permissions."
        ) from None
    if len(content) > FILE_BYTES_MAX:
        raise InvalidInput(
            "file",
            str(path),
            f"it has more than {FILE_BYTES_MAX:,} bytes",
            remedy="Learn it in several parts.",
        )
    return File(path.name, content)
