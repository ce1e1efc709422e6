"""Nobody reads, writes, forges or rewrites a document or a chunk that is not theirs to."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

import psycopg
import pytest

ALICE = ("acme", "alice")
BOB = ("acme", "bob")
CAROL = ("acme", "carol")
DAVE = ("globex", "dave")

DIARY = ("acme", "alice", "diary")
BOARD = ("acme", "alice", "board")
SHELF = ("acme", "alice", "shelf")
DESK = ("acme", "alice", "desk")

LEARN = """
INSERT INTO memoledger.documents (tenant_id, store_id, document_id, version, recorded_at,
    superseded_at, deleted_at, erased_at, chunk_count, char_count, type, created_by, updated_by,
    source, source_id, content_hash)
VALUES (%(tenant)s, %(store)s, %(document)s, %(version)s,
    coalesce(%(recorded_at)s, clock_timestamp()), %(superseded_at)s, %(deleted_at)s, %(erased_at)s,
    1, 7, 'document', %(created_by)s, %(user)s, 'planted', 'planted', sha256('planted'))
"""

CHUNK = """
INSERT INTO memoledger.chunks (tenant_id, store_id, chunk_id, document_id, first_version,
    recorded_at, token_count, text, chunk_hash)
SELECT %(tenant)s, %(store)s, %(chunk)s, %(document)s, %(version)s,
    coalesce(%(recorded_at)s, (SELECT d.recorded_at FROM memoledger.documents AS d
                               WHERE d.document_id = %(document)s AND d.version = %(version)s),
             now()),
    1, 'planted', sha256('planted')
"""

PLACE = """
INSERT INTO memoledger.document_chunks (tenant_id, store_id, document_id, version, place, chunk_id,
    start_offset, end_offset)
VALUES (%(tenant)s, %(store)s, %(document)s, %(version)s, %(place)s, %(chunk)s, 0, 7)
"""

LINK = """
INSERT INTO memoledger.document_memories (tenant_id, store_id, document_id, version, memory_id,
    memory_version, made, private_to)
VALUES (%(tenant)s, %(store)s, %(document)s, %(version)s, %(memory)s, 1, true, %(private_to)s)
"""


class Learner:
    """Runs the statements above with the values of an honest act, some of them replaced."""

    def __init__(self, attacker: Any, world: Any, person: tuple[str, str], store: Any) -> None:
        self.connection = attacker.become(person).connection
        tenant, user = person
        self.values = {
            "tenant": tenant,
            "store": world.stores[store],
            "document": uuid4(),
            "version": 1,
            "chunk": uuid4(),
            "place": 0,
            "user": user,
            "created_by": user,
            "private_to": None,
            "memory": world.memories.get((f"{'.'.join(store)}.{user}.shared", "current")),
            **dict.fromkeys(("recorded_at", "superseded_at", "deleted_at", "erased_at")),
        }

    def run(self, statement: str, **replaced: object) -> Any:
        return self.connection.execute(statement, {**self.values, **replaced})

    def refused(self, *statements: str, **replaced: object) -> str:
        """The error of the last of some statements, of which the others succeed."""
        with self.connection.transaction(force_rollback=True):
            for statement in statements[:-1]:
                self.run(statement)
            with pytest.raises(psycopg.Error) as caught:
                self.run(statements[-1], **replaced)
        return str(caught.value)

    @contextmanager
    def learned(self) -> Iterator[None]:
        with self.connection.transaction(force_rollback=True):
            for statement in (LEARN, CHUNK, PLACE):
                self.run(statement)
            yield


@pytest.fixture
def present(world: Any) -> Any:
    """A document of Alice's diary in two versions, and a chunk that both have."""
    document_id = world.documents["acme.alice.diary.alice.shared", "updated"]
    return {"document": document_id, "chunk": chunk_of(world, document_id, {1, 2})}


