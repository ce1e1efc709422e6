"""Bodies of requests: read within their limits, and parsed more strictly than `json.loads` does."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Final

from starlette.requests import ClientDisconnect, Request

from memoledger.model.errors import Malformed, TooLarge, TooSlow, UnsupportedMedia
from memoledger.services.exchange import parse_json
from memoledger.surfaces.api.limits import Limits
from memoledger.surfaces.api.names import with_snake_keys

JSON: Final = "application/json"
LINES: Final = "application/x-ndjson"
LINGER_S: Final = 1.0
"""How long a client that is refused may go on sending."""

LINES_TOO: Final = (LINES, "application/ndjson", "application/jsonl", "application/jsonlines")
"""Names under which JSON Lines are sent."""


class StrictRequest(Request):
    """A request whose JSON was read by `read_json`."""

    async def json(self) -> object:
        """The parsed body."""
        parsed: object = self.state.json
        return parsed


async def read_json(request: Request, limits: Limits) -> bytes:
    """Read a body of JSON and put what it says into `request.state.json`; the body itself.

    An empty body is left to the operation's description, which says whether it may be.

    Raises:
        TooLarge, TooSlow: it is more than it may be, or does not come in time.
        UnsupportedMedia: it is of another media type, or compressed.
        Malformed: it is no JSON, has a key twice, or a number that JSON has not.
    """
    body = await _read(request, limits)
    # Starlette keeps the body here, and hands it to whoever asks for it again.
    request._body = body  # noqa: SLF001
    if body:
        require_media(request, (JSON,))
        try:
            value = parse_json("body", body.decode())
        except UnicodeDecodeError as error:
            raise Malformed(
                "body", body[:40], f"it is no UTF-8 at byte {error.start + 1}", remedy="Send UTF-8."
            ) from None
        except ValueError as error:
            raise _malformed(error) from None
        # Fields in either case; a description that names them in one is enough then.
        request.state.json = with_snake_keys(value) if isinstance(value, dict) else value
    return body


def require_media(request: Request, allowed: tuple[str, ...]) -> None:
    """Refuse a body of another media type than `allowed`, or in an encoding such as gzip.

    A browser sends none of these types to another site without asking that site first.

    Raises:
        UnsupportedMedia: it is of another type, or packed.
    """
    given = request.headers.get("content-type", "")
    media = given.partition(";")[0].strip().lower()
    if media not in allowed:
        raise UnsupportedMedia(
            "Content-Type", given, "that is not taken here", remedy=f"Send {allowed[0]}."
        )
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("identity", ""):
        raise UnsupportedMedia(
            "Content-Encoding", encoding, "bodies are taken as they are", remedy="Leave it out."
        )


async def pieces(request: Request, limits: Limits) -> AsyncIterator[bytes]:
    """The pieces of a body as they come, of which none is kept.

    Raises:
        TooSlow: nothing came for as long as a stream may stand still.
        ClientDisconnect: the client went away.
    """
    incoming = request.stream().__aiter__()
    while True:
        try:
            async with asyncio.timeout(limits.body_s):
                piece = await anext(incoming, None)
        except TimeoutError:
            raise _too_slow(limits.body_s) from None
        if piece is None:
            return
        yield piece


async def _read(request: Request, limits: Limits) -> bytes:
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and int(declared) > limits.body_bytes:
        if "expect" not in request.headers:  # Who asks before sending is simply told not to.
            await discard(request)
        raise _too_large(limits.body_bytes)
    body = bytearray()
    try:
        async with asyncio.timeout(limits.body_s):
            async for piece in request.stream():
                body += piece
                if len(body) > limits.body_bytes:
                    break
    except TimeoutError:
        raise _too_slow(limits.body_s) from None
    except ClientDisconnect:
        raise Malformed(
            "body", f"{len(body)} bytes", "it was not sent to its end", remedy="Send all of it."
        ) from None
    if len(body) > limits.body_bytes:
        body.clear()
        await discard(request)
        raise _too_large(limits.body_bytes)
    return bytes(body)


async def discard(request: Request) -> None:
    """Read on for a moment what nobody wants, before an answer that ends the connection.

    A connection that is closed on data that was not read is reset, and that takes the answer with
    it which the client has not read yet (RFC 9112, 9.6).
    """
    if request._stream_consumed:  # noqa: SLF001 - after its end, only a disconnection would come
        return
    # Straight from the server: Starlette hands a stream out once only.
    receive = request.receive
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(LINGER_S):
            while (message := await receive())["type"] == "http.request":
                if not message.get("more_body", False):
                    return


def _malformed(error: ValueError) -> Malformed:
    value = getattr(error, "value", "")
    reason = getattr(error, "reason", "it is no JSON")
    return Malformed("body", value, reason, remedy="Send one JSON value.")


def _too_large(bytes_max: int) -> TooLarge:
    return TooLarge(
        "body",
        "not read to its end",
        f"it is larger than {bytes_max:,} bytes",
        remedy="Send less at a time; the setting is MEMOLEDGER_HTTP_BODY_BYTES_MAX.",
    )


def _too_slow(seconds: float) -> TooSlow:
    return TooSlow(
        f"Nothing more of the request arrived within {seconds:g} seconds.",
        remedy="Send it again, without long pauses.",
    )
