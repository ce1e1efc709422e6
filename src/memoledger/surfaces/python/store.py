"""The handle of a store: remember, recall and the other verbs."""

from __future__ import annotations

from collections.abc import AsyncIterable, Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from memoledger.model.bulk import BATCH_DEFAULT, BulkReport, Item, Progress
from memoledger.model.context_pack import FOLD, ContextPack, CountTokens
from memoledger.model.memory import Draft, Memory, Privacy, Remembered
from memoledger.model.pages import Page
from memoledger.model.principal import Principal
from memoledger.model.queue import Wait
from memoledger.model.recall import Family, Filter, Hits, Mode, question_of
from memoledger.model.receipts import Accesses
from memoledger.model.store import Access, Grant, Store, Visibility
from memoledger.model.why import Why
from memoledger.services import stores
from memoledger.services.compose import compose, limit_for
from memoledger.services.context import Context, Scope
from memoledger.services.forget import forget
from memoledger.services.read import get, history, list_memories
from memoledger.services.read_receipts import accesses
from memoledger.services.recall import recall
from memoledger.services.remember import remember
from memoledger.services.remember_many import remember_many
from memoledger.services.update import update
from memoledger.services.why import why
from memoledger.surfaces.python.documents import DocumentVerbs


class StoreHandle(DocumentVerbs):
    """A store, as its principal may use it. `PrincipalHandle.store` makes one."""

    def __init__(self, context: Context, principal: Principal, store: Store) -> None:
        self._context = context
        self._scope = Scope(principal, store.id)
        self.details = store

    @property
    def id(self) -> UUID:
        """The store's id."""
        return self.details.id

    @property
    def name(self) -> str:
        """The store's name."""
        return self.details.name

    async def remember(
        self,
        content: str,
        *,
        type: str = "fact",  # noqa: A002 - the field's name everywhere
        importance: float = 0.5,
        source: str | None = None,
        tags: Sequence[str] = (),
        subject_refs: Sequence[str] = (),
        metadata: Mapping[str, Any] | None = None,
        title: str | None = None,
        summary: str | None = None,
        external_id: str | None = None,
        occurred_at: datetime | str | None = None,
        valid_from: datetime | str | None = None,
        valid_to: datetime | str | None = None,
        expires_at: datetime | str | None = None,
        privacy: Privacy = "store",
        embedding: Sequence[float] | NDArray[np.floating] | None = None,
        wait: Wait = "searchable",
    ) -> Remembered:
        """Remember a text; see `Draft` for the fields. The answer's `outcome` says what was done.

        The identity is `external_id`, or else the content: the same again changes nothing
        (`"unchanged"`), an external id with changed content gets a new version (`"updated"`).

        Args:
            wait: "searchable" to embed it first; "durable" to return once it cannot be lost, and
                leave that to the workers: until then its words find it.

        Raises:
            InvalidInput: a field is wrong; nothing was written.
            EmbedderError: the model failed; nothing was written.
            Forbidden: this principal may not write the store.
        """
        draft = Draft(
            content=content,
            type=type,
            importance=importance,
            source=source,
            tags=tags,
            subject_refs=subject_refs,
            metadata=metadata,
            title=title,
            summary=summary,
            external_id=external_id,
            occurred_at=occurred_at,
            valid_from=valid_from,
            valid_to=valid_to,
            expires_at=expires_at,
            privacy=privacy,
            embedding=embedding,
        )
        return await remember(self._context, self._scope, draft, wait=wait)

    async def remember_many(
        self,
        items: Iterable[Draft | Mapping[str, Any]] | AsyncIterable[Draft | Mapping[str, Any]],
        *,
        batch_size: int = BATCH_DEFAULT,
        on_progress: Callable[[Progress], None] | None = None,
        on_items: Callable[[Sequence[Item]], None] | None = None,
        wait: Wait = "searchable",
    ) -> BulkReport:
        """Remember many, in batches of one transaction; wrong items are rejected, the rest is kept.

        Interrupted, it is resumed by calling it again with the same items.

        Args:
            items: drafts or mappings with their fields; read lazily.
            batch_size: 1 to 1,000.
            on_progress: called after each batch with the counts so far.
            on_items: called after each batch with what became of its items; the report then holds
                none.
            wait: as in `remember`.

        Raises:
            EmbedderError, LedgerUnavailable, Forbidden: the batch in hand was not written.
        """
        return await remember_many(
            self._context,
            self._scope,
            items,
            batch_size=batch_size,
            on_progress=on_progress,
            on_items=on_items,
            wait=wait,
        )

    async def recall(
        self,
        query: str,
        *,
        limit: int = 10,
        mode: Mode = "hybrid",
        min_similarity: float | None = None,
        types: Sequence[str] | None = None,
        tags: Sequence[str] | None = None,
        since: datetime | str | None = None,
        until: datetime | str | None = None,
        min_importance: float | None = None,
        metadata: Mapping[str, Any] | None = None,
        as_of: datetime | str | None = None,
        valid_at: datetime | str | None = None,
        now: datetime | str | None = None,
        recency: float = 0.0,
        importance: float = 0.0,
        access: float = 0.0,
        half_life_days: float = 30.0,
        diversity: float = 0.0,
        fold: float | None = None,
        rerank: bool | None = None,
        explain: bool = False,
        families: Sequence[Family] | None = None,
        embedding: Sequence[float] | NDArray[np.floating] | None = None,
    ) -> Hits:
        """Find memories, and chunks of documents, best first.

        Args:
            query, limit: what to look for, 1 to 10,000 characters, and hits at most, 1 to 1,000.
            mode: "hybrid", "dense" (vectors) or "lexical" (words; no `min_similarity`, a cosine).
            types, tags, since, until, min_importance, metadata, valid_at: see `Filter`.
            as_of, now: the instant to answer from, and what "yesterday" and recency refer to.
            recency, importance, access, half_life_days, diversity, fold, rerank: see `Ranking`.
            families: what may be an answer: "memory", "chunk", or both if not given.
            explain, embedding: give each hit its `parts`; the query's vector, to save embedding it.

        Raises:
            InvalidInput: an argument is wrong.
        """
        options: dict[str, Any] = {
            "limit": limit,
            "mode": mode,
            "min_similarity": min_similarity,
            "types": types,
            "tags": tags,
            "since": since,
            "until": until,
            "min_importance": min_importance,
            "metadata": metadata,
            "as_of": as_of,
            "valid_at": valid_at,
            "now": now,
            "recency": recency,
            "importance": importance,
            "access": access,
            "half_life_days": half_life_days,
            "diversity": diversity,
            "fold": fold,
            "rerank": rerank,
            "explain": explain,
            "families": families,
        }
        asked = question_of(query, options)
        return await recall(self._context, self._scope, asked, embedding=embedding)

    async def context(
        self,
        query: str,
        *,
        max_tokens: int,
        limit: int | None = None,
        fold: float | None = FOLD,
        count_tokens: CountTokens | None = None,
        embedding: Sequence[float] | NDArray[np.floating] | None = None,
        **asked: Any,
    ) -> ContextPack:
        """The best memories and chunks for a question, as a text of at most `max_tokens`.

        Memories of one conversation or topic stand together, in the order of time; chunks of one
        document in its order. Near-duplicates are left out; what did not fit is counted. The
        receipt lists what is in the pack.

        Args:
            query: what the text is for, 1 to 10,000 characters.
            max_tokens: the budget, headings included, 1 to 1,000,000.
            limit: memories considered at most, 1 to 1,000; None for as many as might fit, up to
                200.
            fold: cosine from which memories count as duplicates; None to keep them all.
            count_tokens: counts the tokens of a text for the model that will read it. Without it
                they are counted with the embedder's tokenizer, or estimated where that is remote.
            embedding: the query's vector, to save embedding it.
            asked: what else `recall` takes: filters, `as_of`, `mode`, `families`, weights,
                `diversity`.

        Raises:
            InvalidInput: an argument is wrong.
        """
        found = limit_for(max_tokens) if limit is None else limit
        question = question_of(query, {**asked, "limit": found, "fold": fold})
        return await compose(
            self._context,
            self._scope,
            question,
            store=self.name,
            max_tokens=max_tokens,
            count_tokens=count_tokens,
            embedding=embedding,
        )

    async def why(
        self,
        memory_id: UUID | str,
        query: str,
        *,
        embedding: Sequence[float] | NDArray[np.floating] | None = None,
        **asked: Any,
    ) -> Why:
        """Why a question returns a memory or a chunk, or does not. It leaves no receipt.

        Args:
            memory_id: the id of either.
            embedding: the query's vector, if it was asked with one.
            asked: what else was asked for, as `recall` takes it.

        Raises:
            NotFound: there is no such memory or chunk that this principal may see.
            InvalidInput: an argument is wrong.
        """
        question = question_of(query, asked)
        return await why(self._context, self._scope, memory_id, question, embedding=embedding)

    async def accesses(self, memory_ids: Iterable[UUID | str]) -> dict[UUID, Accesses]:
        """How often each memory was recalled, and when last; one that never was is left out.

        Args:
            memory_ids: at most 1,000.
        """
        return await accesses(self._context, self._scope, memory_ids)

    async def get(self, memory_id: UUID | str, *, as_of: datetime | str | None = None) -> Memory:
        """The version of a memory that is current, or was at `as_of`.

        Raises:
            NotFound: there is none.
        """
        return await get(self._context, self._scope, memory_id, as_of=as_of)

    async def count(self) -> int:
        """How many memories are current."""
        return await self._context.ledger.memories.count(self._scope.principal, self.id)

    async def update(
        self, memory_id: UUID | str, *, if_version: int | None = None, **changes: Any
    ) -> Remembered:
        """Write a memory's next version: the present one with the given fields changed.

        Args:
            if_version: the version you saw; if another is current, nothing is written.
            changes: fields of `Draft` except `external_id`.

        Raises:
            NotFound: there is no such current memory.
            InvalidInput: a field is wrong or cannot be changed.
            ConflictError: somebody else changed it first.
        """
        return await update(self._context, self._scope, memory_id, changes, if_version=if_version)

    async def forget(
        self, memory_id: UUID | str, *, hard: bool = False, if_version: int | None = None
    ) -> None:
        """Forget a memory; with `hard` also erase the texts and vectors of all its versions.

        Raises:
            NotFound: there is no such memory.
            ConflictError: it is not at `if_version`.
        """
        await forget(self._context, self._scope, memory_id, hard=hard, if_version=if_version)

    async def history(self, memory_id: UUID | str) -> list[Memory]:
        """Every version of a memory, oldest first.

        Raises:
            NotFound: there never was one.
        """
        return await history(self._context, self._scope, memory_id)

    async def share(self, user: str, *, access: Access = "read") -> Grant:
        """Let another user of the tenant read this store, or read and write it ("write").

        Raises:
            Forbidden: the store is not the principal's own.
        """
        return await stores.share(self._context, self._scope.principal, self.id, user, access)

    async def unshare(self, user: str) -> None:
        """Take a grant back.

        Raises:
            NotFound: the user holds none.
        """
        await stores.unshare(self._context, self._scope.principal, self.id, user)

    async def grants(self) -> list[Grant]:
        """The grants on this store."""
        return await stores.list_grants(self._context, self._scope.principal, self.id)

    async def set_visibility(self, visibility: Visibility) -> Store:
        """Open the store to the tenant for reading ("tenant"), or close it ("private").

        Raises:
            Forbidden: the store is not the principal's own.
        """
        self.details = await stores.set_visibility(
            self._context, self._scope.principal, self.id, visibility
        )
        return self.details

    async def list(
        self,
        *,
        types: Sequence[str] | None = None,
        tags: Sequence[str] | None = None,
        since: datetime | str | None = None,
        until: datetime | str | None = None,
        min_importance: float | None = None,
        metadata: Mapping[str, Any] | None = None,
        as_of: datetime | str | None = None,
        valid_at: datetime | str | None = None,
        limit: int = 100,
        cursor: str | None = None,
    ) -> Page:
        """A page of memories in the order of their making; `next_cursor` leads to the next page."""
        chosen = Filter.of(
            types=types,
            tags=tags,
            since=since,
            until=until,
            min_importance=min_importance,
            metadata=metadata,
            valid_at=valid_at,
        )
        return await list_memories(
            self._context, self._scope, filter=chosen, as_of=as_of, limit=limit, cursor=cursor
        )
