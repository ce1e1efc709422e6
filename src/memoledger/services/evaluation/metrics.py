"""Measures of a ranking against judgments, as trec_eval defines them.

A judgment gives a memory's gain for a question: 0 is not relevant, 1 relevant, more is better.
nDCG weighs the gain (linearly, as trec_eval and BEIR do; the exponential form is another measure);
the other measures only ask whether it is above 0.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

DEPTH: Final = 20
"""How many results of a question are looked at; the reciprocal rank of what comes later is 0."""

CUTOFFS: Final = (1, 5, 10, 20)
"""How far recall, hit and recall_all look."""

MEASURES: Final = (
    *(f"recall@{k}" for k in CUTOFFS),
    *(f"hit@{k}" for k in CUTOFFS),
    *(f"recall_all@{k}" for k in CUTOFFS),
    "mrr",
    "ndcg@10",
)
"""The names of all measures."""

Gains = Mapping[str, int]
"""Gain of each judged memory by its id; one that is not in it has gain 0."""

Scores = dict[str, float]
"""Measures by name, each from 0 to 1."""


def recall_at(ranking: Sequence[str], gains: Gains, k: int) -> float:
    """The share of the relevant memories that are among the first `k`; 0 if none is relevant."""
    relevant = _relevant(gains)
    return len(relevant.intersection(ranking[:k])) / len(relevant) if relevant else 0.0


def hit_at(ranking: Sequence[str], gains: Gains, k: int) -> float:
    """1 if a relevant memory is among the first `k`, otherwise 0."""
    return 0.0 if _relevant(gains).isdisjoint(ranking[:k]) else 1.0


def recall_all_at(ranking: Sequence[str], gains: Gains, k: int) -> float:
    """1 if every relevant memory is among the first `k`, otherwise 0; 0 if none is relevant.

    What a question of several hops needs: with half of the evidence it cannot be answered. With
    more relevant memories than `k` it is 0 whatever the ranking.
    """
    relevant = _relevant(gains)
    return float(bool(relevant) and relevant.issubset(ranking[:k]))


def reciprocal_rank(ranking: Sequence[str], gains: Gains) -> float:
    """1 / the place of the first relevant memory, counted from 1; 0 if there is none."""
    relevant = _relevant(gains)
    places = (place for place, found in enumerate(ranking, start=1) if found in relevant)
    first = next(places, None)
    return 0.0 if first is None else 1 / first


def ndcg_at(ranking: Sequence[str], gains: Gains, k: int) -> float:
    """Discounted cumulative gain of the first `k`, as a share of the best order's.

    The gain at place r counts 1 / log2(r + 1) of itself (Järvelin and Kekäläinen, 2002).
    """
    ideal = _discounted(sorted(gains.values(), reverse=True)[:k])
    if ideal == 0:
        return 0.0
    return _discounted([gains.get(found, 0) for found in ranking[:k]]) / ideal


def score(ranking: Sequence[str], gains: Gains) -> Scores:
    """Every measure of one question.

    Args:
        ranking: distinct ids, best first.
        gains: the question's judgments.
    """
    return {
        **{f"recall@{k}": recall_at(ranking, gains, k) for k in CUTOFFS},
        **{f"hit@{k}": hit_at(ranking, gains, k) for k in CUTOFFS},
        **{f"recall_all@{k}": recall_all_at(ranking, gains, k) for k in CUTOFFS},
        "mrr": reciprocal_rank(ranking[:DEPTH], gains),
        "ndcg@10": ndcg_at(ranking, gains, 10),
    }


def mean(scores: Iterable[Scores]) -> Scores:
    """The mean of each measure, every question counting the same; empty for no questions."""
    rows = list(scores)
    if not rows:
        return {}
    return {name: math.fsum([row[name] for row in rows]) / len(rows) for name in rows[0]}


def _relevant(gains: Gains) -> set[str]:
    return {memory for memory, gain in gains.items() if gain > 0}


def _discounted(gains: Iterable[int]) -> float:
    return math.fsum(
        [max(gain, 0) / math.log2(place + 1) for place, gain in enumerate(gains, start=1)]
    )
