"""Bootstrap intervals against what theory says of them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from memoledger.services.evaluation import intervals
from memoledger.services.evaluation.intervals import mean_intervals

matrices = st.integers(1, 30).flatmap(
    lambda rows: st.lists(
        st.lists(st.floats(0, 1), min_size=2, max_size=2), min_size=rows, max_size=rows
    )
)


def test_a_large_sample_has_the_interval_of_the_normal_distribution() -> None:
    hits = np.zeros((2_000, 1))
    hits[:600] = 1.0
    [[low, high]] = mean_intervals(hits, resamples=4_000)
    error = 1.96 * np.sqrt(0.3 * 0.7 / 2_000)
    assert low == pytest.approx(0.3 - error, abs=0.003)
    assert high == pytest.approx(0.3 + error, abs=0.003)


def test_a_pair_that_always_differs_by_the_same_is_certain() -> None:
    random = np.random.default_rng(1)
    ours = random.random(50)
    [[low, high]] = mean_intervals((ours - (ours - 0.1))[:, np.newaxis])
    assert (low, high) == pytest.approx((0.1, 0.1))


def test_the_seed_decides() -> None:
    values = np.random.default_rng(1).random((40, 3))
    assert np.array_equal(mean_intervals(values), mean_intervals(values))
    assert not np.array_equal(mean_intervals(values), mean_intervals(values, seed=8))


def test_drawing_in_parts_is_the_same_as_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.random.default_rng(1).random((40, 3))
    at_once = mean_intervals(values)
    monkeypatch.setattr(intervals, "_DRAWN_AT_ONCE", 40 * 7)
    assert mean_intervals(values) == pytest.approx(at_once)


def test_one_question_says_nothing_about_others() -> None:
    assert mean_intervals(np.array([[0.5, 1.0]])).tolist() == [[0.5, 0.5], [1.0, 1.0]]


@settings(max_examples=30)
@given(rows=matrices)
def test_ends_are_in_order_and_within_what_was_measured(rows: list[list[float]]) -> None:
    values = np.array(rows)
    ends = mean_intervals(values, resamples=50)
    assert ends.shape == (2, 2)
    assert (ends[:, 0] <= ends[:, 1]).all()
    assert (ends[:, 0] >= values.min(axis=0) - 1e-9).all()
    assert (ends[:, 1] <= values.max(axis=0) + 1e-9).all()
