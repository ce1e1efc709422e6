"""Traces: a request, its parts, and its SQL by name; no content."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

SECRET = "The vault's number is 4711"
TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = "b7ad6b7169203331"


@pytest.fixture
def exporter(monkeypatch: pytest.MonkeyPatch) -> Iterator[InMemorySpanExporter]:
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", provider)
    yield exporter
    provider.shutdown()


async def asked(client: Any, **headers: str) -> None:
    store = (await client.post("/v1/stores", json={"name": "notes"}, headers=headers)).json()
    path = f"/v1/stores/{store['id']}"
    await client.post(f"{path}/memories", json={"content": SECRET}, headers=headers)
    await client.post(f"{path}/recall", json={"query": SECRET}, headers=headers)


def children(spans: tuple[ReadableSpan, ...], of: ReadableSpan) -> list[ReadableSpan]:
    assert of.context is not None
    return [s for s in spans if s.parent is not None and s.parent.span_id == of.context.span_id]


async def test_a_request_s_parts_and_its_sql_hang_together(
    service: Any, exporter: InMemorySpanExporter
) -> None:
    await asked(await service())
    spans = exporter.get_finished_spans()
    [request] = [s for s in spans if s.name.startswith("POST ") and s.name.endswith("/recall")]
    attributes = dict(request.attributes or {})
    assert attributes["http.response.status_code"] == 200
    assert attributes["http.route"] == request.name.removeprefix("POST ")
    assert attributes["memoledger.tenant"] == "acme"
    assert attributes["memoledger.request_id"]
    assert request.kind is trace.SpanKind.SERVER
    [recall] = [s for s in children(spans, request) if s.name == "recall"]
    below = children(spans, recall)
    assert {"embed", "sql", "rank"} <= {s.name for s in below}
    statements = [(s.attributes or {}).get("db.query.summary") for s in below if s.name == "sql"]
    assert all(isinstance(one, str) and one for one in statements)


async def test_no_content_and_no_path_is_in_them(
    service: Any, exporter: InMemorySpanExporter
) -> None:
    client = await service()
    await asked(client)
    await client.post("/v1/stores", json={"name": SECRET, "nonsense": SECRET})
    await client.get(f"/v1/stores/{SECRET}")
    told = "".join(span.to_json() for span in exporter.get_finished_spans())
    assert "4711" not in told
    assert "notes" not in told
    assert len(exporter.get_finished_spans()) > 5


async def test_a_trace_that_a_client_began_goes_on(
    service: Any, exporter: InMemorySpanExporter
) -> None:
    await asked(await service(), traceparent=f"00-{TRACE}-{PARENT}-01")
    spans = exporter.get_finished_spans()
    assert {trace.format_trace_id(s.context.trace_id) for s in spans if s.context} == {TRACE}
    servers = [s for s in spans if s.kind is trace.SpanKind.SERVER]
    assert {trace.format_span_id(s.parent.span_id) for s in servers if s.parent} == {PARENT}


async def test_what_is_asked_every_few_seconds_leaves_none(
    service: Any, exporter: InMemorySpanExporter
) -> None:
    client = await service()
    exporter.clear()
    for path in ("/health/live", "/health/ready", "/metrics"):
        assert (await client.get(path)).status_code == 200
    assert [s.name for s in exporter.get_finished_spans() if s.kind is trace.SpanKind.SERVER] == []


async def test_without_an_sdk_there_is_none_and_all_is_well(service: Any) -> None:
    await asked(await service())


async def test_the_python_api_joins_the_program_s_own_trace(
    ledger: Any, exporter: InMemorySpanExporter
) -> None:
    notes = await (await ledger.principal(tenant="acme", user="alice")).store("notes")
    await notes.remember(SECRET)
    exporter.clear()
    with trace.get_tracer("a program").start_as_current_span("its own"):
        await notes.recall("vault")
    names = {span.name for span in exporter.get_finished_spans()}
    assert {"its own", "recall", "embed", "sql"} <= names
