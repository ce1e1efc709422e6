"""The verbs of a store that are about documents."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from memoledger.model.document import ChunkPage, Document, DocumentDraft, DocumentPage, Learned
from memoledger.model.memory import Draft, Memory
from memoledger.model.queue import Wait
from memoledger.model.recall import Filter
from memoledger.services import documents
from memoledger.services.context import Context, Scope
from memoledger.services.learn import learn


class DocumentVerbs:
    """What a store's handle does with documents."""

    _context: Context
    _scope: Scope

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
            content, data, file: exactly one of them. Content without a `media_type` is taken as it
                is; everything else is read by its format.
            observations: memories that the document yields, written with it.
            wait: "searchable" to embed new chunks first, "durable" to leave that to workers.
            on_chunks: called as chunks are embedded, with (done, of).

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
        return await learn(self._context, self._scope, draft, wait=wait, on_chunks=on_chunks)

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
        return await documents.get_document(
            self._context, self._scope, document_id, as_of=as_of, version=version
        )

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
        return await documents.list_documents(
            self._context,
            self._scope,
            source=source,
            filter=chosen,
            as_of=as_of,
            limit=limit,
            cursor=cursor,
        )

    async def document_history(self, document_id: UUID | str) -> list[Document]:
        """Every version of a document, oldest first.

        Raises:
            NotFound: there never was one.
        """
        return await documents.document_history(self._context, self._scope, document_id)

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
        return await documents.list_chunks(
            self._context,
            self._scope,
            document_id,
            as_of=as_of,
            version=version,
            limit=limit,
            cursor=cursor,
        )

    async def observations(
        self, document_id: UUID | str, *, version: int | None = None
    ) -> list[Memory]:
        """The memories that one version of a document yielded, as far as they are still there.

        Raises:
            NotFound: there is no such document, or no such version of it.
        """
        found = await documents.get_document(
            self._context, self._scope, document_id, version=version
        )
        return await documents.list_observations(self._context, self._scope, found)

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
        await documents.forget_document(
            self._context, self._scope, document_id, hard=hard, if_version=if_version
        )
