"""What holds for every operation: ids, headers, limits, keys for doing things once, problems."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager

import httpx
import pytest

from memoledger.model.principal import Principal
from memoledger.surfaces.api.app import create_app
from memoledger.surfaces.api.service import Answered
from memoledger.surfaces.python.memoledger import Memoledger

Make = Callable[..., AbstractAsyncContextManager[httpx.AsyncClient]]


async def made_store(client: httpx.AsyncClient) -> str:
    return f"/v1/stores/{(await client.post('/v1/stores', json={'name': 'notes'})).json()['id']}"


async def test_a_request_keeps_its_id(alice: httpx.AsyncClient) -> None:
    answer = await alice.get("/v1/me", headers={"x-request-id": "a-1"})
    assert answer.headers["x-request-id"] == "a-1"
    made_up = await alice.get("/v1/nowhere", headers={"x-request-id": "no good id\t"})
    assert made_up.status_code == 404
    assert made_up.json()["requestId"] == made_up.headers["x-request-id"] != "no good id\t"


async def test_every_answer_has_security_headers(alice: httpx.AsyncClient) -> None:
    for path, status in (("/v1/me", 200), ("/nowhere", 404), ("/version", 200)):
        answer = await alice.get(path)
        assert answer.status_code == status
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cache-control"] == "no-store"
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert ("server-timing" in answer.headers) == (status == 200)
    wrong = await alice.put("/v1/me")
    assert (wrong.status_code, wrong.json()["code"]) == (405, "method-not-allowed")
    assert "allow" in wrong.headers


async def test_large_answers_are_packed(alice: httpx.AsyncClient, store: str) -> None:
    await alice.post(f"{store}/memories", json={"content": "word " * 1_000})
    async with alice.stream("GET", f"{store}/memories") as answer:
        raw = b"".join([piece async for piece in answer.aiter_raw()])
    assert answer.headers["content-encoding"] == "gzip"
    assert answer.headers["vary"] == "Accept-Encoding"
    assert b"word word" in gzip.decompress(raw)
    plain = await alice.get(f"{store}/memories", headers={"accept-encoding": "identity"})
    assert "content-encoding" not in plain.headers


async def test_other_origins_are_not_let_in(alice: httpx.AsyncClient, service_with: Make) -> None:
    asked = {"origin": "https://app.example", "access-control-request-method": "GET"}
    assert (
        (await alice.get("/v1/me", headers=asked))
        .headers.keys()
        .isdisjoint({"access-control-allow-origin"})
    )
    assert (await alice.options("/v1/me", headers=asked)).status_code == 405
    async with service_with(http_cors_origins="https://app.example, https://b.example") as let_in:
        before = await let_in.options("/v1/me", headers=asked)
        assert before.headers["access-control-allow-origin"] == "https://app.example"
        other = await let_in.get("/v1/me", headers={"origin": "https://evil.example"})
        assert "access-control-allow-origin" not in other.headers


async def test_a_body_that_is_too_large_is_not_read(service_with: Make) -> None:
    async with service_with(http_body_bytes_max=1_024) as alice:
        path = f"{await made_store(alice)}/memories"
        refused = await alice.post(path, json={"content": "x" * 2_000})
        assert (refused.status_code, refused.json()["code"]) == (413, "too-large")
        assert refused.headers["connection"] == "close"

        read = 0

        async def endless() -> AsyncIterator[bytes]:
            nonlocal read
            while read < 1_000_000:
                read += 500
                yield b"x" * 500

        kind = {"content-type": "application/json"}
        refused = await alice.post(path, content=endless(), headers=kind)
        assert refused.status_code == 413
        lines = {"content-type": "application/x-ndjson"}
        body = b'{"content": "' + b"x" * 2_000 + b'"}\n{"content": "short"}\n'
        answer = await alice.post(f"{path}/bulk", content=body, headers=lines)
        assert [line["outcome"] for line in map(_json, answer.text.splitlines())] == [
            "rejected",
            "created",
        ]


def _json(text: str) -> dict[str, object]:
    import json

    value: dict[str, object] = json.loads(text)
    return value


async def test_a_slow_body_is_not_waited_for(service_with: Make) -> None:
    async with service_with(http_body_timeout_s=0.1) as alice:

        async def slow() -> AsyncIterator[bytes]:
            yield b'{"name": '
            await asyncio.sleep(30)

        kind = {"content-type": "application/json"}
        refused = await alice.post("/v1/stores", content=slow(), headers=kind)
        assert (refused.status_code, refused.json()["code"]) == (408, "too-slow")


async def test_other_limits(service_with: Make) -> None:
    async with service_with(http_query_chars_max=20, http_page_max=5, http_batch_max=3) as alice:
        store = await made_store(alice)
        for body, field in (({"query": "x" * 21}, "query"), ({"query": "x", "limit": 6}, "limit")):
            refused = await alice.post(f"{store}/recall", json=body)
            assert (refused.status_code, refused.json()["field"]) == (422, field)
        assert (await alice.get(f"{store}/memories", params={"limit": 6})).status_code == 422
        assert (await alice.get(f"{store}/memories")).status_code == 200
        lines = {"content-type": "application/x-ndjson"}
        refused = await alice.post(
            f"{store}/memories/bulk", content=b"", headers=lines, params={"batchSize": 4}
        )
        assert refused.status_code == 422


async def test_what_takes_too_long_is_ended(
    service_with: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def slow(*_: object, **__: object) -> None:
        await asyncio.sleep(30)

    monkeypatch.setattr("memoledger.surfaces.api.routes.recall.recall", slow)
    async with service_with(http_request_timeout_s=0.1) as alice:
        store = await made_store(alice)
        ended = await alice.post(f"{store}/recall", json={"query": "x"})
        assert (ended.status_code, ended.json()["code"]) == (503, "time-limit")
        assert ended.headers["retry-after"] == "2"


async def test_heavy_requests_wait_their_turn_or_are_sent_away(
    service_with: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on = asyncio.Event()
    limits = {"http_heavy_at_once": 1, "http_heavy_waiting": 1, "http_heavy_wait_s": 20.0}
    async with service_with(**limits) as alice:
        store = await made_store(alice)
        service = alice._transport.app.state.service  # type: ignore[attr-defined]
        from memoledger.surfaces.api.routes import recall as routes

        real = routes.recall

        async def held(*given: object, **named: object) -> object:
            await go_on.wait()
            return await real(*given, **named)  # type: ignore[arg-type]

        monkeypatch.setattr(routes, "recall", held)
        ask = lambda: asyncio.create_task(  # noqa: E731
            alice.post(f"{store}/recall", json={"query": "x"})  # type: ignore[arg-type]
        )
        first, second = ask(), ask()
        while (service.heavy.inside, service.heavy.waiting) != (1, 1):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        away = await ask()
        assert (away.status_code, away.json()["code"]) == (429, "busy")
        assert away.headers["retry-after"] == "20"
        # What is light goes on.
        assert (await alice.get("/v1/me")).status_code == 200
        go_on.set()
        assert [(await one).status_code for one in (first, second)] == [200, 200]
        assert (service.heavy.inside, service.heavy.waiting, service.heavy.refused) == (0, 0, 1)


async def test_a_write_under_a_key_is_done_once(alice: httpx.AsyncClient, store: str) -> None:
    path, key = f"{store}/memories", {"idempotency-key": "k-1"}
    body = {"content": "once", "externalId": "e"}
    first = await alice.post(path, json=body, headers=key)
    assert first.status_code == 201
    await alice.post(path, json={"content": "changed since", "externalId": "e"})
    again = await alice.post(path, json=body, headers=key)
    assert (again.status_code, again.headers["idempotency-replayed"]) == (201, "true")
    assert again.headers["etag"] == '"1"'
    same = {"id", "version", "content", "outcome", "recordedAt"}
    assert {n: again.json()[n] for n in same} == {n: first.json()[n] for n in same}
    other = await alice.post(path, json={"content": "other"}, headers=key)
    assert (other.status_code, other.json()["code"]) == (409, "conflict")
    memory = f"{path}/{first.json()['id']}"
    for _ in range(2):
        changed = await alice.patch(
            memory, json={"importance": 0.7}, headers={"idempotency-key": "k-2"}
        )
        assert (changed.status_code, changed.json()["version"]) == (200, 3)
    for _ in range(2):
        gone = await alice.delete(memory, headers={"idempotency-key": "k-3"})
        assert gone.status_code == 204
    refused = await alice.post(path, json=body, headers={"idempotency-key": "x" * 256})
    assert refused.status_code == 422


async def test_a_failed_write_may_be_sent_again_under_its_key(
    alice: httpx.AsyncClient, store: str
) -> None:
    path, key = f"{store}/memories", {"idempotency-key": "k"}
    refused = await alice.post(path, json={"content": "x", "importance": 7}, headers=key)
    assert refused.status_code == 422
    assert (await alice.post(path, json={"content": "x"}, headers=key)).status_code == 201


async def test_a_mistake_of_ours_is_told_without_a_word_about_it(
    alice: httpx.AsyncClient, store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: object, **__: object) -> None:
        raise RuntimeError("the secret of the roadmap")

    monkeypatch.setattr("memoledger.surfaces.api.routes.recall.recall", broken)
    failed = await alice.post(f"{store}/recall", json={"query": "x"})
    assert (failed.status_code, failed.json()["code"]) == (500, "unexpected")
    assert "roadmap" not in failed.text
    assert "detail" not in failed.json()


async def test_observers_are_told_of_every_request(alice: httpx.AsyncClient, store: str) -> None:
    seen: list[Answered] = []
    app = alice._transport.app  # type: ignore[attr-defined]
    app.state.service.observers.append(seen.append)
    await alice.post(f"{store}/memories", json={"content": "x"})
    await alice.post(f"{store}/recall", json={"query": "x"})
    await alice.get("/v1/nowhere")
    assert [(one.route, one.status) for one in seen] == [
        ("/v1/stores/{storeId}/memories", 201),
        ("/v1/stores/{storeId}/recall", 200),
        ("", 404),
    ]
    assert seen[1].timings_ms["search"] > 0
    assert seen[1].tenant == "acme"


async def test_in_development_headers_say_who_acts(ledger: Memoledger) -> None:
    application = ledger.application
    app = create_app(application, application.settings, development=Principal("default", "me"))
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost:1") as client:
        me = (await client.get("/v1/me")).json()
        assert (me["tenant"], me["user"], me["method"]) == ("default", "me", "development")
        given = {"memoledger-tenant": b"acme", "memoledger-user": "zoë".encode()}
        other = await client.get("/v1/me", headers=given)  # type: ignore[arg-type]
        assert (other.json()["tenant"], other.json()["user"]) == ("acme", "zoë")
        wrong = await client.get("/v1/me", headers={"memoledger-user": "system"})
        assert wrong.status_code == 422
        assert (
            await client.get("/v1/me", headers={"authorization": "Bearer x"})
        ).status_code == 401
        # A page of another site, whose name was made to lead here.
        foreign = await client.get("/v1/me", headers={"host": "evil.example"})
        assert (foreign.status_code, foreign.json()["code"]) == (421, "misdirected")
