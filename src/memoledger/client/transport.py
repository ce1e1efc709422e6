"""The way to a server: one pool of connections; requests that are repeated where that is safe.

Everything here may be repeated. Reads change nothing, and each write carries an Idempotency-Key
made before its first attempt, so that a server which had done it already answers as it did then.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from copy import copy
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, TypeVar
from urllib.parse import quote
from uuid import uuid4

import httpx

from memoledger.client.problems import (
    error_of,
    is_transient,
    problem_of,
    unknown_answer,
)
from memoledger.client.retry import RetryPolicy, retry_after_s
from memoledger.client.wire import Json, decoded
from memoledger.model.errors import InvalidInput, LedgerUnavailable, MemoledgerError
from memoledger.model.principal import Principal

CONNECT_TIMEOUT_S: Final = 10.0
CONNECTIONS_MAX: Final = 100
"""Requests under way at a time; more wait for one of them to end."""

KEPT_ALIVE_S: Final = 30.0
"""An idle connection is kept so long: less than servers keep theirs, so that none is found dead."""

BULK_PATIENCE: Final = 10
"""So many times as long may the first line of a batch take: a thousand texts are embedded then."""

UNDER_WAY_S: Final = 2.0
"""Seconds after which one looks again whether the first attempt of a request has ended."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Patience:
    """How failures are met, and by which clock.

    Args:
        policy: how often a request is sent, and the waits between.
        sleep: waits so many seconds.
        now: the present, for waits that are asked for as a date.
    """

    policy: RetryPolicy = field(default_factory=RetryPolicy)
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    now: Callable[[], datetime] = lambda: datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class File:
    """A file to be sent."""

    name: str
    content: bytes


class Passing(Exception):
    """A failure that may be over at the next attempt, and the error that it is if it is not."""

    def __init__(self, error: MemoledgerError, asked_s: float | None = None) -> None:
        super().__init__(str(error))
        self.error = error
        self.asked_s = asked_s


