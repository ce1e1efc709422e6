"""Cache and object store in the metrics, and in the health of a service."""

from __future__ import annotations

import asyncio
import dataclasses
import signal
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families as parse
from pydantic import SecretStr

from memoledger.bootstrap.bytes import cache_of
from memoledger.services.caching import Cached
from memoledger.settings import load_settings
from memoledger.surfaces.python.memoledger import Memoledger


@pytest.fixture
async def cached(ledger: Memoledger, redis_server: Any) -> Any:
    """The ledger with a Redis for a cache."""
    url = SecretStr(redis_server.url)
    cache = cache_of(load_settings(redis_url=url, cache_timeout_s=0.2))
    assert cache is not None
    application = ledger.application
    application.context = dataclasses.replace(application.context, cached=Cached(cache))
    yield cache
    await cache.aclose()


async def samples(client: Any) -> dict[tuple[str, str], float]:
    """Our metrics of cache and object store, by name and label."""
    text = (await client.get("/metrics")).text
    return {
        (sample.name, "".join(sample.labels.values())): sample.value
        for family in parse(text)
        for sample in family.samples
        if sample.name.startswith(("memoledger_cache", "memoledger_artifact"))
    }


async def test_what_was_asked_and_answered_is_counted(
    service: Any, ledger: Memoledger, cached: Any
) -> None:
    client = await service()
    notes = await (await ledger.principal(tenant="acme", user="alice")).store("notes")
    learned = await notes.learn("wiki", "tea", content="Tea is hot.")
    for _ in range(3):
        await notes.chunks(learned.document.id)
    found = await samples(client)
    assert found["memoledger_cache_up", ""] == 1
    assert found["memoledger_cache_written_total", ""] == 1
    assert found["memoledger_cache_answers_total", "miss"] == 1
    assert found["memoledger_cache_answers_total", "hit"] == 2
    assert found["memoledger_artifact_acts_total", "put"] == 1
    assert found["memoledger_artifact_failures_total", "put"] == 0
    assert found["memoledger_artifact_bytes_total", "put"] == len("Tea is hot.")
    labels = {label for name, label in found if name == "memoledger_cache_answers_total"}
    assert labels == {"hit", "miss", "refused", "failed", "skipped"}


async def test_health_tells_of_a_frozen_redis_and_stays_well(
    service: Any, cached: Any, redis_server: Any
) -> None:
    client = await service()

    async def look() -> tuple[int, dict[str, str]]:
        answer = await client.get("/health")
        return answer.status_code, {c["check"]: c["status"] for c in answer.json()["checks"]}

    status, found = await look()
    assert (status, found["cache"], found["artifacts"]) == (200, "ok", "ok")
    redis_server.send(signal.SIGSTOP)
    async with asyncio.timeout(30):
        status, found = await look()
    assert (status, found["cache"]) == (200, "warn")
    assert (await samples(client))["memoledger_cache_up", ""] == 0
    redis_server.send(signal.SIGCONT)
    status, found = await look()
    assert (status, found["cache"]) == (200, "ok")
