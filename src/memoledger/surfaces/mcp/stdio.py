"""The transport by standard input and output: one JSON-RPC message a line, and nothing else.

It takes the two over. What the process and its libraries print afterwards goes to standard error,
and no program that it starts reads the client's messages. The SDK's own transport reads by a thread
that nothing can interrupt, takes lines of any length, and drops the answers that are still due when
the client has said its last word.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import CancelledError
from contextlib import asynccontextmanager
from queue import SimpleQueue
from typing import Final

import anyio
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from mcp import types
from mcp.shared.message import SessionMessage
from pydantic import ValidationError

LINE_BYTES_MAX: Final = 4_194_304
"""A longer message is refused, as over HTTP."""

LAST_ANSWERS_S: Final = 60.0
"""How long answers are waited for once the client has said its last word."""

_CHUNK_BYTES: Final = 65_536

Received = MemoryObjectReceiveStream[SessionMessage | Exception]
Sent = MemoryObjectSendStream[SessionMessage]


@asynccontextmanager
async def protocol_streams() -> AsyncIterator[tuple[Received, Sent]]:
    """The streams that a server runs on, over this process's standard input and output."""
    with _taken_over() as (inward, outward):
        line_in, lines = anyio.create_memory_object_stream[bytes | None](1)
        received_in, received = anyio.create_memory_object_stream[SessionMessage | Exception](0)
        sent, sent_out = anyio.create_memory_object_stream[SessionMessage](0)
        transport = _Transport(_Writer(outward))
        _read_in_background(inward, line_in)
        async with anyio.create_task_group() as group:
            group.start_soon(transport.receive, lines, received_in)
            group.start_soon(transport.send, sent_out)
            try:
                yield received, sent
            finally:
                group.cancel_scope.cancel()


class _Transport:
    """Turns lines into messages and messages into lines, and knows which answers are due."""

    def __init__(self, writer: _Writer) -> None:
        self._writer = writer
        self._due: set[types.RequestId] = set()
        self._nothing_due = asyncio.Event()

    async def receive(
        self,
        lines: MemoryObjectReceiveStream[bytes | None],
        received: MemoryObjectSendStream[SessionMessage | Exception],
    ) -> None:
        """Pass messages on until the input ends and what was asked is answered."""
        async with lines, received:
            async for line in lines:
                message = await self._understood(line)
                if message is None:
                    continue
                if isinstance(message.root, types.JSONRPCRequest):
                    self._due.add(message.root.id)
                await received.send(SessionMessage(message))
            await self._answer_the_rest()

    async def send(self, sent: MemoryObjectReceiveStream[SessionMessage]) -> None:
        """Write messages until there are none, or nobody reads them."""
        async with sent:
            async for message in sent:
                answer = message.message.root
                text = message.message.model_dump_json(by_alias=True, exclude_none=True)
                if not await self._writer.write(text.encode() + b"\n"):
                    self._due.clear()
                    self._nothing_due.set()
                    return
                if isinstance(answer, types.JSONRPCResponse | types.JSONRPCError):
                    self._due.discard(answer.id)
                if not self._due:
                    self._nothing_due.set()

    async def _answer_the_rest(self) -> None:
        self._nothing_due.clear()
        if self._due:
            with anyio.move_on_after(LAST_ANSWERS_S):
                await self._nothing_due.wait()

    async def _understood(self, line: bytes | None) -> types.JSONRPCMessage | None:
        """The message in a line; None if there is none, of which the client is told."""
        if line is None:
            await self._refuse(types.INVALID_REQUEST, f"A line has over {LINE_BYTES_MAX:,} bytes.")
            return None
        if not line.strip():
            return None
        try:
            return types.JSONRPCMessage.model_validate_json(line)
        except ValidationError:
            await self._refuse_line(line)
            return None

    async def _refuse_line(self, line: bytes) -> None:
        try:
            found = json.loads(line)
        except (ValueError, RecursionError):
            await self._refuse(types.PARSE_ERROR, "A line is no JSON.")
            return
        asked = found.get("id") if isinstance(found, dict) else None
        known = asked if isinstance(asked, str | int) and not isinstance(asked, bool) else None
        await self._refuse(types.INVALID_REQUEST, "A line is no JSON-RPC message.", known)

    async def _refuse(self, code: int, message: str, request: str | int | None = None) -> None:
        """Answer what is no message; with no id where none can be known (JSON-RPC 2.0, 5.1)."""
        answer = {"jsonrpc": "2.0", "id": request, "error": {"code": code, "message": message}}
        await self._writer.write(json.dumps(answer).encode() + b"\n")


