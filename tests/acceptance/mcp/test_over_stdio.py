"""`memoledger mcp` as a host starts it: a process of its own, the SDK's client, real pipes."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from mcp import ClientSession, StdioServerParameters, types
from mcp.client.stdio import stdio_client

from memoledger.ledger.embedded import EmbeddedServer
from memoledger.surfaces.mcp.failures import META_KEY
from memoledger.surfaces.mcp.stdio import LINE_BYTES_MAX

FERRY = "The ferry to Rottnest leaves at seven."
GREETING = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {
        "protocolVersion": types.LATEST_PROTOCOL_VERSION,
        "capabilities": {},
        "clientInfo": {"name": "test", "version": "1"},
    },
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The data folder of a ledger whose server runs throughout."""
    path = tmp_path_factory.mktemp("mcp") / "ledger"
    server = EmbeddedServer.start(path, settings={"fsync": "off"})
    yield path
    server.stop()


def arguments(folder: Path, *more: str) -> list[str]:
    return ["-m", "memoledger", "mcp", "--data-dir", str(folder), "--user", "alice", *more]


@asynccontextmanager
async def hosted(folder: Path, *more: str) -> AsyncIterator[ClientSession]:
    """A session with a server that the client starts."""
    program = StdioServerParameters(
        command=sys.executable, args=arguments(folder, *more), env=dict(os.environ)
    )
    async with (
        stdio_client(program) as (received, sent),
        ClientSession(received, sent) as session,
    ):
        greeted = await session.initialize()
        assert greeted.serverInfo.name == "memoledger"
        assert "recall" in (greeted.instructions or "")
        yield session


async def call(session: ClientSession, name: str, **given: Any) -> Any:
    result = await session.call_tool(name, given)
    assert not result.isError, result.content
    return result.structuredContent


async def test_a_memory_lives_from_remember_to_forget(folder: Path) -> None:
    heard: list[str | None] = []

    async def hear(progress: float, total: float | None, message: str | None) -> None:
        heard.append(message)

    async with hosted(folder) as session:
        result = await session.call_tool("remember", {"content": FERRY}, progress_callback=hear)
        assert result.structuredContent is not None
        memory = result.structuredContent["memory"]
        assert memory["created_by"] == "alice"
        assert heard in ([], ["Opening the ledger."])
        [hit] = (await call(session, "recall", query="When does the ferry leave?"))["hits"]
        assert hit["memory"]["id"] == memory["id"]
        changed = await call(session, "update", id=memory["id"], content="It leaves at eight.")
        assert changed["memory"]["version"] == 2
        assert (await call(session, "history", id=memory["id"]))["total"] == 2
        assert (await call(session, "forget", id=memory["id"]))["outcome"] == "forgotten"
        assert len((await session.list_resources()).resources) == 1
        assert len((await session.list_prompts()).prompts) == 3


async def test_an_agent_that_may_only_read_is_offered_no_more(folder: Path) -> None:
    async with hosted(folder, "--read-only", "--store", "elsewhere") as session:
        shown = {tool.name for tool in (await session.list_tools()).tools}
        assert shown == {"recall", "context", "get", "history", "list_stores"}
        refused = await session.call_tool("remember", {"content": "x"})
        assert refused.isError
        assert refused.meta is not None
        assert refused.meta[META_KEY]["code"] == "forbidden"


async def test_a_ledger_that_cannot_be_opened_is_told_by_the_first_tool() -> None:
    nowhere = "postgresql://nobody@127.0.0.1:1/nothing"
    program = StdioServerParameters(
        command=sys.executable,
        args=["-m", "memoledger", "mcp", "--database-url", nowhere],
        env={**os.environ, "MEMOLEDGER_CONNECT_ATTEMPTS": "1"},
    )
    async with (
        stdio_client(program) as (received, sent),
        ClientSession(received, sent) as session,
    ):
        await session.initialize()
        refused = await session.call_tool("recall", {"query": "x"})
        assert refused.isError
        assert refused.meta is not None
        assert refused.meta[META_KEY]["code"] == "ledger-unavailable"


@asynccontextmanager
async def started(folder: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    """The process alone, spoken to line by line."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *arguments(folder),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        limit=16_777_216,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def say(process: asyncio.subprocess.Process, *lines: bytes) -> None:
    assert process.stdin is not None
    for line in lines:
        process.stdin.write(line + b"\n")
    await process.stdin.drain()


async def hear(process: asyncio.subprocess.Process) -> Any:
    assert process.stdout is not None
    return json.loads(await process.stdout.readline())


def message(number: int, method: str, **params: Any) -> bytes:
    sent = {"jsonrpc": "2.0", "id": number, "method": method, "params": params}
    return json.dumps(sent).encode()


async def test_lines_that_are_no_messages_are_told_and_passed_over(folder: Path) -> None:
    async with started(folder) as process:
        await say(process, json.dumps(GREETING).encode())
        assert (await hear(process))["id"] == 1
        for line, code, known in (
            (b"nonsense", types.PARSE_ERROR, None),
            (b"\xff\xfe", types.PARSE_ERROR, None),
            (b"[" * 100_000, types.PARSE_ERROR, None),
            (b'{"id": 7}', types.INVALID_REQUEST, 7),
            (b'[{"id": 7}]', types.INVALID_REQUEST, None),
            (b"x" * (LINE_BYTES_MAX + 1), types.INVALID_REQUEST, None),
        ):
            await say(process, b"", line)
            told = await hear(process)
            assert (told["error"]["code"], told["id"]) == (code, known), line[:20]
        await say(process, message(2, "ping"))
        assert await hear(process) == {"jsonrpc": "2.0", "id": 2, "result": {}}


async def test_what_was_asked_is_answered_before_the_end(folder: Path) -> None:
    async with started(folder) as process:
        asked = [
            message(
                number, "tools/call", name="remember", arguments={"content": f"Number {number}"}
            )
            for number in range(2, 12)
        ]
        ready = b'{"jsonrpc":"2.0","method":"notifications/initialized"}'
        lines = [json.dumps(GREETING).encode(), ready, *asked]
        out, err = await process.communicate(b"\n".join(lines))
        answers = [json.loads(line) for line in out.splitlines()]
        assert sorted(answer["id"] for answer in answers) == list(range(1, 12))
        assert not any(answer["result"].get("isError") for answer in answers)
        assert process.returncode == 0
        assert b"Number" not in err


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_it_in_order(folder: Path, number: signal.Signals) -> None:
    async with started(folder) as process:
        await say(process, json.dumps(GREETING).encode())
        await hear(process)
        await say(process, b'{"jsonrpc":"2.0","method":"notifications/initialized"}')
        await say(process, message(2, "tools/call", name="recall", arguments={"query": "x"}))
        await hear(process)
        process.send_signal(number)
        assert await process.wait() == (0 if number == signal.SIGTERM else 130)
