"""Fusion: the formula, its invariants, and what happens where a channel has nothing to say."""

from __future__ import annotations

import math
from itertools import permutations
from random import Random
from uuid import UUID

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from memoledger.model.errors import InvalidInput
from memoledger.model.fusion import (
    COSINE_SPREAD_MIN,
    Candidate,
    Fused,
    fuse,
    scale_dense,
    scale_lexical,
)

cosines = st.none() | st.floats(-1, 1)
bm25_scores = st.none() | st.floats(0, 200)
weights = st.floats(0, 1)


@st.composite
def some_candidates(draw: st.DrawFn, least: int = 0) -> list[Candidate[int]]:
    ids = draw(st.lists(st.integers(0, 10_000), unique=True, min_size=least, max_size=30))
    return [Candidate(i, draw(cosines), draw(bm25_scores)) for i in ids]


def by_id(fused: list[Fused[int]]) -> dict[int, Fused[int]]:
    return {f.id: f for f in fused}


def test_both_channels_count_half_on_a_common_scale() -> None:
    fused = fuse([Candidate("a", 0.8, 2.0), Candidate("b", 0.6, 8.0), Candidate("c", 0.2, 0.0)])
    assert [f.id for f in fused] == ["b", "a", "c"]
    assert fused[0].score == pytest.approx(0.5 * 2 / 3 + 0.5)
    assert (fused[0].dense, fused[0].lexical, fused[0].lexical_scaled) == (0.6, 8.0, 1.0)
    assert fused[0].dense_scaled == pytest.approx(2 / 3)
    assert fused[1].score == pytest.approx(0.5 + 0.5 * 0.25)
    assert fused[2].score == 0


def test_the_weight_moves_the_answer_from_words_to_vectors() -> None:
    candidates = [Candidate("near", 0.9, 1.0), Candidate("wordy", 0.3, 9.0)]
    assert fuse(candidates, dense_weight=0.0)[0].id == "wordy"
    assert fuse(candidates, dense_weight=1.0)[0].id == "near"


@given(some_candidates(), weights)
@settings(deadline=None)
def test_scores_and_parts_lie_between_0_and_1(
    candidates: list[Candidate[int]], weight: float
) -> None:
    fused = fuse(candidates, dense_weight=weight)
    assert sorted(f.id for f in fused) == sorted(c.id for c in candidates)
    for f in fused:
        parts = [p for p in (f.dense_scaled, f.lexical_scaled) if p is not None]
        assert all(0 <= value <= 1 for value in (f.score, *parts))
    assert [f.score for f in fused] == sorted((f.score for f in fused), reverse=True)


@given(some_candidates(least=1), weights, st.data())
@settings(deadline=None)
def test_a_higher_score_in_a_channel_never_lowers_the_fused_one(
    candidates: list[Candidate[int]], weight: float, data: st.DataObject
) -> None:
    at = data.draw(st.integers(0, len(candidates) - 1))
    old = candidates[at]
    dense = old.dense if old.dense is None else data.draw(st.floats(old.dense, 1))
    lexical = data.draw(st.floats(old.lexical or 0.0, 200)) if old.lexical else old.lexical
    raised = [*candidates[:at], Candidate(old.id, dense, lexical), *candidates[at + 1 :]]
    before = by_id(fuse(candidates, dense_weight=weight))[old.id].score
    after = by_id(fuse(raised, dense_weight=weight))[old.id].score
    assert after >= before - 1e-12


@given(some_candidates(), weights)
@settings(deadline=None)
def test_whoever_is_better_in_both_channels_comes_first(
    candidates: list[Candidate[int]], weight: float
) -> None:
    order = [f.id for f in fuse(candidates, dense_weight=weight)]
    known = [(c.dense, c.lexical or 0.0, c.id) for c in candidates if c.dense is not None]
    for better, worse in permutations(known, 2):
        if better[0] > worse[0] and better[1] > worse[1]:
            assert order.index(better[2]) < order.index(worse[2])


@given(some_candidates(), weights, st.randoms(use_true_random=False))
@settings(deadline=None)
def test_the_order_they_come_in_makes_no_difference(
    candidates: list[Candidate[int]], weight: float, random: Random
) -> None:
    shuffled = list(candidates)
    random.shuffle(shuffled)
    assert fuse(shuffled, dense_weight=weight) == fuse(candidates, dense_weight=weight)


