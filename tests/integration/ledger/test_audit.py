"""The audit: one record for each changed row, by the right actor, in the same transaction."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from memoledger.model.errors import MemoledgerError
from memoledger.surfaces.python.memoledger import Memoledger
from memoledger.surfaces.python.store import StoreHandle

Root = psycopg.Connection[tuple[Any, ...]]

EVERY_COLUMN_BUT_PRIVATE_TO = [
    "tenant_id",
    "store_id",
    "memory_id",
    "version",
    "recorded_at",
    "expires_at",
    "occurred_at",
    "valid_from",
    "valid_to",
    "importance",
    "type",
    "privacy",
    "created_by",
    "updated_by",
    "content_hash",
    "salt",
    "content",
    "title",
    "summary",
    "source",
    "external_id",
    "tags",
    "subject_refs",
    "metadata",
]


def told(records: list[dict[str, Any]]) -> list[tuple[str, str, str]]:
    return [(record["actor"], record["act"], record["table_name"]) for record in records]


class TestOneRecordARow:
    async def test_a_principals_first_use(self, ledger: Memoledger, new_records: Any) -> None:
        await ledger.principal(tenant="acme", user="alice")
        assert told(new_records()) == [
            ("alice", "insert", "tenants"),
            ("alice", "insert", "users"),
        ]
        await ledger.principal(tenant="acme", user="alice")
        assert new_records() == []
        await ledger.principal(tenant="acme", user="bob")
        assert told(new_records()) == [("bob", "insert", "users")]

    async def test_a_store(self, ledger: Memoledger, new_records: Any) -> None:
        alice = await ledger.principal(tenant="acme", user="alice")
        new_records()
        notes = await alice.store("notes")
        [made] = new_records()
        assert told([made]) == [("alice", "insert", "stores")]
        assert made["row_key"] == {"store_id": str(notes.id)}
        assert (made["store_id"], made["before"]) == (str(notes.id), None)
        assert made["after"]["name"] == "notes"
        await notes.set_visibility("tenant")
        [opened] = new_records()
        assert told([opened]) == [("alice", "update", "stores")]
        assert (opened["before"]["visibility"], opened["after"]["visibility"]) == (
            "private",
            "tenant",
        )
        await alice.store("notes")
        assert new_records() == []

    async def test_a_grant(self, notes: StoreHandle, new_records: Any) -> None:
        new_records()
        await notes.share("bob")
        introduced, granted = new_records()
        assert told([introduced]) == [("alice", "insert", "users")]
        assert introduced["after"]["created_by"] == "alice"
        assert told([granted]) == [("alice", "insert", "grants")]
        assert granted["row_key"] == {"store_id": str(notes.id), "grantee_id": "bob"}
        await notes.share("bob", access="write")
        [raised] = new_records()
        assert told([raised]) == [("alice", "update", "grants")]
        assert (raised["before"]["access"], raised["after"]["access"]) == ("read", "write")
        await notes.unshare("bob")
        [ended] = new_records()
        assert told([ended]) == [("alice", "delete", "grants")]
        assert (ended["before"]["access"], ended["after"]) == ("write", None)

    async def test_a_memorys_life(self, notes: StoreHandle, new_records: Any) -> None:
        new_records()
        memory = await notes.remember("Tea at five", title="Tea")
        assert told(new_records()) == [("alice", "remember", "memories")]
        await notes.remember("Tea at five")
        assert new_records() == []
        await notes.update(memory.id, content="Tea at six")
        superseded, updated = sorted(new_records(), key=lambda r: r["row_key"]["version"])
        assert told([superseded, updated]) == [
            ("alice", "supersede", "memories"),
            ("alice", "update", "memories"),
        ]
        assert superseded["before"]["superseded_at"] is None
        assert superseded["after"]["superseded_at"] == updated["after"]["recorded_at"]
        assert superseded["before"]["commitment"] == superseded["after"]["commitment"]
        assert superseded["after"]["commitment"] != updated["after"]["commitment"]
        await notes.forget(memory.id)
        assert told(new_records()) == [("alice", "forget", "memories")]
        await notes.forget(memory.id, hard=True)
        erased = new_records()
        assert told(erased) == [("alice", "erase", "memories")] * 2
        assert {record["row_key"]["version"] for record in erased} == {1, 2}

    async def test_whoever_acts_in_a_shared_store_is_named(
        self, ledger: Memoledger, notes: StoreHandle, new_records: Any
    ) -> None:
        await notes.share("bob", access="write")
        bob = await ledger.principal(tenant="acme", user="bob")
        memory = await notes.remember("Tea")
        new_records()
        bobs = await bob.store_by_id(notes.id)
        await bobs.update(memory.id, content="Coffee")
        await bobs.forget(memory.id)
        assert {record["actor"] for record in new_records()} == {"bob"}

    async def test_the_ledger_itself_is_the_system(
        self, ledger: Memoledger, notes: StoreHandle, new_records: Any
    ) -> None:
        expires = datetime.now(UTC) + timedelta(milliseconds=200)
        await notes.remember("Tea", expires_at=expires)
        new_records()
        await asyncio.sleep(0.25)
        await ledger.sweep()
        [expired] = new_records()
        assert told([expired]) == [("system", "expire", "memories")]
        assert expired["after"]["deleted_at"] == expired["after"]["expires_at"]

    async def test_an_expired_identity_taken_again_is_the_users_act(
        self, notes: StoreHandle, new_records: Any
    ) -> None:
        expires = datetime.now(UTC) + timedelta(milliseconds=200)
        await notes.remember("Tea", expires_at=expires)
        new_records()
        await asyncio.sleep(0.25)
        await notes.remember("Tea")
        assert told(new_records()) == [
            ("alice", "expire", "memories"),
            ("alice", "remember", "memories"),
        ]

    async def test_a_bulk_write_has_a_record_for_each(
        self, notes: StoreHandle, new_records: Any
    ) -> None:
        new_records()
        drafts = [{"content": f"Tea {i}"} for i in range(250)]
        report = await notes.remember_many(drafts, batch_size=100)
        records = new_records()
        assert told(records) == [("alice", "remember", "memories")] * 250
        assert {record["row_key"]["memory_id"] for record in records} == {
            str(item.id) for item in report.items
        }
        assert len({record["xid"] for record in records}) == 3
        await notes.remember_many(drafts)
        assert new_records() == []


class TestSameTransaction:
    async def test_a_record_bears_the_transaction_of_its_row(
        self, notes: StoreHandle, root: Root
    ) -> None:
        for i in range(3):
            await notes.remember(f"Tea {i}")
        for table, key in (("memories", "memory_id"), ("stores", "store_id"), ("users", "user_id")):
            # xmin has 32 bits of the transaction's 64.
            rows = root.execute(
                f"SELECT count(*), count(*) FILTER (WHERE t.xmin::text::bigint"
                f" = a.transaction_id::text::bigint %% 4294967296)"
                f" FROM memoledger.{table} AS t JOIN memoledger.audit_records AS a"
                f" ON a.table_name = %s AND a.row_key ->> %s = t.{key}::text",
                [table, key],
            ).fetchone()
            assert rows is not None
            assert rows[0] == rows[1] > 0

    async def test_what_is_rolled_back_was_never_recorded(
        self, notes: StoreHandle, database: Any, new_records: Any, root: Root
    ) -> None:
        await notes.remember("Tea")
        new_records()
        with (
            psycopg.connect(database.conninfo(), autocommit=True) as app,
            app.transaction(force_rollback=True),
        ):
            app.execute(
                "SELECT set_config('app.current_tenant_id', 'acme', true),"
                " set_config('app.current_user', 'alice', true)"
            )
            done = app.execute("UPDATE memoledger.memories SET deleted_at = clock_timestamp()")
            assert done.rowcount == 1
            assert app.execute(
                "SELECT count(*) FROM memoledger.audit_records WHERE act = 'forget'"
            ).fetchone() == (1,)
        assert new_records() == []
        assert root.execute(
            "SELECT count(*) FROM memoledger.outbox WHERE act = 'forget'"
        ).fetchone() == (0,)

    async def test_a_refused_write_was_never_recorded(
        self, notes: StoreHandle, new_records: Any
    ) -> None:
        new_records()
        with pytest.raises(MemoledgerError):
            await notes.remember("Tea", importance=7)
        with pytest.raises(MemoledgerError):
            await notes.forget(uuid4())
        assert new_records() == []


class TestMaintenance:
    """Statements of an administrator: of several tenants at once, without a principal."""

    @pytest.fixture
    async def two_tenants(self, ledger: Memoledger) -> None:
        for tenant in ("acme", "globex"):
            for user in ("alice", "bob"):
                await (await ledger.principal(tenant=tenant, user=user)).store("notes")

    @pytest.mark.usefixtures("two_tenants")
    @pytest.mark.parametrize("role", ["memoledger_owner", "postgres"])
    def test_rows_that_are_called_the_same_are_not_mixed_up(
        self, root: Root, new_records: Any, role: str
    ) -> None:
        new_records()
        root.execute(f"SET ROLE {role}")
        root.execute("UPDATE memoledger.users SET created_by = tenant_id || '/' || user_id")
        root.execute("RESET ROLE")
        records = new_records()
        assert told(records) == [("system", "update", "users")] * 4
        for record in records:
            before, after = record["before"], record["after"]
            assert record["tenant_id"] == before["tenant_id"] == after["tenant_id"]
            assert record["row_key"] == {"user_id": before["user_id"]}
            assert before["created_by"] == before["user_id"]
            assert after["created_by"] == f"{after['tenant_id']}/{after['user_id']}"

    @pytest.mark.usefixtures("two_tenants")
    def test_a_changed_key_is_told_as_an_end_and_a_beginning(
        self, root: Root, new_records: Any
    ) -> None:
        root.execute(
            "INSERT INTO memoledger.users (tenant_id, user_id, created_by) VALUES ('acme', "
            "'zoe', 'x')"
        )
        new_records()
        root.execute("UPDATE memoledger.users SET user_id = 'zoey' WHERE user_id = 'zoe'")
        records = {json.dumps(record["row_key"]): record for record in new_records()}
        assert records.keys() == {'{"user_id": "zoe"}', '{"user_id": "zoey"}'}
        assert records['{"user_id": "zoe"}']["after"] is None
        assert records['{"user_id": "zoey"}']["before"] is None

    @pytest.mark.usefixtures("two_tenants")
    def test_a_deletion_is_recorded(self, root: Root, new_records: Any) -> None:
        new_records()
        with root.transaction():
            root.execute("DELETE FROM memoledger.stores WHERE owner_id = 'bob'")
            root.execute("DELETE FROM memoledger.users WHERE user_id = 'bob'")
        assert sorted(told(new_records())) == sorted(
            [("system", "delete", "stores")] * 2 + [("system", "delete", "users")] * 2
        )

    @pytest.mark.parametrize("table", ["tenants", "users", "stores", "grants", "memories"])
    @pytest.mark.parametrize("role", ["memoledger_owner", "postgres"])
    def test_nothing_audited_is_truncated(self, settled_root: Root, table: str, role: str) -> None:
        settled_root.execute(f"SET LOCAL ROLE {role}")
        refusals = (psycopg.errors.RestrictViolation, psycopg.errors.FeatureNotSupported)
        for cascade in ("", " CASCADE"):
            with pytest.raises(refusals), settled_root.transaction():
                settled_root.execute(f"TRUNCATE memoledger.{table}{cascade}")


class TestAppendOnly:
    CHANGES = (
        "UPDATE memoledger.audit_records SET actor = 'nobody'",
        "UPDATE memoledger.audit_records SET actor = actor WHERE false",
        "DELETE FROM memoledger.audit_records",
        "DELETE FROM ONLY memoledger.audit_records WHERE tenant_id = 'acme'",
        "TRUNCATE memoledger.audit_records",
        "TRUNCATE memoledger.audit_records RESTART IDENTITY CASCADE",
        "WITH gone AS (DELETE FROM memoledger.audit_records RETURNING *) SELECT * FROM gone",
        "MERGE INTO memoledger.audit_records AS a USING (VALUES ('acme')) AS v (t) ON "
        "a.tenant_id = v.t"
        " WHEN MATCHED THEN DELETE",
        "INSERT INTO memoledger.audit_records OVERRIDING SYSTEM VALUE"
        " SELECT * FROM memoledger.audit_records LIMIT 1"
        " ON CONFLICT (tenant_id, audit_id) DO UPDATE SET actor = 'nobody'",
    )

    @pytest.mark.parametrize("role", ["memoledger_app", "memoledger_owner", "postgres"])
    @pytest.mark.parametrize("change", CHANGES)
    def test_nobody_changes_a_record(self, settled_root: Root, role: str, change: str) -> None:
        settled_root.execute(
            "SELECT set_config('app.current_tenant_id', 'acme', true),"
            " set_config('app.current_user', 'alice', true)"
        )
        settled_root.execute(f"SET LOCAL ROLE {role}")
        assert settled_root.execute(
            "SELECT count(*) >= 4 FROM memoledger.audit_records"
        ).fetchone() == (True,)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            settled_root.execute(change)

    @pytest.mark.parametrize("change", CHANGES)
    def test_nor_does_a_session_that_says_it_is_a_replica(
        self, settled_root: Root, change: str
    ) -> None:
        settled_root.execute("SET LOCAL session_replication_role = replica")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            settled_root.execute(change)

    @pytest.mark.parametrize("role", ["memoledger_owner", "postgres"])
    @pytest.mark.parametrize("column", EVERY_COLUMN_BUT_PRIVATE_TO)
    def test_no_column_of_a_version_is_rewritten(
        self, settled_root: Root, role: str, column: str
    ) -> None:
        other = {
            "uuid": "gen_random_uuid()",
            "integer": "7",
            "double precision": "0.125",
            "bytea": "sha256('x')" if column == "content_hash" else "uuid_send(gen_random_uuid())",
            "timestamp with time zone": "now() + interval '1 day'",
            "text": "'creator'" if column == "privacy" else "'another'",
            "text[]": "'{another}'",
            "jsonb": "'{\"another\": 1}'",
        }
        [(kind,)] = settled_root.execute(
            "SELECT format_type(atttypid, NULL) FROM pg_attribute"
            " WHERE attrelid = 'memoledger.memories'::regclass AND attname = %s",
            [column],
        ).fetchall()
        settled_root.execute(f"SET LOCAL ROLE {role}")
        for change in (
            f"{column} = {other[kind]}",
            f"{column} = {column}",
            # Under cover of a change that is allowed.
            f"{column} = {other[kind]}, deleted_at = clock_timestamp()",
        ):
            with (
                pytest.raises(psycopg.errors.RestrictViolation, match="written once"),
                settled_root.transaction(),
            ):
                settled_root.execute(f"UPDATE memoledger.memories SET {change}")
