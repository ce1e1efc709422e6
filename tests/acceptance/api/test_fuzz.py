"""Bodies that somebody broke: the service refuses them, stays up, and does not grow."""

from __future__ import annotations

import http.client
import json
import random
from collections import Counter
from typing import Any
from uuid import uuid4

import psutil
import pytest

JSON = "application/json"
NEAR = (None, True, 0, -1, 1e308, 10**400, "", " ", "\x00", "é" * 600, [], {}, [[]], {"a": []})
"""Values that are often not thought of."""


def nested(depth: int) -> Any:
    value: Any = 1
    for level in range(depth):
        value = [value] if level % 2 else {"a": value}
    return value


def broken(chance: random.Random, body: dict[str, Any]) -> bytes:
    """A body as it should be, with something wrong about it, or with several things."""
    value = dict(body)
    for _ in range(chance.randrange(1, 4)):
        name = chance.choice([*value, "surplus", "metadata", "tags", "as_of", "embedding"])
        kind = chance.randrange(4)
        if kind == 0:
            value[name] = chance.choice(NEAR)
        elif kind == 1:
            value.pop(name, None)
        elif kind == 2:
            value[name] = [chance.choice(NEAR) for _ in range(chance.randrange(80))]
        else:
            value[name] = nested(chance.choice((3, 30, 300)))
    sent = bytearray(json.dumps(value).encode())
    while chance.random() < 0.4 and sent:
        place = chance.randrange(len(sent))
        act = chance.randrange(3)
        if act == 0:
            sent[place] = chance.randrange(256)
        elif act == 1:
            del sent[place:]
        else:
            sent[place:place] = bytes([chance.randrange(256)]) * chance.choice((1, 2, 5_000))
    return bytes(sent)


def operations(store: str, memory: str) -> list[tuple[str, str, dict[str, Any]]]:
    question = {"query": "what is broken", "limit": 3, "tags": ["a"], "since": "2026-01-01T00:00Z"}
    return [
        ("POST", "/v1/stores", {"name": "notes", "visibility": "private"}),
        ("PATCH", store, {"visibility": "private"}),
        ("PUT", f"{store}/grants/bob", {"access": "read"}),
        ("POST", f"{store}/memories", {"content": "text", "importance": 0.5, "metadata": {}}),
        ("PATCH", f"{store}/memories/{memory}", {"importance": 0.4, "title": "t"}),
        ("POST", f"{store}/memories/{memory}/why", question),
        ("POST", f"{store}/recall", question),
        ("POST", f"{store}/context", {**question, "maxTokens": 50}),
        ("POST", f"{store}/accesses", {"memoryIds": [memory]}),
        ("POST", "/v1/keys", {"name": "k", "scopes": ["read"]}),
    ]


@pytest.mark.parametrize(
    "count", [1_000, pytest.param(100_000, marks=pytest.mark.slow)], ids=["few", "many"]
)
def test_broken_bodies_are_refused(serve: Any, count: int) -> None:
    served = serve()
    chance = random.Random(7)
    with served.client() as client:
        store = f"/v1/stores/{client.post('/v1/stores', json={'name': 'notes'}).json()['id']}"
        memory = client.post(f"{store}/memories", json={"content": "x"}).json()["id"]
    calls = operations(store, memory)
    process = psutil.Process(served.process.pid)
    before, most, statuses = process.memory_info().rss, 0, Counter[int]()
    connection = http.client.HTTPConnection(served.host, served.port, timeout=60)
    for number in range(count):
        method, path, body = chance.choice(calls)
        sent = broken(chance, body)
        connection.request(method, path, sent, {"Content-Type": JSON, "X-Request-Id": str(uuid4())})
        answer = connection.getresponse()
        text = answer.read()
        statuses[answer.status] += 1
        told = f"{number}: {method} {path} {sent[:300]!r} -> {answer.status} {text[:300]!r}"
        assert answer.status < 500, told
        if answer.status >= 400:
            assert json.loads(text)["status"] == answer.status, told
        if number % 500 == 0:
            most = max(most, process.memory_info().rss)
    connection.close()
    assert statuses[400] + statuses[422] > count / 2
    assert most - before < 150_000_000, f"grew by {(most - before) / 1e6:.0f} MB; {statuses}"
