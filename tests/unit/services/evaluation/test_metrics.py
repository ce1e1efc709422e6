"""Measures computed by hand, and what must hold of them whatever the ranking."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memoledger.services.evaluation.metrics import (
    CUTOFFS,
    MEASURES,
    hit_at,
    mean,
    ndcg_at,
    recall_all_at,
    recall_at,
    reciprocal_rank,
    score,
)

RANKING = ["a", "b", "c", "d", "e"]
NAMES = {f"{kind}@{k}" for kind in ("recall", "hit", "recall_all") for k in (1, 5, 10, 20)} | {
    "mrr",
    "ndcg@10",
}

rankings = st.lists(st.sampled_from("abcdefghijklmnopqrstuvwxyz"), unique=True, max_size=26)
judgments = st.dictionaries(st.sampled_from("abcdefghijklmnop"), st.integers(-1, 3), max_size=12)


def test_recall_is_the_share_of_the_relevant_that_was_found() -> None:
    gains = {"a": 1, "c": 1, "z": 1, "b": 0}
    assert recall_at(RANKING, gains, 1) == pytest.approx(1 / 3)
    assert recall_at(RANKING, gains, 2) == pytest.approx(1 / 3)
    assert recall_at(RANKING, gains, 5) == pytest.approx(2 / 3)


def test_a_hit_is_any_relevant_memory() -> None:
    assert hit_at(RANKING, {"c": 2, "z": 1}, 3) == 1.0
    assert hit_at(RANKING, {"c": 2, "z": 1}, 2) == 0.0


def test_recall_all_asks_for_all_of_the_evidence() -> None:
    gains = {"b": 1, "d": 2, "c": 0}
    assert recall_all_at(RANKING, gains, 3) == 0.0
    assert recall_all_at(RANKING, gains, 4) == 1.0
    assert recall_all_at(RANKING, {**gains, "z": 1}, 5) == 0.0
    assert recall_all_at(RANKING, {"c": 0}, 5) == 0.0
    # More than fit can never all be there.
    assert recall_all_at(RANKING, dict.fromkeys("abc", 1), 2) == 0.0


def test_the_reciprocal_rank_is_that_of_the_first_relevant_memory() -> None:
    assert reciprocal_rank(RANKING, {"c": 1, "e": 1}) == pytest.approx(1 / 3)
    assert reciprocal_rank(RANKING, {"a": 0, "z": 1}) == 0.0


def test_ndcg_with_binary_gains() -> None:
    # Found at places 2 and 4 of 3 relevant: (1/log2 3 + 1/log2 5) / (1 + 1/log2 3 + 1/log2 4).
    found = 0.6309297536 + 0.4306765581
    ideal = 1 + 0.6309297536 + 0.5
    assert ndcg_at(RANKING, {"b": 1, "d": 1, "z": 1}, 10) == pytest.approx(found / ideal)


def test_ndcg_with_graded_gains_is_linear_in_them() -> None:
    # Gains 1, 3 in the order found, 3, 1 at best.
    found = 1 + 3 * 0.6309297536
    ideal = 3 + 1 * 0.6309297536
    assert ndcg_at(RANKING, {"a": 1, "b": 3}, 10) == pytest.approx(found / ideal)


def test_ndcg_compares_with_the_best_that_fits_in_k() -> None:
    gains = dict.fromkeys("abcdefghijkl", 1)
    assert ndcg_at(sorted(gains), gains, 10) == pytest.approx(1.0)


def test_a_negative_judgment_counts_as_not_relevant() -> None:
    assert score(["a"], {"a": -1}) == dict.fromkeys(NAMES, 0.0)
    assert ndcg_at(["a", "b"], {"a": -2, "b": 1}, 10) == pytest.approx(1 / math.log2(3))


def test_the_mean_counts_every_question_the_same() -> None:
    scores = [score(["a"], {"a": 1}), score(["b"], {"a": 1})]
    assert mean(scores) == dict.fromkeys(NAMES, 0.5)
    assert mean([]) == {}


@given(ranking=rankings, gains=judgments)
def test_every_measure_lies_between_0_and_1(ranking: list[str], gains: dict[str, int]) -> None:
    measured = score(ranking, gains)
    assert list(measured) == list(MEASURES)
    assert measured.keys() == NAMES
    assert all(0 <= value <= 1 + 1e-12 for value in measured.values())


@given(ranking=rankings, gains=judgments)
def test_looking_further_never_loses_anything(ranking: list[str], gains: dict[str, int]) -> None:
    measured = score(ranking, gains)
    for kind in ("recall", "hit", "recall_all"):
        deeper = [measured[f"{kind}@{k}"] for k in CUTOFFS]
        assert deeper == sorted(deeper)


@given(ranking=rankings, gains=judgments)
def test_all_of_it_is_at_most_its_share_is_at_most_any_of_it(
    ranking: list[str], gains: dict[str, int]
) -> None:
    measured = score(ranking, gains)
    for k in CUTOFFS:
        every, share, some = (measured[f"{kind}@{k}"] for kind in ("recall_all", "recall", "hit"))
        assert every <= share <= some
        assert every == float(share == 1)
        assert some == float(share > 0)
    assert measured["hit@20"] == float(measured["mrr"] > 0)
    assert measured["hit@1"] == float(measured["mrr"] == 1)


@given(gains=judgments)
def test_the_best_order_is_perfect(gains: dict[str, int]) -> None:
    best = sorted(gains, key=lambda memory: -gains[memory])
    expected = float(any(gain > 0 for gain in gains.values()))
    assert ndcg_at(best, gains, 10) == pytest.approx(expected)
    measured = score(best, gains)
    assert measured["mrr"] == measured["hit@1"] == measured["recall@20"] == expected
    assert measured["recall_all@20"] == expected


@given(ranking=rankings, gains=judgments, swap=st.integers(0, 24))
def test_moving_a_better_memory_up_never_lowers_ndcg(
    ranking: list[str], gains: dict[str, int], swap: int
) -> None:
    if swap + 1 >= len(ranking):
        return
    better = list(ranking)
    first, second = better[swap : swap + 2]
    if max(gains.get(second, 0), 0) < max(gains.get(first, 0), 0):
        return
    better[swap : swap + 2] = [second, first]
    assert ndcg_at(better, gains, 10) >= ndcg_at(ranking, gains, 10) - 1e-12
