"""Nobody changes what is not theirs, or forges who did it."""

from __future__ import annotations

from typing import Any

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

REMEMBER = """
INSERT INTO memoledger.memories (tenant_id, store_id, memory_id, version, importance, type, privacy,
    created_by, updated_by, content, content_hash)
VALUES (%(tenant)s, %(store)s, gen_random_uuid(), 1, 0.5, 'fact', 'store',
    %(created_by)s, %(updated_by)s, 'planted', sha256('planted'))
"""

EMBED = """
INSERT INTO memoledger.embeddings (tenant_id, store_id, embedding_version, family, owner_id,
    version, view,
    recorded_at, embedding)
SELECT %(tenant)s, %(store)s, embedding_version, 'memory', gen_random_uuid(), 1, 'body', now(),
       array_fill(0.1::real, ARRAY[dimensions])::halfvec
FROM memoledger_system.embedding_versions LIMIT 1
"""

ANALYSE = """
INSERT INTO memoledger.term_vectors (tenant_id, store_id, family, owner_id, version, recorded_at,
    length, weights)
VALUES (%(tenant)s, %(store)s, 'memory', gen_random_uuid(), 1, now(), 1, '{1:1}/1000000000')
"""

ADD_STORE = """
INSERT INTO memoledger.stores (tenant_id, store_id, owner_id, name, created_by, updated_by)
VALUES (%(tenant)s, gen_random_uuid(), %(owner)s, 'planted', %(created_by)s, %(updated_by)s)
    RETURNING *
"""

GRANT = """
INSERT INTO memoledger.grants (tenant_id, store_id, grantee_id, access, granted_by)
VALUES (%(tenant)s, %(store)s, %(grantee)s, 'write', %(granted_by)s)
"""


class Writer:
    """Runs the statements above with the values of an honest write, some of them replaced."""

    def __init__(self, attacker: Any, world: Any, person: tuple[str, str], store: Any) -> None:
        self.attacker = attacker.become(person)
        tenant, user = person
        self.values = {
            "tenant": tenant,
            "store": world.stores[store],
            "owner": user,
            "grantee": "carol",
            **dict.fromkeys(("created_by", "updated_by", "granted_by"), user),
        }

    def writes(self, statement: str, **replaced: object) -> int:
        with self.attacker.connection.transaction(force_rollback=True):
            return int(
                self.attacker.connection.execute(statement, {**self.values, **replaced}).rowcount
            )

    def refused(self, statement: str, **replaced: object) -> str:
        with pytest.raises(psycopg.Error) as caught:
            self.writes(statement, **replaced)
        return str(caught.value)


class TestHonestWrites:
    """What follows attacks these statements; they must not fail for another reason."""

    @pytest.mark.parametrize("statement", [REMEMBER, EMBED, ANALYSE, ADD_STORE, GRANT])
    def test_an_owner_can(self, attacker: Any, world: Any, statement: str) -> None:
        assert Writer(attacker, world, ALICE, DIARY).writes(statement) == 1

    @pytest.mark.parametrize("statement", [REMEMBER, EMBED, ANALYSE])
    def test_who_holds_a_write_grant_can(self, attacker: Any, world: Any, statement: str) -> None:
        assert Writer(attacker, world, BOB, DESK).writes(statement) == 1


@pytest.mark.parametrize(("privacy", "private_to"), [("store", None), ("creator", "alice")])
def test_what_follows_from_a_memory_is_not_for_its_writer_to_say(
    attacker: Any, world: Any, privacy: str, private_to: str | None
) -> None:
    """A forged `private_to` would show a private memory, or hide an open one."""
    statement = REMEMBER.replace("(tenant_id", "(private_to, thread, place, asks, tenant_id")
    statement = statement.replace("VALUES (", "VALUES ('carol', gen_random_uuid(), 7, 0.5, ")
    statement = statement.replace("'store',", f"'{privacy}',")
    writer = Writer(attacker, world, ALICE, DIARY)
    with attacker.connection.transaction(force_rollback=True):
        derived = attacker.connection.execute(
            statement + " RETURNING private_to, thread, place, asks", writer.values
        ).fetchone()
    assert derived == (private_to, None, 0, 0)


