"""Summaries of what was measured question by question: means, their intervals, by category."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from memoledger.services.evaluation.intervals import RESAMPLES, SEED, mean_intervals
from memoledger.services.evaluation.metrics import Scores, mean

Interval = tuple[float, float]
"""Lower and upper end."""


@dataclass(frozen=True, slots=True)
class Resampling:
    """How intervals are drawn."""

    seed: int = SEED
    resamples: int = RESAMPLES


@dataclass(frozen=True, slots=True)
class Summary:
    """The mean of each measure over some questions, and its 95 % interval.

    Args:
        questions: how many; with few of them the interval says little.
    """

    questions: int
    means: Scores
    intervals: Mapping[str, Interval]


@dataclass(frozen=True, slots=True)
class Breakdown:
    """A summary of all questions, and one of each category in the order of their names."""

    overall: Summary
    by_category: Mapping[str, Summary]

    def means(self) -> dict[str, dict[str, Scores] | Scores]:
        """As JSON-ready data: the means."""
        return {
            "overall": self.overall.means,
            "by_category": {name: s.means for name, s in self.by_category.items()},
        }

    def intervals(self) -> dict[str, object]:
        """As JSON-ready data: lower and upper end of each mean."""
        return {
            "overall": _ends(self.overall),
            "by_category": {name: _ends(s) for name, s in self.by_category.items()},
        }

    def counts(self) -> dict[str, object]:
        """As JSON-ready data: how many questions there are."""
        return {
            "overall": self.overall.questions,
            "by_category": {name: s.questions for name, s in self.by_category.items()},
        }


def summarize(
    rows: Sequence[Scores], categories: Sequence[str | None], how: Resampling
) -> Breakdown:
    """Means and intervals of all questions and of each category.

    Args:
        rows: the measures of each question, or differences of them; at least one row.
        categories: each question's; those without one count overall only.
    """
    parts: dict[str, list[Scores]] = {}
    for row, category in zip(rows, categories, strict=True):
        if category is not None:
            parts.setdefault(category, []).append(row)
    by_category = {name: _summary(parts[name], how) for name in sorted(parts)}
    return Breakdown(_summary(rows, how), by_category)


def differences(ours: Sequence[Scores], others: Sequence[Scores]) -> list[Scores]:
    """Question by question ours less the others', of the measures that both have."""
    return [
        {name: a[name] - b[name] for name in a if name in b}
        for a, b in zip(ours, others, strict=True)
    ]


def _summary(rows: Sequence[Scores], how: Resampling) -> Summary:
    names = list(rows[0])
    values = np.array([[row[name] for name in names] for row in rows], dtype=np.float64)
    ends = mean_intervals(values, seed=how.seed, resamples=how.resamples).tolist()
    intervals = {name: (low, high) for name, (low, high) in zip(names, ends, strict=True)}
    return Summary(len(rows), mean(rows), intervals)


def _ends(summary: Summary) -> dict[str, list[float]]:
    return {name: list(ends) for name, ends in summary.intervals.items()}
