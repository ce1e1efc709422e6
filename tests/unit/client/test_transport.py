"""Requests and their repetition: keys, waits, and everything that a network can do to an answer."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from memoledger.client.retry import RetryPolicy
from memoledger.client.transport import (
    Patience,
    Transport,
    check_url,
    path_of,
)
from memoledger.model.errors import (
    Busy,
    ConflictError,
    EmbedderError,
    InvalidInput,
    LedgerError,
    LedgerUnavailable,
    MemoledgerError,
    NotFound,
    Unauthenticated,
)
from memoledger.model.principal import Principal

Problem = Callable[..., httpx.Response]


def same(data: Any) -> Any:
    return data


class TestRequests:
    async def test_what_is_sent(self, fake: Any) -> None:
        fake.script = [httpx.Response(201, json={"é": [1.5, None]})]
        answer = await fake.transport().ask(
            same,
            "POST",
            path_of("stores", "é/x"),
            query={"a": "b c", "n": None},
            body={"é": [1.5, None]},
        )
        assert answer == {"é": [1.5, None]}
        [request] = fake.requests
        assert str(request.url) == "https://memory.example/base/v1/stores/%C3%A9%2Fx?a=b+c"
        assert json.loads(request.content) == {"é": [1.5, None]}
        assert request.headers["content-type"] == "application/json"
        assert request.headers["authorization"] == "Bearer mlk_secret"
        assert "idempotency-key" not in request.headers

    async def test_an_empty_answer(self, fake: Any) -> None:
        fake.script = [httpx.Response(204)]
        answer = await fake.transport().ask(same, "DELETE", path_of("x"))
        assert answer is None
        assert "content-type" not in fake.requests[0].headers

    async def test_each_write_has_a_key_of_its_own(self, fake: Any) -> None:
        transport = fake.transport()
        for _ in range(2):
            await transport.write(same, "POST", path_of("x"), body={}, headers={"if-match": '"1"'})
        keys = {request.headers["idempotency-key"] for request in fake.requests}
        assert len(keys) == 2
        assert {request.headers["if-match"] for request in fake.requests} == {'"1"'}

    async def test_with_a_key_headers_name_nobody(self, fake: Any) -> None:
        await fake.transport().acting_as(Principal("acme", "zoë")).ask(same, "GET", path_of("me"))
        assert "memoledger-user" not in fake.requests[0].headers

    async def test_without_a_key_headers_say_who_acts(self, fake: Any) -> None:
        transport = fake.transport(api_key=None)
        await transport.acting_as(Principal("acme", "zoë")).ask(same, "GET", path_of("me"))
        await transport.ask(same, "GET", path_of("me"))
        first, second = fake.requests
        assert first.headers.raw[-1] == (b"memoledger-user", "zoë".encode())
        assert "authorization" not in first.headers
        assert "memoledger-user" not in second.headers

    async def test_redirects_are_not_followed(self, fake: Any) -> None:
        fake.script = [httpx.Response(301, headers={"location": "https://evil.example/"})]
        with pytest.raises(LedgerError, match="answered 301"):
            await fake.transport().ask(same, "GET", path_of("me"))
        assert len(fake.requests) == 1


class TestRepetition:
    async def test_a_write_keeps_its_key(self, fake: Any, problem: Problem) -> None:
        fake.script = [
            problem("ledger-unavailable", 503, retry_after=2),
            httpx.ReadError("reset"),
            httpx.Response(502, text="<h1>Bad gateway</h1>"),
            httpx.Response(201, json={"id": 1}),
        ]
        answer = await fake.transport().write(same, "POST", path_of("x"), body={"a": 1})
        assert answer == {"id": 1}
        assert len({request.headers["idempotency-key"] for request in fake.requests}) == 1
        assert {request.content for request in fake.requests} == {b'{"a":1}'}
        assert fake.waits_s == pytest.approx([2.1, 0.2, 0.4])

    async def test_retry_after_as_a_date(self, fake: Any, problem: Problem) -> None:
        fake.script = [problem("busy", 429, retry_after="Fri, 08 May 2026 13:56:05 GMT")]
        await fake.transport(drawn=0.0).ask(same, "GET", path_of("x"))
        assert fake.waits_s == [5.0]

    async def test_more_patience_than_there_is(self, fake: Any, problem: Problem) -> None:
        fake.script = [problem("busy", 429, retry_after=3_600, retryAfterS=3_600)]
        with pytest.raises(Busy) as caught:
            await fake.transport().ask(same, "GET", path_of("x"))
        assert (caught.value.retry_after_s, fake.waits_s) == (3_600, [])

    async def test_it_ends(self, fake: Any, problem: Problem) -> None:
        fake.script = [problem("unexpected", 500, title="Something failed")] * 9
        with pytest.raises(MemoledgerError) as caught:
            await fake.transport(attempts=3).ask(same, "GET", path_of("x"))
        assert type(caught.value) is MemoledgerError
        assert (len(fake.requests), len(fake.waits_s)) == (3, 2)

    async def test_one_attempt_is_one(self, fake: Any) -> None:
        fake.script = [httpx.ConnectError("refused")]
        with pytest.raises(LedgerUnavailable):
            await fake.transport(attempts=1).ask(same, "GET", path_of("x"))
        assert len(fake.requests) == 1

    @pytest.mark.parametrize(
        ("code", "status", "kind"),
        [
            *[("not-found", 404, NotFound), ("conflict", 409, ConflictError)],
            *[("conflict", 412, ConflictError), ("unauthenticated", 401, Unauthenticated)],
            *[("invalid-input", 422, InvalidInput), ("embedder", 502, EmbedderError)],
        ],
    )
    async def test_what_would_fail_again_is_not_repeated(
        self, fake: Any, problem: Problem, code: str, status: int, kind: type[Exception]
    ) -> None:
        fake.script = [problem(code, status)]
        with pytest.raises(kind):
            await fake.transport().write(same, "POST", path_of("x"), body={})
        assert (len(fake.requests), fake.waits_s) == (1, [])

    async def test_the_first_attempt_is_under_way(self, fake: Any, problem: Problem) -> None:
        fake.script = [problem("conflict", 409, retryAfterS=55), httpx.Response(201, json={})]
        await fake.transport(drawn=0.0).write(same, "POST", path_of("x"), body={})
        assert fake.waits_s == [2.0]

    async def test_a_page_of_a_proxys(self, fake: Any) -> None:
        fake.script = [httpx.Response(404, html="<h1>Nothing here</h1>")]
        with pytest.raises(LedgerError, match="Nothing here") as caught:
            await fake.transport().ask(same, "GET", path_of("x"))
        assert not isinstance(caught.value, NotFound)
        fake.script = [httpx.Response(200, html="<h1>Please log in</h1>")]
        with pytest.raises(LedgerError, match="Please log in"):
            await fake.transport().ask(same, "GET", path_of("x"))
        assert fake.waits_s == []

    async def test_a_page_of_a_proxys_that_passes(self, fake: Any) -> None:
        fake.script = [httpx.Response(503, html="<h1>Later</h1>", headers={"retry-after": "1"})] * 9
        with pytest.raises(LedgerUnavailable, match="answered 503 with text/html"):
            await fake.transport(drawn=0.0).ask(same, "GET", path_of("x"))
        assert fake.waits_s == [1.0, 1.0, 1.0]

    async def test_json_that_breaks_off(self, fake: Any) -> None:
        half = httpx.Response(200, content=b'{"a": ', headers={"content-type": "application/json"})
        fake.script = [half]
        assert (await fake.transport().ask(same, "GET", path_of("x"))) == {}
        assert len(fake.requests) == 2

    async def test_cancelling_waits_for_nothing(self, fake: Any) -> None:
        fake.script = [httpx.ConnectError("refused")]
        started = asyncio.Event()

        async def sleep(_: float) -> None:
            started.set()
            await asyncio.Event().wait()

        transport = fake.transport()
        transport._patience = Patience(RetryPolicy(), sleep=sleep)
        asking = asyncio.create_task(transport.ask(same, "GET", path_of("x")))
        await started.wait()
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking

    async def test_once_closed(self, fake: Any) -> None:
        transport = fake.transport()
        await transport.aclose()
        await transport.aclose()
        with pytest.raises(LedgerUnavailable, match="closed"):
            await transport.ask(same, "GET", path_of("x"))
        assert fake.waits_s == []


@asynccontextmanager
async def listening(answers: list[bytes | None]) -> AsyncIterator[tuple[str, list[bytes]]]:
    """A server that sends the bytes it is told to, one answer a connection, and hangs up.

    Where it is told to send None, it waits for the client to hang up.
    """
    heads: list[bytes] = []
    connections: list[asyncio.Task[Any] | None] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.append(asyncio.current_task())
        heads.append(await reader.readuntil(b"\r\n\r\n"))
        answer = answers.pop(0)
        if answer is None:
            await reader.read()
        else:
            writer.write(answer)
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", heads
    await asyncio.gather(*(one for one in connections if one), return_exceptions=True)


class TestRealConnections:
    """What only a socket can do."""

    @staticmethod
    def transport(url: str, **given: Any) -> Transport:
        async def sleep(_: float) -> None:
            return None

        return Transport(url, patience=Patience(sleep=sleep), **given)

    async def test_nobody_is_there(self) -> None:
        async with listening([]) as (url, _):
            pass
        transport = self.transport(url)
        with pytest.raises(LedgerUnavailable, match=r"did not answer: ConnectError") as caught:
            await transport.ask(same, "GET", path_of("me"))
        assert isinstance(caught.value, ConnectionError)
        assert isinstance(caught.value.__cause__, httpx.ConnectError)
        assert caught.value.remedy
        await transport.aclose()

    @pytest.mark.parametrize(
        "broken",
        [
            b"",
            b"HTTP/1.1 20",
            b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n{}",
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\n{}",
            b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 2\r\n\r\n{}",
            b"SSH-2.0-OpenSSH\r\n",
        ],
    )
    async def test_answers_that_break_off(self, broken: bytes) -> None:
        whole = b'HTTP/1.1 200 OK\r\ncontent-length: 8\r\n\r\n{"a": 1}'
        async with listening([broken, broken, whole]) as (url, heads):
            transport = self.transport(url)
            answer = await transport.write(same, "POST", path_of("x"))
            assert answer == {"a": 1}
            await transport.aclose()
        keys = {head.lower().partition(b"idempotency-key: ")[2][:32] for head in heads}
        assert (len(heads), len(keys)) == (3, 1)

    async def test_an_answer_that_never_comes(self) -> None:
        async with listening([None] * 4) as (url, _):
            transport = self.transport(url, timeout_s=0.05)
            with pytest.raises(LedgerUnavailable, match="ReadTimeout"):
                await transport.ask(same, "GET", path_of("me"))
            await transport.aclose()


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("https://memory.example", "https://memory.example"),
        ("HTTP://127.0.0.1:8427/", "http://127.0.0.1:8427"),
        ("https://memory.example/a/b/", "https://memory.example/a/b"),
        ("https://[::1]:1/", "https://[::1]:1"),
    ],
)
def test_urls(given: str, kept: str) -> None:
    assert check_url(given) == kept


@pytest.mark.parametrize(
    "wrong",
    [
        *["", "memory.example", "ftp://memory.example", "https://", "http://:80", "https://a b/"],
        *["postgresql://db/memoledger", "https://m.example/?a=b", "https://m.example/#x"],
        *["https://user:hunter2@m.example", "https://m.example:port", 5, None],
    ],
)
def test_wrong_urls(wrong: Any) -> None:
    with pytest.raises(InvalidInput) as caught:
        check_url(wrong)
    assert caught.value.field == "url"
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("wrong", ["", " ", "a b", "a\nb", "é", "mlk_x\r\nx: y"])
def test_a_key_that_is_none_is_not_shown(wrong: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        Transport("https://memory.example", wrong)
    assert caught.value.field == "api_key"
    assert "mlk_x" not in str(caught.value)


@pytest.mark.parametrize(
    ("segment", "path"),
    [
        *[
            ("a/b", "/v1/x/a%2Fb"),
            ("..", "/v1/x/%2E%2E"),
            (".", "/v1/x/%2E"),
            ("?#%", "/v1/x/%3F%23%25"),
        ],
        *[("é", "/v1/x/%C3%A9"), ("...", "/v1/x/..."), ("a b+c", "/v1/x/a%20b%2Bc")],
    ],
)
async def test_a_name_stays_a_segment(fake: Any, segment: str, path: str) -> None:
    assert path_of("x", segment) == path
    await fake.transport().ask(same, "GET", path_of("x", segment))
    assert fake.requests[0].url.raw_path.decode() == "/base" + path
