"""Folding and maximal marginal relevance, against their definitions in plain Python."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from memoledger.model.diversity import fold, marginal_order, similarities, topics

directions = st.lists(st.none() | st.integers(0, 5), max_size=12)
some_scores = st.lists(
    st.floats(-1, 20, allow_nan=False, width=32), min_size=0, max_size=12, unique=True
)
PLANE = np.random.default_rng(3).standard_normal((6, 8)).astype(np.float32)
PLANE /= np.linalg.norm(PLANE, axis=1, keepdims=True)


def cosines_of(numbers: list[int | None]) -> Any:
    return similarities([None if n is None else PLANE[n] for n in numbers])


class TestSimilarities:
    @given(numbers=directions)
    def test_they_are_the_cosines(self, numbers: list[int | None]) -> None:
        found = cosines_of(numbers)
        for row, one in enumerate(numbers):
            for column, other in enumerate(numbers):
                if row == column:
                    expected = 1.0
                elif one is None or other is None:
                    expected = 0.0
                else:
                    expected = float(PLANE[one] @ PLANE[other])
                assert found[row, column] == pytest.approx(expected, abs=1e-6)


class TestFold:
    @given(numbers=directions, data=st.data(), threshold=st.sampled_from([0.2, 0.5, 0.9]))
    def test_each_joins_the_first_better_one_that_it_repeats(
        self, numbers: list[int | None], data: Any, threshold: float
    ) -> None:
        size = len(numbers)
        texts = data.draw(st.lists(st.integers(0, 5), min_size=size, max_size=size))
        cosines = cosines_of(numbers)
        kept = fold(texts, cosines, threshold=threshold)
        everything = [*kept, *(place for places in kept.values() for place in places)]
        assert sorted(everything) == list(range(size))
        assert list(kept) == sorted(kept)
        for leader, places in kept.items():
            assert all(leader < place for place in places)
            assert all(cosines[leader, other] < threshold for other in kept if other != leader)
        assert len({texts[leader] for leader in kept}) == len(kept)

    def test_no_chain_folds_what_lies_far_apart(self) -> None:
        cosines = np.array([[1, 0.9, 0.6], [0.9, 1, 0.9], [0.6, 0.9, 1]], dtype=np.float32)
        assert fold("abc", cosines, threshold=0.8) == {0: (1,), 2: ()}

    def test_equal_texts_are_one_however_far_their_vectors(self) -> None:
        assert fold("aba", np.eye(3, dtype=np.float32), threshold=1.0) == {0: (2,), 1: ()}

    def test_a_text_equal_to_a_folded_one_joins_the_same(self) -> None:
        cosines = np.array([[1, 0.9, 0], [0.9, 1, 0], [0, 0, 1]], dtype=np.float32)
        assert fold("abb", cosines, threshold=0.8) == {0: (1, 2)}

    def test_nothing(self) -> None:
        assert fold([], np.empty((0, 0), dtype=np.float32), threshold=0.5) == {}


class TestMarginalOrder:
    @given(scores=some_scores)
    def test_without_diversity_nothing_changes(self, scores: list[float]) -> None:
        cosines = np.ones((len(scores), len(scores)), dtype=np.float32)
        order = marginal_order(scores, cosines, diversity=0.0)
        assert order == list(range(len(scores)))

    @given(
        scores=some_scores,
        data=st.data(),
        diversity=st.sampled_from([0.1, 0.5, 0.9, 1.0]),
        limit=st.none() | st.integers(1, 12),
    )
    def test_each_pick_has_the_largest_marginal_relevance(
        self, scores: list[float], data: Any, diversity: float, limit: int | None
    ) -> None:
        size = len(scores)
        scores = sorted(scores, reverse=True)
        cosines = cosines_of(
            data.draw(st.lists(st.none() | st.integers(0, 5), min_size=size, max_size=size))
        )
        order = marginal_order(scores, cosines, diversity=diversity, limit=limit)
        assert sorted(order) == list(range(size))
        if not order:
            return
        assert order[0] == 0
        unit = scores[0] if scores[0] > 0 else 1.0
        picks = size if limit is None else min(limit, size)

        def gain(place: int, before: list[int]) -> float:
            near = max(float(cosines[place, other]) for other in before)
            return (1 - diversity) * scores[place] / unit - diversity * near

        for number in range(1, picks):
            before, left = order[:number], order[number:]
            gains = [gain(place, before) for place in left]
            assert gains[0] >= max(gains) - 1e-5
        assert order[picks:] == sorted(order[picks:])

    def test_what_repeats_the_best_comes_after_what_does_not(self) -> None:
        cosines = np.array([[1, 1, 0], [1, 1, 0], [0, 0, 1]], dtype=np.float32)
        assert marginal_order([1.0, 0.9, 0.5], cosines, diversity=0.5) == [0, 2, 1]
        assert marginal_order([1.0, 0.9, 0.5], cosines, diversity=0.1) == [0, 1, 2]

    def test_equal_ones_keep_their_order(self) -> None:
        cosines = np.eye(4, dtype=np.float32)
        assert marginal_order([1.0] * 4, cosines, diversity=0.5) == [0, 1, 2, 3]


class TestTopics:
    def test_what_is_nearer_than_usual_is_one_topic(self) -> None:
        assert topics(cosines_of([0, 1, 0, 1, 2])) == [0, 1, 0, 1, 4]

    @given(numbers=directions)
    def test_a_topic_begins_with_its_best(self, numbers: list[int | None]) -> None:
        found = topics(cosines_of(numbers))
        assert len(found) == len(numbers)
        assert all(topic <= place and found[topic] == topic for place, topic in enumerate(found))
