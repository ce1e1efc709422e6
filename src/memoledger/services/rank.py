"""Rank: the order of what a search found, by what stands around it and what else speaks for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, NamedTuple, overload
from uuid import UUID

import numpy as np

from memoledger.ledger.neighbours import Seen, term_weights
from memoledger.ledger.search import Candidates
from memoledger.model.fusion import Numbers, fused_scores, with_evidence
from memoledger.model.indexing import TermVector, length_factor
from memoledger.model.names import named, quoted
from memoledger.model.neighbours import (
    REACH,
    Links,
    cosines_in_context,
    links,
    term_scores_in_context,
)
from memoledger.model.ranking import weighted_score
from memoledger.model.recall import Family, Parts, Query
from memoledger.model.reranking import with_verdicts
from memoledger.model.times import Period, periods, timeliness
from memoledger.model.vectors import Vector
from memoledger.services.context import Context, Scope
from memoledger.services.rerank import verdicts, wants_reranking

LOOKED_AROUND_MIN: Final = 30
"""Candidates whose neighbours are looked at, best first; more if more hits are asked for. Looking
around 50 found no more on conversations, and took a third longer."""

LOOKED_AROUND_MAX: Final = 400

APART_MIN: Final = 0.01
"""Evidence that differs less among the candidates tells nothing apart, and takes no part."""


class Ranked(NamedTuple):
    """A memory or chunk in its place.

    Args:
        score: cosine, BM25 or the fused score, by the query's mode; a score of 0 to 1 in
            every mode where it is reranked or the caller set weights.
        parts: what it is made of, if the query asks; its `rank` is 0 until the answer is complete.
    """

    id: UUID
    version: int
    score: float
    parts: Parts | None
    family: Family = "memory"


@dataclass(slots=True)
class _Pool:
    """Memories and chunks with their scores, row by row; NaN where there is none.

    Args:
        dense, lexical: of the memory alone.
        around_dense, around_lexical: with what stands around it.
        evidence: what else speaks for each, by its name in `Parts`.
        judged: the reranker's verdicts, if it was asked.
        chunks: the ids of those that are chunks.
    """

    ids: list[UUID]
    versions: list[int]
    dense: Numbers
    lexical: Numbers
    around_dense: Numbers
    around_lexical: Numbers
    evidence: Mapping[str, Numbers] = field(default_factory=dict)
    judged: Numbers | None = None
    chunks: AbstractSet[UUID] = frozenset()

    @classmethod
    def of(cls, found: Candidates) -> _Pool:
        return cls(
            list(found.ids),
            list(found.versions),
            found.dense,
            found.lexical,
            found.dense,
            found.lexical,
            chunks=found.chunks,
        )

    def split(self, rows: Sequence[int]) -> tuple[list[tuple[UUID, int]], list[UUID]]:
        """Ids and versions of the memories in some rows, and ids of the chunks in them."""
        versions = [(self.ids[row], self.versions[row]) for row in rows]
        if not self.chunks:
            return versions, []
        memories = [one for one in versions if one[0] not in self.chunks]
        return memories, [one for one, _ in versions if one in self.chunks]

    def order(self, scores: Numbers) -> list[int]:
        """Rows by their scores; equal ones by cosine, then by words, then as they were made."""
        by_score = np.argsort(-scores)
        sorted_scores = scores[by_score]
        if not (sorted_scores[1:] == sorted_scores[:-1]).any():
            best_first: list[int] = by_score.tolist()
            return best_first
        return self._order_of_equals(scores)

    def _order_of_equals(self, scores: Numbers) -> list[int]:
        numbers = [one.int for one in self.ids]
        made = np.empty(len(numbers), dtype=np.intp)
        made[sorted(range(len(numbers)), key=numbers.__getitem__)] = np.arange(len(numbers))
        dense = np.where(np.isnan(self.around_dense), -2.0, self.around_dense)
        lexical = _or_zero(self.around_lexical)
        rows: list[int] = np.lexsort((made, -lexical, -dense, -scores)).tolist()
        return rows


async def rank(
    context: Context,
    scope: Scope,
    query: Query,
    found: Candidates,
    *,
    vector: Vector | None,
    terms: TermVector,
) -> Ranking:
    """Everything that was found, best first; in mode "hybrid" with neighbours that were missed.

    A single channel's order is that of its own scores. Otherwise this takes a round trip for the
    neighbours, and in every mode one more if it is reranked and one if the caller gave weights.

    Args:
        vector, terms: the query's.
    """
    now = query.now or query.as_of or context.clock.now()
    pool = _Pool.of(found)
    if query.mode == "hybrid" and vector is not None and found.ids:
        seen = await _look_around(context, scope, query, pool, vector, terms, now)
        at = _borrow(pool, query, seen, found)
        pool.evidence = _evidence(len(pool.ids), query, [seen[place] for place in at], at, now)
    scores, dense, lexical = fused_scores(
        pool.around_dense if query.mode != "lexical" else np.full(len(pool.ids), np.nan),
        _or_zero(pool.around_lexical),
    )
    scores = with_evidence(scores, list(pool.evidence.values()))
    reranked = wants_reranking(context, query)
    if reranked:
        scores = await _judged(context, scope, query, pool, scores)
    if query.ranking.weighs:
        scores = await _weighted(context, scope, query, pool, scores, now)
    shown = scores
    if query.mode != "hybrid" and not (reranked or query.ranking.weighs):
        shown = _or_zero(pool.dense if query.mode == "dense" else pool.lexical)
    return Ranking(pool, pool.order(scores), shown, (dense, lexical), query)


class Ranking(Sequence[Ranked]):
    """What was found, best first; each made as it is looked at, mostly ten of hundreds."""

    def __init__(
        self,
        pool: _Pool,
        order: list[int],
        shown: Numbers,
        scaled: tuple[Numbers, Numbers],
        query: Query,
    ) -> None:
        self._pool = pool
        self._order = order
        self._shown = shown
        self._scaled = scaled
        self._query = query

    def __len__(self) -> int:
        """How many there are."""
        return len(self._order)

    @overload
    def __getitem__(self, place: int) -> Ranked: ...

    @overload
    def __getitem__(self, place: slice) -> list[Ranked]: ...

    def __getitem__(self, place: int | slice) -> Ranked | list[Ranked]:
        """The memory in a place, from 0, or those in several."""
        if isinstance(place, slice):
            return [self._at(row) for row in self._order[place]]
        return self._at(self._order[place])

    def _at(self, row: int) -> Ranked:
        pool, query = self._pool, self._query
        parts = _parts(pool, query, self._scaled, row) if query.explain else None
        found = pool.ids[row]
        family: Family = "chunk" if pool.chunks and found in pool.chunks else "memory"
        return Ranked(found, pool.versions[row], float(self._shown[row]), parts, family)


def _parts(pool: _Pool, query: Query, scaled: tuple[Numbers, Numbers], row: int) -> Parts:
    evidence = {name: float(values[row]) for name, values in pool.evidence.items()}
    around = query.mode == "hybrid"
    return Parts(
        dense=_number(pool.dense[row]),
        lexical=_number(pool.lexical[row]),
        dense_scaled=_number(scaled[0][row]),
        lexical_scaled=_number(scaled[1][row]),
        rank=0,
        dense_around=_number(pool.around_dense[row]) if around else None,
        lexical_around=_number(pool.around_lexical[row]) if around else None,
        named=evidence.get("named"),
        timely=evidence.get("timely"),
        quoted=evidence.get("quoted"),
        telling=evidence.get("telling"),
        reranked=None if pool.judged is None else _number(pool.judged[row]),
    )


async def _look_around(  # noqa: PLR0917 - one stage of recall, private to it
    context: Context,
    scope: Scope,
    query: Query,
    pool: _Pool,
    vector: Vector,
    terms: TermVector,
    now: datetime,
) -> list[Seen]:
    """The best candidates and their neighbours."""
    scores, _, _ = fused_scores(pool.dense, _or_zero(pool.lexical))
    depth = min(max(LOOKED_AROUND_MIN, query.limit), LOOKED_AROUND_MAX)
    given, chunks = pool.split(pool.order(scores)[:depth])
    memories, beside = await context.ledger.neighbours.around(
        scope.principal,
        scope.store_id,
        query,
        given,
        chunks=chunks,
        vector=vector,
        embedding_version=context.ledger.embedding_version,
        terms=terms,
        quotes=quoted(query.text),
        timed=bool(periods(query.text, now)),
    )
    if beside:
        pool.chunks |= {one.memory_id for one in beside}
    return memories + beside


def _borrow(pool: _Pool, query: Query, seen: list[Seen], found: Candidates) -> dict[int, int]:
    """Add to the pool what stands around each, and the neighbours that may be an answer.

    Returns which of the seen are in the pool, by their places, and in which rows.
    """
    around = _links(seen)
    dense = _numbers([one.dense for one in seen])
    cosines = cosines_in_context(dense, around)
    scores = _term_scores(seen, found)
    alone = scores.sum(axis=1)
    gains = term_scores_in_context(scores, around).sum(axis=1) - alone
    # By their numbers: an id computes its hash anew whenever it is looked up.
    rows = {one.int: row for row, one in enumerate(pool.ids)}
    places: dict[int, int] = {}
    missed: list[int] = []
    for place, one in enumerate(seen):
        row = rows.get(one.memory_id.int)
        if row is not None:
            if pool.versions[row] == one.version:
                places[place] = row
        elif _may_answer(query, one):
            places[place] = len(rows) + len(missed)
            missed.append(place)
    pool.ids += [seen[place].memory_id for place in missed]
    pool.versions += [seen[place].version for place in missed]
    pool.dense = np.concatenate((pool.dense, dense[missed]))
    pool.lexical = np.concatenate((pool.lexical, alone[missed]))
    pool.around_dense, pool.around_lexical = pool.dense.copy(), _or_zero(pool.lexical)
    which, at = list(places), list(places.values())
    pool.around_dense[at] = cosines[which]
    pool.around_lexical[at] += gains[which]
    return places


def _may_answer(query: Query, one: Seen) -> bool:
    if query.min_similarity is not None and query.min_similarity > -1.0:
        return one.found and one.dense is not None and one.dense >= query.min_similarity
    return one.found


def _links(seen: Sequence[Seen]) -> Links:
    """Who borrows from whom, by the stretches in which they were seen."""
    spots = [(number, at, place) for place, s in enumerate(seen) for number, at in s.standings]
    numbers, columns, places = np.array(spots, dtype=np.intp).reshape(-1, 3).T
    stretches = np.full((int(numbers.max(initial=0)) + 1, 2 * REACH + 1), -1, dtype=np.intp)
    stretches[numbers, columns] = places
    return links(stretches, np.array([one.asks for one in seen], dtype=float))


def _term_scores(seen: Sequence[Seen], found: Candidates) -> Numbers:
    """What each of the query's terms adds to the score of each: shape (seen, terms)."""
    indices = list(found.rarity)
    weights = term_weights([one.weights for one in seen], indices)
    factors = np.array([length_factor(one.length, found.mean_length) for one in seen])
    rarity = np.array([found.rarity[index] for index in indices], dtype=float)
    scores: Numbers = weights * rarity * factors[:, np.newaxis]
    return scores


