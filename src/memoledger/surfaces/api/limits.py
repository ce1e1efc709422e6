"""Limits: how much may be sent, asked for and done at the same time."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from memoledger.model.errors import Busy
from memoledger.settings import Settings


@dataclass(frozen=True, slots=True)
class Limits:
    """What one request may take.

    Args:
        body_bytes: of a body, and of one line of a stream.
        batch: memories that a stream writes in one transaction.
        query_chars: characters of a question.
        upload_bytes: of a form with a file.
        page: hits of an answer and items of a page.
        request_s: seconds of work on a request that has arrived.
        body_s: seconds for a body to arrive, and for which a stream may stand still.
        stream_s: seconds of a stream in all.
    """

    body_bytes: int
    batch: int
    query_chars: int
    upload_bytes: int
    page: int
    request_s: float
    body_s: float
    stream_s: float

    @classmethod
    def of(cls, settings: Settings) -> Limits:
        """The limits that the settings name."""
        return cls(
            body_bytes=settings.http_body_bytes_max,
            batch=settings.http_batch_max,
            query_chars=settings.http_query_chars_max,
            upload_bytes=settings.http_upload_bytes_max,
            page=settings.http_page_max,
            request_s=settings.http_request_timeout_s,
            body_s=settings.http_body_timeout_s,
            stream_s=settings.http_stream_timeout_s,
        )


class Gate:
    """Lets so many in at a time; so many more wait their turn, in order; the rest is sent away.

    Args:
        at_once: how many may be inside.
        waiting_max: how many may wait.
        wait_s: seconds they wait at most.
    """

    def __init__(self, at_once: int, *, waiting_max: int = 0, wait_s: float = 0.0) -> None:
        self._free = asyncio.Semaphore(at_once)
        self._waiting_max = waiting_max
        self._wait_s = wait_s
        self.inside = 0
        self.waiting = 0
        self.refused = 0

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """A place inside, for as long as this is open.

        Raises:
            Busy: all places are taken and so are those to wait at, or the wait was too long.
        """
        await self._enter()
        self.inside += 1
        try:
            yield
        finally:
            self.inside -= 1
            self._free.release()

    async def _enter(self) -> None:
        if not self._free.locked():
            await self._free.acquire()
            return
        if self.waiting >= self._waiting_max:
            raise self._busy()
        self.waiting += 1
        try:
            async with asyncio.timeout(self._wait_s):
                await self._free.acquire()
        except TimeoutError:
            raise self._busy() from None
        finally:
            self.waiting -= 1

    def _busy(self) -> Busy:
        self.refused += 1
        return Busy(
            "The service has as much to do as it takes on at a time.",
            retry_after_s=max(1, math.ceil(self._wait_s)),
            remedy="Wait for as long as Retry-After says, then try again.",
        )
