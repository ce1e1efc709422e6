"""/metrics: what was done is counted, labels are bounded, and not everybody may look."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse
from pydantic import SecretStr

from memoledger.model.queue import QueueDepth
from memoledger.surfaces.api.metrics import OTHER, TENANTS_MAX, UNMATCHED, Metrics
from memoledger.surfaces.api.service import Answered, Service

BOARD = Path(__file__).resolve().parents[3] / "deploy/grafana/memoledger.json"
SECRET = "The vault's number is 4711"

Samples = dict[str, list[tuple[dict[str, str], float]]]


def samples_of(text: str) -> Samples:
    found: Samples = {}
    for family in parse(text):
        for sample in family.samples:
            found.setdefault(sample.name, []).append((dict(sample.labels), sample.value))
    return found


def value(samples: Samples, name: str, **labels: str) -> float:
    [found] = [v for given, v in samples[name] if labels.items() <= given.items()]
    return found


async def scraped(client: Any) -> Samples:
    answer = await client.get("/metrics")
    assert answer.status_code == 200
    return samples_of(answer.text)


async def used(client: Any) -> dict[str, Any]:
    """A store in which something was remembered and asked for."""
    store: dict[str, Any] = (await client.post("/v1/stores", json={"name": "notes"})).json()
    path = f"/v1/stores/{store['id']}"
    assert (await client.post(f"{path}/memories", json={"content": SECRET})).status_code == 201
    answer = await client.post(f"{path}/recall", json={"query": SECRET})
    assert len(answer.json()["hits"]) == 1
    return store


async def test_what_was_done_is_counted(service: Any) -> None:
    client = await service()
    await used(client)
    await client.get("/v1/no/such/path")
    samples = await scraped(client)
    route = "/v1/stores/{storeId}/recall"
    recalls = [v for given, v in samples["memoledger_requests_total"] if "recall" in given["route"]]
    assert recalls == [1], f"{route} is among {samples['memoledger_requests_total']}"
    assert value(samples, "memoledger_requests_total", status="404", route=UNMATCHED) == 1
    parts = {given["part"] for given, _ in samples["memoledger_recall_part_seconds_count"]}
    assert {"embed", "search", "rank", "fetch"} <= parts
    assert value(samples, "memoledger_embedded_texts_total", input="query") == 1
    assert value(samples, "memoledger_embedded_texts_total", input="document") == 1
    assert value(samples, "memoledger_embedding_seconds_count", input="query") == 1
    assert value(samples, "memoledger_pool_wait_seconds_count") >= 3
    assert value(samples, "memoledger_pool_connections_max") == 8
    assert samples["memoledger_receipts_waiting"][0][1] in (0, 1)
    assert value(samples, "process_resident_memory_bytes") > 0


async def test_nothing_anybody_wrote_is_in_it(service: Any) -> None:
    client = await service()
    store = await used(client)
    await client.get(f"/v1/stores/{store['id']}/memories/01936f6e-0000-7000-8000-000000000001")
    await client.request("BREW", "/v1/stores")
    text = (await client.get("/metrics")).text
    for word in ("4711", "acme", "alice", "notes", store["id"], "BREW", "01936f6e"):
        assert word not in text
    assert f'method="{OTHER}"' in text


async def test_tenants_are_named_where_that_is_asked_for(service: Any) -> None:
    client = await service(metrics_tenants=True)
    await used(client)
    samples = await scraped(client)
    named = samples["memoledger_tenant_requests_total"]
    assert ({"tenant": "acme", "status": "2xx"}, 3.0) in named


def _answered(**given: Any) -> Answered:
    usual: dict[str, Any] = {
        "method": "GET",
        "route": "/v1/me",
        "status": 200,
        "duration_s": 0.01,
        "timings_ms": {},
        "request_id": "a",
        "tenant": None,
    }
    return Answered(**{**usual, **given})


async def test_labels_are_bounded(ledger: Any) -> None:
    metrics = Metrics(Service.of(ledger.application), tenants=True)
    for number in range(TENANTS_MAX + 50):
        metrics.observe(
            _answered(
                method=f"M{number}", tenant=f"tenant-{number}", timings_ms={f"part-{number}": 1.0}
            )
        )
    samples = samples_of(metrics.exposition()[0].decode())
    assert len(samples["memoledger_requests_total"]) == 1
    assert len(samples["memoledger_recall_part_seconds_count"]) == 1
    tenants = samples["memoledger_tenant_requests_total"]
    assert len(tenants) == TENANTS_MAX + 1
    assert ({"tenant": OTHER, "status": "2xx"}, 50.0) in tenants


async def test_every_metric_of_the_board_exists(service: Any, ledger: Any) -> None:
    client = await service()
    await used(client)
    ledger.application.upkeep.succeeded("sweep")
    ledger.application.upkeep.failed("sweep")
    ledger.application.queue.depth = QueueDepth()
    there = set(await scraped(client))
    board = json.loads(BOARD.read_text("utf-8"))
    drawn = [target["expr"] for panel in board["panels"] for target in panel.get("targets", ())]
    asked = {name for expr in drawn for name in re.findall(r"\b(?:memoledger|process)_\w+", expr)}
    assert len(asked) > 20
    assert asked - there == set()
    assert "memoledger_build_info" in there


async def test_every_metric_is_named_in_the_documentation(service: Any) -> None:
    page = (BOARD.parents[2] / "docs/howto/observe.md").read_text("utf-8")
    client = await service(metrics_tenants=True)
    await used(client)
    families = {family.name for family in parse((await client.get("/metrics")).text)}
    ours = {name.removesuffix("_created") for name in families if name.startswith("memoledger_")}
    assert {name for name in ours if name not in page} == set()


async def test_openmetrics_is_spoken_where_it_is_asked_for(service: Any) -> None:
    client = await service()
    await used(client)
    asked = {"Accept": "application/openmetrics-text; version=1.0.0"}
    answer = await client.get("/metrics", headers=asked)
    assert answer.headers["content-type"].startswith("application/openmetrics-text")
    assert {family.name for family in openmetrics(answer.text)} > {"memoledger_requests"}


async def test_without_a_token_they_are_shown_to_this_machine_only(service: Any) -> None:
    near = await service()
    assert (await near.get("/metrics")).status_code == 200
    for header in ("X-Forwarded-For", "Forwarded", "X-Real-IP"):
        assert (await near.get("/metrics", headers={header: "203.0.113.9"})).status_code == 403
    far = await service(address="203.0.113.9")
    answer = await far.get("/metrics")
    assert answer.status_code == 403
    assert "memoledger_requests" not in answer.text


@pytest.mark.parametrize(
    ("given", "status"),
    [
        ({}, 401),
        ({"Authorization": "Bearer wrong"}, 401),
        ({"Authorization": "Bearer "}, 401),
        ({"Authorization": "right"}, 401),
        ({"Authorization": "Bearer right"}, 200),
    ],
)
async def test_a_token_is_asked_for_where_one_is_set(
    service: Any, given: dict[str, str], status: int
) -> None:
    for address in ("127.0.0.1", "203.0.113.9"):
        client = await service(address=address, metrics_token=SecretStr("right"))
        assert (await client.get("/metrics", headers=given)).status_code == status
