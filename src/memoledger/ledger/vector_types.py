"""pgvector's types over psycopg's binary protocol, single and in arrays.

Arrays are built from one NumPy buffer: encoding a batch vector by vector took 0.5 ms a memory,
which alone would have held a bulk write under 2,000 memories a second.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray
from psycopg import AsyncConnection
from psycopg.adapt import Buffer, Dumper
from psycopg.pq import Format
from psycopg.types import TypeInfo

from memoledger.model.errors import ServerUnsuitable
from memoledger.model.indexing import TermVector


@dataclass(frozen=True, slots=True)
class HalfVector:
    """A `halfvec`: shape (dimensions,)."""

    values: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class HalfVectors:
    """A `halfvec[]`.

    Args:
        values: shape (count, dimensions).
        more: further matrices, whose vectors follow; each may be of another length.
    """

    values: NDArray[np.float32]
    more: Sequence[NDArray[np.float32]] = ()


@dataclass(frozen=True, slots=True)
class TermVectors:
    """A `sparsevec[]`; a single `TermVector` is sent as a `sparsevec`."""

    vectors: Sequence[TermVector]


@dataclass(frozen=True, slots=True)
class VectorOids:
    """The object ids of pgvector's types, which differ from database to database."""

    halfvec: int
    halfvec_array: int
    sparsevec: int
    sparsevec_array: int


async def fetch_vector_oids(connection: AsyncConnection[tuple[object, ...]]) -> VectorOids:
    """Ask the database for the ids of pgvector's types.

    Raises:
        ServerUnsuitable: the extension is not installed in this database.
    """
    half = await TypeInfo.fetch(connection, "halfvec")
    sparse = await TypeInfo.fetch(connection, "sparsevec")
    if half is None or sparse is None:
        raise ServerUnsuitable(
            "The database has no pgvector 0.7 or newer.", remedy="CREATE EXTENSION vector;"
        )
    return VectorOids(half.oid, half.array_oid, sparse.oid, sparse.array_oid)


def register_vectors(connection: AsyncConnection[tuple[object, ...]], oids: VectorOids) -> None:
    """Teach a connection to send the four types."""
    for kind, dumper, oid in (
        (HalfVector, _HalfVectorDumper, oids.halfvec),
        (HalfVectors, _HalfVectorsDumper, oids.halfvec_array),
        (TermVector, _TermVectorDumper, oids.sparsevec),
        (TermVectors, _TermVectorsDumper, oids.sparsevec_array),
    ):
        connection.adapters.register_dumper(
            kind,
            type(dumper.__name__, (dumper,), {"oid": oid, "element_oid": _element(kind, oids)}),
        )


def _element(kind: type, oids: VectorOids) -> int:
    return oids.halfvec if kind is HalfVectors else oids.sparsevec


def as_vector(sent: bytes | None) -> NDArray[np.float32] | None:
    """The vector that `halfvec_send` gave: two int16 (dimensions, 0), then the numbers."""
    return None if sent is None else np.frombuffer(sent, dtype=">f2", offset=4).astype(np.float32)


class _BinaryDumper(Dumper):
    format = Format.BINARY
    element_oid = 0


class _HalfVectorDumper(_BinaryDumper):
    def dump(self, obj: HalfVector) -> Buffer:
        return struct.pack(">HH", obj.values.shape[0], 0) + obj.values.astype(">f2").tobytes()


class _HalfVectorsDumper(_BinaryDumper):
    def dump(self, obj: HalfVectors) -> Buffer:
        parts = [obj.values, *obj.more]
        count = sum(len(part) for part in parts)
        return _array_header(self.element_oid, count) + b"".join(map(_elements, parts))


def _elements(values: NDArray[np.float32]) -> bytes:
    """A matrix as elements of an array: each its size in bytes, then as it is sent alone."""
    count, dimensions = values.shape
    if count == 1:  # a memory written alone: the same bytes, without NumPy's set-up
        size = struct.pack(">iHH", 4 + 2 * dimensions, dimensions, 0)
        return size + values.astype(">f2").tobytes()
    items = np.zeros(count, dtype=_half_vector_item(dimensions))
    items["size"] = 4 + 2 * dimensions
    items["dim"] = dimensions
    items["v"] = values
    return items.tobytes()


@cache
def _half_vector_item(dimensions: int) -> np.dtype[np.void]:
    """An array's element: its size in bytes, then the vector as it is sent alone."""
    return np.dtype([("size", ">i4"), ("dim", ">u2"), ("unused", ">u2"), ("v", ">f2", dimensions)])


class _TermVectorDumper(_BinaryDumper):
    def dump(self, obj: TermVector) -> Buffer:
        return obj.to_binary()


class _TermVectorsDumper(_BinaryDumper):
    def dump(self, obj: TermVectors) -> Buffer:
        parts = [_array_header(self.element_oid, len(obj.vectors))]
        for vector in obj.vectors:
            encoded = vector.to_binary()
            parts.append(struct.pack(">i", len(encoded)))
            parts.append(encoded)
        return b"".join(parts)


def _array_header(element_oid: int, count: int) -> bytes:
    """One dimension from 1, no nulls (PostgreSQL's array_recv); an empty array has no dimension."""
    if count == 0:
        return struct.pack(">iiI", 0, 0, element_oid)
    return struct.pack(">iiIii", 1, 0, element_oid, count, 1)