def _evidence(
    size: int, query: Query, seen: Sequence[Seen], at: Mapping[int, int], now: datetime
) -> dict[str, Numbers]:
    """What beside the two channels speaks for each; only what tells them apart.

    Those that were not looked at have none of it.

    Args:
        size: of the pool.
        seen, at: those in the pool that were looked at, and the row of each.
    """
    asked_for = named(query.text, [one.speaker for one in seen if one.speaker])
    spoken_of = periods(query.text, now)
    quotes = max(len(quoted(query.text)), 1)
    given = {
        # What nobody said in particular, a note, may well be about whom the question names.
        "named": [asked_for.get(one.speaker, 0.0) if one.speaker else 1.0 for one in seen]
        if asked_for
        else [],
        "timely": [_timely(one, spoken_of) for one in seen] if spoken_of else [],
        "quoted": [one.quoted / quotes for one in seen],
        "telling": [1.0 - one.asks for one in seen],
    }
    evidence = {}
    for name, values in given.items():
        if values and max(values) - min(values) >= APART_MIN:
            evidence[name] = np.zeros(size)
            evidence[name][list(at.values())] = values
    return evidence


def _timely(one: Seen, spoken_of: Sequence[Period]) -> float:
    return 0.0 if one.happened_at is None else timeliness(one.happened_at, spoken_of)


