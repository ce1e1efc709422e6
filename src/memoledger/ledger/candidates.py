"""What a search finds: memories with their scores, for recall to fuse."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple
from uuid import UUID

from memoledger.ledger.round_trip import Row


class Candidate(NamedTuple):
    """A version of a memory with the scores of the channels that looked at it.

    Args:
        dense: cosine similarity of its best view, -1 to 1; None without a vector.
        lexical: BM25 score, from 0; None if it has none of the words or words were not asked.
    """

    memory_id: UUID
    version: int
    dense: float | None
    lexical: float | None


@dataclass(frozen=True, slots=True)
class Candidates:
    """The best of each channel, and what their scores rest on.

    Args:
        rows: each memory once, in no particular order.
        rarity: the idf of each of the query's terms, by its index, as the scores used it; empty if
            words were not asked.
        mean_length: the store's mean length in terms, as the scores used it, from 1.
        searched_by: "exact", "graph", "postings" or "graph+postings".
        complete: False if the search was cut short: others may be missing.
    """

    rows: list[Candidate]
    rarity: Mapping[int, float] = field(default_factory=dict)
    mean_length: float = 1.0
    searched_by: str = "exact"
    complete: bool = True


def as_candidates(rows: Sequence[Row]) -> Candidates:
    """The rows of one search; one without a memory tells what the scores rest on.

    Args:
        rows: memory, version, similarity, BM25, terms, rarity; in the row without a memory the mean
            length is in the place of BM25.
    """
    found = [Candidate._make(row[:4]) for row in rows if row[0] is not None]
    for row in rows:
        if row[0] is None:
            _, _, _, mean_length, terms, rarity = row
            known = dict(zip(terms or (), rarity or (), strict=True))
            return Candidates(found, rarity=known, mean_length=mean_length or 1.0)
    return Candidates(found)
