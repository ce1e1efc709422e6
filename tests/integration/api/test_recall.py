"""Recall, context, why, accesses and receipts over HTTP."""

from __future__ import annotations

import re
from uuid import uuid4

import httpx
import pytest

from memoledger.surfaces.api import recall_answers as answers

TEXTS = ("The roadmap for Q4 is planned", "Ada likes tea", "The boat leaves at noon")


@pytest.fixture
async def filled(alice: httpx.AsyncClient, store: str) -> str:
    for text in TEXTS:
        await alice.post(f"{store}/memories", json={"content": text})
    return store


async def test_recall(alice: httpx.AsyncClient, filled: str) -> None:
    asked = {"query": "roadmap planning", "limit": 2, "explain": True, "halfLifeDays": 3}
    answer = await alice.post(f"{filled}/recall", json=asked)
    assert answer.status_code == 200, answer.text
    hits = answers.Hits.model_validate(answer.json())
    assert hits.hits[0].memory.content == TEXTS[0]
    assert hits.hits[0].parts is not None
    timing = answer.headers["server-timing"]
    assert re.fullmatch(r"embed;dur=[\d.]+, .*total;dur=[\d.]+", timing)
    assert set(hits.timings_ms) | {"total"} == set(re.findall(r"(\w+);dur", timing))
    receipt = await alice.get(f"/v1/receipts/{hits.receipt_id}")
    kept = answers.Receipt.model_validate(receipt.json())
    assert (kept.query, kept.limit) == ("roadmap planning", 2)
    assert kept.filters == {"halfLifeDays": 3.0}
    listed = await alice.get("/v1/receipts", params={"storeId": filled.rpartition("/")[2]})
    assert answers.Receipts.model_validate(listed.json()).receipts == [kept]
    counted = await alice.post(
        f"{filled}/accesses", json={"memoryIds": [str(hits.hits[0].memory.id), str(uuid4())]}
    )
    [count] = answers.Accesses.model_validate(counted.json()).accesses
    assert (count.memory_id, count.count) == (hits.hits[0].memory.id, 1)


async def test_what_is_wrong_with_a_question(alice: httpx.AsyncClient, filled: str) -> None:
    for asked, field in (
        ({"query": ""}, "query"),
        ({"query": "x" * 10_001}, "query"),
        ({"query": "x", "limit": 0}, "limit"),
        ({"query": "x", "limit": 1_001}, "limit"),
        ({"query": "x", "mode": "magic"}, "mode"),
        ({"query": "x", "mode": "lexical", "minSimilarity": 0.5}, "minSimilarity"),
        ({"query": "x", "since": "2026-01-02T00:00Z", "until": "2026-01-01T00:00Z"}, "until"),
        ({"query": "x", "max_tokens": 5}, "maxTokens"),
    ):
        refused = await alice.post(f"{filled}/recall", json=asked)
        assert (refused.status_code, refused.json()["field"]) == (422, field)


async def test_context_and_why(alice: httpx.AsyncClient, filled: str) -> None:
    asked = {"query": "What is planned?", "maxTokens": 100}
    packed = await alice.post(f"{filled}/context", json=asked)
    pack = answers.Context.model_validate(packed.json())
    assert TEXTS[0] in pack.text
    assert pack.tokens <= 100
    assert pack.items[0].source.store == "notes"
    loose = await alice.post(f"{filled}/context", json={**asked, "fold": None, "limit": 1})
    assert len(loose.json()["items"]) == 1
    memory_id = pack.items[0].source.memory_id
    path = f"{filled}/memories/{memory_id}/why"
    told = await alice.post(path, json={"query": "planning", "tags": ["none"]})
    why = answers.Why.model_validate(told.json())
    assert (why.reason, why.filters) == ("filtered-out", ["tags"])
    assert (await alice.post(path, json={"query": "planning"})).json()["recalled"] is True


async def test_nothing_is_found_where_there_is_nothing(
    alice: httpx.AsyncClient, store: str
) -> None:
    answer = await alice.post(f"{store}/recall", json={"query": "anything"})
    assert (answer.status_code, answer.json()["hits"]) == (200, [])
    unknown = f"/v1/stores/{uuid4()}"
    assert (await alice.post(f"{unknown}/recall", json={"query": "x"})).status_code == 404
    body = {"query": "x", "maxTokens": 5}
    assert (await alice.post(f"{unknown}/context", json=body)).status_code == 404
    assert (await alice.get("/v1/stores/7")).status_code == 404
