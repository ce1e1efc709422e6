"""Whatever is sent, the answer is a result or an error of ours; the server goes on."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import httpx
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mcp import types
from tests.integration.mcp.conftest import Agent, connected, key_of

from memoledger.model.errors import MemoledgerError
from memoledger.surfaces.mcp.failures import META_KEY
from memoledger.surfaces.mcp.tools import TOOLS

if TYPE_CHECKING:
    from memoledger.surfaces.python.memoledger import Memoledger

EXAMPLES = 30
"""Of each test; every one is a list of calls."""

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
    | st.sampled_from(["2026-05-08T07:00:00Z", "019b0b7c-5f0e-7b11-8c7d-0a4d5f1e2b33", "\x00", ""]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=6,
)


@st.composite
def calls(draw: st.DrawFn) -> tuple[str, dict[str, Any]]:
    """A tool, and arguments of which most have names that it knows."""
    name = draw(st.sampled_from(sorted(TOOLS)))
    known = sorted(TOOLS[name].definition.inputSchema["properties"])
    names = st.sampled_from(known) if draw(st.booleans()) else st.text(max_size=8)
    arguments = draw(st.dictionaries(names, JSON, max_size=5))
    for required in TOOLS[name].definition.inputSchema.get("required", []):
        if draw(st.booleans()):
            arguments[required] = draw(st.text(max_size=20) | JSON)
    return name, arguments


FUZZ = settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def codes() -> set[str]:
    """Every code of an error of ours."""
    found, waiting = set(), [MemoledgerError]
    while waiting:
        kind = waiting.pop()
        found.add(kind.code)
        waiting += kind.__subclasses__()
    return found


async def is_fine(agent: Agent, name: str, arguments: dict[str, Any]) -> None:
    result = await agent.session.call_tool(name, arguments)
    assert isinstance(result.content[0], types.TextContent)
    if result.isError:
        assert result.meta is not None
        assert result.meta[META_KEY]["code"] in codes(), (name, arguments, result)


@FUZZ
@given(asked=st.lists(calls(), min_size=1, max_size=10))
async def test_any_arguments_are_answered(
    ledger: Memoledger, asked: list[tuple[str, dict[str, Any]]]
) -> None:
    async with connected(ledger) as agent:
        for name, arguments in asked:
            await is_fine(agent, name, arguments)
        await agent.call("list_stores")


METHODS = [
    *("tools/list", "tools/call", "resources/list", "resources/read", "prompts/get"),
    *("initialize", "ping", "logging/setLevel", "completion/complete", "tasks/get"),
    *("notifications/cancelled", "notifications/initialized", "no/such"),
]
MESSAGES = st.fixed_dictionaries(
    {"jsonrpc": st.just("2.0"), "method": st.sampled_from(METHODS)},
    optional={
        "id": st.integers() | st.text(max_size=5) | JSON,
        "params": st.fixed_dictionaries(
            {},
            optional={
                "name": st.sampled_from(sorted(TOOLS)) | JSON,
                "arguments": JSON,
                "uri": st.just("memoledger://stores/x") | st.text(max_size=20) | JSON,
                "cursor": JSON,
                "_meta": JSON,
            },
        )
        | JSON,
    },
)


@FUZZ
@given(sent=st.lists(MESSAGES | JSON, min_size=1, max_size=10))
async def test_any_message_over_http_is_answered_without_a_failure(
    ledger: Memoledger, url: str, sent: list[Any]
) -> None:
    headers = {"Authorization": f"Bearer {await key_of(ledger)}", "Accept": "application/json"}
    async with httpx.AsyncClient(headers=headers, timeout=30) as client:
        for message in sent:
            answer = await client.post(
                url, content=json.dumps(message), headers={"Content-Type": "application/json"}
            )
            assert answer.status_code in {200, 202, 400}, (message, answer.text)
            assert "unexpected" not in answer.text, (message, answer.text)
            assert '"code":-32603' not in answer.text, (message, answer.text)
