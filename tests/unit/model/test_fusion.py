"""Fusion: the formula, its invariants, and what happens where a channel has nothing to say."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from memoledger.model.fusion import (
    COSINE_SPREAD_MIN,
    Numbers,
    clarity_weight,
    fused_scores,
    with_evidence,
)

pairs = st.tuples(st.none() | st.floats(-1, 1), st.just(0.0) | st.floats(0.01, 200))


def arrays(candidates: list[tuple[float | None, float]]) -> tuple[Numbers, Numbers]:
    dense = [math.nan if one is None else one for one, _ in candidates]
    return np.array(dense, dtype=float), np.array([one for _, one in candidates], dtype=float)


def some_candidates(least: int = 0) -> st.SearchStrategy[tuple[Numbers, Numbers]]:
    return st.lists(pairs, min_size=least, max_size=30).map(arrays)


def test_the_formula() -> None:
    dense, lexical = np.array([0.8, 0.6, 0.2]), np.array([2.0, 8.0, 0.0])
    scores, near, plain = fused_scores(dense, lexical)
    assert near.tolist() == pytest.approx([1.0, 2 / 3, 0.0])
    assert plain.tolist() == [0.25, 1.0, 0.0]
    weight = clarity_weight(dense, lexical)
    assert scores.tolist() == pytest.approx((weight * near + (1 - weight) * plain).tolist())


@given(some_candidates())
@settings(deadline=None)
def test_scores_and_parts_lie_between_0_and_1(candidates: tuple[Numbers, Numbers]) -> None:
    for values in fused_scores(*candidates):
        assert len(values) == len(candidates[0])
        present = values[~np.isnan(values)]
        assert ((present >= 0) & (present <= 1 + 1e-12)).all()
    assert not np.isnan(fused_scores(*candidates)[0]).any()


@given(some_candidates())
@settings(deadline=None)
def test_whoever_is_better_in_both_channels_scores_higher(
    candidates: tuple[Numbers, Numbers],
) -> None:
    dense, lexical = candidates
    scores, _, _ = fused_scores(dense, lexical)
    better = (dense[:, np.newaxis] >= dense) & (lexical[:, np.newaxis] >= lexical)
    assert (scores[:, np.newaxis] >= scores - 1e-9)[better].all()


@given(some_candidates(), st.data())
@settings(deadline=None)
def test_the_order_they_come_in_makes_no_difference(
    candidates: tuple[Numbers, Numbers], data: st.DataObject
) -> None:
    dense, lexical = candidates
    order = data.draw(st.permutations(range(len(dense))))
    shuffled, _, _ = fused_scores(dense[list(order)], lexical[list(order)])
    assert shuffled == pytest.approx(fused_scores(dense, lexical)[0][list(order)], abs=1e-9)


@given(some_candidates(2), st.floats(0.1, 0.5), st.floats(-0.5, 0.5), st.floats(0.1, 10))
@settings(deadline=None)
def test_the_units_of_a_channel_make_no_difference(
    candidates: tuple[Numbers, Numbers], stretch: float, shift: float, factor: float
) -> None:
    dense, lexical = candidates
    present = dense[~np.isnan(dense)]
    assume(len(present) and np.ptp(present) * stretch >= COSINE_SPREAD_MIN)
    assume(np.ptp(lexical) == 0 or lexical.std() > 1e-3)
    moved, _, _ = fused_scores(dense * stretch + shift, lexical * factor)
    assert moved == pytest.approx(fused_scores(dense, lexical)[0], abs=1e-6)


def test_a_channel_without_scores_takes_no_part() -> None:
    nothing = np.array([math.nan, math.nan])
    scores, near, _ = fused_scores(nothing, np.array([3.0, 6.0]))
    assert scores.tolist() == [0.5, 1.0]
    assert np.isnan(near).all()
    scores, _, plain = fused_scores(np.array([0.2, 0.7]), np.zeros(2))
    assert scores.tolist() == [0.0, 1.0]
    assert np.isnan(plain).all()
    assert fused_scores(nothing, np.zeros(2))[0].tolist() == [0.0, 0.0]
    assert fused_scores(np.empty(0), np.empty(0))[0].tolist() == []


def test_one_candidate_is_the_best_there_is() -> None:
    assert fused_scores(np.array([0.1]), np.array([0.2]))[0].tolist() == [1.0]
    assert fused_scores(np.array([-0.4]), np.zeros(1))[0].tolist() == [1.0]


def test_noise_between_cosines_is_not_blown_up() -> None:
    scores, near, _ = fused_scores(np.array([0.501, 0.500]), np.array([5.0, 6.0]))
    assert near.tolist() == pytest.approx([1.0, 1 - 0.001 / COSINE_SPREAD_MIN])
    assert scores[1] > scores[0]


def test_a_memory_whose_vector_is_missing_counts_as_the_mean_candidate() -> None:
    _, near, _ = fused_scores(np.array([0.9, 0.1, math.nan]), np.array([0.0, 1.0, 4.0]))
    assert near[2] == pytest.approx(0.5)


@given(some_candidates())
@settings(deadline=None)
def test_the_weight_is_a_fraction(candidates: tuple[Numbers, Numbers]) -> None:
    dense, lexical = candidates
    assert 0.0 <= clarity_weight(dense[~np.isnan(dense)], lexical) <= 1.0


def test_the_clearer_channel_weighs_more() -> None:
    clear, vague = np.array([0.9, *[0.1] * 9]), np.array([5.0, *[4.0, 6.0] * 4, 5.0])
    assert clarity_weight(clear, vague) > 0.55
    assert clarity_weight(vague, clear) < 0.45
    assert clarity_weight(clear, clear * 7) == pytest.approx(0.5)
    assert clarity_weight(np.ones(3), np.ones(3)) == 0.5
    assert clarity_weight(np.ones(1), np.ones(1)) == 0.5


def test_evidence_moves_by_its_weight() -> None:
    scores = np.array([0.5, 0.6])
    assert with_evidence(scores, []).tolist() == scores.tolist()
    weight = with_evidence(np.zeros(1), [np.ones(1)])[0]
    assert weight == pytest.approx(0.15 / 1.15)
    assert with_evidence(np.ones(1), [np.ones(1)] * 4).tolist() == pytest.approx([1.0])


@given(some_candidates(), st.integers(0, 4), st.data())
@settings(deadline=None)
def test_with_evidence_scores_stay_between_0_and_1(
    candidates: tuple[Numbers, Numbers], kinds: int, data: st.DataObject
) -> None:
    size = len(candidates[0])
    shares = st.lists(st.floats(0, 1), min_size=size, max_size=size).map(np.array)
    scores = with_evidence(fused_scores(*candidates)[0], [data.draw(shares) for _ in range(kinds)])
    assert ((scores >= 0) & (scores <= 1 + 1e-12)).all()
