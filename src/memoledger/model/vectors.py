"""Vectors as callers give them, checked and brought to the form in which they are compared."""

from __future__ import annotations

from collections.abc import Sequence

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
    try:
        vector = np.asarray(value, dtype=np.float32)
    except (TypeError, ValueError, OverflowError):
        raise InvalidInput(
            field, value, "it is no list of numbers", remedy=f"Give {dimensions} numbers."
        ) from None
    if vector.shape != (dimensions,):
        raise InvalidInput(
            field,
            f"shape {vector.shape}",
            f"this ledger's embeddings have {dimensions} numbers",
            remedy="Embed with the ledger's model, or open the ledger with yours.",
        )
    length = float(np.sqrt(vector.dot(vector), dtype=np.float64))
    if not np.isfinite(length):
        raise InvalidInput(
            field,
            value,
            "it contains a number that is not finite",
            remedy="Remove NaN and infinity.",
        )
    if length < 1e-12:
        raise InvalidInput(
            field, value, "it is zero everywhere and has no direction", remedy="Embed again."
        )
    return vector if abs(length - 1) < 1e-6 else vector / np.float32(length)
