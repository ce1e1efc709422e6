"""One version takes another's place, goes back, and is retired, while the ledger is in use."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID

import psycopg
import pytest

from memoledger.ledger import store_indexes
from memoledger.model.errors import ConflictError, InvalidInput
from memoledger.services import index_stores


@pytest.fixture
async def filled(scene: Any) -> Any:
    """The new version, filled with what is in the store."""
    await scene.notes.remember_many(
        [{"content": f"note {number} about topic {number % 7}"} for number in range(40)]
    )
    version = await scene.ledger.embeddings.create(scene.new)
    await scene.ledger.embeddings.backfill(version.name)
    return version


async def searched(scene: Any, store: Any = None) -> str:
    """Recall, and say in which version that was."""
    hits = await (store or scene.notes).recall("topic 3", mode="dense", limit=3)
    assert len(hits) == 3
    receipts = scene.ledger.application.context.receipts
    await receipts.flush()
    [row] = scene.root.execute(
        "SELECT v.model FROM memoledger.receipts AS r JOIN memoledger_system.embedding_versions"
        " AS v USING (embedding_version) WHERE r.receipt_id = %s",
        (hits.receipt_id,),
    ).fetchall()
    return str(row[0])


async def test_it_serves_goes_back_and_serves_again(scene: Any, filled: Any) -> None:
    embeddings = scene.ledger.embeddings
    assert await searched(scene) == "old"
    switched = await embeddings.cutover(filled.name)
    assert (switched.serving, switched.missing) == (filled.name, 0)
    assert {"old": "previous", "new": "serving"}.items() <= scene.states().items()
    assert await searched(scene) == "new"
    await scene.notes.remember("a note after it about topic 3")
    assert scene.lacking("old") == scene.lacking("new") == []
    back = await embeddings.rollback()
    assert (back.replaced, back.missing, back.embedded) == (filled.name, 0, 0)
    assert {"old": "serving", "new": "ready"}.items() <= scene.states().items()
    assert await searched(scene) == "old"
    await embeddings.cutover(filled.name)
    assert await searched(scene) == "new"


async def test_another_process_notices_by_itself(scene: Any, filled: Any) -> None:
    async with scene.opening(more=[scene.new]) as other:
        alice = await other.principal(tenant="acme", user="alice")
        store = await alice.store("notes")
        vector = scene.old.vector("topic 3")
        assert len(await store.recall("topic 3", mode="dense", embedding=vector)) == 10
        await scene.ledger.embeddings.cutover(filled.name)
        await asyncio.sleep(0.1)
        with pytest.raises(InvalidInput, match="24 numbers"):
            await store.recall("topic 3", mode="dense", embedding=vector)
        await store.remember("written there")
        assert scene.lacking("old") == scene.lacking("new") == []


async def test_what_does_not_lack_anything_yet_does_not_serve(scene: Any, filled: Any) -> None:
    scene.new.fails = True
    await scene.notes.remember("one more")
    assert len(scene.lacking("new")) == 1
    scene.new.fails = False
    switched = await scene.ledger.embeddings.cutover(filled.name)
    assert switched.embedded == 1
    assert scene.lacking("new") == []
    with pytest.raises(ConflictError, match="serves already"):
        await scene.ledger.embeddings.cutover(filled.name)


async def test_a_writer_who_does_not_know_the_new_version_is_waited_for(
    scene: Any, filled: Any
) -> None:
    """Its transaction is open while it is cut over; what it wrote gets its vector first."""
    writer = await psycopg.AsyncConnection.connect(scene.root.info.dsn)
    async with writer:
        memory_id = await write_without_vectors(writer, scene)
        cutting = asyncio.create_task(scene.ledger.embeddings.cutover(filled.name))
        await asyncio.sleep(0.5)
        assert not cutting.done()
        assert len(await scene.notes.recall("topic 3", mode="dense", limit=3)) == 3
        await writer.commit()
        switched = await cutting
    assert switched.embedded == 1
    assert scene.lacking("new") == []
    assert [row[0] for row in scene.lacking("old")] == [memory_id]


async def write_without_vectors(connection: Any, scene: Any) -> UUID:
    """A memory with its words and no vectors, as a program of before would leave it."""
    cursor = await connection.execute(
        """
        WITH written AS (
            INSERT INTO memoledger.memories (tenant_id, store_id, memory_id, version, content, type,
                importance, privacy, content_hash, created_by, updated_by)
            VALUES ('acme', %s, gen_random_uuid(), 1, 'late', 'fact', 0.5, 'store', sha256('late'),
                    'alice', 'alice')
            RETURNING tenant_id, store_id, memory_id, version, recorded_at)
        INSERT INTO memoledger.term_vectors (tenant_id, store_id, family, owner_id, version,
            recorded_at, length, weights)
        SELECT tenant_id, store_id, 'memory', memory_id, version, recorded_at, 1, '{1:1}/1000000000'
        FROM written RETURNING owner_id
        """,
        (scene.notes.id,),
    )
    [memory_id] = await cursor.fetchone()
    return UUID(str(memory_id))


async def test_going_back_fills_what_came_meanwhile(scene: Any, filled: Any) -> None:
    await scene.ledger.embeddings.cutover(filled.name)
    scene.old.fails = True
    await scene.notes.remember("after it")
    assert len(scene.lacking("old")) == 1
    scene.old.fails = False
    back = await scene.ledger.embeddings.rollback()
    assert (back.missing, back.embedded) == (1, 1)
    assert scene.lacking("old") == []


async def test_there_may_be_nothing_to_go_back_to(scene: Any, filled: Any) -> None:
    with pytest.raises(ConflictError, match="no version to go back to"):
        await scene.ledger.embeddings.rollback()
    with pytest.raises(InvalidInput, match="serves already"):
        await scene.ledger.embeddings.create(scene.old)


async def test_a_retired_version_leaves_its_name_and_nothing_else(scene: Any, filled: Any) -> None:
    assert await searched(scene) == "old"
    with pytest.raises(ConflictError, match="serves"):
        await scene.ledger.embeddings.retire("old")
    await scene.ledger.embeddings.cutover(filled.name)
    recalling = asyncio.create_task(recall_for_a_while(scene))
    await scene.ledger.embeddings.retire("old")
    assert await recalling > 3
    assert scene.states()["old"] == "retired"
    [left] = scene.root.execute(
        "SELECT count(*) FROM pg_class WHERE relname LIKE 'embeddings_old%%'"
    ).fetchone()
    assert left == 0
    listed = [one.as_dict() for one in await scene.ledger.embeddings.list()]
    [old, new] = [one for one in listed if one["model"] in {"old", "new"}]
    assert (old["state"], old["vectors"], old["missing"]) == ("retired", 0, 0)
    assert (new["state"], new["missing"]) == ("serving", 0)
    await scene.notes.remember("after it")
    await scene.ledger.embeddings.retire("old")  # again: there is nothing left to do
    version = await scene.ledger.embeddings.create(scene.old)
    assert version.state == "filling"
    await scene.ledger.embeddings.backfill("old")
    assert scene.lacking("old") == []


async def recall_for_a_while(scene: Any) -> int:
    """Recall and write without a pause; how often."""
    done = 0
    ends = asyncio.get_running_loop().time() + 0.5
    while asyncio.get_running_loop().time() < ends:
        assert len(await scene.notes.recall("topic 3", mode="dense", limit=3)) == 3
        await scene.notes.remember(f"written meanwhile {done}", external_id="meanwhile")
        done += 1
    return done


async def test_what_was_interrupted_while_retiring_is_finished(scene: Any, filled: Any) -> None:
    """A process that dies between the two steps of detaching leaves the partition half detached."""
    await scene.ledger.embeddings.cutover(filled.name)
    reader = await psycopg.AsyncConnection.connect(scene.root.info.dsn)
    async with reader:
        await reader.execute("SELECT count(*) FROM memoledger.embeddings")
        retiring = asyncio.create_task(scene.ledger.embeddings.retire("old"))
        for _ in range(100):
            await asyncio.sleep(0.05)
            pending = scene.root.execute(
                "SELECT pid FROM pg_stat_activity WHERE query LIKE '%%DETACH PARTITION%%'"
                " AND pid <> pg_backend_pid() AND wait_event_type = 'Lock'"
            ).fetchone()
            if pending is not None:
                break
        scene.root.execute("SELECT pg_terminate_backend(%s)", (pending[0],))
        with pytest.raises(Exception, match="PostgreSQL"):
            await retiring
    assert scene.root.execute(
        "SELECT count(*) FROM pg_inherits WHERE inhdetachpending"
    ).fetchone() == (1,)
    assert len(await scene.notes.recall("topic 3", mode="dense", limit=3)) == 3
    await scene.ledger.embeddings.retire("old")
    [left] = scene.root.execute(
        "SELECT count(*) FROM pg_class WHERE relname LIKE 'embeddings_old%%'"
    ).fetchone()
    assert left == 0


class TestVerifying:
    async def test_a_filled_version_passes(self, scene: Any, filled: Any) -> None:
        found = await scene.ledger.embeddings.verify(filled.name, sample=20)
        assert found.passed
        by_name = {check.name: check for check in found.checks}
        assert by_name["model"].figures["alike"] == by_name["model"].figures["compared"] == 20
        assert by_name["overlap"].figures["compared"] == 20
        assert {check.status for check in found.checks} <= {"ok", "warn"}
        assert found.as_dict()["passed"] is True

    @pytest.mark.parametrize(
        ("damage", "check"),
        [
            (
                "DELETE FROM memoledger.embeddings WHERE embedding_version = {v} AND owner_id = ANY"
                " (SELECT memory_id FROM memoledger.memories LIMIT 2)",
                "counts",
            ),
            (
                "UPDATE memoledger.embeddings SET embedding = embedding * array_fill(2, ARRAY[24])"
                "::halfvec WHERE embedding_version = {v}",
                "dimensions",
            ),
            (
                "UPDATE memoledger.embeddings SET superseded_at = now()"
                " WHERE embedding_version = {v}",
                "places",
            ),
            (
                "UPDATE memoledger.embeddings SET embedding = l2_normalize(embedding"
                " + array_fill(0.3, ARRAY[24])::halfvec) WHERE embedding_version = {v}",
                "model",
            ),
        ],
    )
    async def test_damage_is_found(self, scene: Any, filled: Any, damage: str, check: str) -> None:
        scene.root.execute(damage.replace("{v}", str(filled.number)))
        found = await scene.ledger.embeddings.verify(filled.name)
        assert not found.passed
        failed = {one.name for one in found.checks if one.status == "fail"}
        assert check in failed

    async def test_refreshing_puts_right_what_is_missing_orphaned_or_outdated(
        self, scene: Any, filled: Any
    ) -> None:
        gone = await scene.notes.remember("to be forgotten")
        await scene.notes.forget(gone.id)
        for damage in (
            "DELETE FROM memoledger.embeddings WHERE owner_id IN"
            " (SELECT memory_id FROM memoledger.memories WHERE deleted_at IS NULL LIMIT 3)",
            f"UPDATE memoledger.embeddings SET superseded_at = NULL WHERE owner_id = '{gone.id}'",
            "INSERT INTO memoledger.embeddings (tenant_id, store_id, embedding_version, family,"
            " owner_id, version, view, recorded_at, embedding) SELECT tenant_id, store_id,"
            " embedding_version, family, gen_random_uuid(), version, view, recorded_at, embedding"
            " FROM memoledger.embeddings LIMIT 2",
        ):
            scene.root.execute(damage)
        assert not (await scene.ledger.embeddings.verify(filled.name)).passed
        done = await scene.ledger.embeddings.refresh()
        assert [one.embedded for one in done] == [3, 3]
        for name in ("old", "new"):
            assert scene.lacking(name) == []
            assert (await scene.ledger.embeddings.verify(name)).passed


class TestIndexes:
    @pytest.fixture
    async def large(self, database: Any, scene: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
        """A ledger in which a store is large from 300 memories on, and such a store."""
        monkeypatch.setattr(index_stores, "RECENT_MIN", 10)
        monkeypatch.setattr(store_indexes, "_MARGIN_S", 1.0)
        monkeypatch.setattr(store_indexes.StoreIndexes.survey, "__kwdefaults__", {"grace_s": 0.0})
        async with scene.opening(more=[scene.new], index_from=300) as ledger:
            alice = await ledger.principal(tenant="acme", user="alice")
            store = await alice.store("large")
            await store.remember_many(
                [{"content": f"word{number} topic {number % 9}"} for number in range(400)]
            )
            assert await ledger.index_stores() == 1
            yield ledger, store

    async def test_a_store_is_searched_through_its_index_from_the_first_moment(
        self, scene: Any, large: Any
    ) -> None:
        ledger, store = large
        assert (await store.recall("topic 3", mode="dense")).searched_by == "graph"
        version = await ledger.embeddings.create(scene.new)
        await ledger.embeddings.backfill(version.name)
        assert (await ledger.embeddings.verify(version.name)).passed
        await ledger.embeddings.cutover(version.name)
        assert (await store.recall("topic 3", mode="dense")).searched_by == "graph"
        await ledger.embeddings.rollback()
        assert (await store.recall("topic 3", mode="dense")).searched_by == "graph"
        await ledger.embeddings.retire(version.name)
        builds = scene.root.execute(
            "SELECT v.model, x.state FROM memoledger.store_indexes AS x"
            " JOIN memoledger_system.embedding_versions AS v USING (embedding_version)"
        ).fetchall()
        assert builds == [("old", "ready")]

    async def test_without_one_it_is_not_cut_over(self, scene: Any, large: Any) -> None:
        ledger, store = large
        version = await ledger.embeddings.create(scene.new)
        await ledger.embeddings.backfill(version.name)
        scene.root.execute(
            "SELECT memoledger_system.drop_store_index(tenant_id, store_id, build)"
            " FROM memoledger.store_indexes WHERE embedding_version = %s",
            (version.number,),
        )
        found = await ledger.embeddings.verify(version.name)
        [check] = [one for one in found.checks if one.name == "indexes"]
        assert check.figures["without_index"] == [
            {"tenant": "acme", "owner": "alice", "store": "large"}
        ]
        with pytest.raises(ConflictError, match="1 large stores have no index"):
            await ledger.embeddings.cutover(version.name)
        await ledger.embeddings.cutover(version.name, without_indexes=True)
        assert (await store.recall("topic 3", mode="dense")).searched_by == "exact"
        await ledger.index_stores()
        assert (await store.recall("topic 3", mode="dense")).searched_by == "graph"
