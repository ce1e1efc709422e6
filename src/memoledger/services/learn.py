"""Learn: a document from its source, cut into chunks that are found by themselves.

    source -> hash -> known already: unchanged
                   -> otherwise: read -> split -> match with the chunks that are there
                      -> embed the others -> store the raw source -> write all in one transaction

Files, models and the object store are used before the transaction begins, never inside it. Whoever
loses a race begins anew from what the winner wrote.
"""

from __future__ import annotations

import asyncio
import re
from collections import defaultdict, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from memoledger.ledger.document_rows import PreparedDocument
from memoledger.model import limits
from memoledger.model.artifact import Artifact, Digest
from memoledger.model.document import (
    DOCUMENT_TYPE,
    CheckedDocument,
    ChunkDraft,
    Document,
    DocumentDraft,
    Extracted,
    Learned,
    LearnOutcome,
    Piece,
    chunk_hash,
)
from memoledger.model.errors import ConflictError, InvalidInput, MemoledgerError
from memoledger.model.ids import new_id
from memoledger.model.queue import Wait, check_wait
from memoledger.ports import Reader, Splitter
from memoledger.services.artifacts import give_up, put
from memoledger.services.byte_streams import Lasting, digest_of
from memoledger.services.context import Context, Scope
from memoledger.services.observe import ObservationPlan, plan_observations, remembered
from memoledger.services.prepare_chunks import prepare_chunks
from memoledger.services.remember import ATTEMPTS_MAX
from memoledger.services.stores import require_write_access

STATISTICS_FROM: Final = 1_000
"""After so many new chunks of one document the planner is told, should tables have grown much."""

PLAIN: Final = "text/plain"
"""What content is that nobody calls anything else: it is taken as it is."""

_NOT_STORABLE: Final = re.compile("[\x00\ud800-\udfff]")

OnChunks = Callable[[int, int], None]
"""Called with how many new chunks are embedded, and how many there are to be."""


async def learn(
    context: Context,
    scope: Scope,
    draft: DocumentDraft,
    *,
    wait: Wait = "searchable",
    on_chunks: OnChunks | None = None,
) -> Learned:
    """Learn a document, or find that it is known.

    The identity is the source and its id there. The same content again is a no-op that says so
    (`outcome="unchanged"`), unless a field is given that differs from what is known, or an
    observation that is not. Anything else is a new version, which keeps the chunks that are the
    same, with their vectors.

    Args:
        wait: "searchable" to embed the new chunks first; "durable" to leave that to the workers:
            they are found by their words until it is done.
        on_chunks: called as chunks are embedded, with (done, of).

    Raises:
        InvalidInput: a field is wrong; nothing was written.
        UnreadableSource: the source cannot be read; nothing was written.
        EmbedderError, ArtifactError: the model or the object store failed; nothing was written.
        Forbidden: the store is not the principal's to write.
        ConflictError: other writers kept changing the same document, or the file changed while it
            was read.
    """
    asked = check_wait(wait)
    context = await context.pinned()
    source = await _Source.of(draft)
    learning = _Learning(context, scope, draft.checked(), source, asked, on_chunks)
    for _ in range(ATTEMPTS_MAX):
        try:
            return await learning.attempt()
        except ConflictError as error:
            if learning.has_changed:
                raise
            lost = error
            await learning.clear_the_way()
    raise lost


@dataclass(frozen=True, slots=True)
class _Source:
    """What a document is learned from, and its hash.

    Args:
        kind: content, data or file.
        stored: the bytes, or the file that has them.
    """

    kind: str
    stored: Lasting
    digest: Digest
    content: str | None
    name: str | None

    @classmethod
    async def of(cls, draft: DocumentDraft) -> _Source:
        """Raises InvalidInput: the file cannot be read, or what was given is of a wrong type."""
        draft.check_origin()
        if draft.file is not None:
            path = Path(draft.file)
            return cls("file", path, await digest_of(path), None, path.name)
        if draft.data is not None:
            data = bytes(draft.data)
            return cls("data", data, await digest_of(data), None, Path(draft.source_id).name)
        assert draft.content is not None
        data = draft.content.encode()
        return cls("content", data, await digest_of(data), draft.content, None)


