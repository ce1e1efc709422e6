"""Keys under attack: by SQL as the application's role, whatever scopes it claims."""

from __future__ import annotations

import re
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from memoledger.ledger.statements import Statement
from memoledger.model.caller import EVERY_SCOPE, Caller
from memoledger.model.principal import Principal
from memoledger.services.keys import list_keys

ALICE = ("acme", "alice")
BOB = ("acme", "bob")
CAROL = ("acme", "carol")
DAVE = ("globex", "dave")

SHOWN = "SELECT tenant_id, user_id FROM memoledger.api_keys ORDER BY 1, 2"
USES = "SELECT tenant_id, user_id FROM memoledger.api_key_uses ORDER BY 1, 2"
FORGE = (
    "INSERT INTO memoledger.api_keys"
    " (tenant_id, user_id, key_id, name, scopes, digest, created_by)"
    " VALUES (%s, %s, gen_random_uuid(), 'forged', %s, sha256(''), %s)"
)
REVOKE = "UPDATE memoledger.api_keys SET revoked_at = now(), revoked_by = %s"

NO_ADMIN = [
    "",
    "read write",
    "ADMIN",
    "admin,read",
    "{admin}",
    "administrator",
    "admin\t",
    "'admin'",
    "%",
    "root",
    " ",
    "a" * 10_000,
]


def claim(attacker: Any, scopes: str | None) -> None:
    """Set the scopes of the session; None resets them."""
    attacker.ask("SELECT set_config('app.current_scopes', %s, false)", scopes)


class TestReading:
    @pytest.mark.parametrize("scopes", [*NO_ADMIN, None])
    def test_without_admin_one_sees_ones_own(self, attacker: Any, scopes: str | None) -> None:
        for person in (ALICE, CAROL, DAVE, ("globex", "alice")):
            attacker.become(person)
            claim(attacker, scopes)
            assert attacker.ask(SHOWN) == attacker.ask(USES) == [person]

    @pytest.mark.parametrize("scopes", ["admin", "read admin", "admin write read"])
    def test_an_admin_sees_their_tenants_and_no_others(self, attacker: Any, scopes: str) -> None:
        attacker.become(CAROL)
        claim(attacker, scopes)
        assert attacker.ask(SHOWN) == attacker.ask(USES) == [ALICE, BOB, CAROL]
        attacker.become(("initech", "carol"))
        assert attacker.ask(SHOWN) == attacker.ask(USES) == []

    @pytest.mark.parametrize("half", [("acme", ""), ("", "alice"), ("acme", "system"), ("", "")])
    def test_half_a_principal_sees_nothing_as_admin_either(
        self, attacker: Any, half: tuple[str, str]
    ) -> None:
        attacker.become(half)
        claim(attacker, "admin")
        for query in (SHOWN, USES, "SELECT 1 FROM memoledger.idempotency_keys"):
            assert attacker.ask(query) == []

    def test_admin_shows_nothing_but_keys(self, attacker: Any) -> None:
        """An admin is a user with a scope: memories, stores, receipts are as before."""
        attacker.become(CAROL)
        tables = [
            table
            for table in attacker.open_tables()
            if table.as_string(None) not in {'"memoledger"."api_key_uses"'}
        ]
        assert len(tables) >= 7
        counts = []
        for scopes in ("", "admin read write"):
            claim(attacker, scopes)
            counts.append(
                [attacker.ask(f"SELECT count(*) FROM {t.as_string(None)}") for t in tables]
            )
        assert counts[0] == counts[1]

    def test_digests_are_shown_to_nobody(self, attacker: Any) -> None:
        attacker.become(ALICE)
        claim(attacker, "admin")
        for query in (
            "SELECT digest FROM memoledger.api_keys",
            "SELECT * FROM memoledger.api_keys",
            "SELECT k FROM memoledger.api_keys AS k",
            "SELECT to_jsonb(k) FROM memoledger.api_keys AS k",
            "SELECT 1 FROM memoledger.api_keys WHERE digest = sha256('')",
            "SELECT 1 FROM memoledger.api_keys ORDER BY digest",
            "COPY memoledger.api_keys TO STDOUT",
            "UPDATE memoledger.api_keys SET revoked_by = encode(digest, 'hex')",
            "INSERT INTO memoledger.api_keys SELECT * FROM memoledger.api_keys",
            "DELETE FROM memoledger.api_keys RETURNING digest",
        ):
            assert isinstance(attacker.refused(query), psycopg.errors.InsufficientPrivilege), query

    def test_a_plan_counts_no_hidden_key(self, attacker: Any) -> None:
        with attacker.connection.transaction(force_rollback=True):
            attacker.become(BOB)
            claim(attacker, "read")
            for _ in range(300):
                attacker.ask(FORGE, "acme", "bob", ["read"], "bob")
            attacker.become(CAROL)
            attacker.ask("SET LOCAL enable_seqscan = off")
            for table in ("api_keys", "api_key_uses"):
                told = "\n".join(
                    line
                    for (line,) in attacker.ask(
                        f"EXPLAIN (ANALYZE, TIMING OFF) SELECT key_id FROM memoledger.{table}"
                    )
                )
                assert max(int(n) for n in re.findall(r"actual rows=(\d+)", told)) <= 1
                assert "Removed" not in told


