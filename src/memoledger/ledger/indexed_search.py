"""Searches of large stores through their indexes, and bounds on those that go without."""

from __future__ import annotations

import asyncio
import math
import os
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Final
from uuid import UUID

import numpy as np

from memoledger.ledger.candidates import Candidates, as_candidates
from memoledger.ledger.round_trip import Call, Row
from memoledger.ledger.sessions import Sessions
from memoledger.ledger.statements import Statement, statements
from memoledger.ledger.store_indexes import StoreIndex, of_build
from memoledger.model.principal import Principal
from memoledger.model.recall import Query

_SQL = statements("indexed_search")
_INDEX_OF = statements("store_indexes")["store_index_of"]

KNOWN_FOR_S: Final = 20.0
"""Seconds for which it is remembered which index a store has, or that it has none; a build that was
replaced stays for longer."""

KNOWN_MAX: Final = 10_000

POSTINGS: Final = (30_000, 200_000)
"""Postings that one search reads, those of the rarest words first; each takes about 0.3 µs. The
second number where the first leaves a memory unread that could be among the hits."""

NEAREST_MAX: Final = 10_000
"""Vectors that are asked of a graph at most. If too few of them are still current, the store's
vectors are searched exactly."""

WIDTH_MAX: Final = 1_000
"""The largest hnsw.ef_search there is."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """What searches without an index may take in a large store.

    Args:
        scans_at_once: scans of this process that run at the same time; 0 for as many as the machine
            has cores. The others wait.
        scan_timeout_s: seconds one may take before the answer is cut short.
    """

    scans_at_once: int = 0
    scan_timeout_s: float = 10.0


DEFAULT_BOUNDS: Final = Bounds()


class IndexedSearch:
    """Knows which stores have an index, and searches them."""

    def __init__(self, sessions: Sessions, bounds: Bounds) -> None:
        self._sessions = sessions
        self._bounds = bounds
        self._known: OrderedDict[tuple[Principal, UUID, int], tuple[float, StoreIndex | None]] = (
            OrderedDict()
        )
        self._scans = asyncio.Semaphore(bounds.scans_at_once or os.cpu_count() or 1)

    def forget(self) -> None:
        """Ask anew which indexes there are."""
        self._known.clear()

    async def index_of(
        self, principal: Principal, store_id: UUID, embedding_version: int
    ) -> StoreIndex | None:
        """The index of a store that the principal may read; None if it has none."""
        # Of each principal, since one who may not read a store is told of none.
        key = principal, store_id, embedding_version
        asked_at, index = self._known.get(key, (-math.inf, None))
        now = time.monotonic()
        if now - asked_at < KNOWN_FOR_S:
            return index
        params = {"store_id": store_id, "embedding_version": embedding_version}
        [rows] = await self._sessions.run(principal, store_id, (_INDEX_OF, params))
        index = StoreIndex(*rows[0]) if rows else None
        self._known[key] = now, index
        self._known.move_to_end(key)
        if len(self._known) > KNOWN_MAX:
            self._known.popitem(last=False)
        return index

    @asynccontextmanager
    async def scanning(self) -> AsyncIterator[Call]:
        """A turn to scan a large store, and what the scan's transaction has to begin with."""
        timeout = {"timeout": f"{math.ceil(self._bounds.scan_timeout_s * 1_000)}ms"}
        async with self._scans:
            yield _SQL["search_within"], timeout

    async def candidates(
        self, principal: Principal, index: StoreIndex, query: Query, params: Mapping[str, Any]
    ) -> Candidates | None:
        """The best of each channel, through the index.

        None if of what the graph holds too little is still current.

        Args:
            params: as the exact searches take them; filter and instant are not looked at.
        """
        at_most = int(params["candidates"])
        nearest = max(at_most, min(3 * at_most, at_most * index.vectors // max(index.texts, 1)))
        depth = 0
        while nearest <= NEAREST_MAX:
            rows = await self._ask(principal, index, query, params, (nearest, POSTINGS[depth]))
            *_, unread, near, alive, _ = next(row for row in rows if row[0] is None)
            found = _as_found(rows, query, unread)
            asks_graph = query.mode != "lexical"
            too_near = asks_graph and near == nearest and alive < min(query.limit, at_most)
            if not too_near and (found.complete or depth == len(POSTINGS) - 1):
                return found
            if too_near:
                nearest *= 4
            if not found.complete:
                depth = min(depth + 1, len(POSTINGS) - 1)
        return None

    async def _ask(
        self,
        principal: Principal,
        index: StoreIndex,
        query: Query,
        params: Mapping[str, Any],
        depths: tuple[int, int],
    ) -> list[Row]:
        """The rows of one search that takes so many vectors of the graph and so many postings."""
        nearest, postings = depths
        width = min(WIDTH_MAX, max(index.ef_search or 0, nearest))
        given = {
            **params,
            "build": index.build,
            "covers_until": index.covers_until,
            "indexed": list(index.families),
            "nearest": nearest,
            "postings": postings,
        }
        *_, rows = await self._sessions.run(
            principal,
            params["store_id"],
            (_SQL["search_the_graph"], {"ef_search": str(max(width, 1))}),
            (_statement(f"{query.mode}_indexed", index.build), given),
        )
        return rows

    async def passing(
        self, principal: Principal, found: Candidates, params: Mapping[str, Any]
    ) -> Candidates:
        """Of what was found those that pass the filter; others that pass may be missing."""
        given = {**params, "memory_ids": list(found.ids), "chunk_ids": list(found.chunks)}
        calls: list[Call] = [(_SQL["passing_memories"], given)]
        if found.chunks:
            calls.append((_SQL["passing_chunks"], given))
        answers = await self._sessions.run(principal, params["store_id"], *calls)
        passing = {one for rows in answers for (one,) in rows}
        kept = np.array([one in passing for one in found.ids], dtype=bool)
        return replace(found.only(kept), complete=False)


@lru_cache(maxsize=1_000)
def _statement(name: str, build: int) -> Statement:
    return of_build(_SQL[name], build)


def _as_found(rows: list[Row], query: Query, unread: float | None) -> Candidates:
    found = as_candidates([(*row[:6], row[-1]) for row in rows])
    if query.min_similarity is not None:  # a floor that what has no vector does not keep
        found = found.only(found.dense >= query.min_similarity)
    scores = np.sort(found.lexical[~np.isnan(found.lexical)])[::-1]
    least = scores[query.limit - 1] if len(scores) >= query.limit else 0.0
    return replace(
        found,
        searched_by={"dense": "graph", "lexical": "postings", "hybrid": "graph+postings"}[
            query.mode
        ],
        complete=not unread or bool(least >= unread),
    )
