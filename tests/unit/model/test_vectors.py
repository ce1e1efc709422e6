"""Vectors: unit length, finite, of the right size, or refused."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from memoledger.model.errors import InvalidInput
from memoledger.model.vectors import as_unit_vector

numbers = st.floats(allow_nan=False, allow_infinity=False)


@given(st.lists(numbers, min_size=3, max_size=3))
def test_any_finite_direction_becomes_length_one(given_numbers: list[float]) -> None:
    if not any(given_numbers):
        with pytest.raises(InvalidInput, match="zero everywhere"):
            as_unit_vector("embedding", given_numbers, 3)
        return
    vector = as_unit_vector("embedding", given_numbers, 3)
    assert vector.dtype == np.float32
    assert vector.shape == (3,)
    assert math.isclose(float(np.linalg.norm(vector.astype(np.float64))), 1, abs_tol=1e-6)
    largest = max(map(abs, given_numbers))
    exact = np.array([number / largest for number in given_numbers])
    assert np.allclose(vector, exact / np.linalg.norm(exact), atol=1e-6)


@pytest.mark.parametrize(
    "value",
    [
        [1, 2, 3],
        (0.0, 0.0, 1e-30),
        np.array([1, 2, 3]),
        np.array([1, 2, 3], dtype=np.float16),
        np.array([1e300, 1e300, -1e300]),
        [3e38, 3e38, 3e38],
        [1e-300, 0, 0],
        np.array([1, 2, 3], dtype=np.uint8),
    ],
)
def test_lists_and_arrays_of_numbers_are_taken(value: Any) -> None:
    vector = as_unit_vector("embedding", value, 3)
    assert math.isclose(float(np.linalg.norm(vector)), 1, abs_tol=1e-6)


def test_a_unit_vector_is_left_as_it_is_and_never_written_to() -> None:
    unit = np.array([0.6, 0.8, 0], dtype=np.float32)
    assert as_unit_vector("embedding", unit, 3).tobytes() == unit.tobytes()
    longer = np.array([6, 8, 0], dtype=np.float32)
    as_unit_vector("embedding", longer, 3)
    assert longer.tolist() == [6, 8, 0]


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ([], "3 numbers"),
        ([1, 2], "3 numbers"),
        ([1, 2, 3, 4], "3 numbers"),
        ([[1, 2, 3]], "3 numbers"),
        (5, "3 numbers"),
        (np.zeros((3, 1)), "3 numbers"),
        ([0, 0, 0], "zero everywhere"),
        ([0.0, -0.0, 0.0], "zero everywhere"),
        ([1, math.nan, 0], "not finite"),
        ([1, math.inf, 0], "not finite"),
        ([-math.inf, math.inf, 0], "not finite"),
        (["0.1", "0.2", "0.3"], "no list of numbers"),
        ("abc", "no list of numbers"),
        ([1 + 0j, 2, 3], "no list of numbers"),
        (np.array([1j, 2, 3]), "no list of numbers"),
        ([True, False, True], "no list of numbers"),
        ([None, 1, 2], "no list of numbers"),
        ([[1, 2], [3]], "no list of numbers"),
        ({"a": 1}, "no list of numbers"),
        ([Decimal(1), Decimal(2), Decimal(3)], "no list of numbers"),
        (np.array(["a", "b", "c"]), "no list of numbers"),
        (np.array(["2026-01-01"] * 3, dtype="datetime64[D]"), "no list of numbers"),
        (iter([1, 2, 3]), "no list of numbers"),
        (10**400, "no list of numbers"),
        ([10**400, 1, 1], "no list of numbers"),
        (object(), "no list of numbers"),
    ],
)
def test_what_is_no_vector_of_the_ledger(value: Any, reason: str) -> None:
    with pytest.raises(InvalidInput, match=reason) as caught:
        as_unit_vector("embedding", value, 3)
    assert caught.value.field == "embedding"
    assert caught.value.remedy
