"""What stands around the candidates of a search, and what is known of them beside their scores."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any, Final, NamedTuple
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from memoledger.ledger.arrays import integer_array, uuid_array
from memoledger.ledger.memory_rows import filter_params
from memoledger.ledger.round_trip import Call, Row
from memoledger.ledger.sessions import Sessions
from memoledger.ledger.statements import statements
from memoledger.ledger.vector_types import HalfVector
from memoledger.model.indexing import TermVector
from memoledger.model.neighbours import REACH
from memoledger.model.principal import Principal
from memoledger.model.ranking import Standing
from memoledger.model.recall import Query
from memoledger.model.vectors import Vector

_SQL = statements("neighbours")

LONGEST_LENDING: Final = 1_000
"""Terms of the longest text that lends its words to its neighbours, or borrows theirs: a longer one
says enough by itself, and is much to fetch."""

_RUN: Final = 16
_FIRST: Final = 8 - REACH


class Seen(NamedTuple):
    """A version of a memory, or a chunk, among the given or beside one of them.

    Args:
        memory_id: its id, of whichever family it is.
        standings: for each stretch in which it was seen, the number of the given memory, from 0,
            in whose middle that stands, and its place in the stretch, from 0.
        found: whether the question's filter lets it through.
        speaker: who said it, where that is known.
        happened_at: when it occurred, or else was recorded; None if that was not asked for.
        asks: which share of it is questions, 0 to 1; 0 outside a conversation.
        quoted: how many of the question's quotations it holds.
        dense: cosine similarity of its best view; None without a vector.
        length: its terms; 0 outside a conversation.
        weights: `sparsevec_send` of its terms; None where it has none of the question's, is longer
            than lends, or stands outside a conversation.
    """

    memory_id: UUID
    version: int
    standings: Sequence[tuple[int, int]]
    found: bool
    speaker: str | None
    happened_at: datetime | None
    asks: float
    quoted: int
    dense: float | None
    length: int
    weights: bytes | None


class Neighbours:
    """Looks at the best candidates of a search once more, with what stands around them."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    async def around(  # noqa: PLR0913 - all that the statement asks
        self,
        principal: Principal,
        store_id: UUID,
        query: Query,
        given: Sequence[tuple[UUID, int]],
        *,
        chunks: Sequence[UUID] = (),
        vector: Vector,
        embedding_version: int,
        terms: TermVector,
        quotes: Sequence[str],
        timed: bool,
    ) -> tuple[list[Seen], list[Seen]]:
        """The given versions and their neighbours, each once, in no particular order; then chunks.

        Neighbours of a chunk are those beside it in the same version of its document.

        Args:
            given: ids and versions, at most a few hundred: each costs about 15 look-ups.
            chunks: ids, likewise.
            vector, terms: the query's.
            quotes: quotations in small letters to look for in the texts.
            timed: whether it matters when they happened.
        """
        params: dict[str, Any] = {
            **filter_params(query.filter),
            "store_id": store_id,
            "as_of": query.as_of,
            "memory_ids": uuid_array(memory_id for memory_id, _ in given),
            "versions": integer_array(version for _, version in given),
            "vector": HalfVector(vector),
            "embedding_version": embedding_version,
            "asked": terms,
            "quotes": list(quotes),
            "timed": timed,
            "reach": REACH,
            "longest": LONGEST_LENDING,
        }
        calls: list[Call] = [(_SQL["without_sorting"], {}), (_SQL["surroundings"], params)]
        if chunks:
            calls.append((_SQL["chunk_surroundings"], {**params, "chunk_ids": list(chunks)}))
        _, rows, *others = await self._sessions.run(principal, store_id, *calls)
        memories = [_as_seen(row) for row in rows]
        if not others:
            return memories, []
        # Their stretches are numbered after the memories'.
        return memories, [_after(_as_seen(row), len(given)) for row in others[0]]

    async def standings(
        self,
        principal: Principal,
        store_id: UUID,
        given: Sequence[tuple[UUID, int]],
        *,
        chunks: Sequence[UUID] = (),
        as_of: datetime | None = None,
    ) -> dict[UUID, Standing]:
        """Time, importance and accesses of the given versions and chunks, by id.

        A chunk's time is its document's, as it is or was at `as_of`.
        """
        params = {
            "store_id": store_id,
            "memory_ids": uuid_array(memory_id for memory_id, _ in given),
            "versions": integer_array(version for _, version in given),
        }
        calls: list[Call] = [(_SQL["standings"], params)]
        if chunks:
            about = {"store_id": store_id, "chunk_ids": list(chunks), "as_of": as_of}
            calls.append((_SQL["chunk_standings"], about))
        answers = await self._sessions.run(principal, store_id, *calls)
        return {one: Standing(*known) for rows in answers for one, *known in rows}


def _as_seen(row: Row) -> Seen:
    memory_id, version, runs, found, speaker, happened_at, asks, quotes, dense, length, sent = row
    return Seen(
        memory_id,
        version,
        standings=_standings(runs),
        found=found,
        speaker=speaker,
        happened_at=happened_at,
        asks=asks,
        quoted=quotes,
        dense=dense,
        length=length or 0,
        weights=sent,
    )


def _after(one: Seen, numbers: int) -> Seen:
    """The same, with so many numbers before those of its stretches."""
    return one._replace(standings=[(number + numbers, at) for number, at in one.standings])


@lru_cache(maxsize=10_000)
def _standings(runs: str) -> tuple[tuple[int, int], ...]:
    """Numbers of given memories and places beside them; few that differ come again and again."""
    return tuple((number // _RUN, number % _RUN - _FIRST) for number in map(int, runs.split()))


def term_weights(sent: Sequence[bytes | None], indices: Sequence[int]) -> NDArray[np.float64]:
    """What `sparsevec_send` gave, at the given indices: shape (vectors, indices), 0 where absent.

    The form: three int32 (dimensions, elements, 0), the indices from 0, the weights as float32, all
    big-endian. All vectors are read as one array; a look-up in each alone takes ten times as long.

    Args:
        sent: None is a vector without any of them.
        indices: term indices as in `TermVector`, from 1.
    """
    weights = np.zeros((len(sent), len(indices)))
    present = [place for place, one in enumerate(sent) if one is not None]
    if not present:
        return weights
    words = np.frombuffer(b"".join([one for one in sent if one is not None]), dtype=">i4")
    ends = np.cumsum([len(one) // 4 for one in sent if one is not None])
    starts = np.concatenate(([0], ends[:-1]))
    rows = np.asarray(present)
    sizes = words[starts + 1].astype(np.intp)
    native = words.astype(np.int32)
    for column, index in enumerate(indices):
        at = np.flatnonzero(native == index - 1)
        vector = np.searchsorted(ends, at, side="right")
        within = at - starts[vector] - 3
        true = (within >= 0) & (within < sizes[vector])  # not a header or a weight that looks alike
        at, vector = at[true], vector[true]
        weights[rows[vector], column] = native[at + sizes[vector]].view(np.float32)
    return weights