class _Writer:
    """Writes by a thread of its own: a client that stopped reading must not stop the loop."""

    def __init__(self, outward: int) -> None:
        self._outward = outward
        self._loop = asyncio.get_running_loop()
        self._waiting: SimpleQueue[tuple[bytes, asyncio.Future[bool]]] = SimpleQueue()
        threading.Thread(target=self._run, name="mcp-output", daemon=True).start()

    async def write(self, data: bytes) -> bool:
        """Write all of it; False if nobody reads any more."""
        done: asyncio.Future[bool] = self._loop.create_future()
        self._waiting.put((data, done))
        return await done

    def _run(self) -> None:
        while True:
            data, done = self._waiting.get()
            if not _told(self._loop, _settle, done, _written(self._outward, data)):
                return


def _written(outward: int, data: bytes) -> bool:
    left = memoryview(data)
    try:
        while left:
            left = left[os.write(outward, left) :]
    except OSError:
        return False
    return True


def _settle(done: asyncio.Future[bool], written: bool) -> None:
    if not done.done():
        done.set_result(written)


def _told(loop: asyncio.AbstractEventLoop, call: Callable[..., object], *values: object) -> bool:
    """Have the loop call something; False if it has ended."""
    try:
        loop.call_soon_threadsafe(call, *values)
    except RuntimeError:
        return False
    return True


def _read_in_background(inward: int, lines: MemoryObjectSendStream[bytes | None]) -> None:
    """Read by a thread: files, pipes and terminals can all be waited for only that way."""
    loop = asyncio.get_running_loop()

    def deliver(line: bytes | None) -> None:
        # Waits until there is room, so that a client cannot fill the memory with messages.
        asyncio.run_coroutine_threadsafe(lines.send(line), loop).result()

    def run() -> None:
        # The loop may end at any time; then there is nobody to tell.
        with contextlib.suppress(Exception, CancelledError):
            _split(inward, deliver)
        _told(loop, lines.close)

    threading.Thread(target=run, name="mcp-input", daemon=True).start()


def _split(inward: int, deliver: Callable[[bytes | None], None]) -> None:
    """Deliver each line; None for one that is too long, of which no more is kept."""
    kept, too_long = bytearray(), False
    while chunk := os.read(inward, _CHUNK_BYTES):
        *ended, rest = chunk.split(b"\n")
        for piece in ended:
            line = bytes(kept + piece)
            deliver(None if too_long or len(line) > LINE_BYTES_MAX else line)
            kept, too_long = bytearray(), False
        kept += rest
        if len(kept) > LINE_BYTES_MAX:
            kept, too_long = bytearray(), True
    if kept and not too_long:
        deliver(bytes(kept))


@contextlib.contextmanager
def _taken_over() -> Iterator[tuple[int, int]]:
    """Copies of standard input and output, which meanwhile are nothing and standard error."""
    sys.stdout.flush()
    inward, outward = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    try:
        os.dup2(nothing, 0)
        os.dup2(2, 1)
        yield inward, outward
    finally:
        sys.stdout.flush()
        # The copies stay open: the threads may still be at them, and the process is about to end.
        os.dup2(inward, 0)
        os.dup2(outward, 1)
        os.close(nothing)
