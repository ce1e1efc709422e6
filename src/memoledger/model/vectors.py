"""Vectors as callers give them, checked and brought to the form in which they are compared."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeGuard

import numpy as np
from numpy.typing import NDArray

from memoledger.model.errors import InvalidInput

Vector = NDArray[np.float32]
"""One embedding, shape (dimensions,), Euclidean length 1."""


def as_unit_vector(
    field: str, value: Sequence[float] | NDArray[np.floating], dimensions: int
) -> Vector:
    """`value` as a float32 array of length 1, so that inner product and cosine agree.

    Raises:
        InvalidInput: it is no list of numbers, of another length than `dimensions`, contains a
            number that is not finite, or is zero everywhere.
    """
    if _is_unit(value, dimensions):
        return value.copy()
    numbers = _as_numbers(field, value, dimensions)
    largest = float(np.abs(numbers).max())
    if not np.isfinite(largest):
        raise InvalidInput(
            field,
            value,
            "it contains a number that is not finite",
            remedy="Remove NaN and infinity.",
        )
    if largest == 0:
        raise InvalidInput(
            field, value, "it is zero everywhere and has no direction", remedy="Embed again."
        )
    scaled = numbers / largest  # so that no square is too large or too small for a float
    length = float(np.sqrt(scaled.dot(scaled)))
    unit = numbers if abs(length * largest - 1) < 1e-6 else scaled / length
    # Always a copy: the caller may go on to fill the same buffer with the next vector.
    return unit.astype(np.float32)


def _is_unit(value: object, dimensions: int) -> TypeGuard[Vector]:
    """Whether nothing is left to be done, as with what models give: the way of most vectors."""
    if not isinstance(value, np.ndarray):
        return False
    if value.dtype != np.float32 or value.shape != (dimensions,):
        return False
    # In double precision no square of a float32 overflows, which NumPy would warn of.
    wide = value.astype(np.float64)
    return abs(float(wide.dot(wide)) - 1) < 1e-6


def _as_numbers(field: str, value: object, dimensions: int) -> NDArray[np.float64]:
    """The numbers as given, in double precision, of the right shape."""
    try:
        given = np.asarray(value)
    except (TypeError, ValueError, OverflowError, RuntimeError):
        given = np.asarray(None)
    if given.dtype.kind not in "iuf":
        raise InvalidInput(
            field, value, "it is no list of numbers", remedy=f"Give {dimensions} numbers."
        )
    if given.shape != (dimensions,):
        raise InvalidInput(
            field,
            f"shape {given.shape}",
            f"this ledger's embeddings have {dimensions} numbers",
            remedy="Embed with the ledger's model, or open the ledger with yours.",
        )
    return given.astype(np.float64)
