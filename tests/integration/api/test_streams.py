"""Bulk writes, import and export over HTTP."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from uuid import uuid4

import httpx

LINES = {"content-type": "application/x-ndjson"}
Make = Callable[..., AbstractAsyncContextManager[httpx.AsyncClient]]


def told(response: httpx.Response) -> list[dict[str, object]]:
    return [json.loads(line) for line in response.text.splitlines()]


async def test_each_line_has_its_outcome(alice: httpx.AsyncClient, store: str) -> None:
    body = (
        b'{"content": "one", "externalId": "1"}\n\n'
        b'{"content": ""}\n{broken\n[1]\n{"content": "two", "id": "2"}\n'
        b'{"content": "x", "external_id": "3", "externalId": "4"}\n'
        b'{"content": "one again", "external_id": "1"}'
    )
    answer = await alice.post(f"{store}/memories/bulk", content=body, headers=LINES)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("application/x-ndjson")
    lines = told(answer)
    assert [(one["position"], one["outcome"]) for one in lines] == [
        *((1, "created"), (2, "rejected"), (3, "rejected"), (4, "rejected"), (5, "created")),
        *((6, "rejected"), (7, "updated")),
    ]
    assert lines[1]["problem"]["field"] == "content"  # type: ignore[index]
    assert lines[6]["version"] == 2
    again = told(await alice.post(f"{store}/memories/bulk", content=body, headers=LINES))
    assert [one["outcome"] for one in again].count("created") == 0


async def test_batches_are_answered_while_the_rest_is_on_its_way(
    alice: httpx.AsyncClient, store: str
) -> None:
    async def body() -> AsyncIterator[bytes]:
        for number in range(40):
            yield json.dumps({"content": f"number {number}"}).encode() + b"\n"
            await asyncio.sleep(0)

    path = f"{store}/memories/bulk"
    answer = await alice.post(path, content=body(), headers=LINES, params={"batchSize": 7})
    assert [one["position"] for one in told(answer)] == list(range(1, 41))
    assert (await alice.post(path, content=b"", headers=LINES)).text == ""


async def test_outcomes_are_not_held_back_to_be_packed_and_exports_are_packed(
    alice: httpx.AsyncClient, store: str
) -> None:
    body = b"".join(json.dumps({"content": f"number {n}"}).encode() + b"\n" for n in range(100))
    taken = {**LINES, "accept-encoding": "gzip"}
    outcomes = await alice.post(f"{store}/memories/bulk", content=body, headers=taken)
    assert "content-encoding" not in outcomes.headers
    assert len(told(outcomes)) == 100
    exported = await alice.get(f"{store}/export", headers={"accept-encoding": "gzip"})
    assert exported.headers["content-encoding"] == "gzip"
    assert len(told(exported)) == 100


async def test_what_may_not_be_written_is_refused_before_it_is_read(
    alice: httpx.AsyncClient, store: str
) -> None:
    path = f"/v1/stores/{uuid4()}/memories/bulk"
    assert (await alice.post(path, content=b"{}", headers=LINES)).status_code == 404
    path = f"{store}/memories/bulk"
    assert (await alice.post(path, json={"content": "x"})).status_code == 415
    refused = await alice.post(path, content=b"{}", headers=LINES, params={"batchSize": 0})
    assert refused.status_code == 422


async def test_an_export_is_taken_back(alice: httpx.AsyncClient, store: str) -> None:
    for number in range(5):
        body = {"content": f"number {number}", "tags": ["t"], "subjectRefs": ["r"]}
        await alice.post(f"{store}/memories", json=body)
    export = await alice.get(f"{store}/export")
    lines = told(export)
    assert [one["content"] for one in lines] == [f"number {number}" for number in range(5)]
    assert lines[0]["subject_refs"] == ["r"]
    other = (await alice.post("/v1/stores", json={"name": "copy"})).json()["id"]
    broken = export.content + b'{"content": 5}\n'
    answer = told(await alice.post(f"/v1/stores/{other}/import", content=broken, headers=LINES))
    assert answer[0]["line"] == 6
    counts = {"created": 5, "unchanged": 0, "updated": 0, "rejected": 1, "total": 6}
    assert answer[-1] == {"done": {**counts, "bytesDone": len(broken)}}
    assert answer[-2] == {"progress": {**counts, "bytesDone": len(broken)}}
    copied = await alice.get(f"/v1/stores/{other}/export")
    assert copied.content == export.content
    some = await alice.get(f"{store}/export", params={"tags": "none"})
    assert (some.status_code, some.content) == (200, b"")
    empty = told(await alice.post(f"/v1/stores/{other}/import", content=b"\n", headers=LINES))
    assert empty[-1]["done"]["total"] == 0  # type: ignore[index]
    assert (await alice.get(f"/v1/stores/{uuid4()}/export")).status_code == 404


async def test_a_stream_ends_with_a_problem_when_the_service_does(
    alice: httpx.AsyncClient, store: str
) -> None:
    app = alice._transport.app  # type: ignore[attr-defined]
    first_batch = asyncio.Event()

    async def body() -> AsyncIterator[bytes]:
        for number in range(10):
            yield json.dumps({"content": f"number {number}"}).encode() + b"\n"
        app.state.service.closing.set()
        first_batch.set()
        await asyncio.sleep(30)

    path = f"{store}/memories/bulk"
    answer = await alice.post(path, content=body(), headers=LINES, params={"batchSize": 4})
    lines = told(answer)
    assert [one["outcome"] for one in lines[:-1]] == ["created"] * 8
    assert lines[-1]["problem"]["code"] == "shutting-down"  # type: ignore[index]
    assert (await alice.get("/health/ready")).json() == {"status": "closing"}


async def test_a_stream_that_stands_still_is_ended(service_with: Make) -> None:
    async with service_with(http_body_timeout_s=0.2) as alice:
        store = (await alice.post("/v1/stores", json={"name": "notes"})).json()["id"]

        async def body() -> AsyncIterator[bytes]:
            yield b'{"content": "one"}\n{"content": "two"}\n{"content": "thr'
            await asyncio.sleep(30)

        path = f"/v1/stores/{store}/memories/bulk"
        answer = await alice.post(path, content=body(), headers=LINES, params={"batchSize": 1})
        lines = told(answer)
        assert [one["outcome"] for one in lines[:2]] == ["created", "created"]
        assert lines[2]["problem"]["code"] == "too-slow"  # type: ignore[index]
        # Where nothing was answered yet, the problem has a status of its own.
        answer = await alice.post(path, content=body(), headers=LINES)
        assert (answer.status_code, answer.json()["code"]) == (408, "too-slow")


async def test_streams_at_once_are_limited(service_with: Make) -> None:
    async with service_with(http_streams_at_once=1) as alice:
        store = (await alice.post("/v1/stores", json={"name": "notes"})).json()["id"]
        path = f"/v1/stores/{store}/memories/bulk"
        begun, go_on = asyncio.Event(), asyncio.Event()

        async def body() -> AsyncIterator[bytes]:
            begun.set()
            await go_on.wait()
            yield b'{"content": "one"}'

        first = asyncio.create_task(alice.post(path, content=body(), headers=LINES))
        await begun.wait()
        refused = await alice.post(path, content=b"{}", headers=LINES)
        assert (refused.status_code, refused.json()["code"]) == (429, "busy")
        assert int(refused.headers["retry-after"]) >= 1
        go_on.set()
        assert told(await first)[0]["outcome"] == "created"