class TestWriting:
    def test_nobody_makes_a_key_for_another_without_admin(self, attacker: Any) -> None:
        attacker.become(CAROL)
        claim(attacker, "read write")
        assert attacker.changed(FORGE, "acme", "carol", ["read"], "carol") == 1
        for tenant, user, by in (
            ("acme", "alice", "carol"),
            ("acme", "carol", "alice"),
            ("globex", "carol", "carol"),
            ("globex", "dave", "carol"),
            ("acme", "zoe", "carol"),
        ):
            assert attacker.refused(FORGE, tenant, user, ["read"], by).sqlstate == "42501"

    def test_an_admin_does_within_the_tenant(self, attacker: Any) -> None:
        attacker.become(CAROL)
        claim(attacker, "admin read")
        assert attacker.changed(FORGE, "acme", "alice", ["read"], "carol") == 1
        for tenant, user, by in (("globex", "dave", "carol"), ("acme", "alice", "alice")):
            assert attacker.refused(FORGE, tenant, user, ["read"], by).sqlstate == "42501"

    @pytest.mark.parametrize(
        ("held", "wanted"),
        [
            ("read", ["write"]),
            ("read write", ["admin"]),
            ("admin", ["read"]),
            ("admin", ["admin", "write"]),
            ("", ["read"]),
            (None, ["read"]),
            ("read,write", ["read"]),
            ("{read}", ["read"]),
        ],
    )
    def test_no_key_may_do_more_than_its_maker(
        self, attacker: Any, held: str | None, wanted: list[str]
    ) -> None:
        attacker.become(CAROL)
        claim(attacker, held)
        assert attacker.refused(FORGE, "acme", "carol", wanted, "carol").sqlstate == "42501"

    def test_scopes_that_are_none_are_none(self, attacker: Any) -> None:
        attacker.become(CAROL)
        claim(attacker, "read root")
        for wanted in (["root"], [], ["read", "root"]):
            assert attacker.refused(FORGE, "acme", "carol", wanted, "carol").sqlstate == "23514"

    def test_nobody_revokes_anothers_without_admin(self, attacker: Any, world: Any) -> None:
        attacker.become(CAROL)
        assert attacker.changed(REVOKE, "carol") == 1
        assert attacker.refused(REVOKE, "alice").sqlstate == "42501"
        claim(attacker, "admin")
        assert attacker.changed(REVOKE, "carol") == 3
        attacker.become(DAVE)
        claim(attacker, "")
        assert attacker.changed(REVOKE, "dave") == 1

    def test_nothing_but_its_revocation_changes_in_a_key(self, attacker: Any) -> None:
        attacker.become(CAROL)
        claim(attacker, "admin read write")
        for change in (
            "scopes = '{admin}'",
            "user_id = 'alice'",
            "tenant_id = 'globex'",
            "digest = sha256('')",
            "expires_at = NULL",
            "key_id = gen_random_uuid()",
            "created_at = now()",
        ):
            attacker.refused(f"UPDATE memoledger.api_keys SET {change}")
        for statement in (
            "DELETE FROM memoledger.api_keys",
            "TRUNCATE memoledger.api_keys CASCADE",
            "DELETE FROM memoledger.api_key_uses",
            "UPDATE memoledger.api_key_uses SET last_used_at = now()",
            "INSERT INTO memoledger.api_key_uses SELECT tenant_id, user_id, gen_random_uuid(),"
            " now() FROM memoledger.api_keys",
        ):
            error = attacker.refused(statement)
            assert isinstance(error, psycopg.errors.InsufficientPrivilege), statement

    def test_nothing_brings_a_revoked_key_back(self, attacker: Any) -> None:
        attacker.become(CAROL)
        claim(attacker, "admin")
        with attacker.connection.transaction(force_rollback=True):
            attacker.ask(REVOKE, "carol")
            for change in ("revoked_at = NULL, revoked_by = NULL", "revoked_by = NULL"):
                attacker.refused(f"UPDATE memoledger.api_keys SET {change}")
            attacker.refused(
                FORGE.replace("digest,", "revoked_at, digest,").replace("sha256", "now(), sha256"),
                *("acme", "carol", ["admin"], "carol"),
            )

    def test_in_the_audit_one_sees_the_own_acts_and_no_digest(
        self, attacker: Any, world: Any
    ) -> None:
        query = (
            "SELECT actor, to_jsonb(r)::text FROM memoledger.audit_records AS r"
            " WHERE table_name = 'api_keys'"
        )
        for person in (CAROL, DAVE):
            attacker.become(person)
            claim(attacker, "admin")
            records = attacker.ask(query)
            assert {actor for actor, _ in records} == {person[1]}
            assert "digest" not in repr(records)
            assert ".key" not in repr(records)


