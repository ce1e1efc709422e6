"""Why a question returns a memory or a chunk, or does not.

The question is asked again as it was, and where the memory is not in the answer, deeper, and the
memory is held against each condition by itself. Nothing but this one memory's place is told, so it
leaves no receipt and counts as no access. All of it holds for chunks as it does for memories.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from memoledger.ledger.chunks import Life
from memoledger.ledger.receipts import Verdict
from memoledger.model import limits
from memoledger.model.document import Chunk
from memoledger.model.ids import as_id
from memoledger.model.memory import Memory
from memoledger.model.recall import Family, Hits, Query
from memoledger.model.vectors import Vector, as_unit_vector
from memoledger.model.why import Reason, Why
from memoledger.services.context import Context, Scope
from memoledger.services.read import no_such_memory
from memoledger.services.recall import answer

Absence = tuple[Reason, str]
"""Why a memory is not there, and the same in a sentence."""


async def why(
    context: Context,
    scope: Scope,
    memory_id: UUID | str,
    query: Query,
    *,
    embedding: Sequence[float] | NDArray[np.floating] | None = None,
) -> Why:
    """Why a question returns a memory or a chunk, or does not.

    Args:
        memory_id: the id of either.
        query: the question as `recall` takes it.
        embedding: its vector, if it was asked with one.

    Raises:
        NotFound: there is no such memory or chunk that the principal may see, in any store.
        InvalidInput, EmbedderError: as `recall`.
    """
    wanted = as_id("id", memory_id)
    asked = replace(query, explain=True)
    context = await context.pinned()
    vector = await _vector(context, query, embedding)
    inquiry = _Inquiry(context, scope, wanted, asked, vector)
    hits = await answer(context, scope, asked, embedding=vector)
    return (
        await inquiry.found(hits)
        or await inquiry.absent()
        or await inquiry.held_against_conditions(hits)
        or await inquiry.further_down(hits)
    )


async def _vector(
    context: Context, query: Query, given: Sequence[float] | NDArray[np.floating] | None
) -> Vector | None:
    if query.mode == "lexical":
        return None
    if given is not None:
        return as_unit_vector("embedding", given, context.preparer.dimensions)
    return await context.preparer.embed_query(query.text)


@dataclass(slots=True)
class _Inquiry:
    """One memory or chunk and one question; each method gives the answer, or None to look further.

    Args:
        held: what the store holds of it, once that was looked up.
    """

    context: Context
    scope: Scope
    memory_id: UUID
    query: Query
    vector: Vector | None
    held: Memory | Chunk | None = None
    verdict: Verdict | None = None

    async def found(self, hits: Hits) -> Why | None:
        """It is in the answer, by itself or behind one that resembles it."""
        for rank, hit in enumerate(hits, start=1):
            if hit.id == self.memory_id:
                self.held = hit.found
                text = f"It is hit {rank} of at most {self.query.limit}."
                found = self._why("recalled", text, hits, rank=rank)
                return replace(found, score=hit.score, parts=hit.parts)
            if self.memory_id in hit.folded:
                text = f"It resembles hit {rank}, {hit.family} {hit.id}, which stands for both."
                self.held = await self._held_chunk()
                return self._why("folded", text, hits, rank=rank)
        return None

    async def absent(self) -> Why | None:
        """The store does not hold it, or not at the instant that was asked about."""
        memories, scope = self.context.ledger.memories, self.scope
        self.held = await memories.get(
            scope.principal, scope.store_id, self.memory_id, self.query.as_of
        )
        if self.held is not None:
            return None
        versions = await memories.history(scope.principal, scope.store_id, self.memory_id)
        if not versions:
            return await self._absent_chunk()
        reason, text = _ending(versions, self.query.as_of)
        return replace(self._why(reason, text), version=versions[-1].version)

    async def _absent_chunk(self) -> Why | None:
        """The same of an id that is no memory's."""
        self.held = await self._held_chunk()
        if self.held is not None:
            return None
        life = await self.context.ledger.chunks.life(
            self.scope.principal, self.scope.store_id, self.memory_id
        )
        if life is None:
            return await self._elsewhere()
        told = self._why(*_ending_of_chunk(life, self.query.as_of))
        return replace(told, family="chunk", version=life.document_version)

    async def _held_chunk(self) -> Chunk | None:
        """The chunk of that id, where the document has it now, or at the asked instant."""
        found = await self.context.ledger.documents.get_chunks(
            self.scope.principal, self.scope.store_id, [self.memory_id], self.query.as_of
        )
        return found.get(self.memory_id)

    async def held_against_conditions(self, hits: Hits) -> Why | None:
        """A filter, a threshold or what is missing for the search keeps it out."""
        assert self.held is not None, "it is there"
        family: Family = "chunk" if isinstance(self.held, Chunk) else "memory"
        if family not in self.query.families:
            text = f"It is a {family}, and only {', '.join(self.query.families)} was asked for."
            return replace(self._why("filtered-out", text, hits), filters=("families",))
        self.verdict = await self._judged(self.held)
        if self.verdict is None:  # forgotten or hidden since
            raise no_such_memory(self.memory_id)
        unmet = tuple(name for name, met in self.verdict.conditions.items() if not met)
        if unmet:
            text = f"It does not meet: {', '.join(unmet)}."
            return replace(self._why("filtered-out", text, hits), filters=unmet)
        kept_out = _kept_out(self.query, self.verdict)
        return None if kept_out is None else self._why(*kept_out, hits)

    async def _judged(self, held: Memory | Chunk) -> Verdict | None:
        ledger, who, store_id = self.context.ledger, self.scope.principal, self.scope.store_id
        terms = self.context.preparer.query_terms(self.query.text)
        if isinstance(held, Chunk):
            return await ledger.chunks.judge(
                who,
                store_id,
                held,
                filter=self.query.filter,
                vector=self.vector,
                embedding_version=ledger.embedding_version,
                terms=terms,
            )
        return await ledger.receipts.judge(
            who,
            store_id,
            (held.id, held.version),
            filter=self.query.filter,
            vector=self.vector,
            embedding_version=ledger.embedding_version,
            terms=terms,
        )

    async def further_down(self, hits: Hits) -> Why:
        """It is among what the question finds, only not among the first."""
        deep = replace(self.query, limit=limits.LIMIT_MAX)
        found = await answer(self.context, self.scope, deep, embedding=self.vector)
        limit = self.query.limit
        for place, hit in enumerate(found, start=1):
            if hit.id == self.memory_id:
                # Deeper, the question looks at more candidates, and scales their scores anew.
                rank = max(place, limit + 1)
                text = f"It is at place {rank:,}, beyond the limit of {limit:,}."
                beyond = self._why("beyond-limit", text, found, rank=rank)
                return replace(beyond, score=hit.score, parts=hit.parts)
        if not (hits.complete and found.complete):
            return self._why("cut-short", "Time ran out before all was looked at.", found)
        text = f"It is not among the first {limits.LIMIT_MAX:,} that the question finds."
        return self._why("beyond-limit", text, found)

    async def _elsewhere(self) -> Why:
        who, ledger = self.scope.principal, self.context.ledger
        place = await ledger.receipts.whereabouts(who, self.memory_id)
        family: Family = "memory"
        if place is None:
            place, family = await ledger.chunks.whereabouts(who, self.memory_id), "chunk"
        if place is None:
            raise no_such_memory(self.memory_id)
        _, name, owner = place
        text = f"It is in the store {name!r} of {owner!r}."
        return replace(self._why("another-store", text), family=family)

    def _why(
        self, reason: Reason, text: str, hits: Hits | None = None, *, rank: int | None = None
    ) -> Why:
        return Why(
            memory_id=self.memory_id,
            reason=reason,
            text=text,
            limit=self.query.limit,
            family="chunk" if isinstance(self.held, Chunk) else "memory",
            version=None if self.held is None else self.held.version,
            rank=rank,
            similarity=None if self.verdict is None else self.verdict.similarity,
            searched_by=None if hits is None else hits.searched_by,
        )


