"""A lean HTTP client: one connection kept alive, one JSON request at a time.

A general client spends more processor time on a request than the service does, and on two cores the
figures would be the client's. This one writes the bytes and reads as many as Content-Length says.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any
from urllib.parse import urlsplit


class HttpError(Exception):
    """The service answered with a problem, or not at all; its text is the problem's code."""


class Connection:
    """A client of a service, with its key.

    Args:
        url: of the service, `http://host:port`.
        key: what it authenticates with.
        timeout_s: seconds it waits for an answer.
    """

    def __init__(self, url: str, key: str, *, timeout_s: float = 60.0) -> None:
        parts = urlsplit(url)
        assert parts.hostname is not None
        assert parts.port is not None
        self._place = parts.hostname, parts.port
        self._head = f"Host: {parts.netloc}\r\nAuthorization: Bearer {key}\r\n"
        self._timeout_s = timeout_s
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def post(self, path: str, body: dict[str, Any]) -> bytes:
        """The answer's body.

        Raises:
            HttpError: the status is no 2xx, or there is no answer; the next request connects anew.
        """
        try:
            async with asyncio.timeout(self._timeout_s):
                return await self._post(path, json.dumps(body).encode())
        except (OSError, EOFError, ValueError, TimeoutError) as error:
            self.close()
            raise HttpError(type(error).__name__) from None

    async def _post(self, path: str, body: bytes) -> bytes:
        if self._reader is not None and self._reader.at_eof():
            self.close()  # The service hangs up on who was silent for long.
        if self._writer is None or self._reader is None:
            self._reader, self._writer = await asyncio.open_connection(*self._place)
        head = (
            f"POST {path} HTTP/1.1\r\n{self._head}Content-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        self._writer.write(head.encode() + body)
        status, length, closing = _read_head(await self._reader.readuntil(b"\r\n\r\n"))
        answer = await self._reader.readexactly(length)
        if closing:
            self.close()
        if not 200 <= status < 300:
            raise HttpError(_code(answer, status))
        return answer

    def close(self) -> None:
        """Hang up."""
        if self._writer is not None:
            self._writer.close()
        self._reader = self._writer = None


def _read_head(head: bytes) -> tuple[int, int, bool]:
    """Status, length of the body, and whether the connection ends with it."""
    lines = head.lower().split(b"\r\n")
    fields = dict(line.split(b": ", 1) for line in lines[1:] if line)
    return (
        int(lines[0].split()[1]),
        int(fields[b"content-length"]),
        b"close" in fields.get(b"connection", b""),
    )


def _code(answer: bytes, status: int) -> str:
    try:
        return f"{status} {json.loads(answer)['code']}"
    except (ValueError, KeyError, TypeError):
        return str(status)
