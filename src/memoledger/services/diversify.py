"""Diversify: the order of an answer once more, with regard to what its hits have in common."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Generic, Protocol, TypeVar
from uuid import UUID

from memoledger.model.diversity import fold, marginal_order, similarities
from memoledger.model.recall import Family, Hit, Query
from memoledger.services.context import Context, Scope
from memoledger.services.found import comparable

COMPARED_MIN: Final = 400
"""Candidates that are compared with each other; more if more hits are asked for. Enough to fill an
answer of ten although a fact is there a hundred times; their vectors are 300 kB, in one trip."""


class Ranked(Protocol):
    """A candidate in its place."""

    @property
    def id(self) -> UUID:
        """The id of the memory or chunk."""
        ...

    @property
    def version(self) -> int:
        """Which version of it was found."""
        ...

    @property
    def score(self) -> float:
        """Its score; higher is better."""
        ...

    @property
    def family(self) -> Family:
        """Whether it is a memory or a chunk."""
        ...


_Ranked = TypeVar("_Ranked", bound=Ranked)


@dataclass(frozen=True, slots=True)
class Diversified(Generic[_Ranked]):
    """Candidates in their final order.

    Args:
        ranked: best first; those folded into another are left out.
        folded: for each that stands for others, by its id, the ids of those, best first.
    """

    ranked: Sequence[_Ranked]
    folded: Mapping[UUID, tuple[UUID, ...]] = field(default_factory=dict)

    def noted(self, hits: Sequence[Hit]) -> list[Hit]:
        """The hits, each with the ids of those folded into it."""
        if not self.folded:
            return list(hits)
        return [replace(h, folded=self.folded.get(h.id, ())) for h in hits]


async def diversify(
    context: Context, scope: Scope, query: Query, ranked: Sequence[_Ranked]
) -> Diversified[_Ranked]:
    """Fold near-duplicates and order by marginal relevance, where the query's ranking asks for it.

    The best 400 candidates are looked at, or as many as hits are asked for; the rest follows as it
    is. Takes one more round trip to the ledger, and none if neither is asked for.

    Args:
        ranked: every candidate, best first.
    """
    ranking = query.ranking
    if not ranking.compares:
        return Diversified(ranked)
    depth = max(COMPARED_MIN, query.limit)
    wanted = [(one.id, one.version) for one in ranked[:depth]]
    chunks = {one.id for one in ranked[:depth] if one.family == "chunk"}
    known = await comparable(context, scope, wanted, chunks)
    pool = [one for one in ranked[:depth] if one.id in known]  # less what was erased meanwhile
    cosines = similarities([known[one.id].vector for one in pool])
    kept: Mapping[int, tuple[int, ...]] = dict.fromkeys(range(len(pool)), ())
    if ranking.fold is not None:
        hashes = [known[one.id].content_hash for one in pool]
        kept = fold(hashes, cosines, threshold=ranking.fold)
    places = list(kept)
    order = marginal_order(
        [pool[place].score for place in places],
        cosines[places][:, places],
        diversity=ranking.diversity,
        limit=query.limit,
    )
    chosen = [pool[places[place]] for place in order]
    folded = {pool[one].id: tuple(pool[o].id for o in others) for one, others in kept.items()}
    return Diversified([*chosen, *ranked[depth:]], folded)
