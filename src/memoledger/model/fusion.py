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

**The weight** w follows from the question (`clarity_weight`): a channel whose best candidate stands
far above the rest has found something, one that finds all of them about as good has not. How far
is counted in standard deviations, and the channels weigh as the square roots of their distances:
half way between half and half, which is as good for short turns, and the distances themselves,
which are as good for texts of a hundred words and more.

**Evidence** of other kinds (`with_evidence`): whether the memory's speaker is named in the
question, how near the memory lies to the days it speaks of, how much of its quotations the memory
holds, and that it tells rather than asks. Each lies between 0 and 1, counts 15 % of the fused
score, and takes part only where it tells candidates apart.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

DENSE_WEIGHT: Final = 0.5
"""Weight of the dense channel where nothing tells of another."""

EVIDENCE_WEIGHT: Final = 0.15
"""What a piece of evidence counts beside the fused score, the same for all kinds. 0.1 and 0.2
differ little from it."""

COSINE_SPREAD_MIN: Final = 0.05
"""Cosines closer together than this are not pulled apart over the whole scale."""

Numbers = NDArray[np.float64]


def fused_scores(dense: Numbers, lexical: Numbers) -> tuple[Numbers, Numbers, Numbers]:
    """The fused scores of candidates, 0 to 1 and comparable within one answer only.

    Args:
        dense: cosines, -1 to 1; NaN where a candidate has no vector or the query has none.
        lexical: BM25 scores, 0 where no word is shared.

    Returns the scores and both channels on their common scale, all NaN for one that took no part.
    """
    nothing = np.full(len(dense), np.nan)
    missing = np.isnan(dense)
    present = dense[~missing] if missing.any() else dense
    near = plain = None
    if len(present):
        best = present.max()
        near = 1.0 - (best - dense) / max(best - present.min(), COSINE_SPREAD_MIN)
        if len(present) < len(dense):
            near[missing] = near[~missing].mean()
    if len(lexical) and (most := lexical.max()) > 0.0:
        plain = lexical / most
    if near is None or plain is None:
        only = near if near is not None else plain
        score = np.zeros(len(dense)) if only is None else only
    else:
        weight = clarity_weight(present, lexical)
        score = weight * near + (1.0 - weight) * plain
    return score, nothing if near is None else near, nothing if plain is None else plain


def clarity_weight(dense: Numbers, lexical: Numbers) -> float:
    """The dense channel's weight, 0 to 1, by how clearly each channel points at its best.

    1/2 where neither does, such as for a single candidate.

    Args:
        dense: the cosines that there are.
        lexical: the BM25 scores, 0 where no word is shared.
    """
    near, plain = math.sqrt(_clarity(dense)), math.sqrt(_clarity(lexical))
    return near / (near + plain) if near + plain > 0.0 else DENSE_WEIGHT


def with_evidence(scores: Numbers, evidence: Sequence[Numbers]) -> Numbers:
    """Fused scores with their evidence, 0 to 1 like each of them.

    Args:
        evidence: of each kind, how much it speaks for each candidate.
    """
    total: Numbers = scores + EVIDENCE_WEIGHT * sum(evidence, np.zeros(len(scores)))
    return total / (1.0 + EVIDENCE_WEIGHT * len(evidence))


def _clarity(scores: Numbers) -> float:
    """How many standard deviations the best lies above the mean; 0 if all are equal."""
    if len(scores) < 2:
        return 0.0
    # What `std` computes, without what it looks at first: for some hundred numbers that is most.
    around = scores - scores.sum() / len(scores)
    deviation = math.sqrt(around @ around / len(scores))
    # A deviation below this is rounding, of cosines kept in half precision.
    return float(around.max()) / deviation if deviation > 1e-6 else 0.0