def chunk_of(world: Any, document_id: Any, versions: set[int]) -> Any:
    """A chunk that just these versions of a document have."""
    with world.root() as root:
        [(chunk_id,), *_] = root.execute(
            "SELECT chunk_id FROM memoledger.document_chunks WHERE document_id = %s"
            " GROUP BY chunk_id HAVING array_agg(version ORDER BY version) = %s::integer[]"
            " ORDER BY 1",
            [document_id, sorted(versions)],
        ).fetchall()
    return chunk_id


class TestHonestActs:
    """What follows attacks these statements; they must not fail for another reason."""

    @pytest.mark.parametrize(("person", "store"), [(ALICE, DIARY), (BOB, DESK)])
    def test_whoever_may_write_can_learn(
        self, attacker: Any, world: Any, person: Any, store: Any
    ) -> None:
        learner = Learner(attacker, world, person, store)
        with learner.learned():
            assert learner.run(LINK).rowcount == 1

    def test_the_next_version(self, attacker: Any, world: Any, present: Any) -> None:
        learner = Learner(attacker, world, ALICE, DIARY)
        with learner.connection.transaction(force_rollback=True):
            [(instant,)] = learner.run(
                "UPDATE memoledger.documents SET superseded_at = clock_timestamp()"
                " WHERE document_id = %(document)s AND superseded_at IS NULL"
                " RETURNING superseded_at",
                **present,
            ).fetchall()
            honest = {"document": present["document"], "version": 3, "recorded_at": instant}
            learner.run(LEARN, **honest)
            learner.run(PLACE, **honest, chunk=present["chunk"])
            assert learner.run(CHUNK, **{**honest, "recorded_at": None}).rowcount == 1


class TestElsewhere:
    @pytest.mark.parametrize(
        ("person", "store"),
        [(BOB, DIARY), (BOB, BOARD), (BOB, SHELF), (CAROL, DESK), (DAVE, BOARD)],
    )
    @pytest.mark.parametrize("statement", [LEARN, CHUNK, PLACE])
    def test_nothing_is_added_to_a_store_that_one_may_not_write(
        self, attacker: Any, world: Any, person: Any, store: Any, statement: str
    ) -> None:
        learner = Learner(attacker, world, person, store)
        assert "row-level security" in learner.refused(statement)

    @pytest.mark.parametrize("statement", [LEARN, CHUNK, PLACE])
    def test_nothing_is_added_to_another_tenant(
        self, attacker: Any, world: Any, statement: str
    ) -> None:
        for store in (("globex", "alice", "diary"), DIARY):
            learner = Learner(attacker, world, ALICE, store)
            assert "row-level security" in learner.refused(statement, tenant="globex")

    @pytest.mark.parametrize("table", ["documents", "chunks"])
    @pytest.mark.parametrize("person", [BOB, CAROL, DAVE])
    def test_nothing_that_one_may_not_write_is_changed(
        self, attacker: Any, world: Any, person: Any, table: str
    ) -> None:
        writable = [str(world.stores[key]) for key in world.stores if person in world.writers(key)]
        with world.root() as root:
            [(expected,)] = root.execute(
                f"SELECT count(*) FROM memoledger.{table} AS t WHERE superseded_at IS NULL"
                " AND to_jsonb(t) ->> 'deleted_at' IS NULL AND tenant_id = %s"
                " AND store_id = ANY (%s::uuid[])",
                [person[0], writable],
            ).fetchall()
        attacker.become(person)
        ended = " AND deleted_at IS NULL" if table == "documents" else ""
        change = (
            f"UPDATE memoledger.{table} SET superseded_at = clock_timestamp()"
            f" WHERE superseded_at IS NULL{ended}"
        )
        assert attacker.changed(change) == expected > 0

    def test_a_row_of_a_hidden_store_is_refused_before_it_can_collide(
        self, attacker: Any, world: Any, present: Any
    ) -> None:
        learner = Learner(attacker, world, CAROL, DIARY)
        for statement in (LEARN, CHUNK, PLACE):
            told = {learner.refused(statement), learner.refused(statement, **present)}
            assert len(told) == 1

    def test_nobody_signs_with_anothers_name(self, attacker: Any, world: Any) -> None:
        learner = Learner(attacker, world, BOB, DESK)
        for column in ("user", "created_by"):
            assert "row-level security" in learner.refused(LEARN, **{column: "alice"})


