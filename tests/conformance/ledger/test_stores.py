"""Principals and stores: made once, found again, listed, and nobody else's."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import pytest

from memoledger import Forbidden, InvalidInput, NotFound
from memoledger.model.pages import StorePage
from memoledger.model.principal import Principal
from memoledger.model.store import Grant, Store

WRONG_NAMES = ["", " ", " a", "a\n", "a\nb", "a\x00b", "\ud800", "x" * 201, "é" * 101, None, 5]
ODD_NAMES = [
    "'; DROP TABLE stores; --",
    "%s",
    "%2F",
    "é" * 100,
    "*",
    "a/b",
    "..",
    "?a=b#c",
    "a+b&c",
]


async def names(who: Any) -> list[str]:
    return [store.name for store in (await who.stores(limit=1_000)).stores]


async def test_a_principal_says_who_it_is(alice: Any, tenant: str) -> None:
    assert alice.principal == Principal(tenant, "alice")


@pytest.mark.parametrize("name", [*WRONG_NAMES, "system"])
async def test_a_wrong_user_is_refused(door: Any, tenant: str, name: Any) -> None:
    ledger = await door.ledger(tenant, "alice")
    with pytest.raises(InvalidInput) as caught:
        await ledger.principal(tenant=tenant, user=name)
    assert caught.value.field == "user"


async def test_a_store_is_made_at_first_use_and_found_after(alice: Any) -> None:
    first = await alice.store("notes")
    again = await alice.store("notes")
    assert isinstance(first.details, Store)
    assert (first.id, first.name) == (first.details.id, "notes")
    assert again.details == first.details
    assert (first.details.owner, first.details.visibility) == ("alice", "private")
    assert first.details.created_at.utcoffset() is not None
    assert (await alice.store("notes", owner="alice")).id == first.id
    assert (await alice.find_store("notes")).details == first.details
    assert (await alice.store_by_id(first.id)).details == first.details
    assert (await alice.store_by_id(str(first.id))).details == first.details


@pytest.mark.parametrize("name", ODD_NAMES)
async def test_names_are_only_names(door: Any, alice: Any, tenant: str, name: str) -> None:
    odd = await door.principal(tenant, name)
    made = await odd.store(name)
    assert (made.name, made.details.owner) == (name, name)
    assert (await odd.find_store(name)).id == made.id
    grant = await made.share("alice")
    assert (grant.grantee, grant.granted_by) == ("alice", name)
    assert (await alice.store(name, owner=name)).id == made.id
    own = await alice.store(name)
    assert own.id != made.id
    assert (await own.share(name)).grantee == name
    assert [one.grantee for one in await own.grants()] == [name]
    await own.unshare(name)
    assert await own.grants() == []


@pytest.mark.parametrize("name", WRONG_NAMES)
async def test_a_wrong_name_makes_nothing(alice: Any, name: Any) -> None:
    for find in (alice.store, alice.find_store):
        with pytest.raises(InvalidInput, match="store:") as caught:
            await find(name)
        assert (caught.value.field, caught.value.code) == ("store", "invalid-input")
    if name is not None:
        with pytest.raises(InvalidInput, match="owner:"):
            await alice.store("notes", owner=name)
    assert await names(alice) == []


async def test_what_is_not_there_is_not_made(alice: Any, bob: Any) -> None:
    hidden = await bob.store("theirs")
    for search in (
        alice.find_store("notes"),
        alice.find_store("theirs", owner="bob"),
        alice.store("theirs", owner="bob"),
        alice.store("notes", owner="nobody"),
        alice.store_by_id(hidden.id),
        alice.store_by_id(uuid4()),
    ):
        with pytest.raises(NotFound) as caught:
            await search
        assert caught.value.remedy
    assert await names(alice) == []


@pytest.mark.parametrize("wrong", ["", "5", 5, None, "x" * 36, "' OR 1=1; --"])
async def test_what_is_no_store_id(alice: Any, wrong: Any) -> None:
    with pytest.raises(InvalidInput) as caught:
        await alice.store_by_id(wrong)
    assert caught.value.field == "store"


async def test_stores_come_in_pages(alice: Any, bob: Any) -> None:
    made = [(await alice.store(f"store {i}")).details for i in range(5)]
    await bob.store("theirs")
    found: list[Store] = []
    cursor, pages = None, 0
    while pages < 4:
        page = await alice.stores(limit=2, cursor=cursor)
        assert isinstance(page, StorePage)
        found += page.stores
        cursor, pages = page.next_cursor, pages + 1
        if cursor is None:
            break
    assert (found, pages) == (made, 3)


@pytest.mark.parametrize("limit", [0, -1, 1_001, True, 1.5, "10", None])
async def test_a_page_has_a_size(alice: Any, limit: Any) -> None:
    with pytest.raises(InvalidInput) as caught:
        await alice.stores(limit=limit)
    assert caught.value.field == "limit"


@pytest.mark.parametrize("cursor", ["", "x", "5", "' OR 1=1; --", "é"])
async def test_a_wrong_cursor(alice: Any, notes: Any, cursor: str) -> None:
    for listing in (alice.stores, alice.receipts, notes.list):
        with pytest.raises(InvalidInput) as caught:
            await listing(cursor=cursor)
        assert caught.value.field == "cursor"


class TestSharing:
    async def test_a_grant_lets_read_or_write(self, notes: Any, bob: Any) -> None:
        written = await notes.remember("Tea at five")
        grant = await notes.share("bob")
        assert isinstance(grant, Grant)
        assert (grant.store_id, grant.grantee, grant.access) == (notes.id, "bob", "read")
        assert grant.granted_by == "alice"
        theirs = await bob.store("notes", owner="alice")
        assert theirs.id == notes.id
        assert (await theirs.get(written.id)).content == "Tea at five"
        with pytest.raises(Forbidden) as caught:
            await theirs.remember("Coffee at six")
        assert (caught.value.code, isinstance(caught.value, PermissionError)) == ("forbidden", True)
        again = await notes.share("bob", access="write")
        assert again.access == "write"
        assert await notes.grants() == [again]
        assert await theirs.grants() == [again]
        added = await theirs.remember("Coffee at six")
        assert (added.created_by, added.outcome) == ("bob", "created")

    async def test_it_can_be_taken_back(self, notes: Any, bob: Any) -> None:
        await notes.share("bob", access="write")
        theirs = await bob.store("notes", owner="alice")
        written = await notes.remember("Tea")
        assert await notes.unshare("bob") is None
        with pytest.raises(NotFound):
            await bob.find_store("notes", owner="alice")
        for act in (theirs.get(written.id), theirs.history(written.id), notes.unshare("bob")):
            with pytest.raises(NotFound):
                await act

    async def test_only_the_owner_shares_and_opens(self, notes: Any, bob: Any) -> None:
        await notes.share("bob", access="write")
        theirs = await bob.store("notes", owner="alice")
        for act in (theirs.share("carol"), theirs.set_visibility("tenant")):
            with pytest.raises(Forbidden):
                await act

    async def test_visibility(self, notes: Any, bob: Any) -> None:
        opened = await notes.set_visibility("tenant")
        assert isinstance(opened, Store)
        assert opened.visibility == notes.details.visibility == "tenant"
        theirs = await bob.find_store("notes", owner="alice")
        assert theirs.details == opened
        assert [store.id for store in (await bob.stores()).stores] == [notes.id]
        assert (await notes.set_visibility("private")).visibility == "private"
        with pytest.raises(NotFound):
            await bob.find_store("notes", owner="alice")

    @pytest.mark.parametrize("user", [*WRONG_NAMES, "alice", "system"])
    async def test_a_wrong_user(self, notes: Any, user: Any) -> None:
        with pytest.raises(InvalidInput) as caught:
            await notes.share(user)
        assert caught.value.field == "user"

    @pytest.mark.parametrize("wrong", ["all", "", None, 5])
    async def test_a_wrong_choice(self, notes: Any, wrong: Any) -> None:
        with pytest.raises(InvalidInput) as caught:
            await notes.share("bob", access=wrong)
        assert caught.value.field == "access"
        with pytest.raises(InvalidInput) as caught:
            await notes.set_visibility(wrong)
        assert caught.value.field == "visibility"

    async def test_another_tenant_sees_nothing(self, door: Any, notes: Any) -> None:
        await notes.set_visibility("tenant")
        stranger = await door.principal(f"tenant-{uuid4().hex}", "alice")
        assert (await stranger.stores()).stores == []
        with pytest.raises(NotFound):
            await stranger.store_by_id(notes.id)
        assert isinstance(notes.id, UUID)
