"""Documents by themselves: read, listed, forgotten; and erased so that nothing of them is left."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest

from memoledger.model.errors import ConflictError, Forbidden, InvalidInput, NotFound
from memoledger.surfaces.python.principal import PrincipalHandle
from memoledger.surfaces.python.store import StoreHandle

SECRET = "xylophonequartz"
Sql = Callable[..., list[tuple[Any, ...]]]


async def secret_document(papers: StoreHandle, **fields: Any) -> Any:
    """A document in two versions that says its secret wherever something can be said."""
    described = {
        "title": f"{SECRET} title",
        "summary": f"{SECRET} summary",
        "state": SECRET,
        "author": {"name": SECRET},
        "tags": [SECRET],
        "metadata": {"k": SECRET},
        "media_type": f"text/{SECRET}",
        **fields,
    }
    for version in ("one", "two"):
        learned = await papers.learn(
            f"{SECRET} source",
            f"{SECRET} id",
            content=f"# {SECRET} head\n\nAlways {SECRET}.\n\nVersion {version} {SECRET}.",
            **described,
            observations=[{"content": f"Observed {SECRET} {version}.", "title": SECRET}],
        )
    return learned


def places_with(sql: Sql, words: str) -> list[str]:
    """Tables of ours with the words in any row, as text or as bytes."""
    tables = sql(
        "SELECT c.oid::regclass::text FROM pg_class AS c WHERE relkind = 'r'"
        " AND relnamespace::regnamespace::text LIKE 'memoledger%%'"
    )
    found = []
    for (table,) in tables:
        rows = sql(
            f"SELECT count(*) FROM {table} AS t"
            " WHERE strpos(t::text, %s) > 0 OR strpos(t::text, encode(%s::bytea, 'hex')) > 0",
            words,
            words.encode(),
        )
        if rows != [(0,)]:
            found.append(table)
    return found


class TestReading:
    async def test_what_is_not_there(self, papers: StoreHandle) -> None:
        for call in (papers.document, papers.document_history, papers.chunks):
            with pytest.raises(NotFound, match="no document"):
                await call(uuid4())
            with pytest.raises(InvalidInput, match="no id"):
                await call("x")

    async def test_a_version_that_is_not_there(self, papers: StoreHandle) -> None:
        learned = await papers.learn("wiki", "x", content="One.")
        with pytest.raises(NotFound):
            await papers.document(learned.document.id, version=2)
        with pytest.raises(NotFound):
            await papers.document(learned.document.id, as_of="2001-01-01T00:00:00Z")
        with pytest.raises(InvalidInput, match="as_of names a version"):
            await papers.document(
                learned.document.id, version=1, as_of=learned.document.recorded_at
            )

    @pytest.mark.parametrize("cursor", ["", "1", "x.y", "1.-1", "99999999999.1", "1.99999999"])
    async def test_what_is_no_cursor(self, papers: StoreHandle, cursor: str) -> None:
        learned = await papers.learn("wiki", "x", content="One.")
        with pytest.raises(InvalidInput, match="cursor"):
            await papers.chunks(learned.document.id, cursor=cursor)

    async def test_listings_are_filtered(self, papers: StoreHandle) -> None:
        await papers.learn(
            "wiki", "a", content="a", type="page", tags=["x", "y"], metadata={"k": 1}
        )
        await papers.learn("mail", "b", content="b", tags=["x"], occurred_at="2020-05-05T00:00:00Z")

        async def found(**asked: Any) -> list[str]:
            return [d.source_id for d in (await papers.documents(**asked)).documents]

        assert await found() == ["a", "b"]
        assert await found(source="mail") == ["b"]
        assert await found(types=["page"]) == ["a"]
        assert await found(tags=["x"]) == ["a", "b"]
        assert await found(tags=["x", "y"]) == ["a"]
        assert await found(metadata={"k": 1}) == ["a"]
        assert await found(until="2021-01-01T00:00:00Z") == ["b"]
        assert await found(since="2021-01-01T00:00:00Z") == ["a"]
        assert await found(as_of="2021-01-01T00:00:00Z") == []

    async def test_a_document_is_plain_data(self, papers: StoreHandle) -> None:
        learned = await papers.learn("wiki", "x", content="One.", author="Ada")
        plain = learned.document.as_dict()
        assert plain["author"] == {"name": "Ada"}
        assert plain["id"] == str(learned.document.id)
        [chunk] = (await papers.chunks(learned.document.id)).chunks
        assert chunk.as_dict()["document_id"] == plain["id"]


class TestForgetting:
    async def test_it_is_gone_and_its_history_stays(self, papers: StoreHandle, sql: Sql) -> None:
        first = await papers.learn("wiki", "x", content="One.\n\nTwo.")
        await papers.learn("wiki", "x", content="One.\n\nThree.")
        before = datetime.now(UTC)
        document_id = first.document.id
        await papers.forget_document(document_id)
        with pytest.raises(NotFound):
            await papers.document(document_id)
        with pytest.raises(NotFound):
            await papers.forget_document(document_id)
        assert (await papers.documents()).documents == []
        assert [d.version for d in await papers.document_history(document_id)] == [1, 2]
        assert (await papers.document(document_id, as_of=before)).version == 2
        then = (await papers.chunks(document_id, as_of=before)).chunks
        assert [chunk.text for chunk in then] == ["One.", "Three."]
        for table in ("embeddings", "term_vectors"):
            assert sql(
                f"SELECT count(*) FROM memoledger.{table} WHERE store_id = %s"
                " AND superseded_at IS NULL",
                papers.id,
            ) == [(0,)]

    async def test_learned_again_it_is_another(self, papers: StoreHandle) -> None:
        first = await papers.learn("wiki", "x", content="One.")
        await papers.forget_document(first.document.id)
        again = await papers.learn("wiki", "x", content="One.")
        assert (again.outcome, again.document.version) == ("created", 1)
        assert again.document.id != first.document.id

    async def test_only_the_version_that_was_seen(self, papers: StoreHandle) -> None:
        learned = await papers.learn("wiki", "x", content="One.")
        await papers.learn("wiki", "x", content="Two.")
        for hard in (False, True):
            with pytest.raises(ConflictError, match="at version 2, not 1"):
                await papers.forget_document(learned.document.id, if_version=1, hard=hard)
        await papers.forget_document(learned.document.id, if_version=2)

    async def test_only_by_who_may_write(self, papers: StoreHandle, bob: PrincipalHandle) -> None:
        learned = await papers.learn("wiki", "x", content="One.")
        await papers.share("bob")
        theirs = await bob.store_by_id(papers.id)
        for hard in (False, True):
            with pytest.raises(Forbidden):
                await theirs.forget_document(learned.document.id, hard=hard)
        assert (await theirs.document(learned.document.id)).version == 1

    async def test_its_own_observations_go_with_it(self, papers: StoreHandle) -> None:
        mine = await papers.remember("Mine.")
        drafts = [{"content": "Mine."}, {"content": "Shared."}, {"content": "Own."}]
        first = await papers.learn("wiki", "x", content="One.", observations=drafts)
        await papers.learn("wiki", "y", content="Two.", observations=[{"content": "Shared."}])
        await papers.forget_document(first.document.id)
        left = {memory.content for memory in (await papers.list()).memories}
        assert left == {"Mine.", "Shared."}
        assert (await papers.get(mine.id)).content == "Mine."

    async def test_of_many_at_the_same_time_one_forgets(self, papers: StoreHandle) -> None:
        learned = await papers.learn("wiki", "x", content="One.")
        done = await asyncio.gather(
            *(papers.forget_document(learned.document.id) for _ in range(5)),
            return_exceptions=True,
        )
        assert sorted(type(one).__name__ for one in done) == ["NoneType"] + ["NotFound"] * 4


class TestErasure:
    @pytest.mark.parametrize("forgotten_before", [False, True])
    async def test_nothing_is_left_of_it(
        self, papers: StoreHandle, sql: Sql, forgotten_before: bool
    ) -> None:
        learned = await secret_document(papers)
        assert places_with(sql, SECRET) != []
        ids = [chunk.id for chunk in (await papers.chunks(learned.document.id)).chunks]
        if forgotten_before:
            await papers.forget_document(learned.document.id)
        await papers.forget_document(learned.document.id, hard=True)
        assert places_with(sql, SECRET) == []
        for table in ("embeddings", "term_vectors", "embedding_schedule"):
            assert sql(
                f"SELECT count(*) FROM memoledger.{table} WHERE owner_id = ANY (%s)", ids
            ) == [(0,)]
        history = await papers.document_history(learned.document.id)
        assert [(d.version, d.source, d.title, d.tags) for d in history] == [
            (1, "", None, ()),
            (2, "", None, ()),
        ]
        assert all(d.erased_at is not None for d in history)
        with pytest.raises(NotFound):
            await papers.document(learned.document.id, version=1)
        with pytest.raises(NotFound):
            await papers.chunks(learned.document.id, as_of=learned.document.recorded_at)
        with pytest.raises(NotFound):
            await papers.forget_document(learned.document.id, hard=True)

    async def test_what_waits_to_be_embedded_goes_too(self, papers: StoreHandle, sql: Sql) -> None:
        learned = await secret_document(papers, wait="durable")
        await papers.forget_document(learned.document.id, hard=True)
        assert places_with(sql, SECRET) == []
        assert sql(
            "SELECT count(*) FROM memoledger.embedding_schedule WHERE store_id = %s", papers.id
        ) == [(0,)]

    async def test_what_others_say_stays(self, papers: StoreHandle) -> None:
        learned = await secret_document(papers)
        other = await papers.learn("wiki", "x", content=f"Always {SECRET}.")
        await papers.forget_document(learned.document.id, hard=True)
        [chunk] = (await papers.chunks(other.document.id)).chunks
        assert chunk.text == f"Always {SECRET}."

    async def test_the_audit_keeps_that_it_was(self, papers: StoreHandle, sql: Sql) -> None:
        learned = await secret_document(papers)
        await papers.forget_document(learned.document.id, hard=True)
        rows = sql(
            "SELECT act, (row_key ->> 'version')::int FROM memoledger.audit_records"
            " WHERE table_name = 'documents' AND row_key ->> 'document_id' = %s ORDER BY audit_id",
            str(learned.document.id),
        )
        assert sorted(rows) == [
            ("erase", 1),
            ("erase", 2),
            ("learn", 1),
            ("supersede", 1),
            ("update", 2),
        ]