GOOD = "SELECT user_id FROM memoledger.good_keys(%s::uuid[], %s::bytea[], %s::float8[])"


class TestTheOneQuestion:
    """`good_keys` is asked before anybody is known, so that anybody may ask it anything."""

    @pytest.fixture
    def keys(self, world: Any) -> dict[tuple[str, str], tuple[Any, bytes]]:
        with world.root() as root:
            rows = root.execute(
                "SELECT tenant_id, user_id, key_id, digest FROM memoledger.api_keys"
            ).fetchall()
        return {(row[0], row[1]): (row[2], row[3]) for row in rows}

    def test_it_answers_to_the_digest_alone(self, attacker: Any, keys: Any) -> None:
        for person in (None, ALICE, DAVE):
            attacker.become(person)
            for owner, (key_id, digest) in keys.items():
                assert attacker.ask(GOOD, [key_id], [digest], [None]) == [(owner[1],)]

    def test_whether_an_id_is_anybodys_it_does_not_tell(self, attacker: Any, keys: Any) -> None:
        attacker.become(None)
        digests = [bytes(32), keys[ALICE][1], b"", bytes(1_000), keys[DAVE][1][:31]]
        told = {
            attacker.hear(GOOD, [key_id], [digest], [0.0])
            for key_id in (keys[DAVE][0], uuid4())
            for digest in digests
        }
        assert told == {"[]"}

    @pytest.mark.parametrize("ago_s", [-1.0, -1e300, float("nan"), float("-inf")])
    def test_nobody_notes_a_use_that_has_not_been(
        self, attacker: Any, keys: Any, world: Any, ago_s: float
    ) -> None:
        attacker.become(None)
        key_id, digest = keys[DAVE]
        attacker.hear(GOOD, [key_id], [digest], [ago_s])
        with world.root() as root:
            [(later,)] = root.execute(
                "SELECT count(*) FROM memoledger.api_key_uses WHERE last_used_at > now()"
            ).fetchall()
        assert later == 0

    def test_lists_of_unequal_length_find_nothing_more(self, attacker: Any, keys: Any) -> None:
        attacker.become(None)
        ids = [key_id for key_id, _ in keys.values()]
        assert attacker.ask(GOOD, ids, [], []) == []
        assert attacker.ask(GOOD, [], [d for _, d in keys.values()], []) == []
        assert attacker.ask(GOOD, None, None, None) == []

    def test_with_shadows_in_the_way_it_answers_the_same(self, attacker: Any, keys: Any) -> None:
        attacker.become(CAROL)
        for statement in (
            "CREATE TEMP TABLE api_keys (key_id uuid, digest bytea)",
            "CREATE FUNCTION pg_temp.sha256(bytea) RETURNS bytea LANGUAGE sql RETURN ''::bytea",
            "SET search_path = pg_temp, pg_catalog",
        ):
            attacker.ask(statement)
        assert attacker.ask(GOOD, [keys[DAVE][0]], [bytes(32)], [None]) == []
        attacker.ask("RESET search_path")

    async def test_a_revoked_or_expired_key_is_not_good(self, copied_world: Any, keys: Any) -> None:
        with copied_world.root() as root:
            for owner, change in (
                (DAVE, "revoked_at = now(), revoked_by = 'dave'"),
                (BOB, "expires_at = now()"),
            ):
                key_id, digest = keys[owner]
                asked = [[key_id], [digest], [None]]
                assert root.execute(GOOD, asked).fetchall() == [(owner[1],)]
                root.execute(f"UPDATE memoledger.api_keys SET {change} WHERE key_id = %s", [key_id])
                assert root.execute(GOOD, asked).fetchall() == []


