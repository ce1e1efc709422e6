"""Forget: gone from every present read, or erased for good; never half, never the wrong one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from memoledger.model.errors import ConflictError, Forbidden, InvalidInput, NotFound
from memoledger.surfaces.python.principal import PrincipalHandle
from memoledger.surfaces.python.store import StoreHandle


async def gone(store: StoreHandle, memory_id: Any, *words: str) -> None:
    with pytest.raises(NotFound):
        await store.get(memory_id)
    assert memory_id not in {memory.id for memory in (await store.list()).memories}
    for mode in ("dense", "lexical", "hybrid"):
        for word in words:
            hits = await store.recall(word, mode=mode, limit=100)
            assert memory_id not in {hit.memory.id for hit in hits}


class TestSoft:
    async def test_it_is_gone_and_its_history_stays(self, notes: StoreHandle) -> None:
        first = await notes.remember("aardvark", title="Animal")
        await notes.update(first.id, content="bumblebee")
        before = datetime.now(UTC)
        await notes.forget(first.id)
        await gone(notes, first.id, "aardvark", "bumblebee", "animal")
        assert await notes.count() == 0
        one, two = await notes.history(first.id)
        assert (one.content, two.content) == ("aardvark", "bumblebee")
        assert one.deleted_at is None
        assert two.deleted_at is not None
        assert (await notes.get(first.id, as_of=before)).content == "bumblebee"

    async def test_twice_is_not_found(self, notes: StoreHandle) -> None:
        first = await notes.remember("Tea")
        await notes.forget(first.id)
        with pytest.raises(NotFound):
            await notes.forget(first.id)

    @pytest.mark.parametrize("hard", [False, True])
    async def test_what_was_never_there(self, notes: StoreHandle, hard: bool) -> None:
        with pytest.raises(NotFound):
            await notes.forget(uuid4(), hard=hard)

    @pytest.mark.parametrize("hard", [False, True])
    @pytest.mark.parametrize("wrong", ["", "5", None, "x" * 36])
    async def test_what_is_no_id(self, notes: StoreHandle, hard: bool, wrong: Any) -> None:
        with pytest.raises(InvalidInput, match="id: that is no id"):
            await notes.forget(wrong, hard=hard)

    async def test_of_many_at_the_same_time_one_forgets(self, notes: StoreHandle) -> None:
        first = await notes.remember("Tea")
        done = await asyncio.gather(
            *(notes.forget(first.id) for _ in range(10)), return_exceptions=True
        )
        assert done.count(None) == 1
        assert sum(isinstance(result, NotFound) for result in done) == 9


class TestHard:
    async def test_no_word_and_no_vector_is_left(
        self, notes: StoreHandle, sql: Callable[..., list[tuple[Any, ...]]]
    ) -> None:
        words = [f"qx{name}qx" for name in ("a", "b", "c", "d", "e", "f", "g", "h", "i", "j")]
        first = await notes.remember(
            words[0],
            title=words[1],
            summary=words[2],
            source=words[3],
            tags=[words[4]],
            subject_refs=[words[5]],
            metadata={words[6]: words[7]},
            external_id=words[8],
        )
        await notes.update(first.id, content=words[9])
        seen = datetime.now(UTC)
        await notes.forget(first.id, hard=True)
        await gone(notes, first.id, *words)
        for memory in await notes.history(first.id):
            assert (memory.content, memory.title, memory.summary) == ("", None, None)
            assert (memory.source, memory.external_id, memory.metadata) == (None, None, {})
            assert memory.tags == memory.subject_refs == ()
            assert memory.erased_at is not None
        with pytest.raises(NotFound):
            await notes.get(first.id, as_of=seen)
        assert (await notes.list(as_of=seen)).memories == []
        assert await notes.recall(words[0], as_of=seen) == []
        self.nothing_says(sql, words)

    @staticmethod
    def nothing_says(sql: Callable[..., list[tuple[Any, ...]]], words: list[str]) -> None:
        tables = sql(
            "SELECT quote_ident(n.nspname) || '.' || quote_ident(c.relname) FROM pg_class AS c "
            "JOIN pg_namespace AS n ON n.oid = c.relnamespace "
            "WHERE n.nspname LIKE 'memoledger%%' AND c.relkind = 'r'"
        )
        assert len(tables) > 5
        for (table,) in tables:
            for word in words:
                found = sql(f"SELECT 1 FROM {table} AS t WHERE t::text ILIKE %s", f"%{word}%")
                assert found == [], (table, word)

    async def test_what_was_forgotten_before_can_still_be_erased(self, notes: StoreHandle) -> None:
        first = await notes.remember("Tea")
        await notes.forget(first.id)
        await notes.forget(first.id, hard=True)
        assert [m.content for m in await notes.history(first.id)] == [""]

    async def test_what_expired_can_be_erased(self, notes: StoreHandle) -> None:
        expires = datetime.now(UTC) + timedelta(milliseconds=30)
        first = await notes.remember("Tea", expires_at=expires)
        await asyncio.sleep(0.05)
        with pytest.raises(NotFound):
            await notes.forget(first.id)
        await notes.forget(first.id, hard=True)
        assert [m.content for m in await notes.history(first.id)] == [""]

    async def test_twice_is_not_found(self, notes: StoreHandle) -> None:
        first = await notes.remember("Tea")
        await notes.forget(first.id, hard=True)
        with pytest.raises(NotFound):
            await notes.forget(first.id, hard=True)

    async def test_the_same_can_be_remembered_anew(self, notes: StoreHandle) -> None:
        first = await notes.remember("Tea", external_id="x")
        await notes.forget(first.id, hard=True)
        second = await notes.remember("Tea", external_id="x")
        assert second.outcome == "created"
        assert second.id != first.id

    async def test_the_audit_still_tells_that_it_existed(
        self, notes: StoreHandle, sql: Callable[..., list[tuple[Any, ...]]]
    ) -> None:
        first = await notes.remember("Tea")
        await notes.forget(first.id, hard=True)
        acts = sql(
            "SELECT act, actor FROM memoledger.audit_records WHERE row_key ->> 'memory_id' = %s "
            "ORDER BY audit_id",
            str(first.id),
        )
        assert acts == [("remember", "alice"), ("erase", "alice")]


class TestVersions:
    @pytest.mark.parametrize("hard", [False, True])
    async def test_only_the_version_that_was_seen(self, notes: StoreHandle, hard: bool) -> None:
        first = await notes.remember("one")
        await notes.update(first.id, content="two")
        for stale in (1, 3):
            with pytest.raises(ConflictError) as caught:
                await notes.forget(first.id, hard=hard, if_version=stale)
            assert caught.value.details["current_version"] == 2
            assert "version 2" in str(caught.value)
        assert (await notes.get(first.id)).content == "two"
        await notes.forget(first.id, hard=hard, if_version=2)
        await gone(notes, first.id, "two")

    @pytest.mark.parametrize("wrong", [0, -1, True, 1.0, "1", 2**31])
    async def test_what_is_no_version(self, notes: StoreHandle, wrong: Any) -> None:
        first = await notes.remember("Tea")
        with pytest.raises(InvalidInput, match="if_version"):
            await notes.forget(first.id, if_version=wrong)


class TestRights:
    @pytest.mark.parametrize("hard", [False, True])
    @pytest.mark.parametrize("if_version", [None, 1])
    async def test_a_reader_may_not_and_is_told_so(
        self, notes: StoreHandle, bob: PrincipalHandle, hard: bool, if_version: int | None
    ) -> None:
        first = await notes.remember("Tea")
        await notes.share("bob", access="read")
        shared = await bob.store("notes", owner="alice")
        with pytest.raises(Forbidden):
            await shared.forget(first.id, hard=hard, if_version=if_version)
        assert (await notes.get(first.id)).content == "Tea"

    async def test_a_reader_may_not_erase_what_was_forgotten(
        self, notes: StoreHandle, bob: PrincipalHandle
    ) -> None:
        first = await notes.remember("Tea")
        await notes.forget(first.id)
        await notes.share("bob", access="read")
        with pytest.raises(Forbidden):
            await (await bob.store("notes", owner="alice")).forget(first.id, hard=True)
        assert [m.content for m in await notes.history(first.id)] == ["Tea"]

    async def test_a_writer_may(self, notes: StoreHandle, bob: PrincipalHandle) -> None:
        first = await notes.remember("Tea")
        await notes.share("bob", access="write")
        await (await bob.store("notes", owner="alice")).forget(first.id)
        await gone(notes, first.id, "tea")

    @pytest.mark.parametrize("hard", [False, True])
    async def test_a_private_memory_is_nobody_elses(
        self, notes: StoreHandle, bob: PrincipalHandle, hard: bool
    ) -> None:
        first = await notes.remember("Secret", privacy="creator")
        await notes.share("bob", access="write")
        with pytest.raises(NotFound):
            await (await bob.store("notes", owner="alice")).forget(first.id, hard=hard)
        assert (await notes.get(first.id)).content == "Secret"

    async def test_what_was_private_once_only_its_creator_erases(
        self, notes: StoreHandle, bob: PrincipalHandle
    ) -> None:
        """Who cannot see every version could not erase every version either."""
        first = await notes.remember("Secret", privacy="creator")
        await notes.update(first.id, content="Known", privacy="store")
        await notes.share("bob", access="write")
        theirs = await bob.store("notes", owner="alice")
        for given in ({}, {"if_version": 2}):
            with pytest.raises(Forbidden, match="earlier versions"):
                await theirs.forget(first.id, hard=True, **given)
        assert [m.content for m in await notes.history(first.id)] == ["Secret", "Known"]
        await theirs.forget(first.id)
        with pytest.raises(Forbidden):
            await theirs.forget(first.id, hard=True)
        await notes.forget(first.id, hard=True)
        assert [m.content for m in await notes.history(first.id)] == ["", ""]


class TestRaces:
    """A forget that meets an update, the one way round and the other."""

    @pytest.mark.parametrize("hard", [False, True])
    async def test_an_update_first(
        self, notes: StoreHandle, hard: bool, held_update: Callable[[Any], Any]
    ) -> None:
        first = await notes.remember("one")
        async with held_update(first) as finish:
            forgetting = asyncio.create_task(notes.forget(first.id, hard=hard))
            await asyncio.sleep(0.1)
            assert not forgetting.done()
            await finish()
            await forgetting
        await gone(notes, first.id, "one", "two")
        texts = [memory.content for memory in await notes.history(first.id)]
        assert texts == (["", ""] if hard else ["one", "two"])

    @pytest.mark.parametrize("hard", [False, True])
    async def test_an_update_first_of_a_version_that_was_seen(
        self, notes: StoreHandle, hard: bool, held_update: Callable[[Any], Any]
    ) -> None:
        first = await notes.remember("one")
        async with held_update(first) as finish:
            forgetting = asyncio.create_task(notes.forget(first.id, hard=hard, if_version=1))
            await asyncio.sleep(0.1)
            await finish()
            with pytest.raises(ConflictError):
                await forgetting
        assert (await notes.get(first.id)).content == "two"
        assert [m.content for m in await notes.history(first.id)] == ["one", "two"]

    @pytest.mark.parametrize("hard", [False, True])
    async def test_at_random(self, notes: StoreHandle, hard: bool) -> None:
        for number in range(25):
            first = await notes.remember(f"race {number}")
            updates = [notes.update(first.id, tags=[f"{i}"]) for i in range(3)]
            done = await asyncio.gather(
                *updates, notes.forget(first.id, hard=hard), return_exceptions=True
            )
            assert done[-1] is None
            assert all(
                isinstance(result, ConflictError | NotFound)
                for result in done[:-1]
                if isinstance(result, BaseException)
            )
            await gone(notes, first.id)
            if hard:
                assert {m.content for m in await notes.history(first.id)} == {""}


@pytest.fixture
def held_update(server: Any, service_database: str, tenant: str) -> Any:
    """An update of a memory to "two", as another process would write it, held before its commit."""
    from contextlib import asynccontextmanager

    @asynccontextmanager
    async def held(memory: Any) -> Any:
        conninfo = server.conninfo("postgres", service_database)
        connection = await psycopg.AsyncConnection.connect(conninfo)
        async with connection:
            await connection.execute("SELECT set_config('app.current_user', 'alice', true);")
            await connection.execute(_UPDATE, {"id": memory.id})
            yield connection.commit

    return held


_UPDATE = """
WITH closed AS (
    UPDATE memoledger.memories SET superseded_at = clock_timestamp()
    WHERE memory_id = %(id)s AND superseded_at IS NULL RETURNING *
), embeddings AS (
    UPDATE memoledger.embeddings AS e SET superseded_at = c.superseded_at FROM closed AS c
    WHERE e.owner_id = c.memory_id AND e.superseded_at IS NULL RETURNING e.*
), terms AS (
    UPDATE memoledger.term_vectors AS t SET superseded_at = c.superseded_at FROM closed AS c
    WHERE t.owner_id = c.memory_id AND t.superseded_at IS NULL RETURNING t.*
), written AS (
    INSERT INTO memoledger.memories (
        tenant_id, store_id, memory_id, version, recorded_at, content, type, importance, privacy,
        content_hash, created_by, updated_by)
    SELECT tenant_id, store_id, memory_id, version + 1, superseded_at, 'two', type, importance,
        privacy, sha256('two'), created_by, 'alice'
    FROM closed RETURNING *
), embedded AS (
    INSERT INTO memoledger.embeddings (
        tenant_id, store_id, embedding_version, family, owner_id, version, view, recorded_at,
        embedding)
    SELECT w.tenant_id, w.store_id, e.embedding_version, 'memory', w.memory_id, w.version, 'body',
        w.recorded_at, e.embedding
    FROM written AS w, embeddings AS e
)
INSERT INTO memoledger.term_vectors (
    tenant_id, store_id, family, owner_id, version, recorded_at, length, weights)
SELECT w.tenant_id, w.store_id, 'memory', w.memory_id, w.version, w.recorded_at, t.length, t.weights
FROM written AS w, terms AS t
"""
