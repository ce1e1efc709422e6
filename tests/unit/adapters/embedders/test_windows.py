from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from memoledger.adapters.embedders.windows import window_spans

LENGTHS = st.integers(2, 300).flatmap(
    lambda length: st.tuples(st.just(length), st.integers(0, length - 1))
)


def test_a_text_that_fits_is_one_window() -> None:
    for tokens in (0, 1, 253, 254):
        assert window_spans(tokens, length=254, overlap=32, windows_max=32) == [(0, tokens)]


def test_a_longer_text_is_covered_with_overlap() -> None:
    assert window_spans(600, length=254, overlap=32, windows_max=32) == [
        (0, 254),
        (222, 476),
        (444, 600),
    ]


def test_a_very_long_text_is_sampled_from_end_to_end() -> None:
    spans = window_spans(100_000, length=254, overlap=32, windows_max=32)
    assert len(spans) == 32
    assert spans[0][0] == 0
    assert spans[-1][1] == 100_000
    gaps = {later[0] - earlier[0] for earlier, later in pairwise(spans)}
    assert max(gaps) - min(gaps) <= 222


@given(LENGTHS, st.integers(0, 5_000), st.integers(2, 40))
def test_windows_are_bounded_distinct_and_reach_both_ends(
    measures: tuple[int, int], tokens: int, windows_max: int
) -> None:
    length, overlap = measures
    spans = window_spans(tokens, length=length, overlap=overlap, windows_max=windows_max)
    assert 1 <= len(spans) <= windows_max
    assert len(set(spans)) == len(spans)
    assert spans[0][0] == 0
    assert spans[-1][1] == tokens
    assert all(0 <= start <= stop <= start + length for start, stop in spans)
    # No window lies wholly inside the one before: each is worth its run.
    assert all(later[1] > earlier[1] for earlier, later in pairwise(spans))
