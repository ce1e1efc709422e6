"""The tools: every verb by the SDK's client, and what is said when something is wrong."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from mcp import McpError, types
from tests.integration.mcp.conftest import ALICE, BOTH, Agent, connected

from memoledger.model.errors import LedgerUnavailable
from memoledger.model.principal import Principal
from memoledger.surfaces.mcp.answers import EXCERPT_CHARS, VERSIONS_MAX
from memoledger.surfaces.mcp.tools import TOOLS

if TYPE_CHECKING:
    from memoledger.surfaces.python.memoledger import Memoledger

FERRY = "The ferry to Rottnest leaves at seven."


async def test_a_memory_lives_from_remember_to_forget(ledger: Memoledger) -> None:
    async with connected(ledger) as agent:
        made = await agent.call("remember", content=FERRY, tags=["travel"], importance=0.8)
        assert made["outcome"] == "created"
        memory = made["memory"]
        assert (memory["version"], memory["tags"]) == (1, ["travel"])
        assert (await agent.call("remember", content=FERRY))["outcome"] == "unchanged"
        [hit] = (await agent.call("recall", query="When does the ferry leave?"))["hits"]
        assert hit["memory"]["id"] == memory["id"]
        changed = await agent.call(
            "update", id=memory["id"], content=FERRY.replace("seven", "eight"), if_version=1
        )
        assert (changed["outcome"], changed["memory"]["version"]) == ("updated", 2)
        got = await agent.call("get", id=memory["id"])
        assert got["memory"]["content"].endswith("eight.")
        history = await agent.call("history", id=memory["id"])
        assert [one["version"] for one in history["versions"]] == [1, 2]
        gone = await agent.call("forget", id=memory["id"])
        assert gone == {"id": memory["id"], "outcome": "forgotten"}
        assert (await agent.call("recall", query="ferry"))["hits"] == []
        assert (await agent.refused("get", id=memory["id"]))["code"] == "not-found"
        erased = await agent.call("forget", id=memory["id"], hard=True)
        assert erased["outcome"] == "erased"
        history = await agent.call("history", id=memory["id"])
        assert {one["content"] for one in history["versions"]} == {""}


async def test_a_document_is_learned_and_its_passages_are_found(ledger: Memoledger) -> None:
    async with connected(ledger) as agent:
        text = f"# Ferries\n\n{FERRY}\n"
        made = await agent.call("learn", content=text, source_id="ferries.md", tags=["travel"])
        assert (made["outcome"], made["version"], made["chunks"]) == ("created", 1, 1)
        again = await agent.call("learn", content=text, source_id="ferries.md", tags=["travel"])
        assert (again["outcome"], again["id"], again["chunks_new"]) == ("unchanged", made["id"], 0)
        changed = await agent.call("learn", content=text + "\nOr not.", source_id="ferries.md")
        assert (changed["outcome"], changed["version"]) == ("updated", 2)
        found = await agent.call("context", query="When does the ferry leave?")
        assert FERRY in found["context"]


async def test_a_context_is_a_text_whose_numbers_lead_to_memories(ledger: Memoledger) -> None:
    async with connected(ledger) as agent:
        made = await agent.call("remember", content=FERRY)
        found = await agent.call("context", query="ferry", max_tokens=200)
        assert FERRY in found["context"]
        assert found["items"][0]["memory_id"] == made["memory"]["id"]
        assert found["tokens"] <= found["max_tokens"] == 200
        result = await agent.session.call_tool("context", {"query": "ferry"})
        [block] = result.content
        assert isinstance(block, types.TextContent)
        assert made["memory"]["id"] in block.text


async def test_stores_are_listed_and_shared_ones_are_named_with_their_owner(
    ledger: Memoledger,
) -> None:
    bob = await ledger.principal(tenant="acme", user="bob")
    theirs = await bob.store("plans")
    await theirs.remember(FERRY)
    async with connected(ledger) as agent:
        assert (await agent.refused("recall", query="ferry", store="plans"))["code"] == "not-found"
        await theirs.share("alice")
        stores = (await agent.call("list_stores"))["stores"]
        assert {(one["name"], one["yours"]) for one in stores} == {
            ("default", True),
            ("plans", False),
        }
        found = await agent.call("recall", query="ferry", store="plans", owner="bob")
        assert len(found["hits"]) == 1
        refused = await agent.refused("remember", content="x", store="plans", owner="bob")
        assert refused["code"] == "forbidden"
        first = await agent.call("list_stores", limit=1)
        rest = await agent.call("list_stores", limit=1, cursor=first["next_cursor"])
        assert len(first["stores"]) == len(rest["stores"]) == 1
        assert "next_cursor" not in rest


async def test_the_default_store_can_be_another(ledger: Memoledger) -> None:
    async with connected(ledger, store="work") as agent:
        await agent.call("remember", content=FERRY)
    alice = await ledger.principal(tenant="acme", user="alice")
    assert await (await alice.find_store("work")).count() == 1


async def test_names_are_taken_in_both_cases_and_nulls_as_nothing(ledger: Memoledger) -> None:
    async with connected(ledger) as agent:
        made = await agent.call(
            "remember",
            content=FERRY,
            externalId="f1",
            occurred_at="2026-05-08T07:00:00Z",
            tags=None,
        )
        memory = made["memory"]
        assert memory["external_id"] == "f1"
        # Some models send every argument that there is.
        same = await agent.call("update", id=memory["id"], content=None, tags=None, type="fact")
        assert same["outcome"] == "unchanged"
        emptied = await agent.call("update", id=memory["id"], empty=["occurred_at"])
        assert "occurred_at" not in emptied["memory"]


async def test_long_texts_are_cut_in_lists_and_whole_in_get(ledger: Memoledger) -> None:
    long = "ferry " * 3_000
    async with connected(ledger) as agent:
        made = (await agent.call("remember", content=long))["memory"]
        assert (made["truncated"], len(made["content"])) == (True, EXCERPT_CHARS)
        [hit] = (await agent.call("recall", query="ferry"))["hits"]
        assert hit["memory"]["truncated"]
        whole = (await agent.call("get", id=made["id"]))["memory"]
        assert len(whole["content"]) >= len(long.strip())
        assert "truncated" not in whole


async def test_a_long_history_shows_its_newest_versions(ledger: Memoledger) -> None:
    alice = await ledger.principal(tenant="acme", user="alice")
    memory = await (await alice.store("default")).remember("0")
    async with connected(ledger) as agent:
        for number in range(1, VERSIONS_MAX + 3):
            await agent.call("update", id=str(memory.id), content=str(number))
        history = await agent.call("history", id=str(memory.id))
        assert history["total"] == VERSIONS_MAX + 3
        assert [one["version"] for one in history["versions"]] == list(range(4, VERSIONS_MAX + 4))


@pytest.mark.parametrize(
    ("name", "arguments", "code", "says"),
    [
        ("remember", {}, "invalid-input", "content: it is missing"),
        ("remember", {"content": ""}, "invalid-input", "content"),
        ("remember", {"content": "x", "importance": 2}, "invalid-input", "importance"),
        ("remember", {"content": "x", "colour": "red"}, "invalid-input", "no such argument"),
        ("remember", {"content": "x", "occurred_at": "2026-05-08"}, "invalid-input", "time zone"),
        ("recall", {"query": "x", "limit": 0}, "invalid-input", "limit"),
        ("recall", {"query": "x", "mode": "psychic"}, "invalid-input", "mode"),
        ("recall", {"query": ["x"]}, "invalid-input", "query"),
        ("recall", {"query": "x", "store": "nowhere"}, "not-found", "nowhere"),
        ("get", {"id": "7"}, "invalid-input", "id"),
        ("get", {"id": str(uuid4())}, "not-found", "no memory"),
        ("update", {"id": str(uuid4()), "content": "x"}, "not-found", "no memory"),
        ("forget", {"id": str(uuid4())}, "not-found", "no memory"),
        ("history", {"id": str(uuid4())}, "not-found", "no memory"),
        ("list_stores", {"cursor": "next"}, "invalid-input", "cursor"),
    ],
)
async def test_what_is_wrong_is_said_with_the_remedy(
    ledger: Memoledger, name: str, arguments: dict[str, Any], code: str, says: str
) -> None:
    async with connected(ledger) as agent:
        told = await agent.refused(name, **arguments)
        assert told["code"] == code
        assert says in told["message"]
        assert told["remedy"]


async def test_a_stale_version_is_a_conflict(ledger: Memoledger) -> None:
    async with connected(ledger) as agent:
        memory = (await agent.call("remember", content=FERRY))["memory"]
        await agent.call("update", id=memory["id"], content="Something else.")
        told = await agent.refused("update", id=memory["id"], content="x", if_version=1)
        assert told["code"] == "conflict"


async def test_an_unknown_tool_is_an_error_of_the_protocol(ledger: Memoledger) -> None:
    async with connected(ledger) as agent:
        with pytest.raises(McpError, match="no such tool") as caught:
            await agent.session.call_tool("drop_tables", {})
        assert caught.value.error.code == types.INVALID_PARAMS


async def test_who_may_only_read_is_shown_no_other_tools_and_refused_them(
    ledger: Memoledger,
) -> None:
    async with connected(ledger) as agent:
        memory = (await agent.call("remember", content=FERRY))["memory"]
    async with connected(ledger, scopes=frozenset({"read"})) as agent:
        shown = {tool.name for tool in (await agent.session.list_tools()).tools}
        assert shown == {name for name, tool in TOOLS.items() if tool.scope == "read"}
        assert len((await agent.call("recall", query="ferry"))["hits"]) == 1
        for name, arguments in (
            ("remember", {"content": "x"}),
            ("update", {"id": memory["id"]}),
            ("forget", {"id": memory["id"]}),
        ):
            assert (await agent.refused(name, **arguments))["code"] == "forbidden"
    async with connected(ledger, scopes=frozenset()) as agent:
        assert (await agent.session.list_tools()).tools == []
        assert (await agent.refused("recall", query="ferry"))["code"] == "forbidden"


async def test_tenants_and_users_are_apart(ledger: Memoledger) -> None:
    async with connected(ledger) as agent:
        memory = (await agent.call("remember", content=FERRY))["memory"]
    for other in (Principal("globex", "alice"), Principal("acme", "bob")):
        async with connected(ledger, other) as agent:
            assert (await agent.call("recall", query="ferry"))["hits"] == []
            assert (await agent.refused("get", id=memory["id"]))["code"] == "not-found"


async def test_a_mistake_of_ours_tells_nothing_of_what_was_said(
    ledger: Memoledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError(FERRY)

    async with connected(ledger) as agent:
        await agent.call("list_stores")
        monkeypatch.setattr("memoledger.surfaces.python.store.StoreHandle.recall", fail)
        told = await agent.refused("recall", query="x")
        assert told["code"] == "unexpected"
        assert "ferry" not in str(told)


async def test_an_agent_waits_for_the_ledger_and_hears_of_it(ledger: Memoledger) -> None:
    may_open = asyncio.Event()
    heard: list[str | None] = []

    async def opened() -> Memoledger:
        await may_open.wait()
        return ledger

    async def hear(progress: float, total: float | None, message: str | None) -> None:
        heard.append(message)
        may_open.set()

    async with connecting(opened) as agent:
        assert len((await agent.session.list_tools()).tools) == len(TOOLS)
        result = await agent.session.call_tool(
            "remember", {"content": FERRY}, progress_callback=hear
        )
        assert not result.isError
        assert heard == ["Opening the ledger."]


async def test_a_ledger_that_cannot_be_opened_is_tried_again(ledger: Memoledger) -> None:
    answers: list[Memoledger | LedgerUnavailable] = [
        LedgerUnavailable("The server is away.", remedy="Start it."),
        ledger,
    ]

    async def opened() -> Memoledger:
        answer = answers.pop(0)
        if isinstance(answer, LedgerUnavailable):
            raise answer
        return answer

    async with connecting(opened) as agent:
        told = await agent.refused("recall", query="x")
        assert (told["code"], told["remedy"]) == ("ledger-unavailable", "Start it.")
        assert (await agent.call("recall", query="x"))["hits"] == []


async def test_a_call_can_be_cancelled_and_takes_nobody_with_it(ledger: Memoledger) -> None:
    may_open, asked = asyncio.Event(), asyncio.Event()

    async def opened() -> Memoledger:
        asked.set()
        await may_open.wait()
        return ledger

    async with connecting(opened) as agent:
        calls = [
            asyncio.create_task(agent.session.call_tool("recall", {"query": "x"})) for _ in range(2)
        ]
        await asked.wait()
        cancelled = types.CancelledNotification(
            params=types.CancelledNotificationParams(requestId=1, reason="changed my mind")
        )
        await agent.session.send_notification(types.ClientNotification(cancelled))
        with pytest.raises(McpError, match="cancelled"):
            await calls[0]
        may_open.set()
        assert not (await calls[1]).isError


def connecting(opens: Any) -> Any:
    """An agent on a ledger that is opened by `opens`."""
    from contextlib import asynccontextmanager

    from mcp.shared.memory import create_connected_server_and_client_session

    from memoledger.surfaces.mcp.opening import OwnDoor
    from memoledger.surfaces.mcp.server import build_server

    @asynccontextmanager
    async def session() -> Any:
        server = build_server(OwnDoor(opens, ALICE, scopes=BOTH))
        async with create_connected_server_and_client_session(server) as client:
            yield Agent(client)

    return session()
