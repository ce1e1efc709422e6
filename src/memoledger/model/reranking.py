"""The search's order and a reranker's verdict, put together.

    score = (1 - w) · searched + w · judged

with the verdict on a scale from 0, the worst of those that were judged, to 1, the best. Whatever
was not judged has 0: it stays below what was, since it stood below before.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

SPREAD_MIN: Final = 1e-6
"""Verdicts closer together than this differ by rounding, and are no verdict."""


def scale_verdicts(verdicts: Sequence[float]) -> list[float]:
    """Verdicts on a scale from 0, the worst, to 1, the best; all 0 if they do not differ.

    Args:
        verdicts: one finite number for each text, higher for a better one, in any unit.
    """
    worst = min(verdicts, default=0.0)
    spread = max(verdicts, default=0.0) - worst
    if spread < SPREAD_MIN:
        return [0.0] * len(verdicts)
    return [(verdict - worst) / spread for verdict in verdicts]


def with_verdicts(
    searched: NDArray[np.float64], judged: NDArray[np.float64], weight: float
) -> NDArray[np.float64]:
    """Scores of 0 to 1 together with scaled verdicts, 0 to 1 again.

    Args:
        judged: one verdict a score; NaN for what was not judged.
        weight: what the verdicts count, 0 (nothing) to 1 (alone).
    """
    return (1.0 - weight) * searched + weight * np.nan_to_num(judged)
