"""Streams: JSON Lines in and out, as they come, with bounded memory however many there are."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any, Final

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from memoledger.model.errors import InvalidInput, MemoledgerError, ShuttingDown, TimeLimit
from memoledger.services.exchange import Line, LineSplitter
from memoledger.surfaces.api.bodies import LINES, discard, pieces
from memoledger.surfaces.api.errors import kind_of, log_failure, problem_of
from memoledger.surfaces.api.names import with_snake_keys
from memoledger.surfaces.api.render import to_json
from memoledger.surfaces.api.service import Service
from memoledger.surfaces.api.spool import Spool

CHUNK_BYTES: Final = 65_536
"""Of an export, sent at a time."""

Put = Callable[[Mapping[str, Any]], None]
"""Adds a line to the answer."""


def shutting_down() -> ShuttingDown:
    """The error of a stream that ends early because the service does."""
    return ShuttingDown(
        "The service is shutting down.", remedy="Send what was not answered again, in a moment."
    )


async def lines_of(request: Request, service: Service) -> AsyncIterator[Line]:
    """The lines of a request as they come, their fields by their names in snake_case.

    Raises:
        TooSlow: the stream stood still for too long.
        ShuttingDown: the service ends; what was read by then is worked on to its end.
        ClientDisconnect: the client went away; the line it was at is dropped.
    """
    splitter = LineSplitter(line_bytes_max=service.limits.body_bytes)
    incoming = pieces(request, service.limits).__aiter__()
    closing = asyncio.create_task(service.closing.wait())
    reading: asyncio.Task[bytes | None] | None = None
    try:
        while True:
            reading = asyncio.create_task(_next(incoming))
            await asyncio.wait((reading, closing), return_when=asyncio.FIRST_COMPLETED)
            if closing.done():
                raise shutting_down()
            piece = reading.result()
            if piece is None:
                break
            for line in splitter.feed(piece):
                # One piece may hold the lines of many batches.
                if service.closing.is_set():
                    raise shutting_down()
                yield _in_snake_case(line)
        for line in splitter.finish():
            yield _in_snake_case(line)
    finally:
        for task in (closing, reading):
            if task is not None and not task.done():
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task


async def _next(incoming: AsyncIterator[bytes]) -> bytes | None:
    return await anext(incoming, None)


def _in_snake_case(line: Line) -> Line:
    if isinstance(line.value, InvalidInput):
        return line
    try:
        return Line(line.number, line.end, with_snake_keys(line.value))
    except InvalidInput as error:
        return Line(line.number, line.end, error)


class LinesAnswer(Response):
    """An answer of lines that a task puts there, while the request is still being read.

    If the work fails before its first line, the answer is a problem with a status of its own; after
    that the last line is `{"problem": {…}}`, and what it does not follow was done.

    Args:
        work: is given what adds a line, and ends when all are added.
    """

    media_type = LINES

    def __init__(
        self, request: Request, service: Service, work: Callable[[Put], Awaitable[None]]
    ) -> None:
        super().__init__()
        del self.headers["content-length"]
        self.headers["x-accel-buffering"] = "no"
        self._request = request
        self._service = service
        self._work = work

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve it.

        Raises:
            MemoledgerError: the work failed before its first line, or too many streams are open.
        """
        async with self._service.streams.turn():
            spool = Spool()
            working = asyncio.create_task(self._fill(spool))
            try:
                await self._drain(spool, working, send)
            except ClientDisconnect:
                return  # Without an end to the answer the server breaks the connection off.
            finally:
                if not working.done():
                    working.cancel()
                # What is being written is written to its end, whoever may be gone.
                await asyncio.wait((working,))
                spool.discard()

    async def _fill(self, spool: Spool) -> MemoledgerError | None:
        """Do the work; the error with which it failed."""

        def put(line: Mapping[str, Any]) -> None:
            spool.put(to_json(line) + b"\n")

        failure: MemoledgerError | None = None
        try:
            async with asyncio.timeout(self._service.limits.stream_s):
                await self._work(put)
        except ClientDisconnect:
            pass
        except TimeoutError:
            failure = TimeLimit("The stream took longer than it may.", remedy="Send the rest anew.")
        except MemoledgerError as error:
            failure = error
        except Exception as error:  # A mistake of ours; the log says where.
            log_failure(error, self._request.state.request_id)
            failure = MemoledgerError("Something failed in the service.")
        finally:
            spool.end()
        return failure

    async def _drain(
        self, spool: Spool, working: asyncio.Task[MemoledgerError | None], send: Send
    ) -> None:
        first = await spool.take()
        if not first and (failure := await working) is not None:
            raise failure
        start = {"type": "http.response.start", "status": 200, "headers": self.raw_headers}
        await self._send(send, start)
        piece = first
        while piece:
            await self._send(send, _body(piece))
            piece = await spool.take()
        failure = await working
        if failure is not None:
            last = to_json({"problem": self._told(failure)}) + b"\n"
            await self._send(send, _body(last))
            await discard(self._request)
        await self._send(send, _body(b"", more=False))

    def _told(self, failure: MemoledgerError) -> dict[str, Any]:
        if not kind_of(failure).told:
            log_failure(failure, self._request.state.request_id)
        return {**problem_of(failure), "requestId": self._request.state.request_id}

    async def _send(self, send: Send, message: dict[str, Any]) -> None:
        await send_within(send, message, self._service.limits.body_s)


class Export(Response):
    """An answer of lines that are read from the ledger as the client takes them.

    If reading fails in the middle the connection is broken off, so that nobody takes what there is
    for all there is.
    """

    media_type = LINES

    def __init__(self, request: Request, service: Service, lines: AsyncIterator[bytes]) -> None:
        super().__init__()
        del self.headers["content-length"]
        self._request = request
        self._service = service
        self._lines = lines

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve it.

        Raises:
            MemoledgerError: reading failed before the first line, or too many streams are open.
        """
        async with self._service.streams.turn():
            chunks = _chunks(self._lines)
            piece = await anext(chunks, b"")
            start = {"type": "http.response.start", "status": 200, "headers": self.raw_headers}
            try:
                await self._send(send, start)
                async with asyncio.timeout(self._service.limits.stream_s):
                    while piece:
                        await self._send(send, _body(piece))
                        piece = await anext(chunks, b"")
            except ClientDisconnect:
                return
            except Exception as error:
                log_failure(error, self._request.state.request_id)
                return  # The answer has no end, so the server breaks the connection off.
            await self._send(send, _body(b"", more=False))

    async def _send(self, send: Send, message: dict[str, Any]) -> None:
        await send_within(send, message, self._service.limits.body_s)


async def send_within(send: Send, message: dict[str, Any], seconds: float) -> None:
    """Send a message to a client that has to take it within so many seconds.

    Raises:
        ClientDisconnect: it did not; it is treated as gone.
    """
    try:
        async with asyncio.timeout(seconds):
            await send(message)
    except TimeoutError:
        raise ClientDisconnect from None


async def _chunks(lines: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    held = bytearray()
    async for line in lines:
        held += line
        if len(held) >= CHUNK_BYTES:
            yield bytes(held)
            held.clear()
    if held:
        yield bytes(held)


def _body(piece: bytes, *, more: bool = True) -> dict[str, Any]:
    return {"type": "http.response.body", "body": piece, "more_body": more}
