"""Keys on a real ledger: made, listed, revoked, by whom and whose."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from memoledger.model.caller import EVERY_SCOPE, Caller
from memoledger.model.errors import Forbidden, InvalidInput, NotFound
from memoledger.model.keys import FreshKey, digest_of
from memoledger.model.principal import Principal
from memoledger.services.context import Context
from memoledger.services.keys import create_key, list_keys, revoke_key

HERE = "192.0.2.1"


@pytest.fixture
def context(shared: Any) -> Context:
    return shared.application.context  # type: ignore[no-any-return]


@pytest.fixture
def door(shared: Any) -> Any:
    """The open ledger's own authenticator."""
    return shared.application.authenticator


@pytest.fixture
def caller(tenant: str) -> Callable[..., Caller]:
    """A caller of the test's tenant, with some scopes."""

    def make(user: str = "alice", *scopes: Any) -> Caller:
        return Caller(Principal(tenant, user), frozenset(scopes or EVERY_SCOPE), "development")

    return make


def ids(page: Any) -> list[Any]:
    return [key.id for key in page.keys]


class TestMaking:
    async def test_a_key_is_shown_once(self, context: Context, caller: Any, tenant: str) -> None:
        until = datetime.now(UTC) + timedelta(days=1)
        made = await create_key(context, caller(), name="ci", scopes=["read"], expires_at=until)
        assert isinstance(made, FreshKey)
        assert made.secret.startswith(f"mlk_{made.id.hex}_")
        assert (made.tenant, made.user, made.created_by) == (tenant, "alice", "alice")
        assert (made.scopes, made.expires_at, made.created_with) == ({"read"}, until, None)
        [listed] = (await list_keys(context, caller())).keys
        assert not hasattr(listed, "secret")
        assert (listed.id, listed.name, listed.last_used_at) == (made.id, "ci", None)

    async def test_nowhere_is_the_secret_kept(
        self, context: Context, caller: Any, sql: Any, tenant: str
    ) -> None:
        made = await create_key(context, caller(), name="the name of a key")
        await revoke_key(context, caller(), made.id)
        kept = repr(sql("SELECT to_jsonb(k) FROM memoledger.api_keys AS k"))
        records = repr(
            sql(
                "SELECT to_jsonb(r) FROM memoledger.audit_records AS r WHERE tenant_id = %s", tenant
            )
        )
        digest = digest_of(made.secret).hex()
        assert made.secret not in kept + records
        assert made.secret.rpartition("_")[2] not in kept + records
        assert digest in kept
        assert digest not in records
        assert "the name of a key" not in records

    async def test_acts_on_keys_are_in_the_audit_and_uses_are_not(
        self, context: Context, caller: Any, sql: Any, tenant: str, door: Any
    ) -> None:
        made = await create_key(context, caller("root"), name="ci", user="bob", scopes=["read"])
        await door.caller(made.secret, HERE)
        await revoke_key(context, caller("root"), made.id)
        await revoke_key(context, caller("root"), made.id)
        acts = sql(
            "SELECT actor, act, row_key ->> 'user_id', after ->> 'revoked_by', after -> 'scopes'"
            " FROM memoledger.audit_records WHERE tenant_id = %s AND table_name LIKE 'api_key%%'"
            " ORDER BY audit_id",
            tenant,
        )
        assert acts == [
            ("root", "insert", "bob", None, ["read"]),
            ("root", "update", "bob", "root", ["read"]),
        ]

    @pytest.mark.parametrize("scopes", [["write"], ["read", "write"], ["admin"]])
    async def test_nobody_gives_more_than_they_have(
        self, context: Context, caller: Any, scopes: Any
    ) -> None:
        with pytest.raises(Forbidden, match="came without"):
            await create_key(context, caller("alice", "read"), name="x", scopes=scopes)
        assert (await list_keys(context, caller())).keys == ()

    async def test_with_any_scope_one_manages_ones_own(
        self, context: Context, caller: Any, door: Any
    ) -> None:
        me = caller("alice", "read")
        made = await create_key(context, me, name="x", scopes=["read"])
        with_it = await door.caller(made.secret, HERE)
        second = await create_key(context, with_it, name="y", scopes=["read"])
        assert second.created_with == made.id
        assert ids(await list_keys(context, with_it)) == [second.id, made.id]
        assert (await revoke_key(context, with_it, second.id)).revoked_at is not None

    async def test_another_users_take_admin(self, context: Context, caller: Any) -> None:
        bobs = await create_key(context, caller("bob", "read", "write"), name="bob's")
        alice, admin = caller("alice", "read", "write"), caller("root", "admin")
        for act in (
            create_key(context, alice, name="x", user="bob"),
            list_keys(context, alice, user="bob"),
            list_keys(context, alice, everybody=True),
        ):
            with pytest.raises(Forbidden, match="admin"):
                await act
        with pytest.raises(NotFound):
            await revoke_key(context, alice, bobs.id)
        made = await create_key(context, admin, name="x", user="zoe", scopes=["admin"])
        assert (made.user, made.created_by) == ("zoe", "root")
        assert ids(await list_keys(context, admin, user="bob")) == [bobs.id]
        assert set(ids(await list_keys(context, admin, everybody=True))) == {bobs.id, made.id}
        assert (await revoke_key(context, admin, bobs.id)).revoked_at is not None

    async def test_an_admin_is_one_of_their_own_tenant(self, context: Context, caller: Any) -> None:
        mine = await create_key(context, caller(), name="x")
        other = Caller(Principal(f"tenant-{uuid4().hex}", "alice"), EVERY_SCOPE, "development")
        assert (await list_keys(context, other, everybody=True)).keys == ()
        told = set()
        for key_id in (mine.id, uuid4()):
            with pytest.raises(NotFound) as caught:
                await revoke_key(context, other, key_id)
            told.add(str(caught.value))
        assert len(told) == 1

    async def test_pages(self, context: Context, caller: Any) -> None:
        made = [
            await create_key(context, caller(user), name="x")
            for user in ("alice", "bob", "alice", "carol", "bob")
        ]
        newest_first = [key.id for key in reversed(made)]
        found, cursor = [], None
        while True:
            page = await list_keys(context, caller(), everybody=True, limit=2, cursor=cursor)
            found += ids(page)
            cursor = page.next_cursor
            if cursor is None:
                break
        assert found == newest_first

    @pytest.mark.parametrize(
        "given",
        [
            {"name": ""},
            {"name": "a\nb"},
            {"scopes": []},
            {"scopes": "read"},
            {"user": "system"},
            {"user": ""},
            {"expires_at": "soon"},
            {"expires_at": datetime(2020, 1, 1, tzinfo=UTC)},
            {"expires_at": datetime(2030, 1, 1)},  # noqa: DTZ001
        ],
    )
    async def test_bad_input(self, context: Context, caller: Any, given: dict[str, Any]) -> None:
        with pytest.raises(InvalidInput):
            await create_key(context, caller(), **{"name": "x", **given})
