"""Nobody moves a past moment: versions are written once, in order, and erased together."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import psycopg
import pytest

ALICE = ("acme", "alice")
BOB = ("acme", "bob")

DIARY = ("acme", "alice", "diary")
DESK = ("acme", "alice", "desk")

REMEMBER = """
INSERT INTO memoledger.memories (tenant_id, store_id, memory_id, version, recorded_at,
    superseded_at,
    deleted_at, erased_at, importance, type, privacy, created_by, updated_by, content, content_hash)
VALUES ('acme', %(store)s, %(memory)s, %(version)s, coalesce(%(recorded_at)s, clock_timestamp()),
    %(superseded_at)s, %(deleted_at)s, %(erased_at)s, 0.5, 'fact', 'store', %(created_by)s,
        %(user)s,
    'planted', sha256('planted'))
"""

Remembering = Callable[..., int]


@pytest.fixture
def remembering(attacker: Any, world: Any) -> Callable[[tuple[str, str], Any], Remembering]:
    """Writes a version with the values of an honest first one, some of them replaced."""

    def become(person: tuple[str, str], store: Any) -> Remembering:
        attacker.become(person)
        honest = {
            "store": world.stores[store],
            "memory": "00000000-0000-7000-8000-000000000001",
            "version": 1,
            "user": person[1],
            "created_by": person[1],
            **dict.fromkeys(("recorded_at", "superseded_at", "deleted_at", "erased_at")),
        }

        def write(**replaced: object) -> int:
            with attacker.connection.transaction(force_rollback=True):
                return int(attacker.connection.execute(REMEMBER, {**honest, **replaced}).rowcount)

        return write

    return become


def refused(write: Remembering, **replaced: object) -> str:
    with pytest.raises(psycopg.Error) as caught:
        write(**replaced)
    return str(caught.value)


class TestVersions:
    """The past is not written afterwards."""

    def test_a_memory_does_not_begin_in_the_past_or_the_future(
        self, attacker: Any, world: Any, remembering: Any
    ) -> None:
        write = remembering(ALICE, DIARY)
        for instant in ("2001-01-01Z", "now() - interval '1 hour'", "2999-01-01Z", "infinity"):
            value = instant
            if instant.startswith("now"):
                [(value,)] = attacker.ask(f"SELECT {instant}")
            assert "row-level security" in refused(write, recorded_at=value)

    @pytest.mark.parametrize("column", ["superseded_at", "deleted_at", "erased_at"])
    def test_a_memory_does_not_begin_as_over(
        self, attacker: Any, world: Any, remembering: Any, column: str
    ) -> None:
        write = remembering(ALICE, DIARY)
        assert refused(write, **{column: "2999-01-01Z"})

    def test_a_version_follows_the_one_before(
        self, attacker: Any, world: Any, remembering: Any
    ) -> None:
        current = world.memories["acme.alice.desk.alice.shared", "current"]
        hidden = world.memories["acme.alice.desk.alice.private", "current"]
        write = remembering(BOB, DESK)
        for values in (
            {"version": 2},  # of no memory
            {"version": 2, "memory": current},  # beside the current one
            {"version": 99, "memory": current},
            {"version": 2, "memory": hidden},  # of one that cannot be seen
            {"version": 2, "memory": current, "created_by": "alice"},
        ):
            assert "follow" in refused(write, **values)

    def test_the_next_version_keeps_creator_and_instant(
        self, attacker: Any, world: Any, remembering: Any
    ) -> None:
        current = world.memories["acme.alice.desk.alice.shared", "current"]
        write = remembering(BOB, DESK)
        with attacker.connection.transaction(force_rollback=True):
            [(instant,)] = attacker.ask(
                "UPDATE memoledger.memories SET superseded_at = clock_timestamp()"
                " WHERE memory_id = %s RETURNING superseded_at",
                current,
            )
            honest = {
                "version": 2,
                "memory": current,
                "recorded_at": instant,
                "created_by": "alice",
            }
            assert "follow" in refused(write, **{**honest, "created_by": "bob"})
            assert "follow" in refused(write, **{**honest, "recorded_at": None})
            assert write(**honest) == 1

    @pytest.mark.parametrize("column", ["superseded_at", "deleted_at"])
    @pytest.mark.parametrize(
        "instant", ["'2001-01-01Z'", "now() - interval '1 hour'", "'2999-01-01Z'"]
    )
    def test_a_version_does_not_end_at_another_time(
        self, attacker: Any, world: Any, column: str, instant: str
    ) -> None:
        current = world.memories["acme.alice.diary.alice.shared", "current"]
        attacker.become(ALICE)
        error = attacker.refused(
            f"UPDATE memoledger.memories SET {column} = {instant} WHERE memory_id = %s", current
        )
        assert "written once" in str(error)

    def test_what_is_over_stays_over(self, attacker: Any, world: Any) -> None:
        attacker.become(ALICE)
        forgotten = world.memories["acme.alice.diary.alice.shared", "forgotten"]
        updated = world.memories["acme.alice.diary.alice.shared", "updated"]
        erased = world.memories["acme.alice.diary.alice.shared", "erased"]
        for change, memory, version in (
            ("deleted_at = NULL", forgotten, 1),
            ("deleted_at = clock_timestamp()", forgotten, 1),
            ("superseded_at = clock_timestamp()", forgotten, 1),
            ("superseded_at = NULL", updated, 1),
            ("deleted_at = clock_timestamp()", updated, 1),
            ("erased_at = NULL", erased, 1),
            ("erased_at = clock_timestamp()", erased, 1),
            ("content = 'new words'", erased, 1),
            ("content = 'new words'", updated, 2),
            ("tags = '{new}'", updated, 2),
            ("salt = uuid_send(gen_random_uuid())", updated, 2),
            ("content_hash = sha256('x')", updated, 2),
            ("external_id = 'new'", updated, 2),
        ):
            attacker.refused(
                f"UPDATE memoledger.memories SET {change} WHERE memory_id = %s AND version = %s",
                memory,
                version,
            )

    def test_no_row_of_a_memory_is_deleted(self, attacker: Any, world: Any) -> None:
        attacker.become(ALICE)
        attacker.refused("DELETE FROM memoledger.memories")
        with world.root() as root:
            for role in ("postgres", "memoledger_owner"):
                root.execute(f"SET ROLE {role}")
                for statement in (
                    "DELETE FROM memoledger.memories",
                    "TRUNCATE memoledger.memories",
                    "TRUNCATE memoledger.tenants CASCADE",
                    "SET session_replication_role = replica; DELETE FROM memoledger.memories",
                ):
                    with pytest.raises(psycopg.Error), root.transaction():
                        root.execute(statement)

    def test_one_version_alone_is_not_erased(self, attacker: Any, world: Any) -> None:
        attacker.become(ALICE)
        error = attacker.refused(
            "UPDATE memoledger.memories SET erased_at = now(), deleted_at = now(), content = NULL,"
            " title = NULL, summary = NULL, source = NULL, external_id = NULL, tags = '{}',"
            " subject_refs = '{}', metadata = '{}', content_hash = NULL, salt = NULL"
            " WHERE memory_id = %s AND version = 2",
            world.memories["acme.alice.diary.alice.shared", "updated"],
        )
        assert "in all its versions or not at all" in str(error)


class TestErasure:
    """An erasure is of all versions, by one who sees them all."""

    async def test_a_store_owner_cannot_erase_half(
        self, ledger: Any, world: Any, refusal: Any
    ) -> None:
        alice = await ledger.principal(tenant="acme", user="alice")
        bob = await ledger.principal(tenant="acme", user="bob")
        mine = await alice.store_by_id(world.stores[DESK])
        bobs = await bob.store_by_id(world.stores[DESK])
        memory = await bobs.remember("for my eyes", privacy="creator")
        await bobs.update(memory.id, content="for all", privacy="store")
        with pytest.raises(refusal):
            await mine.forget(memory.id, hard=True)
        assert (await mine.get(memory.id)).content == "for all"
        assert [version.content for version in await bobs.history(memory.id)] == [
            "for my eyes",
            "for all",
        ]
        await bobs.forget(memory.id, hard=True)
        assert [version.content for version in await bobs.history(memory.id)] == ["", ""]
