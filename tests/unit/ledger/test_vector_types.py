"""pgvector's binary forms, checked against a decoder written from their description."""

from __future__ import annotations

import struct

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from memoledger.ledger.vector_types import (
    HalfVector,
    HalfVectors,
    TermVectors,
    _HalfVectorDumper,
    _HalfVectorsDumper,
    _TermVectorDumper,
    _TermVectorsDumper,
)
from memoledger.model.indexing import TERM_SPACE, TermVector

matrices = arrays.arrays(
    np.float32,
    st.tuples(st.integers(1, 5), st.integers(1, 20)),
    elements=st.floats(-1, 1, width=32),
)
term_vectors = st.dictionaries(
    st.integers(1, TERM_SPACE), st.floats(0.5, 2.25, width=32), min_size=1, max_size=20
).map(lambda weights: TermVector(*zip(*sorted(weights.items()), strict=True), len(weights)))
empty = TermVector((), (), 0)


def halfvec(data: bytes) -> list[float]:
    dimensions, unused = struct.unpack_from(">HH", data)
    assert unused == 0
    assert len(data) == 4 + 2 * dimensions
    return list(struct.unpack_from(f">{dimensions}e", data, 4))


def sparsevec(data: bytes) -> tuple[int, list[tuple[int, float]]]:
    dimensions, count, unused = struct.unpack_from(">iii", data)
    assert unused == 0
    assert len(data) == 12 + 8 * count
    indices = struct.unpack_from(f">{count}i", data, 12)
    weights = struct.unpack_from(f">{count}f", data, 12 + 4 * count)
    return dimensions, [(i + 1, w) for i, w in zip(indices, weights, strict=True)]


def array_elements(data: bytes) -> list[bytes]:
    """An array's items: after dimensions, has nulls and element type come size and lower bound."""
    dimensions, nulls, _ = struct.unpack_from(">iiI", data)
    assert nulls == 0
    if dimensions == 0:
        assert len(data) == 12
        return []
    count, lower = struct.unpack_from(">ii", data, 12)
    assert (dimensions, lower) == (1, 1)
    items, at = [], 20
    for _ in range(count):
        (size,) = struct.unpack_from(">i", data, at)
        items.append(data[at + 4 : at + 4 + size])
        at += 4 + size
    assert at == len(data)
    return items


@given(matrices)
def test_half_vectors_singly_and_together(matrix: np.ndarray) -> None:
    singly = [bytes(_HalfVectorDumper(HalfVector).dump(HalfVector(row))) for row in matrix]
    together = bytes(_HalfVectorsDumper(HalfVectors).dump(HalfVectors(matrix)))
    assert array_elements(together) == singly
    assert [halfvec(data) for data in singly] == matrix.astype(np.float16).tolist()


@given(st.lists(matrices, min_size=1, max_size=3))
def test_half_vectors_of_several_lengths(parts: list[np.ndarray]) -> None:
    """Each embedding version's in a matrix of its own, all in one array."""
    single = _HalfVectorDumper(HalfVector)
    singly = [bytes(single.dump(HalfVector(row))) for matrix in parts for row in matrix]
    together = _HalfVectorsDumper(HalfVectors).dump(HalfVectors(parts[0], parts[1:]))
    assert array_elements(bytes(together)) == singly


def test_no_half_vectors_are_an_empty_array() -> None:
    none = HalfVectors(np.empty((0, 4), dtype=np.float32))
    assert array_elements(bytes(_HalfVectorsDumper(HalfVectors).dump(none))) == []


@given(st.lists(term_vectors | st.just(empty), max_size=4))
def test_term_vectors_singly_and_together(vectors: list[TermVector]) -> None:
    singly = [bytes(_TermVectorDumper(TermVector).dump(vector)) for vector in vectors]
    together = bytes(_TermVectorsDumper(TermVectors).dump(TermVectors(vectors)))
    assert array_elements(together) == singly
    for data, vector in zip(singly, vectors, strict=True):
        dimensions, elements = sparsevec(data)
        assert dimensions == TERM_SPACE
        assert elements == list(zip(vector.indices, vector.weights, strict=True))