async def _judged(
    context: Context, scope: Scope, query: Query, pool: _Pool, scores: Numbers
) -> Numbers:
    """The scores with the reranker's verdict on the best."""
    best = [(pool.ids[row], pool.versions[row]) for row in pool.order(scores)]
    found = await verdicts(context, scope, query, best, pool.chunks)
    pool.judged = _numbers([found.get(one) for one in pool.ids])
    weight = 0.0 if context.reranker is None else context.reranker.weight
    return with_verdicts(scores, pool.judged, weight)


async def _weighted(  # noqa: PLR0917 - one stage of recall, private to it
    context: Context, scope: Scope, query: Query, pool: _Pool, scores: Numbers, now: datetime
) -> Numbers:
    """The scores with the caller's weights for recency, importance and access."""
    given, chunks = pool.split(range(len(pool.ids)))
    known = await context.ledger.neighbours.standings(
        scope.principal, scope.store_id, given, chunks=chunks, as_of=query.as_of
    )
    return np.array(
        [
            weighted_score(float(score), known[one], query.ranking, now) if one in known else 0.0
            for one, score in zip(pool.ids, scores, strict=True)
        ]
    )


def _numbers(values: Sequence[float | None]) -> Numbers:
    """The values, NaN where there is none."""
    return np.array(values, dtype=float)


def _or_zero(values: Numbers) -> Numbers:
    """The values with 0 for those that are missing; `np.nan_to_num` takes four times as long."""
    return np.where(np.isnan(values), 0.0, values)


def _number(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
