"""Histograms count every measure once, at or below every bound that is not smaller."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from memoledger.model.histogram import SECONDS, Histogram

MEASURES = st.lists(st.floats(min_value=0, max_value=1e6))


@given(MEASURES)
def test_counts_are_those_of_the_definition(measures: list[float]) -> None:
    histogram = Histogram()
    for measure in measures:
        histogram.note(measure)
    state = histogram.state
    assert state.below[:-1] == tuple(sum(m <= bound for m in measures) for bound in SECONDS)
    assert state.count == len(measures)
    assert state.total == sum(measures)


@given(MEASURES)
def test_counts_never_fall_from_bound_to_bound(measures: list[float]) -> None:
    histogram = Histogram((1.0, 10.0))
    for measure in measures:
        histogram.note(measure)
    assert list(histogram.state.below) == sorted(histogram.state.below)


def test_a_state_stays_as_it_was() -> None:
    histogram = Histogram()
    before = histogram.state
    histogram.note(1.0)
    assert before.count == 0
