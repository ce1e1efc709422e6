"""Sparse vectors as the server sends them, read all at once."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from memoledger.ledger.neighbours import term_weights
from memoledger.model.indexing import TermVector

indices = st.integers(1, 12) | st.integers(1, 1_000_000_000)
vectors = st.none() | st.dictionaries(indices, st.floats(0.125, 3.0, width=32), max_size=8)


@given(st.lists(vectors, max_size=6), st.lists(indices, unique=True, max_size=6))
def test_each_weight_is_found_where_it_is(
    sent: list[dict[int, float] | None], asked: list[int]
) -> None:
    binary = [
        None
        if one is None
        else TermVector(tuple(sorted(one)), tuple(one[i] for i in sorted(one)), 1).to_binary()
        for one in sent
    ]
    expected = [[0.0 if one is None else one.get(index, 0.0) for index in asked] for one in sent]
    found = term_weights(binary, asked)
    assert found.shape == (len(sent), len(asked))
    assert np.array_equal(found, np.array(expected).reshape(found.shape))


def test_a_weight_that_looks_like_an_index_is_none() -> None:
    """A tiny weight has the bits of an index that a term may have."""
    weight = float(np.int32(59_768_832).view(np.float32))
    looks_alike = TermVector((5,), (weight,), 1).to_binary()
    assert term_weights([looks_alike], [59_768_833]).tolist() == [[0.0]]
