"""Ranking: neutral at 0, bounded, and each weight moves what it is for."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memoledger.model.ranking import Standing, freshness, usage, weighted_score
from memoledger.model.recall import PLAIN_RANKING, Ranking

NOW = datetime(2026, 5, 8, tzinfo=UTC)
fractions = st.floats(0, 1)
standings = st.builds(
    Standing,
    st.datetimes(timezones=st.just(UTC)),
    fractions,
    st.integers(0, 1_000_000),
)
rankings = st.builds(
    Ranking.of,
    recency=fractions,
    importance=fractions,
    access=fractions,
    half_life_days=fractions.map(lambda x: x * 1000 + 0.1),
)


def test_half_lives() -> None:
    assert freshness(NOW, NOW, 30) == 1.0
    assert freshness(NOW - timedelta(days=30), NOW, 30) == pytest.approx(0.5)
    assert freshness(NOW - timedelta(days=90), NOW, 30) == pytest.approx(0.125)
    assert freshness(NOW + timedelta(days=9), NOW, 30) == 1.0


def test_usage_saturates() -> None:
    assert [usage(n) for n in (0, 5, 20)] == [0.0, 0.5, 0.8]


@given(fractions, standings)
def test_no_weights_change_nothing(score: float, standing: Standing) -> None:
    assert weighted_score(score, standing, PLAIN_RANKING, NOW) == score


@given(fractions, standings, rankings)
def test_scores_stay_between_0_and_1(score: float, standing: Standing, ranking: Ranking) -> None:
    assert 0.0 <= weighted_score(score, standing, ranking, NOW) <= 1.0 + 1e-12


@given(fractions, fractions, standings, rankings)
def test_a_better_score_stays_better(
    one: float, other: float, standing: Standing, ranking: Ranking
) -> None:
    low, high = sorted((one, other))
    assert weighted_score(low, standing, ranking, NOW) <= weighted_score(
        high, standing, ranking, NOW
    )


def test_each_weight_moves_what_it_is_for() -> None:
    old, new = Standing(NOW - timedelta(days=900), 0.5), Standing(NOW, 0.5)
    assert weighted_score(0.5, new, Ranking.of(recency=0.5), NOW) > weighted_score(
        0.5, old, Ranking.of(recency=0.5), NOW
    )
    plain, dear = Standing(NOW, 0.1), Standing(NOW, 0.9)
    assert weighted_score(0.5, dear, Ranking.of(importance=0.5), NOW) > weighted_score(
        0.5, plain, Ranking.of(importance=0.5), NOW
    )
    unread, read = Standing(NOW, 0.5), Standing(NOW, 0.5, accesses=9)
    assert weighted_score(0.5, read, Ranking.of(access=0.5), NOW) > weighted_score(
        0.5, unread, Ranking.of(access=0.5), NOW
    )
