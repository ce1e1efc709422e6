"""Ranking: recency, importance and access, beside how well a memory answers.

    score' = (score + recency · fresh + importance · important + access · used) / (1 + the weights)

Each part lies between 0 and 1, so that a weight says how far it can move a memory: at 1 as far as
the whole of the score, at 0 not at all.

- fresh: 1 for what happens now, 1/2 at the half-life, 1/4 at twice that. What lies ahead is 1.
- important: the memory's importance.
- used: n / (n + 5) for a memory that was recalled n times: five recalls count half. It saturates,
  so that what is found often does not crowd out the rest for being found often.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from memoledger.model.recall import Ranking

HALF_USED: Final = 5
"""Recalls at which `used` is 1/2."""

_DAY: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Standing:
    """What is known of a memory apart from what it says.

    Args:
        happened_at: when it occurred; where that is not known, when it was recorded.
        importance: 0 to 1.
        accesses: how often it was recalled.
    """

    happened_at: datetime
    importance: float
    accesses: int = 0


def weighted_score(score: float, standing: Standing, ranking: Ranking, now: datetime) -> float:
    """A score, 0 to 1, with the caller's weights; unchanged where all of them are 0."""
    parts = (
        (ranking.recency, freshness(standing.happened_at, now, ranking.half_life_days)),
        (ranking.importance, standing.importance),
        (ranking.access, usage(standing.accesses)),
    )
    return (score + sum(weight * part for weight, part in parts)) / (
        1.0 + sum(weight for weight, _ in parts)
    )


def freshness(happened_at: datetime, now: datetime, half_life_days: float) -> float:
    """1 now, 1/2 after the half-life, towards 0; 1 for what lies ahead."""
    age_days = max((now - happened_at) / _DAY, 0.0)
    return float(0.5 ** (age_days / half_life_days))


def usage(accesses: int) -> float:
    """0 if never recalled, 1/2 after five times, towards 1."""
    return accesses / (accesses + HALF_USED)
