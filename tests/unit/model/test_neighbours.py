"""Neighbours: who borrows from whom, and that borrowing stays within bounds."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from memoledger.model.neighbours import (
    CLOSENESS,
    REACH,
    Links,
    cosines_in_context,
    links,
    term_scores_in_context,
)

NOTHING = links(np.full((1, 2 * REACH + 1), -1), np.zeros(3))


def stretch(*rows: int) -> np.ndarray[tuple[int, int], np.dtype[np.intp]]:
    return np.array([rows], dtype=np.intp)


def as_dict(around: Links) -> dict[tuple[int, int], float]:
    pairs = zip(around.borrower.tolist(), around.lender.tolist(), strict=True)
    return dict(zip(pairs, around.closeness.tolist(), strict=True))


@st.composite
def conversations(
    draw: st.DrawFn,
) -> tuple[np.ndarray[tuple[int, int], np.dtype[np.intp]], np.ndarray[tuple[int], np.dtype[float]]]:
    """Windows over one conversation, as they overlap, and what each turn asks."""
    size = draw(st.integers(1, 12))
    middles = draw(st.lists(st.integers(0, size - 1), min_size=1, max_size=6))
    windows = [
        [m + step if 0 <= m + step < size else -1 for step in range(-REACH, REACH + 1)]
        for m in middles
    ]
    asks = draw(st.lists(st.sampled_from([0.0, 0.5, 1.0]), min_size=size, max_size=size))
    return np.array(windows, dtype=np.intp), np.array(asks)


def test_the_nearer_lends_more() -> None:
    found = as_dict(links(stretch(0, 1, 2, 3, 4), np.zeros(5)))
    assert found[2, 1] == found[2, 3] == CLOSENESS
    assert found[2, 0] == found[2, 4] == pytest.approx(CLOSENESS**2)
    assert (0, 3) not in found
    assert (2, 2) not in found


def test_an_answer_takes_over_its_question() -> None:
    found = as_dict(links(stretch(0, 1, 2), np.array([0.0, 1.0, 0.5])))
    assert found[2, 1] == 1.0
    assert found[0, 1] == CLOSENESS  # what stands before a question is not its answer
    assert found[1, 0] == CLOSENESS


def test_a_gap_separates() -> None:
    assert as_dict(links(stretch(0, -1, -1, 1, -1), np.zeros(2))) == {}
    found = as_dict(links(stretch(0, -1, 1, -1, -1), np.zeros(2)))
    assert found == {(0, 1): pytest.approx(CLOSENESS**2), (1, 0): pytest.approx(CLOSENESS**2)}


def test_a_pair_of_two_stretches_counts_once() -> None:
    twice = np.array([[0, 1, 2], [0, 1, 2]], dtype=np.intp)
    assert as_dict(links(twice, np.zeros(3))) == as_dict(links(twice[:1], np.zeros(3)))
    assert len(links(twice, np.zeros(3)).borrower) == 6


def test_a_memory_alone_scores_as_it_does() -> None:
    cosines = np.array([0.3, np.nan, -0.2])
    assert np.array_equal(cosines_in_context(cosines, NOTHING), cosines, equal_nan=True)
    scores = np.array([[1.0, 0.0], [0.0, 2.0], [0.0, 0.0]])
    assert np.array_equal(term_scores_in_context(scores, NOTHING), scores)


def test_a_missing_vector_lends_nothing() -> None:
    around = links(stretch(0, 1), np.zeros(2))
    mean = cosines_in_context(np.array([0.4, np.nan]), around)
    assert mean[0] == pytest.approx(0.4)
    assert np.isnan(mean[1])


def test_each_term_comes_from_whoever_says_it_best() -> None:
    around = links(stretch(0, 1), np.zeros(2))
    scores = np.array([[2.0, 0.0], [0.0, 3.0]])
    found = term_scores_in_context(scores, around)
    assert found.tolist() == [[2.0, 3.0 * CLOSENESS], [2.0 * CLOSENESS, 3.0]]


@given(conversations(), st.data())
def test_borrowing_stays_within_bounds(
    conversation: tuple[
        np.ndarray[tuple[int, int], np.dtype[np.intp]], np.ndarray[tuple[int], np.dtype[float]]
    ],
    data: st.DataObject,
) -> None:
    windows, asks = conversation
    size = len(asks)
    around = links(windows, asks)
    assert len(as_dict(around)) == len(around.borrower)
    assert ((around.closeness > 0) & (around.closeness <= 1)).all()
    assert (np.abs(around.borrower - around.lender) <= REACH).all()
    numbers = st.lists(st.floats(-1, 1), min_size=size, max_size=size)
    cosines = np.array(data.draw(numbers))
    mean = cosines_in_context(cosines, around)
    assert ((mean >= cosines.min() - 1e-12) & (mean <= cosines.max() + 1e-12)).all()
    scores = np.abs(cosines)[:, np.newaxis]
    borrowed = term_scores_in_context(scores, around)
    assert ((borrowed >= scores) & (borrowed <= scores.max())).all()
