"""Remember many over HTTP: what is sent again after an answer that broke off, and what is told."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from memoledger.client.bulk import remember_many
from memoledger.client.transport import path_of
from memoledger.model.bulk import BulkReport, Item, Progress
from memoledger.model.errors import EmbedderError, InvalidInput, LedgerUnavailable

PATH = path_of("stores", UUID(int=1), "memories", "bulk")
TYPE = "https://memoledger.dev/problems/"


class Ledger:
    """Remembers lines by their external ids, and answers as far as it is told to."""

    def __init__(self) -> None:
        self.held: dict[str, UUID] = {}

    def answer(self, request: httpx.Request) -> list[dict[str, Any]]:
        """What becomes of every line of a request."""
        lines = [json.loads(line) for line in request.content.splitlines()]
        return [self._note(position, line) for position, line in enumerate(lines, 1)]

    def _note(self, position: int, line: dict[str, Any]) -> dict[str, Any]:
        name = line["externalId"]
        outcome = "unchanged" if name in self.held else "created"
        memory_id = self.held.setdefault(name, uuid4())
        return {"position": position, "outcome": outcome, "id": str(memory_id), "version": 1}


def cut(
    ledger: Ledger, lines: int, *, tail: bytes = b""
) -> Callable[[httpx.Request], httpx.Response]:
    """Answers to so many lines, though all were written."""

    def answer(request: httpx.Request) -> httpx.Response:
        told = ledger.answer(request)[:lines]
        body = b"".join(json.dumps(one).encode() + b"\n" for one in told)
        return httpx.Response(200, content=body + tail)

    return answer


def drafts(count: int) -> list[dict[str, Any]]:
    return [{"content": f"Memory {i}", "external_id": f"m{i}"} for i in range(1, count + 1)]


async def remember(fake: Any, items: Any, **given: Any) -> BulkReport:
    options = {"batch_size": 10, "on_progress": None, "on_items": None, **given}
    return await remember_many(fake.transport(), PATH, items, **options)


async def test_a_request_for_each_batch(fake: Any) -> None:
    ledger = Ledger()
    fake.script = [cut(ledger, 99)] * 3
    told: list[Progress] = []
    report = await remember(fake, drafts(25), on_progress=told.append)
    assert [len(request.content.splitlines()) for request in fake.requests] == [10, 10, 5]
    assert told == [Progress(10), Progress(20), Progress(25)]
    assert report.progress == told[-1]
    assert fake.requests[0].headers["content-type"] == "application/x-ndjson"
    assert fake.requests[0].headers["accept-encoding"] == "identity"


@pytest.mark.parametrize("tail", [b"", b'{"position": 3, "outc', b"<html>", b"[]\n", b'{"a": 1}\n'])
async def test_only_what_was_not_acknowledged_is_sent_again(fake: Any, tail: bytes) -> None:
    ledger = Ledger()
    fake.script = [cut(ledger, 2, tail=tail), httpx.ReadError("reset"), cut(ledger, 99)]
    report = await remember(fake, drafts(5))
    sent = [
        [json.loads(line)["externalId"] for line in request.content.splitlines()]
        for request in fake.requests
    ]
    rest = ["m3", "m4", "m5"]
    assert sent == [["m1", "m2", *rest], rest, rest]
    assert [item.position for item in report.items] == [1, 2, 3, 4, 5]
    assert report.progress == Progress(created=2, unchanged=3)
    assert [item.id for item in report.items] == list(ledger.held.values())


async def test_what_was_acknowledged_is_told_before_it_fails(fake: Any) -> None:
    ledger = Ledger()
    fake.script = [cut(ledger, 2), *[httpx.ConnectError("refused")] * 9]
    told: list[list[Item]] = []
    with pytest.raises(LedgerUnavailable):
        await remember(fake, drafts(5), on_items=lambda items: told.append(list(items)))
    assert [[item.position for item in items] for items in told] == [[1, 2]]


async def test_a_batch_that_failed_whole_is_not_told(fake: Any, problem: Any) -> None:
    fake.script = [problem("embedder", 502)]
    told: list[Progress] = []
    with pytest.raises(EmbedderError):
        await remember(fake, [*drafts(3), {"content": ""}], on_progress=told.append)
    assert told == []


async def test_a_stream_that_says_why_it_ends(fake: Any) -> None:
    ledger = Ledger()
    going = {"type": TYPE + "ledger-unavailable", "status": 503, "detail": "Shutting down."}
    wrong = {"type": TYPE + "embedder", "status": 502, "title": "The embedding model failed"}
    fake.script = [
        cut(ledger, 1, tail=json.dumps({"problem": going}).encode() + b"\n"),
        cut(ledger, 1, tail=json.dumps({"problem": wrong}).encode() + b"\n"),
    ]
    told: list[Progress] = []
    with pytest.raises(EmbedderError, match="The embedding model failed"):
        await remember(fake, drafts(3), on_progress=told.append)
    assert told == [Progress(created=1, unchanged=1)]


async def test_items_that_the_service_rejects(fake: Any) -> None:
    refused = {"type": TYPE + "invalid-input", "detail": "embedding: x", "field": "embedding"}
    line = {"position": 1, "outcome": "rejected", "problem": refused}
    fake.script = [httpx.Response(200, content=json.dumps(line).encode() + b"\n")]
    report = await remember(fake, [{"content": ""}, {"content": "x", "embedding": [1.0]}])
    assert [item.position for item in report.items] == [1, 2]
    errors = [item.error for item in report.items]
    assert all(isinstance(error, InvalidInput) for error in errors)
    assert [error.field for error in errors if error] == ["content", "embedding"]


async def test_nothing_is_sent_for_items_that_are_all_wrong(fake: Any) -> None:
    report = await remember(fake, [{"content": ""}, {}])
    assert (report.progress, fake.requests) == (Progress(rejected=2), [])


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(count=st.integers(0, 35), cuts=st.lists(st.integers(0, 12), max_size=3))
async def test_whatever_breaks_off_nothing_is_lost_or_doubled(
    fake: Any, count: int, cuts: list[int]
) -> None:
    ledger = Ledger()
    fake.script = [*(cut(ledger, lines) for lines in cuts), *[cut(ledger, 99)] * 8]
    report = await remember(fake, drafts(count))
    assert [item.position for item in report.items] == list(range(1, count + 1))
    assert [item.id for item in report.items] == [ledger.held[f"m{i}"] for i in range(1, count + 1)]
    assert len(ledger.held) == count
