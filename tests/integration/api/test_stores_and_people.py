"""Stores, grants, users and keys over HTTP."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import httpx

from memoledger.surfaces.api import answers

MakeClient = Callable[..., Awaitable[httpx.AsyncClient]]


async def test_a_store_is_made_once(alice: httpx.AsyncClient, store: str) -> None:
    again = await alice.post("/v1/stores", json={"name": "notes", "visibility": "tenant"})
    assert again.status_code == 200
    told = answers.Store.model_validate(again.json())
    assert (store, told.visibility) == (f"/v1/stores/{told.id}", "private")
    found = await alice.get("/v1/stores", params={"name": "notes"})
    assert answers.Stores.model_validate(found.json()).stores == [told]
    assert (await alice.get("/v1/stores", params={"name": "other"})).json()["stores"] == []
    opened = await alice.patch(store, json={"visibility": "tenant"})
    assert opened.json()["visibility"] == "tenant"


async def test_a_grant_lets_another_user_in(
    caller: MakeClient, alice: httpx.AsyncClient, store: str
) -> None:
    bob, grants = await caller("bob/at work"), f"{store}/grants"
    assert (await bob.get(store)).status_code == 404
    assert (await bob.put(f"{grants}/eve", json={})).status_code == 404
    given = await alice.put(f"{grants}/bob%2Fat%20work", json={"access": "read"})
    assert given.status_code == 200, given.text
    assert answers.Grant.model_validate(given.json()).grantee == "bob/at work"
    assert (await bob.get(store)).status_code == 200
    assert (await bob.post(f"{store}/memories", json={"content": "x"})).status_code == 403
    assert (await bob.put(f"{grants}/eve", json={})).status_code == 403
    assert (await bob.patch(store, json={"visibility": "tenant"})).status_code == 403
    [grant] = (await alice.get(grants)).json()["grants"]
    assert grant == given.json()
    assert (await alice.get(f"{grants}/bob%2Fat%20work")).json() == grant
    assert (await alice.delete(f"{grants}/bob%2Fat%20work")).status_code == 204
    assert (await alice.delete(f"{grants}/bob%2Fat%20work")).status_code == 404
    assert (await bob.get(store)).status_code == 404


async def test_who_calls(alice: httpx.AsyncClient, admin: httpx.AsyncClient) -> None:
    me = answers.Me.model_validate((await alice.get("/v1/me")).json())
    assert (me.tenant, me.user, me.scopes) == ("acme", "alice", ["read", "write"])
    assert me.method == "key"
    assert (await alice.get("/v1/tenants/acme")).json()["id"] == "acme"
    assert (await alice.get("/v1/tenants/globex")).status_code == 404
    assert [one["id"] for one in (await alice.get("/v1/tenants")).json()["tenants"]] == ["acme"]
    assert (await admin.get("/v1/stores")).status_code == 403


async def test_users_are_for_admins(alice: httpx.AsyncClient, admin: httpx.AsyncClient) -> None:
    assert (await alice.get("/v1/users")).status_code == 403
    noted = await admin.put("/v1/users/carol")
    assert noted.status_code == 200, noted.text
    assert answers.User.model_validate(noted.json()).created_by == "root"
    names: list[str] = []
    cursor = None
    while True:
        query = {"limit": "1"} | ({} if cursor is None else {"cursor": cursor})
        page = (await admin.get("/v1/users", params=query)).json()
        names += [one["id"] for one in page["users"]]
        if (cursor := page["nextCursor"]) is None:
            break
    assert names == ["alice", "carol", "root"]
    assert (await admin.put("/v1/users/system")).status_code == 422


async def test_a_key_is_shown_once_and_can_be_revoked(
    caller: MakeClient, alice: httpx.AsyncClient
) -> None:
    headers = {"idempotency-key": "make-a-key"}
    made = await alice.post("/v1/keys", json={"name": "other", "scopes": ["read"]}, headers=headers)
    assert made.status_code == 201, made.text
    key = answers.FreshKey.model_validate(made.json())
    assert key.secret is not None
    again = await alice.post(
        "/v1/keys", json={"name": "other", "scopes": ["read"]}, headers=headers
    )
    assert (again.json()["id"], again.json()["secret"]) == (str(key.id), None)
    other = await caller(key=key.secret)
    assert (await other.get("/v1/me")).json()["keyId"] == str(key.id)
    assert (await other.post("/v1/stores", json={"name": "x"})).status_code == 403
    more = await other.post("/v1/keys", json={"name": "x", "scopes": ["write"]})
    assert more.status_code == 403
    listed = (await alice.get("/v1/keys")).json()["keys"]
    assert key.secret not in str(listed)
    assert len(listed) == 2
    assert (await alice.delete(f"/v1/keys/{key.id}")).json()["revokedAt"] is not None
    refused = await other.get("/v1/me")
    assert refused.status_code == 401
    assert refused.headers["www-authenticate"] == 'Bearer realm="memoledger"'
    assert (await alice.get("/v1/keys", params={"everybody": "true"})).status_code == 403


async def test_without_a_good_key_nothing_is_answered(caller: MakeClient) -> None:
    nobody = await caller()
    for headers in ({}, {"authorization": "Basic YTpi"}, {"authorization": "Bearer mlk_x"}):
        refused = await nobody.get("/v1/me", headers=headers)
        assert (refused.status_code, refused.json()["code"]) == (401, "unauthenticated")
    # Who may not call does not learn what would be wrong with the call.
    wrong = await nobody.post("/v1/stores", content=b"{", headers={"content-type": "text/x"})
    assert wrong.status_code == 401
    assert (await nobody.get("/health/live")).json() == {"status": "ok"}
    assert (await nobody.get("/health/ready")).json() == {"status": "ok"}
    assert (await nobody.get("/version")).json()["api"] == "v1"
    assert (await nobody.get("/health")).status_code == 401


async def test_full_health_is_for_admins(
    alice: httpx.AsyncClient, admin: httpx.AsyncClient
) -> None:
    assert (await alice.get("/health")).status_code == 403
    told = await admin.get("/health")
    health = answers.FullHealth.model_validate(told.json())
    assert (told.status_code, health.status) == (200, "ok"), told.text
    assert {"embedder", "isolation", "migrations", "receipts"} <= {
        one.check for one in health.checks
    }