class TestThePast:
    """A version is written once, whole, and now."""

    @pytest.mark.parametrize("instant", ["2001-01-01Z", "2999-01-01Z", "infinity"])
    def test_a_document_does_not_begin_at_another_time(
        self, attacker: Any, world: Any, instant: str
    ) -> None:
        learner = Learner(attacker, world, ALICE, DIARY)
        assert "row-level security" in learner.refused(LEARN, recorded_at=instant)
        assert "first has it" in learner.refused(LEARN, CHUNK, recorded_at=instant)

    @pytest.mark.parametrize("column", ["superseded_at", "deleted_at", "erased_at"])
    def test_a_document_does_not_begin_as_over(
        self, attacker: Any, world: Any, column: str
    ) -> None:
        learner = Learner(attacker, world, ALICE, DIARY)
        assert learner.refused(LEARN, **{column: "2999-01-01Z"})

    def test_a_version_follows_the_one_before(
        self, attacker: Any, world: Any, present: Any
    ) -> None:
        learner = Learner(attacker, world, ALICE, DIARY)
        for values in ({"version": 2}, {"version": 3, "document": present["document"]}):
            assert "follow" in learner.refused(LEARN, **values)

    def test_nothing_is_added_to_a_version_that_was_written(
        self, attacker: Any, world: Any, present: Any
    ) -> None:
        learner = Learner(attacker, world, ALICE, DIARY)
        there = {"document": present["document"]}
        for version in (1, 2):
            assert "first has it" in learner.refused(CHUNK, **there, version=version)
            chunk = chunk_of(world, present["document"], {3 - version})
            assert "with their version" in learner.refused(
                PLACE, **there, chunk=chunk, version=version, place=9
            )
            assert "that yields it" in learner.refused(LINK, **there, version=version)

    def test_nor_to_one_that_this_transaction_ends(
        self, attacker: Any, world: Any, present: Any
    ) -> None:
        learner = Learner(attacker, world, ALICE, DIARY)
        there = {**present, "chunk": chunk_of(world, present["document"], {1})}
        for column in ("superseded_at", "deleted_at"):
            touch = (
                f"UPDATE memoledger.documents SET {column} = clock_timestamp()"
                f" WHERE document_id = '{present['document']}' AND superseded_at IS NULL"
            )
            error = learner.refused(touch, PLACE, **there, version=2, place=9)
            assert "with their version" in error

    def test_a_version_has_no_chunk_of_another_document(
        self, attacker: Any, world: Any, present: Any
    ) -> None:
        learner = Learner(attacker, world, ALICE, DIARY)
        other = chunk_of(world, present["document"], {2})
        assert "with their version" in learner.refused(LEARN, PLACE, chunk=other)

    @pytest.mark.parametrize(
        "change",
        [
            "title = 'x'",
            "source_id = 'x'",
            "artifact_key = 'x', artifact_hash = 'x'",
            "content_hash = sha256('x')",
            "lineage = '{}'",
            "superseded_at = '2001-01-01Z'",
            "deleted_at = '2999-01-01Z'",
            "erased_at = clock_timestamp()",
        ],
    )
    def test_a_version_is_not_rewritten(
        self, attacker: Any, world: Any, present: Any, change: str
    ) -> None:
        attacker.become(ALICE)
        attacker.refused(
            f"UPDATE memoledger.documents SET {change} WHERE document_id = %s AND version = 2",
            present["document"],
        )

    def test_what_is_over_stays_over(self, attacker: Any, world: Any, present: Any) -> None:
        attacker.become(ALICE)
        for change, version in (
            ("superseded_at = NULL", 1),
            ("deleted_at = clock_timestamp()", 1),
            ("superseded_at = clock_timestamp()", 1),
        ):
            error = attacker.refused(
                f"UPDATE memoledger.documents SET {change} WHERE document_id = %s AND version = %s",
                present["document"],
                version,
            )
            assert "written once" in str(error)

    def test_a_chunk_is_not_rewritten(self, attacker: Any, world: Any, present: Any) -> None:
        with world.root() as root:
            for change in (
                "text = 'x'",
                "section = NULL",
                "keywords = '{}'",
                "first_version = 2",
                "superseded_at = '2001-01-01Z'",
                "superseded_at = '2999-01-01Z'",
                "erased_at = clock_timestamp(), text = NULL, section = NULL, keywords = '{}',"
                " chunk_hash = NULL, salt = NULL",
            ):
                with pytest.raises(psycopg.Error), root.transaction():
                    root.execute(
                        f"UPDATE memoledger.chunks SET {change} WHERE chunk_id = %s",
                        [present["chunk"]],
                    )
        attacker.become(ALICE)
        assert "permission denied" in str(
            attacker.refused("UPDATE memoledger.chunks SET text = 'x'")
        )

    def test_one_version_alone_is_not_erased(self, attacker: Any, world: Any, present: Any) -> None:
        attacker.become(ALICE)
        error = attacker.refused(
            "UPDATE memoledger.documents SET erased_at = now(), deleted_at = now(), source = NULL,"
            " source_id = NULL, state = NULL, title = NULL, summary = NULL, media_type = NULL,"
            " author = '{}', tags = '{}', metadata = '{}', lineage = '{}', content_hash = NULL,"
            " artifact_key = NULL, artifact_hash = NULL, salt = NULL"
            " WHERE document_id = %s AND version = 2",
            present["document"],
        )
        assert "in all its versions or not at all" in str(error)

    @pytest.mark.parametrize(
        "table", ["documents", "chunks", "document_chunks", "document_memories"]
    )
    def test_no_row_is_deleted(self, attacker: Any, world: Any, table: str) -> None:
        attacker.become(ALICE)
        attacker.refused(f"DELETE FROM memoledger.{table}")
        with world.root() as root:
            for role in ("postgres", "memoledger_owner"):
                root.execute(f"SET ROLE {role}")
                for statement in (
                    f"DELETE FROM memoledger.{table}",
                    f"TRUNCATE memoledger.{table} CASCADE",
                ):
                    with pytest.raises(psycopg.Error), root.transaction():
                        root.execute(statement)


