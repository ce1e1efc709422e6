"""Stores: made once, seen by whom they should be, and nobody else."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest

from memoledger.model.errors import Forbidden, InvalidInput, NotFound
from memoledger.surfaces.python.memoledger import Memoledger
from memoledger.surfaces.python.principal import PrincipalHandle
from memoledger.surfaces.python.store import StoreHandle

WRONG_NAMES = ["", " ", " a", "a\n", "a\nb", "a\x00b", "\ud800", "x" * 201, "é" * 101, None, 5]


async def names(who: PrincipalHandle) -> list[str]:
    return [store.name for store in (await who.stores(limit=1_000)).stores]


class TestMaking:
    async def test_it_is_made_at_first_use_and_found_after(self, alice: PrincipalHandle) -> None:
        first = await alice.store("notes")
        again = await alice.store("notes")
        assert again.id == first.id
        assert (first.name, first.details.owner, first.details.visibility) == (
            *("notes", "alice"),
            "private",
        )
        assert (await alice.store("notes", owner="alice")).id == first.id

    async def test_many_at_the_same_time_make_one(
        self, open_ledger: Callable[..., Any], tenant: str
    ) -> None:
        async with open_ledger(pool_max=8) as one, open_ledger(pool_max=8) as two:
            users = await asyncio.gather(
                *([one, two][i % 2].principal(tenant=tenant, user="alice") for i in range(20))
            )
            made = await asyncio.gather(*(user.store("notes") for user in users))
            assert len({store.id for store in made}) == 1
            assert await names(users[0]) == ["notes"]

    @pytest.mark.parametrize("name", ["'; DROP TABLE memoledger.stores; --", "%s", "é" * 100, "*"])
    async def test_names_are_only_names(self, alice: PrincipalHandle, name: str) -> None:
        made = await alice.store(name)
        assert (await alice.find_store(name)).id == made.id
        assert await names(alice) == [name]

    @pytest.mark.parametrize("name", WRONG_NAMES)
    async def test_a_wrong_name_makes_nothing(self, alice: PrincipalHandle, name: Any) -> None:
        with pytest.raises(InvalidInput, match="store:"):
            await alice.store(name)
        with pytest.raises(InvalidInput, match="store:"):
            await alice.find_store(name)
        if name is not None:
            with pytest.raises(InvalidInput, match="owner:"):
                await alice.store("notes", owner=name)
        assert await names(alice) == []

    async def test_a_user_and_a_tenant_are_noted_once(
        self, shared: Memoledger, sql: Callable[..., list[tuple[Any, ...]]]
    ) -> None:
        tenant = f"tenant-{uuid4()}"
        await asyncio.gather(*(shared.principal(tenant=tenant, user="eve") for _ in range(20)))
        told = sql(
            "SELECT table_name, act, count(*) FROM memoledger.audit_records WHERE tenant_id = %s "
            "GROUP BY 1, 2 ORDER BY 1",
            tenant,
        )
        assert told == [("tenants", "insert", 1), ("users", "insert", 1)]


class TestFinding:
    async def test_what_is_not_there_is_not_made(self, alice: PrincipalHandle) -> None:
        with pytest.raises(NotFound, match="sees no store 'notes'"):
            await alice.find_store("notes")
        with pytest.raises(NotFound, match="of 'nobody'"):
            await alice.store("notes", owner="nobody")
        assert await names(alice) == []

    async def test_by_its_id(self, alice: PrincipalHandle, notes: StoreHandle) -> None:
        assert (await alice.store_by_id(notes.id)).name == "notes"
        assert (await alice.store_by_id(str(notes.id))).name == "notes"
        with pytest.raises(NotFound):
            await alice.store_by_id(uuid4())
        for wrong in ("", "notes", None, 5):
            with pytest.raises(InvalidInput, match=r"store: .*`id` of a store"):
                await alice.store_by_id(wrong)  # type: ignore[arg-type]

    async def test_anothers_is_not_to_be_told_from_none(
        self, shared: Memoledger, notes: StoreHandle, bob: PrincipalHandle
    ) -> None:
        stranger = await shared.principal(tenant=f"tenant-{uuid4()}", user="alice")
        for who in (bob, stranger):
            messages = set()
            for name in ("notes", "other"):
                with pytest.raises(NotFound) as caught:
                    await who.find_store(name, owner="alice")
                messages.add(str(caught.value).replace(name, ""))
            assert len(messages) == 1
            with pytest.raises(NotFound):
                await who.store_by_id(notes.id)
            assert await names(who) == []

    async def test_a_listing_in_pages_is_complete(self, alice: PrincipalHandle) -> None:
        made = [(await alice.store(f"store {i}")).name for i in range(23)]
        listed, cursor = [], None
        while True:
            page = await alice.stores(limit=5, cursor=cursor)
            listed += [store.name for store in page.stores]
            cursor = page.next_cursor
            if cursor is None:
                break
        assert listed == made

    @pytest.mark.parametrize("limit", [0, -1, 10**9, True, 1.5, "5"])
    async def test_a_wrong_limit(self, alice: PrincipalHandle, limit: Any) -> None:
        with pytest.raises(InvalidInput, match="limit"):
            await alice.stores(limit=limit)

    @pytest.mark.parametrize("cursor", ["", "next", 5, "\ud800"])
    async def test_a_wrong_cursor(self, alice: PrincipalHandle, cursor: Any) -> None:
        with pytest.raises(InvalidInput, match=r"cursor: .*next_cursor"):
            await alice.stores(cursor=cursor)


class TestSharing:
    async def test_a_reader_reads_and_a_writer_writes(
        self, notes: StoreHandle, bob: PrincipalHandle
    ) -> None:
        memory = await notes.remember("Tea")
        grant = await notes.share("bob")
        assert (grant.grantee, grant.access, grant.granted_by) == ("bob", "read", "alice")
        theirs = await bob.store("notes", owner="alice")
        assert (await theirs.get(memory.id)).content == "Tea"
        assert len(await theirs.recall("Tea")) == await theirs.count() == 1
        with pytest.raises(Forbidden):
            await theirs.remember("Milk")
        assert (await notes.share("bob", access="write")).access == "write"
        assert (await theirs.remember("Milk")).created_by == "bob"
        assert [g.access for g in await notes.grants()] == ["write"]
        await notes.share("bob", access="read")
        with pytest.raises(Forbidden):
            await theirs.remember("Water")

    async def test_taken_back_it_is_gone(self, notes: StoreHandle, bob: PrincipalHandle) -> None:
        memory = await notes.remember("Tea")
        await notes.share("bob")
        theirs = await bob.store("notes", owner="alice")
        await notes.unshare("bob")
        with pytest.raises(NotFound):
            await theirs.get(memory.id)
        with pytest.raises(NotFound):
            await bob.store("notes", owner="alice")
        assert (await theirs.list()).memories == []
        assert await theirs.recall("Tea") == []
        with pytest.raises(NotFound):
            await notes.unshare("bob")

    async def test_only_the_owner_shares(self, notes: StoreHandle, bob: PrincipalHandle) -> None:
        await notes.share("bob", access="write")
        theirs = await bob.store("notes", owner="alice")
        with pytest.raises(Forbidden):
            await theirs.share("carol")
        with pytest.raises(Forbidden):
            await theirs.set_visibility("tenant")
        with pytest.raises(NotFound):
            await theirs.unshare("bob")
        assert [grant.grantee for grant in await notes.grants()] == ["bob"]
        assert (await notes.grants())[0].granted_by == "alice"

    async def test_nobody_shares_what_nobody_sees(
        self, shared: Memoledger, notes: StoreHandle, tenant: str
    ) -> None:
        await notes.share("bob")
        carol = await shared.principal(tenant=tenant, user="carol")
        stranger = await shared.principal(tenant=f"tenant-{uuid4()}", user="bob")
        for who in (carol, stranger):
            handle = StoreHandle(who._context, who.principal, notes.details)
            with pytest.raises(Forbidden):
                await handle.share("dave")
            with pytest.raises(NotFound):
                await handle.unshare("bob")
            assert await handle.grants() == []
            with pytest.raises(Forbidden):
                await handle.remember("Tea")
            assert (await handle.list()).memories == []

    async def test_with_whom_and_how(self, notes: StoreHandle) -> None:
        with pytest.raises(InvalidInput, match="user: that is yourself"):
            await notes.share("alice")
        for access in ("admin", "", None, 5, ["read"]):
            with pytest.raises(InvalidInput, match="access:"):
                await notes.share("bob", access=access)  # type: ignore[arg-type]
        for name in WRONG_NAMES:
            with pytest.raises(InvalidInput, match="user:"):
                await notes.share(name)  # type: ignore[arg-type]
            with pytest.raises(InvalidInput, match="user:"):
                await notes.unshare(name)  # type: ignore[arg-type]
        assert await notes.grants() == []

    async def test_one_not_yet_seen_can_be_given_access(
        self, shared: Memoledger, notes: StoreHandle, tenant: str
    ) -> None:
        await notes.remember("Tea")
        await notes.share("newcomer")
        newcomer = await shared.principal(tenant=tenant, user="newcomer")
        assert await (await newcomer.store("notes", owner="alice")).count() == 1


class TestVisibility:
    async def test_open_to_the_tenant_for_reading(
        self, shared: Memoledger, notes: StoreHandle, bob: PrincipalHandle
    ) -> None:
        memory = await notes.remember("Tea")
        private = await notes.remember("Secret", privacy="creator")
        assert (await notes.set_visibility("tenant")).visibility == "tenant"
        theirs = await bob.store("notes", owner="alice")
        assert (await theirs.get(memory.id)).content == "Tea"
        with pytest.raises(NotFound):
            await theirs.get(private.id)
        with pytest.raises(Forbidden):
            await theirs.remember("Milk")
        with pytest.raises(Forbidden):
            await theirs.update(memory.id, content="Milk")
        stranger = await shared.principal(tenant=f"tenant-{uuid4()}", user="bob")
        with pytest.raises(NotFound):
            await stranger.store("notes", owner="alice")
        await notes.set_visibility("private")
        with pytest.raises(NotFound):
            await theirs.get(memory.id)

    @pytest.mark.parametrize("visibility", ["public", "", None, True, ["tenant"]])
    async def test_what_is_none(self, notes: StoreHandle, visibility: Any) -> None:
        with pytest.raises(InvalidInput, match="visibility"):
            await notes.set_visibility(visibility)
        assert notes.details.visibility == "private"
