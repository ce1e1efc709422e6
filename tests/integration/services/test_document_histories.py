"""Histories of documents drawn at random: what is current, what was, and what was embedded."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from memoledger.model.errors import NotFound
from memoledger.surfaces.python.store import StoreHandle

PARAGRAPHS = ("Tea.", "Milk.", "Sugar.", "Tea.\nHot.", "# Kitchen", "# Garden")

contents = st.lists(st.sampled_from(PARAGRAPHS), max_size=6)
acts = st.one_of(
    st.tuples(st.just("learn"), st.sampled_from(["a", "b"]), contents),
    st.tuples(st.just("learn"), st.sampled_from(["a", "b"]), contents),
    st.tuples(st.just("forget"), st.sampled_from(["a", "b"]), st.booleans()),
)

Key = tuple[str, str | None]
"""Text and section of a chunk."""


def chunks_of(paragraphs: list[str]) -> list[Key]:
    """What the splitter makes of them, told once more."""
    section, found = None, []
    for paragraph in paragraphs:
        if paragraph.startswith("# "):
            section = paragraph[2:]
        else:
            found.append((paragraph, section))
    return found


@dataclass
class Source:
    """What one source id says now."""

    id: UUID | None = None
    version: int = 0
    paragraphs: list[str] | None = None
    chunk_ids: list[UUID] = field(default_factory=list)


@dataclass(frozen=True)
class Moment:
    """What every source said at an instant."""

    instant: datetime
    said: dict[str, tuple[UUID, int, list[Key]]]


class Play:
    """Does one drawn history to a store, and says what has to come of it."""

    def __init__(self, store: StoreHandle, embedded: list[str]) -> None:
        self.store = store
        self.embedded = embedded
        self.sources = {name: Source() for name in ("a", "b")}
        self.moments: list[Moment] = []
        self.erased: set[UUID] = set()

    async def do(self, act: str, name: str, value: Any) -> None:
        await getattr(self, act)(self.sources[name], name, value)
        self.moments.append(await self.now())

    async def learn(self, source: Source, name: str, paragraphs: list[str]) -> None:
        text = "\n\n".join(paragraphs) or "\n"
        before = chunks_of(source.paragraphs or [])
        self.embedded.clear()
        learned = await self.store.learn("drawn", name, data=text.encode())
        chunks = (await self.store.chunks(learned.document.id, limit=1_000)).chunks
        after = chunks_of(paragraphs)
        if source.paragraphs is None:
            assert (learned.outcome, learned.document.version) == ("created", 1)
        elif paragraphs == source.paragraphs:
            assert (learned.outcome, learned.document.version) == ("unchanged", source.version)
        else:
            assert (learned.outcome, learned.document.version) == ("updated", source.version + 1)
            assert learned.document.id == source.id
        kept = Counter(before) & Counter(after)
        assert learned.chunks_kept == sum(kept.values())
        assert learned.chunks_new == len(after) - learned.chunks_kept
        self.check_kept(source, before, chunks, kept)
        new = {f"{s}: {t}" if s else t for t, s in (Counter(after) - Counter(before))}
        assert sorted(self.embedded) == sorted(new)
        source.id, source.version = learned.document.id, learned.document.version
        source.paragraphs, source.chunk_ids = paragraphs, [chunk.id for chunk in chunks]

    def check_kept(
        self, source: Source, before: list[Key], chunks: list[Any], kept: Counter[Key]
    ) -> None:
        """Of equal chunks the first ones stay."""
        old: dict[Key, list[UUID]] = {}
        for key, chunk_id in zip(before, source.chunk_ids, strict=True):
            old.setdefault(key, []).append(chunk_id)
        for chunk in chunks:
            key = (chunk.text, chunk.section)
            if kept[key]:
                kept[key] -= 1
                assert chunk.id == old[key].pop(0)
            else:
                assert chunk.id not in source.chunk_ids

    async def forget(self, source: Source, name: str, hard: bool) -> None:
        if source.paragraphs is None:
            if source.id is not None and not hard:
                with pytest.raises(NotFound):
                    await self.store.forget_document(source.id)
            return
        assert source.id is not None
        await self.store.forget_document(source.id, hard=hard)
        if hard:
            self.erased.add(source.id)
        self.sources[name] = Source()

    async def now(self) -> Moment:
        said = {
            name: (source.id, source.version, chunks_of(source.paragraphs))
            for name, source in self.sources.items()
            if source.id is not None and source.paragraphs is not None
        }
        sessions = self.store._context.ledger.sessions
        async with sessions._pool.connection() as connection:
            cursor = await connection.execute("SELECT clock_timestamp()")
            row = await cursor.fetchone()
        assert row is not None
        return Moment(row[0], said)

    async def check(self, sql: Callable[..., list[tuple[Any, ...]]]) -> None:
        for moment in (*self.moments, self.moments[-1]):
            as_of = None if moment is self.moments[-1] else moment.instant
            said = {n: s for n, s in moment.said.items() if s[0] not in self.erased}
            page = await self.store.documents(as_of=as_of)
            assert {(d.source_id, d.id, d.version) for d in page.documents} == {
                (name, document_id, version) for name, (document_id, version, _) in said.items()
            }
            for document_id, version, chunks in said.values():
                found = (await self.store.chunks(document_id, as_of=as_of, limit=1_000)).chunks
                assert [(chunk.text, chunk.section) for chunk in found] == chunks
                assert {chunk.version for chunk in found} <= {version}
        current = {
            i for s in self.sources.values() if s.paragraphs is not None for i in s.chunk_ids
        }
        for table in ("embeddings", "term_vectors"):
            rows = sql(
                f"SELECT owner_id FROM memoledger.{table}"
                " WHERE store_id = %s AND family = 'chunk' AND superseded_at IS NULL",
                self.store.id,
            )
            assert sorted(i for (i,) in rows) == sorted(current), table


@settings(
    max_examples=30,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(history=st.lists(acts, min_size=1, max_size=12))
async def test_every_version_is_exactly_what_was_learned(
    papers: StoreHandle, hashing: Any, sql: Callable[..., Any], history: list[Any]
) -> None:
    context, principal = papers._context, papers._scope.principal
    made = await context.ledger.stores.create(principal, uuid4().hex, "private")
    assert made is not None
    play = Play(StoreHandle(context, principal, made), hashing.texts)
    for act, name, value in history:
        await play.do(act, name, value)
    await play.check(sql)


async def test_pages_of_documents_and_of_chunks(papers: StoreHandle) -> None:
    for number in range(5):
        await papers.learn("pages", str(number), content=f"Text {number}.", type="page")
    found, cursor = [], None
    for _ in range(3):
        page = await papers.documents(limit=2, cursor=cursor, types=["page"])
        found += [document.source_id for document in page.documents]
        cursor = page.next_cursor
    assert (found, cursor) == (["0", "1", "2", "3", "4"], None)
    long = await papers.learn("long", "x", content="\n\n".join(f"P{n}." for n in range(7)))
    texts: list[str] = []
    for step in range(3):
        chunks = await papers.chunks(long.document.id, limit=3, cursor=cursor)
        texts += [chunk.text for chunk in chunks.chunks]
        cursor = chunks.next_cursor
        if step == 0:  # the pages go on through the version they began with
            await papers.learn("long", "x", content="Other.")
    assert (texts, cursor) == ([f"P{n}." for n in range(7)], None)