class TestObservations:
    def test_a_link_is_as_private_as_its_memory(self, attacker: Any, world: Any) -> None:
        learner = Learner(attacker, world, BOB, DESK)
        private = world.memories["acme.alice.desk.bob.private", "current"]
        with learner.learned():
            learner.run(LINK, memory=private, private_to="alice")
            assert learner.run(
                "SELECT private_to FROM memoledger.document_memories"
                " WHERE document_id = %(document)s"
            ).fetchall() == [("bob",)]

    def test_a_hidden_memory_is_not_linked(self, attacker: Any, world: Any) -> None:
        learner = Learner(attacker, world, BOB, DESK)
        hidden = world.memories["acme.alice.desk.alice.private", "current"]
        told = set()
        for memory in (hidden, uuid4()):
            error = learner.refused(LEARN, LINK, memory=memory)
            assert "that yields it" in error
            told.add(error)
        assert len(told) == 1

    def test_only_its_reader_sees_that_a_private_one_is_there(
        self, attacker: Any, world: Any
    ) -> None:
        document_id = world.documents["acme.alice.desk.bob.shared", "current"]
        query = "SELECT count(*) FROM memoledger.document_memories WHERE document_id = %s"
        assert attacker.become(BOB).ask(query, document_id) == [(2,)]
        assert attacker.become(ALICE).ask(query, document_id) == [(1,)]
