from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from memoledger.adapters.embedders.vectors import answer_matrix, unit_rows
from memoledger.model.errors import EmbedderError

FINITE = st.floats(allow_nan=False, allow_infinity=False)


@given(arrays(np.float64, (3, 5), elements=FINITE), st.integers(1, 5))
def test_rows_have_length_one_and_keep_their_direction(matrix: Any, dimensions: int) -> None:
    if not np.abs(matrix[:, :dimensions]).max(axis=1).all():
        with pytest.raises(EmbedderError, match="zeros"):
            unit_rows(matrix, dimensions=dimensions, model="m")
        return
    rows = unit_rows(matrix, dimensions=dimensions, model="m")
    assert rows.dtype == np.float32
    assert rows.shape == (3, dimensions)
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-6)
    assert (rows * matrix[:, :dimensions] >= 0).all()


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ([], "0 instead of 2"),
        ([[1.0, 2.0]], "1 instead of 2"),
        ([[1.0, 2.0], [1.0]], "1 and 2 dimensions"),
        ([[], []], "0 dimensions"),
        ([[1.0, float("nan")], [1.0, 2.0]], "not finite"),
        ([[1.0, float("-inf")], [1.0, 2.0]], "not finite"),
        ([[1.0, None], [1.0, 2.0]], "not finite"),
        ([["x", 1.0], [1.0, 2.0]], "other than numbers"),
        ([[[1.0], [2.0]], [[1.0], [2.0]]], "array of 3"),
    ],
)
def test_what_is_no_embedding_is_said(answer: Any, said: str) -> None:
    with pytest.raises(EmbedderError, match=said) as caught:
        answer_matrix(answer, texts=2, model="openai:m")
    assert "openai:m" in str(caught.value)
    assert caught.value.remedy