class Transport:
    """Sends requests to one server as the bearer of one key.

    Args:
        url: where the service is, `http://` or `https://`, with the path it is mounted at.
        api_key: an API key or a token; None where the server asks for none.
        timeout_s: seconds that a server may take between two pieces of an answer.
        patience: how failures are met.
        transport: how httpx reaches the server; None for the network.

    Raises:
        InvalidInput: the URL or the key cannot be one.
    """

    def __init__(
        self,
        url: str,
        api_key: str | None = None,
        *,
        timeout_s: float = 60.0,
        patience: Patience | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self.url = check_url(url)
        self._patience = patience or Patience()
        self._anonymous = api_key is None
        self._timeout_s = timeout_s
        self._connect_s = min(CONNECT_TIMEOUT_S, timeout_s)
        self._acting: dict[bytes, bytes] = {}
        self._http = httpx.AsyncClient(
            headers={
                "accept": "application/json",
                "user-agent": "memoledger-client",
                **_authorization(api_key),
            },
            timeout=httpx.Timeout(timeout_s, connect=self._connect_s),
            limits=httpx.Limits(max_connections=CONNECTIONS_MAX, keepalive_expiry=KEPT_ALIVE_S),
            transport=transport,
        )

    def acting_as(self, principal: Principal) -> Transport:
        """The same connections for one principal.

        With a key, the key says who acts. Without one the service is in development, and believes
        whoever the headers name.
        """
        other = copy(self)
        if self._anonymous:
            other._acting = {  # noqa: SLF001 - its own copy
                b"memoledger-tenant": principal.tenant.encode(),
                b"memoledger-user": principal.user.encode(),
            }
        return other

    async def ask(
        self,
        read: Callable[[Any], T],
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        body: object = None,
        headers: Mapping[str, str] | None = None,
    ) -> T:
        """Send a request that changes nothing, and read the answer.

        Args:
            read: makes of the answer's JSON (None for an empty one) what is returned.
            path: as `path_of` makes it.
            query: parameters; lists repeat theirs, None leaves it out.
            body: JSON-ready data.

        Raises:
            MemoledgerError: what the server answered, or LedgerUnavailable where none did.
        """
        request = self._request(method, path, query, body, headers or {})
        return decoded(read, await self.repeated(lambda: self._answer(request)))

    async def write(
        self,
        read: Callable[[Any], T],
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        body: object = None,
        headers: Mapping[str, str] | None = None,
    ) -> T:
        """The same for a request that changes something: however often it is sent, it is done once.

        Raises:
            MemoledgerError: as for `ask`.
        """
        once = {"idempotency-key": uuid4().hex, **(headers or {})}
        return await self.ask(read, method, path, query=query, body=body, headers=once)

    async def write_slowly(
        self, read: Callable[[Any], T], path: str, *, body: object, file: File | None = None
    ) -> T:
        """Post what takes the server a while, such as a document; done once, like any write.

        Args:
            body: JSON-ready data; beside a file it is a part of the form.

        Raises:
            MemoledgerError: as for `ask`.
        """
        headers = self._headers({"idempotency-key": uuid4().hex})
        if file is None:
            sent: dict[str, Any] = {"content": as_json(body)}
            headers[b"content-type"] = b"application/json"
        else:
            parts = {"file": (file.name, file.content), "document": (None, as_json(body))}
            sent = {"files": parts}
        timeout = httpx.Timeout(self._timeout_s * BULK_PATIENCE, connect=self._connect_s)
        request = self._http.build_request(
            "POST", self.url + path, headers=headers, timeout=timeout, **sent
        )
        return decoded(read, await self.repeated(lambda: self._answer(request)))

    @asynccontextmanager
    async def lines(
        self, path: str, content: bytes, *, query: Mapping[str, str] | None = None
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        """Post lines of JSON and read the answer's lines as they come; not repeated here.

        Raises:
            Passing: it failed before or in the middle of the answer, and may be sent again.
            MemoledgerError: the server refused.
        """
        given = {
            "content-type": "application/x-ndjson",
            "accept": "application/x-ndjson",
            # Whoever packs a stream holds lines back.
            "accept-encoding": "identity",
        }
        request = self._http.build_request(
            "POST",
            self.url + path,
            params=query,
            content=content,
            headers=self._headers(given),
            timeout=httpx.Timeout(self._timeout_s * BULK_PATIENCE, connect=self._connect_s),
        )
        with self._failures():
            response = await self._http.send(request, stream=True)
            try:
                if not response.is_success:
                    await response.aread()
                    raise self._failed(response)
                yield _lines_of(response)
            finally:
                await response.aclose()

    async def repeated(self, attempt: Callable[[], Awaitable[T]]) -> T:
        """Attempt something until it succeeds, fails for good, or patience ends."""
        policy = self._patience.policy
        for number in range(1, policy.attempts + 1):
            try:
                return await attempt()
            except Passing as passing:
                wait_s = policy.wait_s(number, passing.asked_s)
                if wait_s is None:
                    raise passing.error from passing.__cause__
            await self._patience.sleep(wait_s)
        raise AssertionError("after the last attempt there is no wait")

    async def aclose(self) -> None:
        """Close the connections. Safe to call twice."""
        await self._http.aclose()

    def _request(
        self,
        method: str,
        path: str,
        query: Mapping[str, Any] | None,
        body: object,
        headers: Mapping[str, str],
    ) -> httpx.Request:
        given = {name: value for name, value in (query or {}).items() if value is not None}
        content = None if body is None else as_json(body)
        kind = {} if body is None else {"content-type": "application/json"}
        return self._http.build_request(
            method,
            self.url + path,
            params=given or None,
            content=content,
            headers=self._headers({**kind, **headers}),
        )

    def _headers(self, given: Mapping[str, str]) -> dict[bytes, bytes]:
        """Headers as bytes: of the names of people, httpx would take ASCII only."""
        return {name.encode(): value.encode() for name, value in given.items()} | self._acting

    async def _answer(self, request: httpx.Request) -> Json:
        with self._failures():
            response = await self._http.send(request)
        if not response.is_success:
            raise self._failed(response)
        if not response.content:
            return None
        try:
            return json.loads(response.content)
        except (ValueError, RecursionError):
            raise self._unreadable(response) from None

    @contextmanager
    def _failures(self) -> Iterator[None]:
        """What the network does to a request, as an error that may pass."""
        if self._http.is_closed:
            raise LedgerUnavailable("This client is closed.", remedy="Open a new one.")
        try:
            yield
        except httpx.RequestError as error:
            reason = str(error) or "no reason given"
            raise Passing(
                LedgerUnavailable(
                    f"{self.url} did not answer: {type(error).__name__}, {reason}.",
                    remedy="See that the service runs and that MEMOLEDGER_URL leads to it.",
                )
            ) from error

    def _failed(self, response: httpx.Response) -> Exception:
        """A refusal as the error it tells of, or as one that may pass."""
        status = response.status_code
        problem = problem_of(response.content)
        asked_s = retry_after_s(response.headers, self._patience.now)
        if status == 409 and problem is not None and "retryAfterS" in problem:
            # The first attempt of this very request is under way, and may end at any moment.
            asked_s = UNDER_WAY_S
        error = self._unknown(response) if problem is None else error_of(problem)
        if is_transient(status, problem, asks_to_wait=asked_s is not None):
            return Passing(error, asked_s)
        return error

    def _unreadable(self, response: httpx.Response) -> Exception:
        """An answer that says it went well and cannot be read: cut short, or another program's."""
        error = self._unknown(response)
        is_json = "json" in response.headers.get("content-type", "")
        return Passing(error) if is_json else error

    def _unknown(self, response: httpx.Response) -> MemoledgerError:
        kind = response.headers.get("content-type", "")
        return unknown_answer(self.url, response.status_code, kind, response.content)


async def _lines_of(response: httpx.Response) -> AsyncIterator[bytes]:
    """The lines of an answer as they come.

    They end with a line feed and nothing else; httpx would also cut at U+2028 within a text.
    """
    begun = b""
    async for piece in response.aiter_bytes():
        *whole, begun = (begun + piece).split(b"\n")
        for line in whole:
            yield line
    if begun:
        yield begun


def check_url(value: str) -> str:
    """The URL of a service without a slash at its end.

    Raises:
        InvalidInput: it is none, or holds what does not belong there.
    """
    remedy = "Give the address of the service, for example https://memory.example."
    try:
        url = httpx.URL(value)
    except (httpx.InvalidURL, TypeError, ValueError):
        raise InvalidInput("url", value, "that is no URL", remedy=remedy) from None
    whole = value.isprintable() and " " not in value
    if not whole or url.scheme not in ("http", "https") or not url.host:
        raise InvalidInput("url", value, "it has no http:// or https:// and host", remedy=remedy)
    if url.userinfo or url.query or url.fragment:
        # Not shown: it may hold a password.
        raise InvalidInput(
            "url",
            url.host,
            "it holds a user, a query or a fragment",
            remedy="Give the key as `api_key` or MEMOLEDGER_API_KEY.",
        )
    return str(url).rstrip("/")


def path_of(*segments: object) -> str:
    """The path to something, each segment percent-encoded, whatever characters a name has."""
    return "/v1" + "".join("/" + _segment(str(one)) for one in segments)


def _segment(text: str) -> str:
    # A segment of dots only would be resolved on the way.
    return text.replace(".", "%2E") if text in (".", "..") else quote(text, safe="")


def as_json(value: object) -> bytes:
    """JSON-ready data as the body of a request."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()


def _authorization(api_key: str | None) -> dict[str, str]:
    if api_key is None:
        return {}
    if not api_key or not api_key.isascii() or not api_key.isprintable() or " " in api_key:
        raise InvalidInput(
            "api_key",
            "(hidden)",
            "it is empty or has characters that no key has",
            remedy="Give the key as it was shown when it was made, without spaces or line ends.",
        )
    return {"authorization": f"Bearer {api_key}"}
