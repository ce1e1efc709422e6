"""From what a remote model answered to unit vectors, or to the error that says what is wrong."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from memoledger.model.errors import EmbedderError
from memoledger.ports import Vectors


def answer_matrix(
    answer: Sequence[Sequence[float]], *, texts: int, model: str
) -> NDArray[np.float64]:
    """The answer as float64 of shape (texts, its dimension).

    Raises:
        EmbedderError: another number of vectors than texts, vectors of unequal or no length, or
            something that is no number or not finite.
    """
    if len(answer) != texts:
        raise wrong_answer(model, f"{len(answer)} instead of {texts} vectors")
    lengths = sorted({len(vector) for vector in answer})
    if len(lengths) != 1 or not lengths[0]:
        raise wrong_answer(model, f"vectors of {' and '.join(map(str, lengths))} dimensions")
    try:
        matrix = np.asarray(answer, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise wrong_answer(model, f"something other than numbers ({error})") from error
    if matrix.ndim != 2:
        raise wrong_answer(model, f"an array of {matrix.ndim} dimensions for a vector each")
    if not np.isfinite(matrix).all():
        raise wrong_answer(model, "a vector with numbers that are not finite")
    return matrix


def unit_rows(matrix: NDArray[np.float64], *, dimensions: int, model: str) -> Vectors:
    """The first `dimensions` columns as float32, each row brought back to Euclidean length 1.

    Cutting and renormalising is how embeddings trained with Matryoshka representation learning
    are shortened (Kusupati et al., 2022, arXiv 2205.13147).

    Raises:
        EmbedderError: a row is zero, so that it has no direction.
    """
    kept = matrix[:, :dimensions]
    # Scaled by the largest number first, so that squaring huge or tiny ones cannot overflow.
    scale = np.abs(kept).max(axis=1, keepdims=True)
    if not scale.all():
        raise wrong_answer(model, "a vector of zeros")
    scaled = kept / scale
    rows: Vectors = (scaled / np.linalg.norm(scaled, axis=1, keepdims=True)).astype(np.float32)
    return rows


def wrong_answer(model: str, what: str, *, remedy: str | None = None) -> EmbedderError:
    """The error for an answer that came but is no embedding of the texts asked."""
    return EmbedderError(
        f"The embedding model {model} answered with {what}.",
        remedy=remedy or "Check that the model is an embedding model and the base URL its server.",
        model=model,
        transient=False,
    )
