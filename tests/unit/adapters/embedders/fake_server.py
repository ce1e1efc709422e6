"""A small HTTP server on loopback that speaks four embedding APIs, well or badly as it is told.

POST /v1/embeddings (OpenAI, Ollama's twin of it, VoyageAI), /v2/embed (Cohere) and
/model/{name}/invoke (Bedrock). Replies are scripted one by one with `will_…`; when the script is
empty, requests are answered properly.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import math
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

import numpy as np


@dataclass(frozen=True)
class Request:
    path: str
    headers: dict[str, str]
    body: dict[str, Any]

    @property
    def texts(self) -> list[str]:
        """The texts of any of the four APIs."""
        texts = self.body.get("input") or self.body.get("texts") or self.body.get("inputText")
        return [texts] if isinstance(texts, str) else list(texts or [])

    @property
    def input_type(self) -> str | None:
        return self.body.get("input_type")


@dataclass(frozen=True)
class Reply:
    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    drop: bool = False
    """Send half of the body, then cut the connection."""
    hang: bool = False
    """Never answer."""


Script = Callable[[Request], Reply]


class FakeProvider:
    """The server; `async with` starts and stops it."""

    def __init__(self, dimensions: int = 8) -> None:
        self.dimensions = dimensions
        self.honours_dimensions = True
        self.honours_base64 = True
        self.requests: list[Request] = []
        self.under_way = 0
        self.under_way_max = 0
        self._script: deque[Script] = deque()
        self._over = asyncio.Event()
        self._came = asyncio.Condition()
        self._connections: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> FakeProvider:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._over.set()
        self._server.close()
        for task in self._connections:
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)
        await self._server.wait_closed()

    @property
    def root(self) -> str:
        host, port = self._server.sockets[0].getsockname()[:2]
        return f"http://{host}:{port}"

    @property
    def url(self) -> str:
        """Base URL of the OpenAI API."""
        return self.root + "/v1"

    # What the next request gets, in the order told.

    def will_answer(self, **changes: Any) -> None:
        """A proper answer, but with other `vectors`, in another `order` or with another `index`."""
        self._script.append(lambda request: self._answer(request, **changes))

    def will_reply(
        self, status: int, body: str | dict[str, Any] = "", headers: dict[str, str] | None = None
    ) -> None:
        """Any status and body."""
        kind = "application/json" if isinstance(body, dict) else "text/html"
        data = (json.dumps(body) if isinstance(body, dict) else body).encode()
        reply = Reply(status, data, {"content-type": kind, **(headers or {})})
        self._script.append(lambda _: reply)

    def will_hang(self) -> None:
        self._script.append(lambda _: Reply(hang=True))

    def will_drop(self) -> None:
        """Cut the connection in the middle of the answer."""
        self._script.append(lambda _: Reply(body=b"x" * 64, drop=True))

    async def asked(self, count: int) -> None:
        """Wait until so many requests have come."""
        async with self._came:
            await self._came.wait_for(lambda: len(self.requests) >= count)

    def vector(self, text: str, input_type: str | None = None, dimensions: int = 0) -> list[float]:
        """The vector this model gives a text: from its hash, of any length but 1."""
        numbers: list[float] = []
        for block in range(math.ceil((dimensions or self.dimensions) / 8)):
            digest = hashlib.sha256(f"{block} {input_type} {text}".encode()).digest()
            numbers += [
                int.from_bytes(digest[i : i + 4], "big") / 2**31 - 1 for i in range(0, 32, 4)
            ]
        return numbers[: dimensions or self.dimensions]

    # Answers.

    def _answer(
        self,
        request: Request,
        *,
        vectors: Sequence[Sequence[float | None]] | None = None,
        order: Callable[[list[Any]], list[Any]] | None = None,
        index: Callable[[int], int | None] | None = None,
    ) -> Reply:
        asked = request.body.get("dimensions") or request.body.get("output_dimension")
        length = asked if asked and self.honours_dimensions else self.dimensions
        kind = request.input_type
        if vectors is None:
            vectors = [self.vector(text, kind, length) for text in request.texts]
        if request.path == "/v2/embed":
            body: dict[str, Any] = {"id": "1", "embeddings": {"float": vectors}, "texts": []}
        elif request.path.startswith("/model/"):
            body = (
                {"embedding": vectors[0]}
                if "inputText" in request.body
                else {"embeddings": vectors}
            )
        else:
            as_text = request.body.get("encoding_format") == "base64" and self.honours_base64
            data = [
                {
                    "object": "embedding",
                    "index": index(i) if index else i,
                    "embedding": _base64(vector) if as_text else vector,
                }
                for i, vector in enumerate(vectors)
            ]
            body = {"object": "list", "data": order(data) if order else data, "model": "m"}
            body["usage"] = {"prompt_tokens": 1, "total_tokens": 1}
        return Reply(200, json.dumps(body).encode(), {"content-type": "application/json"})

    # HTTP/1.1, as much of it as clients here use.

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        try:
            while (request := await _read(reader)) is not None:
                if not await self._serve(request, writer):
                    break
        except (ConnectionError, asyncio.CancelledError):
            return
        finally:
            self._connections.discard(task)
            writer.close()

    async def _serve(self, request: Request, writer: asyncio.StreamWriter) -> bool:
        async with self._came:
            self.requests.append(request)
            self._came.notify_all()
        self.under_way += 1
        self.under_way_max = max(self.under_way, self.under_way_max)
        try:
            await asyncio.sleep(0.001)  # so that requests sent at once are under way at once
            reply = (self._script.popleft() if self._script else self._answer)(request)
            if reply.hang:
                await self._over.wait()
                return False
            await _write(writer, reply)
            return not reply.drop
        finally:
            self.under_way -= 1


def _base64(vector: Sequence[float | None]) -> str:
    return base64.b64encode(np.array(vector, dtype="<f4").tobytes()).decode()


async def _read(reader: asyncio.StreamReader) -> Request | None:
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    except asyncio.IncompleteReadError:
        return None
    headers = {
        name.strip().lower(): value.strip()
        for name, _, value in (line.partition(":") for line in head[1:] if line)
    }
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Request(unquote(head[0].split(" ")[1]), headers, json.loads(body or b"{}"))


async def _write(writer: asyncio.StreamWriter, reply: Reply) -> None:
    sent = reply.body[: len(reply.body) // 2] if reply.drop else reply.body
    headers = {**reply.headers, "content-length": str(len(reply.body))}
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    writer.write(f"HTTP/1.1 {reply.status} Scripted\r\n{lines}\r\n".encode() + sent)
    await writer.drain()