def _ending(versions: Sequence[Memory], as_of: datetime | None) -> Absence:
    """Why none of a memory's versions is the one to be found."""
    first, last = versions[0], versions[-1]
    if last.erased_at is not None:
        return "erased", f"It was erased at {last.erased_at:%Y-%m-%d %H:%M:%S %Z}."
    if as_of is not None and first.recorded_at > as_of:
        return "not-yet-recorded", f"It was recorded at {first.recorded_at:%Y-%m-%d %H:%M:%S %Z}."
    instant = as_of or datetime.now(UTC)
    if last.expires_at is not None and last.expires_at <= instant:
        return "expired", f"It expired at {last.expires_at:%Y-%m-%d %H:%M:%S %Z}."
    if last.deleted_at is not None:
        return "forgotten", f"It was forgotten at {last.deleted_at:%Y-%m-%d %H:%M:%S %Z}."
    return "expired", "The version of that instant had expired."


def _ending_of_chunk(life: Life, as_of: datetime | None) -> Absence:
    """Why a chunk is not part of its document, as it is or was at an instant."""
    if life.erased_at is not None:
        return "erased", f"It was erased at {life.erased_at:%Y-%m-%d %H:%M:%S %Z}."
    if as_of is not None and life.recorded_at > as_of:
        return "not-yet-recorded", f"It was recorded at {life.recorded_at:%Y-%m-%d %H:%M:%S %Z}."
    ended = life.superseded_at
    if ended is not None and ended != life.document_deleted_at:
        return "superseded", f"Its document has it no more, since {ended:%Y-%m-%d %H:%M:%S %Z}."
    return "forgotten", "Its document was forgotten" + (
        "." if ended is None else f" at {ended:%Y-%m-%d %H:%M:%S %Z}."
    )


def _kept_out(query: Query, verdict: Verdict) -> Absence | None:
    least = query.min_similarity
    if not verdict.embedded and (query.mode == "dense" or least is not None):
        return "not-embedded", "It waits to be embedded; until then only words find it."
    if least is not None and verdict.similarity is not None and verdict.similarity < least:
        return (
            "below-similarity",
            f"Its similarity is {verdict.similarity:.4f}, and at least {least:g} was asked for.",
        )
    if verdict.shares_words or (verdict.embedded and query.mode == "hybrid"):
        return None
    if query.mode == "lexical":
        return "no-word-in-common", "It has none of the question's words."
    if query.mode == "hybrid":
        return "not-embedded", "It waits to be embedded, and has none of the question's words."
    return None
