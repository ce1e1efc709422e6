"""Means, intervals and differences, overall and by category."""

from __future__ import annotations

import pytest

from memoledger.services.evaluation.summary import Resampling, differences, summarize

ROWS = [{"mrr": 1.0, "hit@1": 1.0}, {"mrr": 0.5, "hit@1": 0.0}, {"mrr": 0.0, "hit@1": 0.0}]


def test_categories_are_summarized_by_name_and_the_rest_overall_only() -> None:
    found = summarize(ROWS, ["who", None, "when"], Resampling())
    assert found.overall.means == {"mrr": 0.5, "hit@1": pytest.approx(1 / 3)}
    assert list(found.by_category) == ["when", "who"]
    assert found.by_category["who"].means == {"mrr": 1.0, "hit@1": 1.0}
    assert found.counts() == {"overall": 3, "by_category": {"when": 1, "who": 1}}


def test_intervals_surround_their_means() -> None:
    found = summarize(ROWS * 20, [None] * 60, Resampling()).overall
    for name, (low, high) in found.intervals.items():
        assert low < found.means[name] < high


def test_differences_are_question_by_question() -> None:
    others = [{"mrr": 0.5, "old": 1.0}] * 3
    assert differences(ROWS, others) == [{"mrr": 0.5}, {"mrr": 0.0}, {"mrr": -0.5}]


def test_a_paired_interval_is_narrower_than_two_intervals_suggest() -> None:
    ours = [{"mrr": n / 100 + 0.02 * (n % 2)} for n in range(90)]
    others = [{"mrr": n / 100} for n in range(90)]
    categories = [None] * 90
    low, high = summarize(differences(ours, others), categories, Resampling()).overall.intervals[
        "mrr"
    ]
    alone = summarize(ours, categories, Resampling()).overall.intervals["mrr"]
    assert 0 < low < 0.01 < high
    assert high - low < (alone[1] - alone[0]) / 10
