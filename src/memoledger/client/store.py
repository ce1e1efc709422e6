"""The handle of a store, over HTTP: remember, recall and the other verbs."""

from __future__ import annotations

from collections.abc import AsyncIterable, Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, get_args
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from memoledger.client import wire
from memoledger.client.bulk import remember_many
from memoledger.client.documents import DocumentVerbs
from memoledger.client.packing import fitted
from memoledger.client.transport import Transport, path_of
from memoledger.model import limits
from memoledger.model.bulk import BATCH_DEFAULT, BulkReport, Item, Progress
from memoledger.model.checks import check_choice, check_count, check_instant, check_name
from memoledger.model.context_pack import BUDGET_MAX, FOLD, ContextPack, CountTokens
from memoledger.model.ids import as_id, as_ids
from memoledger.model.memory import Draft, Memory, Privacy, Remembered, check_changes
from memoledger.model.pages import Page
from memoledger.model.principal import Principal, check_grantee
from memoledger.model.queue import Wait
from memoledger.model.recall import Family, Filter, Hits, Mode, question_of
from memoledger.model.receipts import Accesses
from memoledger.model.store import Access, Grant, Store, Visibility
from memoledger.model.why import Why


class StoreHandle(DocumentVerbs):
    """A store, as its principal may use it. `PrincipalHandle.store` makes one."""

    def __init__(self, transport: Transport, principal: Principal, store: Store) -> None:
        self._transport = transport
        self._principal = principal
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
        (`"unchanged"`), an external id with changed content gets a new version (`"updated"`). With
        `wait="durable"` it is embedded later, by the workers; until then its words find it.

        Raises:
            InvalidInput, EmbedderError: a field is wrong, or the model failed; nothing was written.
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
        body, path = wire.draft_body(draft), self._path("memories")
        query = wire.waiting(wait)
        return await self._transport.write(wire.remembered, "POST", path, body=body, query=query)

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
            on_items: called with what became of each batch; the report then holds no items.
            wait: as in `remember`.

        Raises:
            EmbedderError, LedgerUnavailable, Forbidden: the batch in hand was not written.
        """
        return await remember_many(
            self._transport,
            self._path("memories", "bulk"),
            items,
            batch_size=batch_size,
            on_progress=on_progress,
            on_items=on_items,
            query=wire.waiting(wait),
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
        body = wire.question_body(question_of(query, options), embedding)
        return await self._transport.ask(wire.hits, "POST", self._path("recall"), body=body)

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
            limit: considered at most, 1 to 1,000; None for as many as might fit, up to 200.
            fold: cosine from which memories count as duplicates; None to keep them all.
            count_tokens: counts the tokens of a text for the model that will read it. Without it
                they are counted with the embedder's tokenizer, or estimated where that is remote.
            embedding: the query's vector, to save embedding it.
            asked: what else `recall` takes: filters, `as_of`, `mode`, `families`, weights, …

        Raises:
            InvalidInput: an argument is wrong.
        """
        budget = check_count("max_tokens", max_tokens, least=1, most=BUDGET_MAX)
        given = {} if limit is None else {"limit": limit}
        question = question_of(query, {**asked, **given, "fold": fold})
        body = {**wire.question_body(question, embedding), "limit": limit, "fold": fold}

        async def packed(max_tokens: int) -> ContextPack:
            asked = {**body, "maxTokens": max_tokens}
            return await self._transport.ask(wire.pack, "POST", self._path("context"), body=asked)

        return await fitted(packed, budget, count_tokens)

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
        path = self._path("memories", as_id("id", memory_id), "why")
        body = wire.question_body(question, embedding)
        return await self._transport.ask(wire.why, "POST", path, body=body)

    async def accesses(self, memory_ids: Iterable[UUID | str]) -> dict[UUID, Accesses]:
        """How often each of up to 1,000 memories was recalled, and when last, if it ever was."""
        wanted = as_ids("memory_ids", memory_ids, most=limits.LIMIT_MAX)
        body = {"memoryIds": [str(one) for one in wanted]}
        return await self._transport.ask(wire.accesses, "POST", self._path("accesses"), body=body)

    async def get(self, memory_id: UUID | str, *, as_of: datetime | str | None = None) -> Memory:
        """The version of a memory that is current, or was at `as_of`.

        Raises:
            NotFound: there is none.
        """
        path = self._path("memories", as_id("id", memory_id))
        query = wire.body_of({"as_of": check_instant("as_of", as_of)})
        return await self._transport.ask(wire.memory, "GET", path, query=query)

    async def count(self) -> int:
        """How many memories are current."""
        return await self._transport.ask(wire.count, "GET", self._path("memories", "count"))

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
        path = self._path("memories", as_id("id", memory_id))
        check_changes(changes)
        body, headers = wire.changes_body(changes), wire.if_match(if_version)
        return await self._transport.write(
            wire.remembered, "PATCH", path, body=body, headers=headers
        )

    async def forget(
        self, memory_id: UUID | str, *, hard: bool = False, if_version: int | None = None
    ) -> None:
        """Forget a memory; with `hard` also erase the texts and vectors of all its versions.

        Raises:
            NotFound: there is no such memory.
            ConflictError: it is not at `if_version`.
        """
        path = self._path("memories", as_id("id", memory_id))
        query = {"hard": "true"} if hard else None
        await self._transport.write(
            wire.nothing, "DELETE", path, query=query, headers=wire.if_match(if_version)
        )

    async def history(self, memory_id: UUID | str) -> list[Memory]:
        """Every version of a memory, oldest first.

        Raises:
            NotFound: there never was one.
        """
        path = self._path("memories", as_id("id", memory_id), "history")
        return await self._transport.ask(wire.versions, "GET", path)

    async def share(self, user: str, *, access: Access = "read") -> Grant:
        """Let another user of the tenant read this store, or read and write it ("write").

        Raises:
            Forbidden: the store is not the principal's own.
        """
        path = self._path("grants", check_grantee(self._principal, user))
        check_choice("access", access, get_args(Access))
        return await self._transport.write(wire.grant, "PUT", path, body={"access": access})

    async def unshare(self, user: str) -> None:
        """Take a grant back.

        Raises:
            NotFound: the user holds none.
        """
        path = self._path("grants", check_name("user", user))
        await self._transport.write(wire.nothing, "DELETE", path)

    async def grants(self) -> list[Grant]:
        """The grants on this store."""
        return await self._transport.ask(wire.grants, "GET", self._path("grants"))

    async def set_visibility(self, visibility: Visibility) -> Store:
        """Open the store to the tenant for reading ("tenant"), or close it ("private").

        Raises:
            Forbidden: the store is not the principal's own.
        """
        check_choice("visibility", visibility, get_args(Visibility))
        body = {"visibility": visibility}
        self.details = await self._transport.write(wire.store, "PATCH", self._path(), body=body)
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
        check_count("limit", limit, least=1, most=limits.LIMIT_MAX)
        asked = {"as_of": check_instant("as_of", as_of), "limit": limit, "cursor": cursor}
        query = wire.filter_query(chosen) | wire.body_of(asked)
        return await self._transport.ask(wire.memories, "GET", self._path("memories"), query=query)

    def _path(self, *segments: object) -> str:
        return path_of("stores", self.id, *segments)