class TestIdempotency:
    def test_everybody_has_their_own(self, attacker: Any) -> None:
        for person in (ALICE, CAROL, DAVE):
            attacker.become(person)
            claim(attacker, "admin")
            query = "SELECT tenant_id, user_id FROM memoledger.idempotency_keys"
            assert attacker.ask(query) == [person]
            answer = f"{person[0]}.{person[1]}.key"
            assert attacker.ask("SELECT answer ->> 'id' FROM memoledger.idempotency_keys") == [
                (answer,)
            ]

    def test_nobody_claims_finishes_or_forgets_in_anothers_name(self, attacker: Any) -> None:
        attacker.become(CAROL)
        write = (
            "INSERT INTO memoledger.idempotency_keys (tenant_id, user_id, key_hash, request_hash,"
            " claim_id, claimed_until, kept_until)"
            " VALUES (%s, %s, sha256('the same key'), sha256(''), gen_random_uuid(), now(), now())"
            " ON CONFLICT (tenant_id, user_id, key_hash) DO UPDATE SET claim_id = EXCLUDED.claim_id"
        )
        assert attacker.changed(write, "acme", "carol") == 1
        for tenant, user in (ALICE, DAVE, ("globex", "carol")):
            assert attacker.refused(write, tenant, user).sqlstate == "42501"
        assert attacker.changed("UPDATE memoledger.idempotency_keys SET status = 200") == 1
        attacker.refused("DELETE FROM memoledger.idempotency_keys")
        for column in ("tenant_id", "user_id", "key_hash"):
            attacker.refused(f"UPDATE memoledger.idempotency_keys SET {column} = {column}")

    def test_whether_a_key_is_taken_shows_to_its_sender_alone(self, attacker: Any) -> None:
        """The same key of two users is two keys; neither collides with the other."""
        attacker.become(("acme", "zoe"))
        attacker.refused(
            "INSERT INTO memoledger.idempotency_keys (tenant_id, user_id, key_hash, request_hash,"
            " claim_id, claimed_until, kept_until)"
            " VALUES ('acme', 'alice', sha256('the same key'), sha256(''), gen_random_uuid(),"
            " now(), now())"
        )
        assert attacker.ask("SELECT 1 FROM memoledger.idempotency_keys") == []


async def test_scopes_stay_with_their_transaction(ledger: Any) -> None:
    """On one connection, one after the other: none is left for the next, nor for the owner."""
    context = ledger.application.context
    sessions = context.ledger.sessions
    carol = Principal("acme", "carol")
    ask = Statement("ask", "asks", b"SELECT current_setting('app.current_scopes', true)")

    async def seen(**given: Any) -> Any:
        [[row]] = await sessions.run(carol, None, (ask, {}), **given)
        return row[0]

    for scopes in (frozenset({"admin", "read"}), frozenset({"write"})):
        assert await seen(scopes=scopes) == " ".join(sorted(scopes))
        assert await seen() == ""
        async with sessions.transaction(carol) as connection:
            [(shown,)] = await (await connection.execute(ask.sql)).fetchall()
            assert shown == ""
    assert (await list_keys(context, Caller(carol, EVERY_SCOPE, "key"), everybody=True)).keys
    mine = Caller(carol, frozenset({"read"}), "key")
    assert {key.user for key in (await list_keys(context, mine)).keys} == {"carol"}
