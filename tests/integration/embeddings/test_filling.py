"""Filling a version with the vectors of what was there before it."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from memoledger import NotFound
from memoledger.model.embedding_states import FillProgress
from memoledger.model.errors import ConflictError, EmbedderError
from memoledger.services import fill_embeddings


@pytest.fixture
async def held(scene: Any) -> dict[str, Any]:
    """Memories of every kind: with views, past versions, forgotten, expired, private, erased."""
    kinds = {"viewed": await scene.notes.remember("tea", title="a drink", summary="hot")}
    kinds["changed"] = await scene.notes.remember("one")
    await scene.notes.update(kinds["changed"].id, content="two", title="new")
    kinds["forgotten"] = await scene.notes.remember("three")
    await scene.notes.forget(kinds["forgotten"].id)
    soon = datetime.now(UTC) + timedelta(seconds=0.3)
    kinds["expired"] = await scene.notes.remember("four", expires_at=soon)
    kinds["private"] = await scene.notes.remember("five", privacy="creator")
    kinds["erased"] = await scene.notes.remember("six")
    await scene.notes.forget(kinds["erased"].id, hard=True)
    await scene.notes.remember_many([{"content": f"note {number}"} for number in range(150)])
    other = await scene.ledger.principal(tenant="globex", user="dave")
    await (await other.store("theirs")).remember("seven")
    return kinds


async def test_everything_gets_its_vector_as_it_is(scene: Any, held: dict[str, Any]) -> None:
    version = await scene.ledger.embeddings.create(scene.new)
    told: list[FillProgress] = []
    filled = await scene.ledger.embeddings.backfill(version.name, batch=50, on_progress=told.append)
    assert (filled.state, filled.refused_count) == ("ready", 0)
    assert scene.states()["new"] == "ready"
    assert scene.lacking("new") == []
    counts = scene.root.execute(
        "SELECT e.embedding_version, count(*), count(e.superseded_at), count(e.expires_at),"
        " count(e.private_to) FROM memoledger.embeddings AS e GROUP BY 1"
    ).fetchall()
    assert len(counts) == 2
    assert counts[0][1:] == counts[1][1:]
    assert filled.embedded == counts[0][1]
    assert [one.embedded for one in told] == sorted(one.embedded for one in told)
    assert (told[0].embedded, told[0].total) == (0, filled.embedded)
    assert told[-1].done
    assert "six" not in scene.new.texts


async def test_it_passes_over_what_is_done(scene: Any, held: dict[str, Any]) -> None:
    version = await scene.ledger.embeddings.create(scene.new)
    calls = 0

    def interrupt(texts: Any) -> None:
        nonlocal calls
        calls += 1
        if calls == 3:
            raise asyncio.CancelledError

    scene.new.before = interrupt
    with pytest.raises(asyncio.CancelledError):
        await scene.ledger.embeddings.backfill(version.name, batch=20)
    assert scene.states()["new"] == "filling"
    done = len(scene.new.texts)
    assert done == 40
    scene.new.before = lambda texts: None
    filled = await scene.ledger.embeddings.backfill(version.name[:6], batch=20)
    assert len(scene.new.texts) == len(set(scene.new.texts)) == done + filled.embedded
    assert scene.lacking("new") == []
    assert (await scene.ledger.embeddings.backfill(str(version.number))).embedded == 0


async def test_a_model_that_fails_for_a_while_is_asked_again(
    scene: Any, held: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fill_embeddings, "PAUSE_MAX_S", 0.0)
    monkeypatch.setattr(fill_embeddings, "PAUSE_FIRST_S", 0.0)
    version = await scene.ledger.embeddings.create(scene.new)
    failures = 0

    def fail_twice(texts: Any) -> None:
        nonlocal failures
        failures += 1
        scene.new.fails = failures < 3

    scene.new.before = fail_twice
    assert (await scene.ledger.embeddings.backfill(version.name)).state == "ready"
    scene.new.before, scene.new.fails = lambda texts: None, True
    await scene.ledger.embeddings.retire(version.name)
    version = await scene.ledger.embeddings.create(scene.new)
    with pytest.raises(EmbedderError, match="away"):
        await scene.ledger.embeddings.backfill(version.name)


async def test_what_the_model_refuses_is_told_and_the_rest_goes_on(
    scene: Any, held: dict[str, Any]
) -> None:
    vector = scene.old.vector("too long")
    memories = [
        await scene.notes.remember(f"REFUSED {number}", embedding=vector, external_id=str(number))
        for number in range(3)
    ]
    version = await scene.ledger.embeddings.create(scene.new)
    filled = await scene.ledger.embeddings.backfill(version.name)
    assert (filled.state, filled.refused_count) == ("ready", 3)
    assert {one.owner_id for one in filled.refused} == {str(one.id) for one in memories}
    assert all(one.reason == "The text is too long." for one in filled.refused)
    assert {row[0] for row in scene.lacking("new")} == {one.id for one in memories}
    verification = await scene.ledger.embeddings.verify(version.name)
    assert not verification.passed
    with pytest.raises(ConflictError, match="3 texts lack a vector"):
        await scene.ledger.embeddings.cutover(version.name)
    assert scene.states()["old"] == "serving"
    switched = await scene.ledger.embeddings.cutover(version.name, missing_max=3)
    assert switched.missing == 3
    hits = await scene.notes.recall("REFUSED 1", mode="lexical", limit=1)
    assert [hit.memory.id for hit in hits] == [memories[1].id]


async def test_one_process_at_a_time(scene: Any, held: dict[str, Any]) -> None:
    version = await scene.ledger.embeddings.create(scene.new)
    async with scene.opening(more=[scene.new]) as other:
        task: asyncio.Task[Any] | None = None

        async def second() -> None:
            with pytest.raises(ConflictError, match="Another process"):
                await other.embeddings.backfill(version.name)
            with pytest.raises(ConflictError, match="Another process"):
                await other.embeddings.retire(version.name)

        def begin(texts: Any) -> None:
            nonlocal task
            if task is None:
                task = asyncio.create_task(second())

        scene.new.before = begin
        await scene.ledger.embeddings.backfill(version.name, pace=0.05)
        assert task is not None
        await task


async def test_a_version_that_is_not_there(scene: Any) -> None:
    with pytest.raises(NotFound, match="'nothing'"):
        await scene.ledger.embeddings.backfill("nothing")


@pytest.mark.parametrize("act", ["update", "forget"])
async def test_a_vector_written_while_its_memory_ends_ends_with_it(
    scene: Any, database: Any, act: str
) -> None:
    """The statement that ends a memory may have begun before the vector was there to be seen."""
    memory = await scene.notes.remember("one")
    version = await scene.ledger.embeddings.create(scene.new)
    filler = await psycopg.AsyncConnection.connect(database.conninfo("postgres"))
    async with filler:
        await filler.execute("SET LOCAL ROLE memoledger_owner")
        await filler.execute(
            "SELECT FROM memoledger.memories WHERE memory_id = %s FOR SHARE", (memory.id,)
        )
        work = (
            scene.notes.forget(memory.id)
            if act == "forget"
            else scene.notes.update(memory.id, content="2")
        )
        ending = asyncio.create_task(work)
        await waits_for_a_lock(scene.root)
        await filler.execute(
            "INSERT INTO memoledger.embeddings (tenant_id, store_id, embedding_version, family,"
            " owner_id, version, view, recorded_at, embedding)"
            " SELECT tenant_id, store_id, %s, 'memory', memory_id, 1, 'body', recorded_at, %s"
            " FROM memoledger.memories WHERE memory_id = %s",
            (version.number, str(scene.new.vector("one").tolist()), memory.id),
        )
        await filler.commit()
        await ending
    row = scene.root.execute(
        "SELECT e.superseded_at = coalesce(m.superseded_at, m.deleted_at)"
        " FROM memoledger.embeddings AS e JOIN memoledger.memories AS m"
        "   ON m.memory_id = e.owner_id AND m.version = e.version"
        " WHERE e.owner_id = %s AND e.version = 1 AND e.embedding_version = %s",
        (memory.id, version.number),
    ).fetchone()
    assert row == (True,)


async def waits_for_a_lock(root: psycopg.Connection[Any]) -> None:
    """Until somebody waits for a row that another transaction holds."""
    for _ in range(200):
        [waiting] = root.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
            " AND datname = current_database()"
        ).fetchone() or (0,)
        if waiting:
            return
        await asyncio.sleep(0.02)
    raise AssertionError("nobody waits")


async def test_an_erasure_meanwhile_leaves_no_vector(scene: Any, held: dict[str, Any]) -> None:
    """Embedded, but erased before its vector is written."""
    version = await scene.ledger.embeddings.create(scene.new)
    gone = held["viewed"]

    def erase(texts: Any) -> None:
        if "tea" in texts:
            with psycopg.connect(scene.root.info.dsn, autocommit=True) as other:
                other.execute(
                    "UPDATE memoledger.memories SET erased_at = clock_timestamp(),"
                    " deleted_at = clock_timestamp(), content = NULL, title = NULL, summary = NULL,"
                    " source = NULL, external_id = NULL, tags = '{}', subject_refs = '{}',"
                    " metadata = '{}', content_hash = NULL, salt = NULL WHERE memory_id = %s",
                    (gone.id,),
                )

    scene.new.before = erase
    await scene.ledger.embeddings.backfill(version.name)
    rows = scene.root.execute(
        "SELECT count(*) FROM memoledger.embeddings WHERE owner_id = %s", (gone.id,)
    ).fetchone()
    assert rows == (0,)
    assert scene.lacking("new") == []
