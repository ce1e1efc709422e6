"""Two tenants' keys, whose calls mix their ids in every place: neither learns of the other."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import uuid4

import httpx
import pytest

MakeClient = Callable[..., Awaitable[httpx.AsyncClient]]

LINES = {"content-type": "application/x-ndjson"}
MARKS = {"acme": "aardvark", "globex": "zeppelin"}
"""A word of each tenant's that must never be in an answer to the other."""


class Tenant:
    """A tenant with two users' clients, and every id that there is of it."""

    def __init__(self, name: str, client: httpx.AsyncClient, admin: httpx.AsyncClient) -> None:
        self.name, self.client, self.admin = name, client, admin
        self.mark = MARKS[name]
        self.ids: dict[str, list[str]] = {"user": [f"user-{self.mark}", f"root-{self.mark}"]}

    async def fill(self) -> None:
        stores, memories, receipts = [], [], []
        for number in range(2):
            name = f"store {self.mark} {number}"
            made = await self.client.post("/v1/stores", json={"name": name})
            stores.append(made.json()["id"])
            path = f"/v1/stores/{stores[-1]}"
            for count in range(3):
                body = {
                    "content": f"the {self.mark} of day {count}",
                    "externalId": f"shared-{count}",
                    "tags": [self.mark],
                }
                written = await self.client.post(f"{path}/memories", json=body)
                memories.append(written.json()["id"])
            hits = await self.client.post(f"{path}/recall", json={"query": "day"})
            receipts.append(hits.json()["receiptId"])
        keys = [one["id"] for one in (await self.client.get("/v1/keys")).json()["keys"]]
        self.ids |= {"store": stores, "memory": memories, "receipt": receipts, "key": keys}


@pytest.fixture
async def tenants(caller: MakeClient) -> tuple[Tenant, Tenant]:
    made = []
    for name, mark in MARKS.items():
        client = await caller(f"user-{mark}", tenant=name)
        admin = await caller(f"root-{mark}", tenant=name, scopes=("read", "write", "admin"))
        made.append(Tenant(name, client, admin))
        await made[-1].fill()
    return made[0], made[1]


def any_call(
    chance: random.Random, own: Tenant, other: Tenant
) -> tuple[str, str, dict[str, Any], bool]:
    """A call by `own`: method, path, arguments; and whether something in it is the other's."""

    def pick(kind: str) -> str:
        whose = chance.choice((own, other, other, None))
        return str(uuid4()) if whose is None else chance.choice(whose.ids[kind])

    store = f"/v1/stores/{pick('store')}"
    memory = f"{store}/memories/{pick('memory')}"
    question = {"query": f"day {chance.choice(['', own.mark])}".strip(), "tags": None}
    draft = {"content": f"new {chance.randrange(5)}", "externalId": f"shared-{chance.randrange(3)}"}
    line = b'{"content": "bulk", "external_id": "shared-1"}\n'
    calls: list[tuple[str, str, dict[str, Any]]] = [
        ("GET", store, {}),
        ("PATCH", store, {"json": {"visibility": "private"}}),
        ("GET", f"{store}/memories", {"params": {"limit": 2}}),
        ("GET", f"{store}/memories/count", {}),
        ("GET", f"{store}/export", {}),
        ("GET", f"{store}/grants", {}),
        ("PUT", f"{store}/grants/{pick('user')}", {"json": {"access": "write"}}),
        ("DELETE", f"{store}/grants/{pick('user')}", {}),
        ("POST", f"{store}/memories", {"json": draft}),
        ("POST", f"{store}/memories/bulk", {"content": line, "headers": LINES}),
        ("POST", f"{store}/import", {"content": line, "headers": LINES}),
        ("POST", f"{store}/recall", {"json": question}),
        ("POST", f"{store}/context", {"json": {**question, "maxTokens": 50}}),
        ("POST", f"{store}/accesses", {"json": {"memoryIds": [pick("memory")]}}),
        ("GET", memory, {}),
        ("GET", f"{memory}/history", {}),
        ("POST", f"{memory}/why", {"json": question}),
        ("PATCH", memory, {"json": {"importance": 0.3}, "headers": {"if-match": '"1"'}}),
        ("DELETE", memory, {"headers": {"if-match": '"77"'}}),
        ("GET", f"/v1/receipts/{pick('receipt')}", {}),
        ("GET", "/v1/receipts", {"params": {"storeId": pick("store")}}),
        ("GET", "/v1/receipts", {"params": {"memoryId": pick("memory")}}),
        ("DELETE", f"/v1/keys/{chance.choice([*other.ids['key'], str(uuid4())])}", {}),
        ("GET", "/v1/stores", {"params": {"name": "x", "owner": pick("user")}}),
        ("GET", f"/v1/tenants/{chance.choice([own.name, other.name])}", {}),
        ("GET", "/v1/users", {}),
        ("GET", "/v1/keys", {"params": {"user": pick("user")}}),
    ]
    method, path, arguments = chance.choice(calls)
    mixed = any(one in f"{path}{arguments}" for ids in other.ids.values() for one in ids)
    return method, path, arguments, mixed


