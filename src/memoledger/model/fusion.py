"""Fusion: one order out of two scores that are measured in different units.

Each channel brings its best candidates, both scores are computed for all of them, and then

    score = w · dense_scaled + (1 - w) · lexical_scaled

with both on a scale from 0 to 1, where 1 is the best candidate of that channel. This convex
combination follows Bruch, Gai and Ingber, "An Analysis of Fusion Functions for Hybrid Retrieval"
(2023), who find it better than adding reciprocal ranks; so did we.

- Lexical scores have a natural zero, a memory that shares no word with the query, so they are
  divided by the largest.
- Cosines have none: one model's unrelated texts are at 0.0, another's at 0.7. So they are placed
  between the smallest and the largest among the candidates. Where these are nearly equal, the
  distance is taken as 0.05, so that noise is not blown up into a verdict.
- A memory whose vector is missing (it waits to be embedded) counts as the mean candidate: with 0
  it would rarely be found before its vector is there.
- A channel that says nothing of any candidate, such as the words of a query made of stop words,
  takes no part, and the other decides alone.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Generic, TypeVar
from uuid import UUID

from memoledger.model.errors import InvalidInput

DENSE_WEIGHT: Final = 0.5
"""Weight of the dense channel when none is given. Measured: 0.4 to 0.6 differ little."""

COSINE_SPREAD_MIN: Final = 0.05
"""Cosines closer together than this are not pulled apart over the whole scale."""

_COSINES: Final = (-1.01, 1.01)  # half precision rounds a little beyond 1
_BM25_SCORES: Final = (0.0, 1e300)

_Id = TypeVar("_Id", int, str, UUID)


@dataclass(frozen=True, slots=True)
class Candidate(Generic[_Id]):
    """A memory that at least one channel found.

    Args:
        id: its identity; ids of one call are of one type and distinct.
        dense: its cosine similarity to the query, -1 to 1; None where it has no vector or the
            query has none.
        lexical: its BM25 score, 0 or more; None is the same as 0, no word in common.
    """

    id: _Id
    dense: float | None
    lexical: float | None


@dataclass(frozen=True, slots=True)
class Fused(Generic[_Id]):
    """A candidate with its fused score and what that is made of.

    Args:
        score: 0 to 1, comparable within one answer only.
        dense, lexical: as given.
        dense_scaled, lexical_scaled: the same from 0 to 1; None where that channel took no part. A
            missing `dense` has the mean of the others here.
    """

    id: _Id
    score: float
    dense: float | None
    lexical: float | None
    dense_scaled: float | None
    lexical_scaled: float | None


def fuse(
    candidates: Sequence[Candidate[_Id]],
    *,
    dense_weight: float = DENSE_WEIGHT,
    limit: int | None = None,
) -> list[Fused[_Id]]:
    """Order candidates by their fused score, best first.

    Equal scores are ordered by the higher cosine, then by the higher lexical score, then by the
    smaller id; so the order depends on nothing but the candidates, whatever order they come in.

    Args:
        candidates: the union of both channels' best, with both scores of each.
        dense_weight: w, 0 (words alone) to 1 (vectors alone).
        limit: how many to return; None for all.

    Raises:
        InvalidInput: the weight is outside 0 to 1, or a score is none its channel can give.
    """
    _check_weight(dense_weight)
    dense = scale_dense([_checked("dense", c.dense, *_COSINES) for c in candidates])
    lexical = scale_lexical([_checked("lexical", c.lexical, *_BM25_SCORES) for c in candidates])
    scores = _combine(dense, lexical, dense_weight, len(candidates))
    order = sorted(range(len(candidates)), key=lambda i: _precedence(scores[i], candidates[i]))
    return [
        Fused(
            id=candidates[i].id,
            score=scores[i],
            dense=candidates[i].dense,
            lexical=candidates[i].lexical,
            dense_scaled=dense[i] if dense else None,
            lexical_scaled=lexical[i] if lexical else None,
        )
        for i in order[:limit]
    ]


def scale_dense(cosines: Sequence[float | None]) -> list[float] | None:
    """Cosines on a scale from 0 to 1, missing ones as the mean; None if all are missing."""
    present = [cosine for cosine in cosines if cosine is not None]
    if not present:
        return None
    best = max(present)
    spread = max(best - min(present), COSINE_SPREAD_MIN)
    scaled = [None if c is None else 1.0 - (best - c) / spread for c in cosines]
    if len(present) == len(cosines):
        mean = 0.0  # nobody needs it
    else:  # fsum: the same whatever the order of the candidates
        mean = math.fsum([s for s in scaled if s is not None]) / len(present)
    return [mean if s is None else s for s in scaled]


def scale_lexical(scores: Sequence[float | None]) -> list[float] | None:
    """BM25 scores divided by the largest; None if none is above 0."""
    best = max((score for score in scores if score is not None), default=0.0)
    if best <= 0.0:
        return None
    return [0.0 if score is None else score / best for score in scores]


def _combine(
    dense: list[float] | None, lexical: list[float] | None, weight: float, size: int
) -> list[float]:
    """The weighted sum; a channel that is absent leaves its weight to the other."""
    if dense is None or lexical is None:
        return dense or lexical or [0.0] * size
    return [weight * d + (1.0 - weight) * s for d, s in zip(dense, lexical, strict=True)]


def _precedence(score: float, candidate: Candidate[_Id]) -> tuple[float, float, float, _Id]:
    dense = -math.inf if candidate.dense is None else candidate.dense
    return (-score, -dense, -(candidate.lexical or 0.0), candidate.id)


def _check_weight(weight: float) -> None:
    if not 0.0 <= weight <= 1.0:
        raise InvalidInput(
            "dense_weight", weight, "it is outside 0 to 1", remedy="Give a number from 0 to 1."
        )


def _checked(field: str, score: float | None, least: float, most: float) -> float | None:
    if score is None or least <= score <= most:  # NaN is refused too
        return score
    raise InvalidInput(
        field,
        score,
        f"a score of this channel lies between {least:g} and {most:g}",
        remedy="Give None where there is no score.",
    )