@given(some_candidates(least=2), st.floats(0.1, 0.5), st.floats(-0.5, 0.5), st.floats(0.1, 10))
@settings(deadline=None)
def test_the_units_of_a_channel_make_no_difference(
    candidates: list[Candidate[int]], stretch: float, shift: float, factor: float
) -> None:
    present = [c.dense for c in candidates if c.dense is not None]
    assume(present and (max(present) - min(present)) * stretch >= COSINE_SPREAD_MIN)
    moved = [
        Candidate(
            c.id,
            None if c.dense is None else c.dense * stretch + shift,
            None if c.lexical is None else c.lexical * factor,
        )
        for c in candidates
    ]
    before, after = by_id(fuse(candidates)), by_id(fuse(moved))
    assert all(after[i].score == pytest.approx(before[i].score, abs=1e-6) for i in before)


def test_no_candidates_no_answer() -> None:
    assert fuse([]) == []


def test_a_channel_without_scores_takes_no_part() -> None:
    words = fuse([Candidate(1, None, 3.0), Candidate(2, None, 6.0)])
    assert [(f.id, f.score, f.dense_scaled) for f in words] == [(2, 1.0, None), (1, 0.5, None)]
    for nothing in (None, 0.0):
        vectors = fuse([Candidate(1, 0.2, nothing), Candidate(2, 0.7, nothing)])
        assert [(f.id, f.score, f.lexical_scaled) for f in vectors] == [
            (2, 1.0, None),
            (1, 0.0, None),
        ]


def test_candidates_without_any_score_are_kept_at_zero() -> None:
    assert [(f.id, f.score) for f in fuse([Candidate(2, None, None), Candidate(1, None, 0.0)])] == [
        (1, 0.0),
        (2, 0.0),
    ]


def test_one_candidate_is_the_best_there_is() -> None:
    assert fuse([Candidate(1, 0.1, 0.2)])[0].score == 1.0
    assert fuse([Candidate(1, -0.4, None)])[0].score == 1.0


def test_equal_scores_are_all_the_best() -> None:
    fused = fuse([Candidate(i, 0.5, 2.0) for i in (3, 1, 2)])
    assert [(f.id, f.score) for f in fused] == [(1, 1.0), (2, 1.0), (3, 1.0)]


def test_noise_between_cosines_is_not_blown_up() -> None:
    fused = fuse([Candidate("near", 0.501, 5.0), Candidate("same", 0.500, 6.0)])
    assert fused[0].id == "same"


def test_a_memory_whose_vector_is_missing_counts_as_the_mean_candidate() -> None:
    fused = by_id(fuse([Candidate(1, 0.9, 0.0), Candidate(2, 0.1, 1.0), Candidate(3, None, 4.0)]))
    assert fused[3].dense is None
    assert fused[3].dense_scaled == pytest.approx(0.5)
    assert fused[3].score == pytest.approx(0.75)


def test_ties_go_to_the_higher_cosine_then_to_the_smaller_id() -> None:
    first, second = UUID(int=1), UUID(int=2)
    tied = [
        Candidate(second, 0.0, 4.0),
        Candidate(first, 0.0, 4.0),
        Candidate(UUID(int=3), 0.8, 0.0),
    ]
    assert [f.id.int for f in fuse(tied)] == [3, 1, 2]


def test_the_limit_cuts_the_end() -> None:
    candidates = [Candidate(i, i / 10, None) for i in range(10)]
    assert fuse(candidates, limit=3) == fuse(candidates)[:3]


@pytest.mark.parametrize("weight", [-0.1, 1.1, math.nan])
def test_a_weight_outside_0_to_1_is_refused(weight: float) -> None:
    with pytest.raises(InvalidInput, match="dense_weight"):
        fuse([], dense_weight=weight)


@pytest.mark.parametrize(
    ("dense", "lexical", "field"),
    [
        (math.nan, 1.0, "dense"),
        (math.inf, 1.0, "dense"),
        (2.0, 1.0, "dense"),
        (0.5, math.nan, "lexical"),
        (0.5, math.inf, "lexical"),
        (0.5, -1.0, "lexical"),
    ],
)
def test_a_score_that_is_none_is_refused(dense: float, lexical: float, field: str) -> None:
    with pytest.raises(InvalidInput, match=field):
        fuse([Candidate(1, dense, lexical)])


def test_the_scales_stand_alone() -> None:
    assert scale_dense([0.2, 0.6, 1.0]) == pytest.approx([0.0, 0.5, 1.0])
    assert scale_dense([None]) is None
    assert scale_lexical([None, 2.0, 8.0]) == [0.0, 0.25, 1.0]
    assert scale_lexical([0.0, None]) is None
