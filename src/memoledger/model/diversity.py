"""Diversity: hits that say something new before hits that say it again.

**Folding** makes one hit of near-duplicates: from the best down, a candidate joins the first better
one that it repeats, either word for word or with a cosine of at least a threshold. Only what was
kept can be joined, so that a chain of small differences does not fold what lies far apart.

**Maximal marginal relevance** (Carbonell and Goldstein, "The Use of MMR, Diversity-Based Reranking
for Reordering Documents and Producing Summaries", 1998) picks hit after hit, each time the one with
the largest

    (1 - diversity) · relevance - diversity · largest cosine to those picked before

where relevance is the score divided by the best one, so that it is measured in the same unit as the
cosines whatever channel it came from. The best hit stays first for every diversity.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np
from numpy.typing import NDArray

from memoledger.model.vectors import Vector

Matrix = NDArray[np.float32]


def similarities(vectors: Sequence[Vector | None]) -> Matrix:
    """The cosine of every two of some unit vectors, shape (n, n).

    One that is missing resembles nothing but itself.
    """
    known = [place for place, vector in enumerate(vectors) if vector is not None]
    found: Matrix = np.eye(len(vectors), dtype=np.float32)
    if known:
        rows = np.stack([vector for vector in vectors if vector is not None])
        found[np.ix_(known, known)] = rows @ rows.T
    return found


def fold(
    texts: Sequence[Hashable], cosines: Matrix, *, threshold: float
) -> dict[int, tuple[int, ...]]:
    """Which candidates are kept, best first, and which others each of them stands for.

    Args:
        texts: what is equal for equal texts, of each candidate, best first; such as their hashes.
        cosines: of every two of them, shape (n, n).
        threshold: cosine from which two are the same, above 0 to 1.

    Returns:
        the places of the kept ones in order, each with those of the ones folded into it.
    """
    near = np.tril(cosines >= threshold, k=-1)
    crowded = set(np.flatnonzero(near.sum(axis=1)).tolist())
    kept: dict[int, list[int]] = {}
    by_text: dict[Hashable, int] = {}
    for place, text in enumerate(texts):
        candidates = np.flatnonzero(near[place]).tolist() if place in crowded else []
        matches = [better for better in candidates if better in kept][:1]
        if text in by_text:
            matches.append(by_text[text])
        leader = min(matches, default=place)
        if matches:
            kept[leader].append(place)
        else:
            kept[place] = []
        by_text.setdefault(text, leader)
    return {leader: tuple(places) for leader, places in kept.items()}


def marginal_order(
    scores: Sequence[float], cosines: Matrix, *, diversity: float, limit: int | None = None
) -> list[int]:
    """The places of candidates in the order of their maximal marginal relevance.

    Equal ones keep their order; with a diversity of 0 all do.

    Args:
        scores: of each candidate, the best first; higher is better.
        cosines: of every two of them, shape (n, n).
        diversity: 0 (by score alone) to 1 (after the first, by novelty alone).
        limit: how many to pick; the others follow in their order. None for all.
    """
    size = len(scores)
    if diversity <= 0 or size == 0:
        return list(range(size))
    relevance = (1 - diversity) * _relative(np.array(scores, dtype=np.float64))
    left = np.ones(size, dtype=bool)
    left[0] = False
    nearest = cosines[0].astype(np.float64)
    picked = [0]
    while len(picked) < min(size, size if limit is None else limit):
        best = int(np.argmax(np.where(left, relevance - diversity * nearest, -np.inf)))
        picked.append(best)
        left[best] = False
        nearest = np.maximum(nearest, cosines[best])
    return [*picked, *np.flatnonzero(left).tolist()]


def topics(cosines: Matrix) -> list[int]:
    """A topic for each candidate, best first: the place of the candidate that began it.

    A candidate joins the topic of the first better one that it is nearer to than usual: by more
    than a standard deviation above the mean of all pairs. So the bar follows the model, of which
    one puts unrelated texts at a cosine of 0.0 and another at 0.7.
    """
    size = len(cosines)
    if size < 3:
        return list(range(size))
    pairs = cosines[np.triu_indices(size, k=1)]
    bar = float(pairs.mean() + pairs.std())
    began: list[int] = []
    found: list[int] = []
    for place in range(size):
        near = np.flatnonzero(cosines[place, began] > bar)
        if near.size:
            found.append(began[near[0]])
        else:
            began.append(place)
            found.append(place)
    return found


def _relative(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Scores with the best at 1; as they are where none is above 0."""
    best = scores.max()
    return scores / best if best > 0 else scores