class TestWritingElsewhere:
    @pytest.mark.parametrize("statement", [REMEMBER, EMBED, ANALYSE])
    @pytest.mark.parametrize(
        ("person", "store"),
        [
            (BOB, DIARY),  # another's private store
            (BOB, BOARD),  # open to the tenant for reading
            (BOB, SHELF),  # granted for reading
            (CAROL, DESK),  # granted for writing, to another
            (DAVE, BOARD),  # of another tenant, named as the own one's
        ],
    )
    def test_nothing_is_added_to_a_store_that_one_may_not_write(
        self, attacker: Any, world: Any, person: Any, store: Any, statement: str
    ) -> None:
        assert "row-level security" in Writer(attacker, world, person, store).refused(statement)

    @pytest.mark.parametrize("statement", [REMEMBER, EMBED, ANALYSE, ADD_STORE, GRANT])
    def test_nothing_is_added_to_another_tenant(
        self, attacker: Any, world: Any, statement: str
    ) -> None:
        for store in (("globex", "alice", "diary"), DIARY):
            error = Writer(attacker, world, ALICE, store).refused(statement, tenant="globex")
            assert "row-level security" in error

    @pytest.mark.parametrize("table", ["memories", "embeddings", "term_vectors"])
    @pytest.mark.parametrize("person", [BOB, CAROL, DAVE])
    def test_nothing_that_one_may_not_write_is_changed(
        self, attacker: Any, world: Any, person: Any, table: str
    ) -> None:
        """Updates that read no column are held by the policy of writing alone."""
        column, condition = "superseded_at", "true"
        if table == "memories":  # What is over already is refused by its trigger.
            column, condition = "deleted_at", "superseded_at IS NULL AND deleted_at IS NULL"
        writable = [str(world.stores[key]) for key in world.stores if person in world.writers(key)]
        with world.root() as root:
            [(expected,)] = root.execute(
                f"SELECT count(*) FROM memoledger.{table} WHERE {condition} AND tenant_id = %s"
                " AND store_id = ANY (%s::uuid[]) AND (private_to IS NULL OR private_to = %s)",
                [person[0], writable, person[1]],
            ).fetchall()
        attacker.become(person)
        change = f"UPDATE memoledger.{table} SET {column} = clock_timestamp()"
        if table == "memories":
            change += f" WHERE {condition}"
        assert attacker.changed(change) == expected > 0

    def test_reading_is_not_writing(self, attacker: Any, world: Any) -> None:
        for person, store in ((BOB, SHELF), (CAROL, BOARD)):
            attacker.become(person, world.stores[store])
            assert attacker.ask("SELECT count(*) > 0 FROM memoledger.memories") == [(True,)]
            for table in ("memories", "embeddings", "term_vectors"):
                assert attacker.changed(f"UPDATE memoledger.{table} SET superseded_at = now()") == 0
                assert attacker.ask(f"SELECT * FROM memoledger.{table} FOR UPDATE") == []

    def test_a_cte_changes_nothing_else(self, attacker: Any, world: Any) -> None:
        attacker.become(BOB)
        assert (
            attacker.ask(
                "WITH gone AS (UPDATE memoledger.memories SET deleted_at = clock_timestamp()"
                " WHERE store_id = %s RETURNING *) SELECT * FROM gone",
                world.stores[DIARY],
            )
            == []
        )

    def test_another_creators_private_memory_is_not_changed_by_the_stores_owner(
        self, attacker: Any, world: Any
    ) -> None:
        private = world.memories["acme.alice.desk.bob.private", "current"]
        attacker.become(ALICE)
        query = "UPDATE memoledger.memories SET deleted_at = clock_timestamp() WHERE memory_id = %s"
        assert attacker.changed(query, private) == 0
        attacker.become(BOB)
        assert attacker.changed(query, private) == 1


