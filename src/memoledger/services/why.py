"""Why a question returns a memory, or does not.

The question is asked again as it was, and where the memory is not in the answer, deeper, and the
memory is held against each condition by itself. Nothing but this one memory's place is told, so it
leaves no receipt and counts as no access.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from memoledger.ledger.receipts import Verdict
from memoledger.model import limits
from memoledger.model.ids import as_id
from memoledger.model.memory import Memory
from memoledger.model.recall import Hits, Query
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
    """Why a question returns a memory, or does not.

    Args:
        query: the question as `recall` takes it.
        embedding: its vector, if it was asked with one.

    Raises:
        NotFound: there is no such memory that the principal may see, in any store.
        InvalidInput, EmbedderError: as `recall`.
    """
    wanted = as_id("id", memory_id)
    asked = replace(query, explain=True)
    vector = await _vector(context, query, embedding)
    inquiry = _Inquiry(context, scope, wanted, asked, vector)
    hits = await answer(context, scope, asked, embedding=vector)
    return (
        inquiry.found(hits)
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
    """One memory and one question; each method gives the answer, or None to look further."""

    context: Context
    scope: Scope
    memory_id: UUID
    query: Query
    vector: Vector | None
    memory: Memory | None = None
    verdict: Verdict | None = None

    def found(self, hits: Hits) -> Why | None:
        """The memory is in the answer, by itself or behind one that resembles it."""
        for rank, hit in enumerate(hits, start=1):
            if hit.memory.id == self.memory_id:
                text = f"It is hit {rank} of at most {self.query.limit}."
                found = self._why("recalled", text, hits, rank=rank)
                return replace(found, score=hit.score, parts=hit.parts, version=hit.memory.version)
            if self.memory_id in hit.folded:
                text = f"It resembles hit {rank}, memory {hit.memory.id}, which stands for both."
                return self._why("folded", text, hits, rank=rank)
        return None

    async def absent(self) -> Why | None:
        """The store does not hold it, or not at the instant that was asked about."""
        memories, scope = self.context.ledger.memories, self.scope
        self.memory = await memories.get(
            scope.principal, scope.store_id, self.memory_id, self.query.as_of
        )
        if self.memory is not None:
            return None
        versions = await memories.history(scope.principal, scope.store_id, self.memory_id)
        if not versions:
            return await self._elsewhere()
        reason, text = _ending(versions, self.query.as_of)
        return replace(self._why(reason, text), version=versions[-1].version)

    async def held_against_conditions(self, hits: Hits) -> Why | None:
        """A filter, a threshold or what is missing for the search keeps it out."""
        assert self.memory is not None, "it is there"
        self.verdict = await self.context.ledger.receipts.judge(
            self.scope.principal,
            self.scope.store_id,
            (self.memory.id, self.memory.version),
            filter=self.query.filter,
            vector=self.vector,
            embedding_version=self.context.ledger.embedding_version,
            terms=self.context.preparer.query_terms(self.query.text),
        )
        if self.verdict is None:  # forgotten or hidden since
            raise no_such_memory(self.memory_id)
        unmet = tuple(name for name, met in self.verdict.conditions.items() if not met)
        if unmet:
            text = f"It does not meet: {', '.join(unmet)}."
            return replace(self._why("filtered-out", text, hits), filters=unmet)
        kept_out = _kept_out(self.query, self.verdict)
        return None if kept_out is None else self._why(*kept_out, hits)

    async def further_down(self, hits: Hits) -> Why:
        """It is among what the question finds, only not among the first."""
        deep = replace(self.query, limit=limits.LIMIT_MAX)
        found = await answer(self.context, self.scope, deep, embedding=self.vector)
        limit = self.query.limit
        for place, hit in enumerate(found, start=1):
            if hit.memory.id == self.memory_id:
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
        place = await self.context.ledger.receipts.whereabouts(self.scope.principal, self.memory_id)
        if place is None:
            raise no_such_memory(self.memory_id)
        _, name, owner = place
        return self._why("another-store", f"It is in the store {name!r} of {owner!r}.")

    def _why(
        self, reason: Reason, text: str, hits: Hits | None = None, *, rank: int | None = None
    ) -> Why:
        return Why(
            memory_id=self.memory_id,
            reason=reason,
            text=text,
            limit=self.query.limit,
            version=None if self.memory is None else self.memory.version,
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
