"""How far a mean over questions would move if other questions had been asked.

The percentile bootstrap (Efron, 1979): questions are drawn with replacement, as many as there are,
the mean is taken again, and of many such means the middle 95 % are the interval. Two systems that
answered the same questions are compared by the differences question by question (Sakai, "Evaluating
Evaluation Metrics Based on the Bootstrap", 2006): what makes a question hard for both then drops
out, and the interval of the difference is narrower than two intervals suggest.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

RESAMPLES: Final = 1_000
"""So many means make an interval; its ends are then right to about 2 % of its width."""

SEED: Final = 7
"""The same seed draws the same questions, so that a report can be made again."""

CONFIDENCE: Final = 0.95

_DRAWN_AT_ONCE: Final = 4_000_000
"""Counts held in memory at a time, 8 bytes each."""

Matrix = NDArray[np.float64]


def mean_intervals(values: Matrix, *, seed: int = SEED, resamples: int = RESAMPLES) -> Matrix:
    """The 95 % interval of the mean of each column.

    Args:
        values: a question a row, a measure a column; at least one row.
        seed: of the draws; not negative.
        resamples: how many means are taken, at least 1.

    Returns:
        Shape (columns, 2): lower and upper end. With one question both are its value.
    """
    tail = 100 * (1 - CONFIDENCE) / 2
    means = _resampled_means(values, seed, resamples)
    ends: Matrix = np.percentile(means, [tail, 100 - tail], axis=0).T
    return ends


def _resampled_means(values: Matrix, seed: int, resamples: int) -> Matrix:
    """Means of `resamples` draws, shape (resamples, columns)."""
    questions = len(values)
    random = np.random.default_rng(seed)
    chances = np.full(questions, 1 / questions)
    # How often each question was drawn says all that a draw does, and makes the means a product.
    part = max(1, min(resamples, _DRAWN_AT_ONCE // questions))
    sizes = [min(part, resamples - start) for start in range(0, resamples, part)]
    sums = [random.multinomial(questions, chances, size).astype(float) @ values for size in sizes]
    means: Matrix = np.concatenate(sums) / questions
    return means