@pytest.mark.parametrize(
    "calls", [300, pytest.param(10_000, marks=pytest.mark.slow)], ids=["few", "many"]
)
async def test_no_call_shows_or_changes_anything_of_the_other(
    tenants: tuple[Tenant, Tenant], calls: int
) -> None:
    chance = random.Random(20_260_508)
    before = [await state_of(tenant) for tenant in tenants]
    for _ in range(calls):
        own, other = chance.choice((tenants, tenants[::-1]))
        method, path, arguments, mixed = any_call(chance, own, other)
        client = chance.choice((own.client, own.admin))
        answer = await client.request(method, path, **arguments)
        told = f"{method} {path} {arguments}: {answer.status_code} {answer.text[:300]}"
        # A user of their own may be called like one of the other's: they made the name up.
        text = answer.text
        for name in other.ids["user"]:
            text = text.replace(name, "")
        assert other.mark not in text, told
        assert answer.status_code < 500, told
        foreign_path = any(
            one in path for kind in ("store", "memory", "receipt", "key") for one in other.ids[kind]
        )
        if foreign_path:
            assert answer.status_code == 404, told
        if mixed and answer.status_code == 200:
            assert not any(
                one in answer.text
                for kind in ("store", "memory", "receipt", "key")
                for one in other.ids[kind]
            ), told
    after = [await state_of(tenant) for tenant in tenants]
    for tenant, then, now in zip(tenants, before, after, strict=True):
        assert then["names"] == now["names"]
        assert all(tenant.name in text or MARKS[tenant.name] in text for text in now["owners"])


async def test_an_unknown_id_and_anothers_are_answered_alike(
    tenants: tuple[Tenant, Tenant],
) -> None:
    acme, globex = tenants
    for kind, path in (
        ("store", "/v1/stores/{}"),
        ("store", "/v1/stores/{}/memories"),
        ("store", "/v1/stores/{}/grants"),
        ("receipt", "/v1/receipts/{}"),
        ("memory", f"/v1/stores/{acme.ids['store'][0]}/memories/{{}}"),
        ("memory", f"/v1/stores/{acme.ids['store'][0]}/memories/{{}}/history"),
    ):
        unknown, foreign = str(uuid4()), globex.ids[kind][0]
        answers = [
            await acme.client.get(path.format(one), headers={"x-request-id": "same"})
            for one in (unknown, foreign)
        ]
        texts = [
            answer.text.replace(one, "ID")
            for answer, one in zip(answers, (unknown, foreign), strict=True)
        ]
        assert texts[0] == texts[1]
        assert [one.status_code for one in answers] == [404, 404]
        shown = [
            {name: value for name, value in one.headers.items() if name != "content-length"}
            for one in answers
        ]
        assert shown[0] == shown[1]
        assert "server-timing" not in shown[0]


async def state_of(tenant: Tenant) -> dict[str, list[str]]:
    stores = (await tenant.client.get("/v1/stores")).json()["stores"]
    return {
        "names": sorted(one["name"] for one in stores),
        "owners": [one["owner"] for one in stores],
    }
