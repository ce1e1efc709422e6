"""Searched and judged, put together."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from memoledger.model.reranking import scale_verdicts, with_verdicts

FRACTIONS = st.floats(0, 1)
SCORES = st.lists(FRACTIONS, min_size=5, max_size=5)
VERDICTS = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=20)


@given(VERDICTS)
def test_scaled_verdicts_lie_between_nothing_and_one_in_the_same_order(
    verdicts: list[float],
) -> None:
    scaled = scale_verdicts(verdicts)
    assert all(0 <= one <= 1 for one in scaled)
    for a, scaled_a in zip(verdicts, scaled, strict=True):
        for b, scaled_b in zip(verdicts, scaled, strict=True):
            assert scaled_a <= scaled_b if a <= b else scaled_a >= scaled_b


def test_the_worst_has_nothing_and_the_best_has_one() -> None:
    assert scale_verdicts([-3.0, 1.0, -1.0]) == [0.0, 1.0, 0.5]


@pytest.mark.parametrize("verdicts", [[], [4.0], [2.0, 2.0], [0.5, 0.5 + 1e-9]])
def test_verdicts_that_do_not_differ_change_nothing(verdicts: list[float]) -> None:
    assert scale_verdicts(verdicts) == [0.0] * len(verdicts)


@given(SCORES, SCORES, FRACTIONS)
def test_scores_stay_between_nothing_and_one(
    searched: list[float], judged: list[float], weight: float
) -> None:
    scores = with_verdicts(np.array(searched), np.array(judged), weight)
    assert (scores >= 0).all()
    assert (scores <= 1 + 1e-12).all()


@given(SCORES, SCORES, FRACTIONS, st.integers(0, 5))
def test_what_was_not_judged_stays_below_what_was(
    searched: list[float], judged: list[float], weight: float, depth: int
) -> None:
    best_first = np.array(sorted(searched, reverse=True))
    verdicts = np.array(judged)
    verdicts[depth:] = np.nan
    scores = with_verdicts(best_first, verdicts, weight)
    assert scores[:depth].min(initial=2.0) >= scores[depth:].max(initial=-1.0)


def test_without_any_weight_the_search_alone_counts() -> None:
    searched = np.array([0.3, 0.7])
    assert np.array_equal(with_verdicts(searched, np.array([1.0, np.nan]), 0.0), searched)
