"""What a search finds: memories and chunks with their scores, by column, for recall to fuse."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import compress
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from memoledger.ledger.round_trip import Row
from memoledger.model.fusion import Numbers


@dataclass(frozen=True, slots=True)
class Candidates:
    """The best of each channel, and what their scores rest on.

    Args:
        ids, versions: each memory or chunk once, in no particular order; of a chunk the version of
            its document that first had it.
        dense: cosine similarity of the best view of each, -1 to 1; NaN without a vector.
        lexical: BM25 score of each, from 0; NaN if it has none of the words or words were not
            asked.
        rarity: the idf of each of the query's terms, by its index, as the scores used it; empty if
            words were not asked.
        mean_length: the store's mean length in terms, as the scores used it, from 1.
        searched_by: "exact", "graph", "postings" or "graph+postings".
        complete: False if the search was cut short: others may be missing.
        chunks: the ids of those that are chunks.
    """

    ids: Sequence[UUID]
    versions: Sequence[int]
    dense: Numbers
    lexical: Numbers
    rarity: Mapping[int, float] = field(default_factory=dict)
    mean_length: float = 1.0
    searched_by: str = "exact"
    complete: bool = True
    chunks: frozenset[UUID] = frozenset()

    def only(self, kept: NDArray[np.bool_]) -> Candidates:
        """Those of them for which `kept`, shape (candidates,), is true."""
        if kept.all():
            return self
        return replace(
            self,
            ids=list(compress(self.ids, kept)),
            versions=list(compress(self.versions, kept)),
            dense=self.dense[kept],
            lexical=self.lexical[kept],
        )


NO_CANDIDATES = Candidates((), (), np.empty(0), np.empty(0))
"""What a search gives that found nothing."""


def as_candidates(rows: Sequence[Row]) -> Candidates:
    """The rows of one search; one without an id tells what the scores rest on.

    Args:
        rows: id, version, similarity, BM25, terms, rarity, family (None for a memory); in the row
            without an id the mean length is in the place of BM25.
    """
    told = [row for row in rows if row[0] is None]
    found = [row for row in rows if row[0] is not None] if told else rows
    known = NO_CANDIDATES
    if found:
        ids, versions, dense, lexical, _, _, families = zip(*found, strict=True)
        chunks = frozenset([row[0] for row in found if row[6] is not None] if any(families) else ())
        known = Candidates(
            ids, versions, np.array(dense, float), np.array(lexical, float), chunks=chunks
        )
    if not told:
        return known
    _, _, _, mean_length, terms, rarity, _ = told[0]
    rare = dict(zip(terms or (), rarity or (), strict=True))
    return replace(known, rarity=rare, mean_length=mean_length or 1.0)
