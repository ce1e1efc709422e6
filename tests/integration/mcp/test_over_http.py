"""Streamable HTTP: the service's /mcp with the SDK's client, with keys, and without the client."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from mcp import ClientSession, StdioServerParameters
from mcp.client.stdio import stdio_client
from tests.integration.mcp.conftest import ALICE, Agent, calling, key_of, serving

from memoledger.model.keys import Scope
from memoledger.model.principal import Principal

if TYPE_CHECKING:
    from memoledger.surfaces.python.memoledger import Memoledger

FERRY = "The ferry to Rottnest leaves at seven."
LIST = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}


def call(name: str, **arguments: Any) -> dict[str, Any]:
    params = {"name": name, "arguments": arguments}
    return {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}


async def test_a_memory_lives_from_remember_to_forget(ledger: Memoledger, url: str) -> None:
    async with calling(url, await key_of(ledger)) as agent:
        memory = (await agent.call("remember", content=FERRY))["memory"]
        assert memory["created_by"] == "alice"
        [hit] = (await agent.call("recall", query="When does the ferry leave?"))["hits"]
        assert hit["memory"]["id"] == memory["id"]
        changed = await agent.call("update", id=memory["id"], content="It leaves at eight.")
        assert changed["memory"]["version"] == 2
        assert (await agent.call("history", id=memory["id"]))["total"] == 2
        assert (await agent.call("forget", id=memory["id"]))["outcome"] == "forgotten"
        assert (await agent.session.list_resources()).resources
        assert (await agent.session.list_prompts()).prompts


async def test_each_caller_is_who_their_key_says(ledger: Memoledger, url: str) -> None:
    eve = Principal("globex", "eve")
    async with (
        calling(url, await key_of(ledger)) as agent,
        calling(url, await key_of(ledger, eve)) as other,
    ):
        await asyncio.gather(
            *(agent.call("remember", content=f"Acme {n}") for n in range(10)),
            *(other.call("remember", content=f"Globex {n}") for n in range(10)),
        )
        for one, name in ((agent, "Acme"), (other, "Globex")):
            hits = (await one.call("recall", query="Acme Globex", limit=50))["hits"]
            assert len(hits) == 10
            assert all(hit["memory"]["content"].startswith(name) for hit in hits)


@pytest.mark.parametrize(
    ("scopes", "refused"),
    [(("read",), "remember"), (("write",), "recall"), (("admin",), "recall")],
)
async def test_a_key_may_do_what_its_scopes_say(
    ledger: Memoledger, url: str, scopes: tuple[Scope, ...], refused: str
) -> None:
    async with calling(url, await key_of(ledger, scopes=scopes)) as agent:
        shown = {tool.name for tool in (await agent.session.list_tools()).tools}
        assert refused not in shown
        told = await agent.refused(refused, content="x")
        assert told["code"] == "forbidden"


async def test_the_address_can_name_the_default_store(ledger: Memoledger, url: str) -> None:
    async with calling(f"{url}?store=work", await key_of(ledger)) as agent:
        await agent.call("remember", content=FERRY)
    alice = await ledger.principal(tenant="acme", user="alice")
    assert await (await alice.find_store("work")).count() == 1


@pytest.mark.parametrize("key", [None, "mlk_wrong", f"mlk_{'0' * 32}_{'a' * 43}", "Basic x"])
async def test_without_a_good_key_nothing_is_served(url: str, key: str | None) -> None:
    headers = {} if key is None else {"Authorization": f"Bearer {key}"}
    async with httpx.AsyncClient(headers=headers) as client:
        answer = await client.post(url, json=LIST)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert answer.json()["code"] == "unauthenticated"
    assert answer.json()["remedy"]


@pytest.mark.parametrize("method", ["GET", "DELETE", "PUT"])
async def test_there_is_no_stream_to_open_and_no_session_to_end(url: str, method: str) -> None:
    async with httpx.AsyncClient() as client:
        answer = await client.request(method, url)
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")


@pytest.mark.parametrize(
    ("body", "media", "status"),
    [
        (b"", "application/json", 400),
        (b"{", "application/json", 400),
        (b"[]", "application/json", 400),
        (b"\xff", "application/json", 400),
        (b"[" * 100_000, "application/json", 400),
        (b'{"jsonrpc":"2.0","id":1}', "application/json", 400),
        (json.dumps(LIST).encode(), "text/plain", 415),
    ],
    ids=["nothing", "cut", "batch", "no text", "deep", "no method", "media type"],
)
async def test_what_is_no_message_is_refused(
    ledger: Memoledger, url: str, body: bytes, media: str, status: int
) -> None:
    headers = {
        "Authorization": f"Bearer {await key_of(ledger)}",
        "Content-Type": media,
        "Accept": "application/json, text/event-stream",
    }
    async with httpx.AsyncClient(headers=headers) as client:
        answer = await client.post(url, content=body)
        assert answer.status_code == status, answer.text
        good = await client.post(url, json=LIST)
        assert good.status_code == 200 or media != "application/json"


async def test_a_message_that_is_too_large_is_refused_before_it_is_sent(
    ledger: Memoledger, url: str
) -> None:
    head = (
        "POST /mcp HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        f"Authorization: Bearer {await key_of(ledger)}\r\nContent-Length: 5000000\r\n\r\n"
    )
    port = httpx.URL(url).port
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(head.encode())
    assert b" 413 " in await reader.readline()
    writer.close()
    await writer.wait_closed()


async def test_an_answer_is_plain_json(ledger: Memoledger, url: str) -> None:
    headers = {"Authorization": f"Bearer {await key_of(ledger)}", "Accept": "application/json"}
    async with httpx.AsyncClient(headers=headers) as client:
        answer = await client.post(url, json=call("remember", content=FERRY))
    assert answer.headers["content-type"] == "application/json"
    assert "mcp-session-id" not in answer.headers
    assert answer.json()["result"]["structuredContent"]["outcome"] == "created"


async def test_in_development_no_key_is_asked_for_but_the_name_must_be_this_machines(
    ledger: Memoledger,
) -> None:
    async with serving(ledger, ALICE) as url:
        async with calling(url) as agent:
            await agent.call("remember", content=FERRY)
        async with httpx.AsyncClient() as client:
            answer = await client.post(url, json=LIST, headers={"Host": "evil.example"})
        assert answer.status_code == 421


async def test_what_a_client_that_went_away_asked_for_is_given_up(
    ledger: Memoledger, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, given_up = asyncio.Event(), asyncio.Event()

    async def forever(*_: object, **__: object) -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            given_up.set()
            raise

    headers = {"Authorization": f"Bearer {await key_of(ledger)}", "Accept": "application/json"}
    async with httpx.AsyncClient(headers=headers) as client:
        await client.post(url, json=call("remember", content=FERRY))
        monkeypatch.setattr("memoledger.surfaces.python.store.StoreHandle.recall", forever)
        asking = asyncio.create_task(client.post(url, json=call("recall", query="x")))
        await begun.wait()
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
    async with asyncio.timeout(10):
        await given_up.wait()


@pytest.mark.parametrize("good", [True, False], ids=["good key", "wrong key"])
async def test_a_program_on_standard_input_can_pass_calls_on_to_a_service(
    ledger: Memoledger, url: str, good: bool
) -> None:
    key = await key_of(ledger)
    program = StdioServerParameters(
        command=sys.executable,
        args=[
            *("-m", "memoledger", "mcp", "--url", url.removesuffix("/mcp")),
            *("--tenant", "acme", "--user", "alice"),
        ],
        env={**os.environ, "MEMOLEDGER_API_KEY": key if good else key[:-4] + "0000"},
    )
    async with (
        stdio_client(program) as (received, sent),
        ClientSession(received, sent) as session,
    ):
        await session.initialize()
        agent = Agent(session)
        if not good:
            assert (await agent.refused("recall", query="x"))["code"] == "unauthenticated"
            return
        memory = (await agent.call("remember", content=FERRY))["memory"]
        [hit] = (await agent.call("recall", query="When does the ferry leave?"))["hits"]
        assert hit["memory"]["id"] == memory["id"]
        assert (await agent.call("context", query="ferry"))["items"]
        changed = await agent.call("update", id=memory["id"], content="It leaves at eight.")
        assert changed["memory"]["version"] == 2
        assert (await agent.call("history", id=memory["id"]))["total"] == 2
        assert (await agent.call("forget", id=memory["id"]))["outcome"] == "forgotten"
        assert (await agent.refused("get", id=memory["id"]))["code"] == "not-found"
        assert (await session.list_resources()).resources