@dataclass(slots=True)
class _Learning:
    """One document on its way, over as many attempts as it takes."""

    _context: Context
    _scope: Scope
    _checked: CheckedDocument
    _source: _Source
    _wait: Wait
    _on_chunks: OnChunks | None
    _read: tuple[Extracted, list[Piece]] | None = None
    _plan: ObservationPlan | None = None
    has_changed: bool = False
    """Whether the source is not what it was when its hash was taken."""

    async def attempt(self) -> Learned:
        """Learn it from what is there now.

        Raises:
            ConflictError: somebody was faster; nothing was written.
        """
        present = await self._context.ledger.documents.by_source(
            self._scope.principal,
            self._scope.store_id,
            self._checked.source,
            self._checked.source_id,
        )
        document_id = new_id() if present is None else present.id
        self._plan = await plan_observations(
            self._context, self._scope, document_id, self._checked.observations, self._wait
        )
        if present is not None and self._is_known(present) and self._plan.is_known:
            return Learned(present, "unchanged", present.chunk_count, 0, present.chunk_count)
        await require_write_access(self._context, self._scope)
        extracted, pieces = await self._pieces()
        chunks, gone = await self._match(present, pieces)
        prepared = await prepare_chunks(
            self._context, chunks, pieces, wait=self._wait, on_chunks=self._on_chunks
        )
        observations = await self._plan.prepare(self._context)
        artifact = await self._store(document_id, extracted)
        ready = PreparedDocument(
            document_id=document_id,
            expected_version=None if present is None else present.version,
            fields=self._fields(extracted, present, chunks, artifact),
            chunks=prepared.chunks,
            gone=gone,
            observations=observations,
            waits_in=prepared.waits_in,
        )
        document = await self._write(ready, artifact)
        return await self._learned(document, chunks)

    async def clear_the_way(self) -> None:
        """Close what expired and still holds an observation's identity."""
        if self._plan is not None:
            await self._plan.close_expired(self._context)

    def _is_known(self, present: Document) -> bool:
        described = self._checked.described
        return present.content_hash == self._source.digest.hash and all(
            getattr(present, name) == value for name, value in described.items()
        )

    async def _pieces(self) -> tuple[Extracted, list[Piece]]:
        if self._read is None:
            extracted = await self._extract()
            splitter = require_splitter(self._context)
            pieces = await asyncio.to_thread(splitter.split, extracted.text, extracted.media_type)
            if len(pieces) > limits.CHUNKS_MAX:
                raise InvalidInput(
                    self._source.kind,
                    f"{len(pieces):,} chunks",
                    f"a document has at most {limits.CHUNKS_MAX:,}",
                    remedy="Learn it in parts.",
                )
            self._read = extracted, pieces
        return self._read

    async def _extract(self) -> Extracted:
        source, media_type = self._source, self._checked.described.get("media_type")
        if source.content is not None and media_type in (None, PLAIN):
            return Extracted(storable(source.content), media_type=PLAIN)
        reader = require_reader(self._context)
        extracted = await asyncio.to_thread(reader.read, source.stored, media_type, source.name)
        if len(extracted.text) > limits.DOCUMENT_CHARS_MAX:
            raise InvalidInput(
                source.kind,
                source.name,
                f"its text has {len(extracted.text):,} characters, the limit is "
                f"{limits.DOCUMENT_CHARS_MAX:,}",
                remedy="Learn it in parts.",
            )
        return _storable_extract(extracted)

    async def _match(
        self, present: Document | None, pieces: Sequence[Piece]
    ) -> tuple[list[ChunkDraft], tuple[UUID, ...]]:
        """Which of the pieces are chunks already: those with the same hash, in their order.

        Returns:
            all chunks, and the ids of those that were there and are not any more.
        """
        held: dict[bytes, deque[UUID]] = defaultdict(deque)
        if present is not None:
            for chunk_id, digest in await self._context.ledger.documents.chunks_held(
                self._scope.principal, self._scope.store_id, present
            ):
                held[digest].append(chunk_id)
        chunks = []
        for piece in pieces:
            there = held[chunk_hash(piece.text, piece.section)]
            if there:
                chunks.append(ChunkDraft(there.popleft(), piece, is_new=False))
            else:
                chunks.append(ChunkDraft(new_id(), piece, is_new=True))
        return chunks, tuple(chunk_id for left in held.values() for chunk_id in left)

    async def _store(self, document_id: UUID, extracted: Extracted) -> Artifact | None:
        """Put the raw source into the object store, where there is one.

        Raises:
            ConflictError: the file is not what it was when its hash was taken.
        """
        if self._context.artifacts is None:
            return None
        described = self._checked.described.get("media_type")
        media_type = described or extracted.source_type or extracted.media_type
        self.has_changed = True
        artifact = await put(
            self._context, self._scope, document_id, self._source.stored, media_type=media_type
        )
        if artifact.hash != self._source.digest.hash:
            await give_up(self._context, self._scope, artifact, certain=True)
            raise ConflictError(
                f"{self._source.name or 'The source'} changed while it was read.",
                remedy="Learn it again once it is complete.",
            )
        self.has_changed = False
        return artifact

    def _fields(
        self,
        extracted: Extracted,
        present: Document | None,
        chunks: Sequence[ChunkDraft],
        artifact: Artifact | None,
    ) -> Mapping[str, Any]:
        told = {
            "type": DOCUMENT_TYPE,
            "title": extracted.title,
            "summary": None,
            "state": None,
            "author": dict(extracted.author or {}),
            "tags": (),
            "metadata": {},
            "occurred_at": extracted.occurred_at,
            "media_type": extracted.source_type or extracted.media_type,
        }
        fields = {**told, **self._checked.described}
        return {
            **fields,
            "tags": list(fields["tags"]),
            "source": self._checked.source,
            "source_id": self._checked.source_id,
            "content_hash": bytes.fromhex(self._source.digest.hash),
            "artifact_key": None if artifact is None else artifact.key,
            "artifact_hash": None if artifact is None else artifact.hash,
            "lineage": self._lineage(present, chunks),
            "chunk_count": len(chunks),
            "char_count": len(extracted.text),
        }

    def _lineage(self, present: Document | None, chunks: Sequence[ChunkDraft]) -> dict[str, Any]:
        return {
            "learned_from": self._source.kind,
            "name": self._source.name,
            "bytes": self._source.digest.bytes,
            "parent_version": None if present is None else present.version,
            "splitter": require_splitter(self._context).name,
            "chunks_new": sum(chunk.is_new for chunk in chunks),
        }

    async def _write(self, ready: PreparedDocument, artifact: Artifact | None) -> Document:
        try:
            return await self._context.ledger.documents.write(
                self._scope.principal,
                self._scope.store_id,
                ready,
                self._context.ledger.embedding_version,
            )
        except MemoledgerError as error:
            if artifact is not None and artifact.state == "writing":
                # A conflict undid it for certain; a connection may have broken after the commit.
                certain = isinstance(error, ConflictError)
                await give_up(self._context, self._scope, artifact, certain=certain)
            raise

    async def _learned(self, document: Document, chunks: Sequence[ChunkDraft]) -> Learned:
        new = sum(chunk.is_new for chunk in chunks)
        if new >= STATISTICS_FROM:
            await self._context.ledger.maintenance.refresh_statistics()
        outcome: LearnOutcome = "created" if document.version == 1 else "updated"
        assert self._plan is not None
        found = await remembered(self._context, self._scope, self._plan)
        return Learned(document, outcome, len(chunks), new, len(chunks) - new, found)


def storable(text: str) -> str:
    """The text without NUL and lone surrogates; what takes their places keeps every offset."""
    return _NOT_STORABLE.sub("\ufffd", text)


def _storable_extract(extracted: Extracted) -> Extracted:
    """What a source says of itself is taken as far as it fits."""
    title = None if extracted.title is None else storable(extracted.title).strip()
    return Extracted(
        storable(extracted.text),
        title=title[: limits.TITLE_CHARS_MAX] if title else None,
        author=extracted.author,
        occurred_at=extracted.occurred_at,
        media_type=extracted.media_type,
        source_type=extracted.source_type,
    )


def require_splitter(context: Context) -> Splitter:
    """The splitter.

    Raises:
        InvalidInput: this ledger was opened without one.
    """
    if context.splitter is None:
        raise InvalidInput(
            "splitter", None, "this ledger has none", remedy="Open it with one, as `open` does."
        )
    return context.splitter


def require_reader(context: Context) -> Reader:
    """The reader.

    Raises:
        InvalidInput: this ledger was opened without one.
    """
    if context.reader is None:
        raise InvalidInput(
            "reader", None, "this ledger has none", remedy="Give the text as `content`."
        )
    return context.reader