class TestForging:
    @pytest.mark.parametrize("column", ["created_by", "updated_by"])
    def test_nobody_writes_in_anothers_name(self, attacker: Any, world: Any, column: str) -> None:
        for statement in (REMEMBER, ADD_STORE):
            error = Writer(attacker, world, ALICE, DIARY).refused(statement, **{column: "bob"})
            assert "row-level security" in error

    def test_nobody_founds_or_introduces_in_anothers_name(self, attacker: Any) -> None:
        attacker.become(("hooli", "gavin"))
        attacker.refused(
            "INSERT INTO memoledger.tenants (tenant_id, created_by) VALUES ('hooli', 'x')"
        )
        attacker.become(ALICE)
        for creator in ("bob", "system", ""):
            attacker.refused(
                "INSERT INTO memoledger.users (tenant_id, user_id, created_by) VALUES ('acme', "
                "'x', %s)",
                creator,
            )

    def test_nobody_is_called_what_the_audit_calls_the_ledger(
        self, attacker: Any, world: Any
    ) -> None:
        attacker.become(ALICE)
        error = attacker.refused(
            "INSERT INTO memoledger.users (tenant_id, user_id, created_by)"
            " VALUES ('acme', 'system', 'alice')"
        )
        assert "user_id_is_not_the_ledgers" in str(error)

    def test_a_store_cannot_be_made_for_another(self, attacker: Any, world: Any) -> None:
        Writer(attacker, world, ALICE, DIARY).refused(ADD_STORE, owner="bob")

    @pytest.mark.parametrize(
        ("table", "column"),
        [
            ("tenants", "created_at"),
            ("users", "created_at"),
            ("stores", "created_at"),
            ("grants", "granted_at"),
        ],
    )
    def test_when_a_row_was_made_cannot_be_said(
        self, attacker: Any, table: str, column: str
    ) -> None:
        attacker.become(ALICE)
        error = attacker.refused(f"INSERT INTO memoledger.{table} ({column}) VALUES (now())")
        assert isinstance(error, psycopg.errors.InsufficientPrivilege)

    @pytest.mark.parametrize(
        "columns",
        [
            "tenant_id",
            "store_id",
            "memory_id",
            "version",
            "recorded_at",
            "created_by",
            "updated_by",
            "privacy",
            "type",
            "importance",
            "expires_at",
            "occurred_at",
            "valid_from",
        ],
    )
    def test_a_memory_is_not_moved_or_rewritten(self, attacker: Any, columns: str) -> None:
        attacker.become(ALICE)
        error = attacker.refused(f"UPDATE memoledger.memories SET {columns} = {columns}")
        assert isinstance(error, psycopg.errors.InsufficientPrivilege)

    @pytest.mark.parametrize("table", ["embeddings", "term_vectors"])
    @pytest.mark.parametrize(
        "column", ["tenant_id", "store_id", "owner_id", "private_to", "version", "expires_at"]
    )
    def test_a_vector_is_not_moved(self, attacker: Any, table: str, column: str) -> None:
        attacker.become(ALICE)
        attacker.refused(f"UPDATE memoledger.{table} SET {column} = {column}")
        attacker.refused(f"DELETE FROM memoledger.{table}")

    @pytest.mark.parametrize("column", ["tenant_id", "store_id", "owner_id", "created_by"])
    def test_a_store_does_not_change_hands(self, attacker: Any, column: str) -> None:
        attacker.become(ALICE)
        attacker.refused(f"UPDATE memoledger.stores SET {column} = {column}")
        attacker.refused("DELETE FROM memoledger.stores")

    def test_the_outbox_and_the_audit_are_not_written(self, attacker: Any) -> None:
        attacker.become(ALICE)
        for table in ("outbox", "audit_records"):
            for statement in (
                f"INSERT INTO memoledger.{table} DEFAULT VALUES",
                f"UPDATE memoledger.{table} SET tenant_id = tenant_id",
                f"DELETE FROM memoledger.{table}",
                f"TRUNCATE memoledger.{table}",
            ):
                attacker.refused(statement)

    def test_what_belongs_to_the_installation_is_not_written(self, attacker: Any) -> None:
        attacker.become(ALICE)
        for schema, name in attacker.tables():
            if schema == "memoledger_system":
                attacker.refused(f"DELETE FROM {schema}.{name}")
                attacker.refused(f"INSERT INTO {schema}.{name} DEFAULT VALUES")


class TestGrants:
    def test_nobody_grants_themselves(self, attacker: Any, world: Any) -> None:
        for store in (DIARY, BOARD, SHELF, DESK):
            writer = Writer(attacker, world, CAROL, store)
            assert "row-level security" in writer.refused(GRANT)
            assert "row-level security" in writer.refused(GRANT, granted_by="alice")

    def test_a_grantee_does_not_pass_it_on_or_raise_it(self, attacker: Any, world: Any) -> None:
        assert "row-level security" in Writer(attacker, world, BOB, DESK).refused(GRANT)
        attacker.become(BOB)
        # The grants that bob gave are his to change; those that he holds are not.
        changed = "UPDATE memoledger.grants SET access = 'write' WHERE granted_by <> 'bob'"
        assert attacker.changed(changed) == 0
        for column in ("tenant_id", "store_id", "grantee_id", "granted_by"):
            attacker.refused(f"UPDATE memoledger.grants SET {column} = {column}")

    def test_a_grantee_does_not_end_anothers(self, attacker: Any) -> None:
        attacker.become(CAROL)
        assert attacker.changed("DELETE FROM memoledger.grants") == 0

    def test_a_grantee_does_not_open_or_rename_the_store(self, attacker: Any, world: Any) -> None:
        attacker.become(BOB)
        assert (
            attacker.changed(
                "UPDATE memoledger.stores SET visibility = 'tenant', name = 'bobs', updated_by = "
                "'bob'"
                " WHERE owner_id = 'alice'"
            )
            == 0
        )

    async def test_what_was_taken_back_is_gone_at_once(
        self, ledger: Any, world: Any, refusal: Any
    ) -> None:
        alice = await ledger.principal(tenant="acme", user="alice")
        bob = await ledger.principal(tenant="acme", user="bob")
        mine = await alice.store_by_id(world.stores[DESK])
        bobs = await bob.store_by_id(world.stores[DESK])
        written = await bobs.remember("bob was here")
        await mine.share("bob", access="read")
        assert (await bobs.get(written.id)).content == "bob was here"
        with pytest.raises(refusal):
            await bobs.remember("and again")
        await mine.unshare("bob")
        assert (await bobs.list()).memories == []
        with pytest.raises(refusal):
            await bobs.get(written.id)
        assert await bobs.recall("bob was here") == []
