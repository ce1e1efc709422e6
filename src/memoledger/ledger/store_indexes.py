"""The indexes of large stores: which one a search uses, and how one is made.

Making one takes a connection of the owner's and minutes; nothing waits for it. It reads as any
query does, and what it writes only its own searches will touch, so that no writer is held up. A
build that dies leaves a row in state "building", which the next round removes with all that belongs
to it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from memoledger.ledger.failures import translated
from memoledger.ledger.round_trip import Connection, Row
from memoledger.ledger.statements import Statement, statements
from memoledger.model.errors import DataFolderFull, LedgerUnavailable

_SQL = statements("store_indexes")
_BECOME_OWNER = statements("principals")["become_owner"]

RECALL_WANTED: Final = 0.99
"""Of the ten nearest, the part that the graph has to find before it is used."""

WIDTHS: Final = (60, 80, 100, 150, 200, 250, 300, 400, 500, 600, 800)
"""Widths of search (hnsw.ef_search) that are tried, in turn. The steps are small because the time
of a search grows as its width."""

GRAPHS: Final = ("make_light_graph", "make_dense_graph", "make_densest_graph")
"""Graphs that are tried, in turn, until one finds what is wanted."""

DENSE_FROM: Final = 300_000
"""Vectors from which the first is not tried: it would not do."""

HELD_OUT: Final = 300
"""Vectors that a graph is measured with. In a graph over a million some questions find none of
their neighbours, three in a hundred of one sample and none of the next: fewer would decide by
chance."""

GRACE_S: Final = 60.0
"""Seconds for which a build that was replaced stays, for searches that do not know it yet."""

_WAIT_S: Final = 600.0
_PAUSE_S: Final = 0.2
_MARGIN_S: Final = 1.0
"""So much before now is the instant that `running_transactions` gives."""

_GRAPH_BYTES: Final = 900
"""About what a vector takes in the graph beside its own bytes."""


@dataclass(frozen=True, slots=True)
class StoreIndex:
    """The index that a search uses.

    Args:
        covers_until: what was written before is in it.
        ef_search: how widely its graph is searched; None if vectors are searched exactly.
        texts, vectors: how many it holds.
        families: of what: memories, and chunks once the store had any.
    """

    build: int
    covers_until: datetime
    ef_search: int | None
    texts: int
    vectors: int
    families: Sequence[str] = ("memory",)


@dataclass(frozen=True, slots=True)
class Surveyed:
    """A large store, or one of the builds of a store.

    Args:
        texts: how many current texts the store holds.
        build, embedding_version, state: the build; None where there is none.
        indexed: how many texts the build holds; those that were closed since are among them.
        made_of: how many of them it held when it was made.
        segments: in how many steps they came into it.
        may_go: whether the build was replaced so long ago that no search uses it.
        recent: how many current texts were written since.
    """

    tenant: str
    store_id: UUID
    texts: int
    build: int | None
    embedding_version: int | None
    state: str | None
    indexed: int | None
    made_of: int | None
    segments: int | None
    may_go: bool | None
    recent: int


@dataclass(frozen=True, slots=True)
class IndexStatus:
    """One index, for people.

    Args:
        state: "building", "ready" or "retired".
        progress: 0 to 1.
        ef_search, recall: how widely the graph is searched, and what it found of the ten nearest
            when it was made; None before that, `ef_search` also where no width was enough.
    """

    tenant: str
    store_id: UUID
    owner: str
    store: str
    build: int
    state: str
    progress: float
    texts: int
    vectors: int
    segments: int
    ef_search: int | None
    recall: float | None
    started_at: datetime
    built_at: datetime | None


@dataclass(frozen=True, slots=True)
class Effort:
    """What making a graph may take.

    Args:
        memory_mb: megabytes at most; a graph that needs more is made slower.
        workers: helpers beside the one process that makes it.
    """

    memory_mb: int = 2_048
    workers: int = 0


def of_build(statement: Statement, build: int) -> Statement:
    """A statement about build 0 as one about another; names of tables cannot be parameters."""
    sql = statement.sql
    for name in (b"store_vectors_", b"store_nearest_", b"store_graph_"):
        sql = sql.replace(name + b"0", name + b"%d" % int(build))
    return Statement(statement.name, statement.purpose, sql, statement.plan_once)


class StoreIndexes:
    """Makes, extends and removes indexes.

    Args:
        connection: of a login that may become the owner, in autocommit mode, for this alone.
    """

    def __init__(self, connection: Connection, effort: Effort = Effort()) -> None:
        self._connection = connection
        self._effort = effort

    @asynccontextmanager
    async def alone(self) -> AsyncIterator[bool]:
        """Whether nobody else is indexing; and nobody will be while this is open."""
        async with self._owning():
            [(free,)] = await self._run("begin_indexing")
        try:
            yield bool(free)
        finally:
            if free and not self._connection.closed:
                await self._run("end_indexing")

    async def survey(self, *, least: int, grace_s: float = GRACE_S) -> list[Surveyed]:
        """Every store of at least so many texts, and every build there is."""
        async with self._owning():
            rows = await self._run("survey", least=least, grace_s=grace_s)
        return [Surveyed(*row) for row in rows]

    async def survey_some(
        self, stores: Sequence[tuple[str, UUID]], *, least: int, grace_s: float = GRACE_S
    ) -> list[Surveyed]:
        """The same of some stores, by tenant and id; builds that are not in use are always told."""
        async with self._owning():
            given = {"least": least, "grace_s": grace_s, **_named(stores)}
            rows = await self._run("survey_some", **given)
        return [Surveyed(*row) for row in rows]

    async def take_scheduled(self) -> list[tuple[str, UUID]]:
        """Take the stores off the schedule that were written to since somebody looked."""
        async with self._owning():
            return [(tenant, store) for tenant, store in await self._run("take_scheduled")]

    async def put_back(self, stores: Sequence[tuple[str, UUID]]) -> None:
        """Put stores back on the schedule that could not be looked at."""
        async with self._owning():
            await self._run("put_back_scheduled", **_named(stores))

    async def statuses(self) -> list[IndexStatus]:
        """Every index and how far it is."""
        async with self._owning():
            return [IndexStatus(*row) for row in await self._run("list_store_indexes")]

    async def drop(self, tenant: str, store_id: UUID, build: int) -> None:
        """Remove a build."""
        async with self._owning():
            await self._run("drop_build", tenant=tenant, store_id=store_id, build=build)

    async def versions(self) -> list[int]:
        """The embedding versions in which large stores have an index, the one that serves first."""
        async with self._owning():
            return [int(row[0]) for row in await self._run("indexed_versions")]

    async def retire(
        self,
        tenant: str,
        store_id: UUID,
        *,
        before: int | None = None,
        embedding_version: int | None = None,
    ) -> None:
        """Have searches use no build of a store, or none before this; in all versions or one."""
        async with self._owning():
            await self._run(
                "retire_builds",
                tenant=tenant,
                store_id=store_id,
                before=2**31 - 1 if before is None else before,
                embedding_version=embedding_version,
            )

    async def build(self, tenant: str, store_id: UUID, embedding_version: int) -> int:
        """Make a store's index, beside the one it has, and use it from then on; its number."""
        of: dict[str, Any] = {
            "tenant": tenant,
            "store_id": store_id,
            "embedding_version": embedding_version,
        }
        async with self._owning():
            [(build,)] = await self._run("register_build", **of)
        of["build"] = build
        async with self._owning():
            await self._run("make_store_vectors", **of)
        of |= {"since": None, "until": await self.everything_before(), "segment": 1}
        async with self._owning():
            await self._run("index_vectors", build, **of)
            [(vectors,)] = await self._run("count_indexed_vectors", build)
        await self._note(of, 0.1, texts=0, vectors=vectors)
        async with self._owning():
            await self._run("index_words", **of)
            [(texts,)] = await self._run("count_indexed_texts", **of)
        await self._note(of, 0.3, texts=texts, vectors=vectors)
        ef_search, recall = await self._make_graph(of, vectors)
        await self._note(of, 0.95, texts=texts, vectors=vectors)
        await self._finish(of, ef_search, recall)
        await self.retire(tenant, store_id, before=build, embedding_version=embedding_version)
        return int(build)

    async def extend(self, found: Surveyed, covers_until: datetime | None = None) -> None:
        """Take into a build what was written since it was made."""
        of: dict[str, Any] = {
            "tenant": found.tenant,
            "store_id": found.store_id,
            "embedding_version": found.embedding_version,
            "build": found.build,
            "segment": (found.segments or 0) + 1,
        }
        until = await self.everything_before()
        assert found.build is not None, "there is something to extend"
        async with self._owning():
            [index] = await self._run("store_index_of", **of)
            of |= {"since": covers_until or index[1], "until": until}
            await self._run("index_vectors", found.build, **of)
            await self._run("index_words", **of)
            await self._finish(of, None, None)

    async def _make_graph(self, of: Mapping[str, Any], vectors: int) -> tuple[int | None, float]:
        """The graph, how widely it has to be searched, and what it found when measured.

        What was held out for measuring is in it at the end.
        """
        build = of["build"]
        async with self._owning():
            rows = await self._run("hold_out_vectors", build, count=min(HELD_OUT, vectors // 100))
        questions = [row[0] for row in rows]
        measured: tuple[int | None, float] = None, 0.0
        for graph in GRAPHS[vectors >= DENSE_FROM :]:
            await self._create_graph(graph, build, vectors)
            await self._note(of, 0.9, texts=0, vectors=vectors)
            measured = await self._measure(build, questions)
            if measured[0] is not None:
                break
        async with self._owning():
            await self._run("index_vectors", build, **of)
        return measured

    async def _create_graph(self, graph: str, build: int, vectors: int) -> None:
        try:
            await self._try_graph(graph, build, vectors, workers=self._effort.workers)
        except DataFolderFull:
            # Helpers share memory that some containers have little of.
            await self._try_graph(graph, build, vectors, workers=0)

    async def _try_graph(self, graph: str, build: int, vectors: int, *, workers: int) -> None:
        async with self._owning():
            sizes = await self._run("vector_bytes", build)
            each = _GRAPH_BYTES + sum(size for (size,) in sizes)
            needed_mb = 64 + int(vectors * each * 1.2 / 1e6)
            memory = f"{min(needed_mb, self._effort.memory_mb)}MB"
            await self._run("set_build_memory", memory=memory, workers=str(workers))
            await self._run("drop_graph", build)
            await self._run(graph, build)

    async def _measure(self, build: int, questions: Sequence[str]) -> tuple[int | None, float]:
        """The least width that finds what is wanted, and what it found; None if none does."""
        exact = await self._ten_nearest(build, questions, "search_exactly")
        recall = 0.0
        for width in WIDTHS:
            found = await self._ten_nearest(
                build, questions, "search_graph_only", ef_search=str(width)
            )
            wanted = sum(len(nearest) for nearest in exact)
            hits = sum(len(a & b) for a, b in zip(exact, found, strict=True))
            recall = hits / wanted if wanted else 1.0
            if recall >= RECALL_WANTED:
                return width, recall
        return None, recall

    async def _ten_nearest(
        self, build: int, questions: Sequence[str], how: str, **settings: str
    ) -> list[set[Row]]:
        found: list[set[Row]] = []
        for question in questions:
            async with self._owning():
                await self._run(how, **settings)
                found.append(set(await self._run("ten_nearest", build, vector=question)))
        return found

    async def _finish(
        self, of: Mapping[str, Any], ef_search: int | None, recall: float | None
    ) -> None:
        async with self._owning():
            [(begun,)] = await self._run("lock_build", **of)
            await self._run("erase_what_was_erased", begun=begun, **of)
            [(texts,)] = await self._run("count_indexed_texts", **of)
            [(vectors,)] = await self._run("count_indexed_vectors", of["build"])
            counts = {"texts": texts, "vectors": vectors}
            await self._run("finish_build", ef_search=ef_search, recall=recall, **counts, **of)

    async def _note(self, of: Mapping[str, Any], progress: float, **counts: int) -> None:
        async with self._owning():
            await self._run("note_progress", progress=progress, **counts, **of)

    async def everything_before(self) -> datetime:
        """An instant before which every row was written by a transaction that has ended.

        Raises:
            LedgerUnavailable: a transaction did not end in ten minutes.
        """
        await asyncio.sleep(_MARGIN_S)
        [(instant, running)] = await self._run("running_transactions")
        waiting = set(running)
        for _ in range(int(_WAIT_S / _PAUSE_S)):
            if not waiting:
                assert isinstance(instant, datetime), "it is a timestamp"
                return instant
            await asyncio.sleep(_PAUSE_S)
            [(_, running)] = await self._run("running_transactions")
            waiting &= set(running)
        raise LedgerUnavailable(
            "A transaction has been open for ten minutes; an index would miss what it wrote.",
            remedy="End it; pg_stat_activity shows it. The next round tries again.",
        )

    @asynccontextmanager
    async def _owning(self) -> AsyncIterator[None]:
        """A transaction as the owner; inside another one a part of it."""
        with translated():
            async with self._connection.transaction():
                await self._connection.execute(_BECOME_OWNER.sql)
                yield

    async def _run(self, name: str, build: int | None = None, /, **params: Any) -> list[Row]:
        statement = _SQL[name] if build is None else of_build(_SQL[name], build)
        cursor = await self._connection.execute(statement.sql, params)
        return await cursor.fetchall() if cursor.description else []


def _named(stores: Sequence[tuple[str, UUID]]) -> dict[str, Any]:
    return {
        "tenants": [tenant for tenant, _ in stores],
        "stores": [store_id for _, store_id in stores],
    }
