"""Spans are made inside a recorded one only, and tell nothing of an error but its kind."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from memoledger.model import spans
from memoledger.model.errors import InvalidInput
from memoledger.model.spans import span


@pytest.fixture
def exporter(monkeypatch: pytest.MonkeyPatch) -> Iterator[InMemorySpanExporter]:
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", provider)
    yield exporter
    provider.shutdown()


def test_nothing_is_made_where_nobody_traces(exporter: InMemorySpanExporter) -> None:
    asked: list[str] = []
    with span("part", lambda: asked.append("asked") or {}):  # type: ignore[func-returns-value]
        pass
    assert span("part") is spans._NOTHING
    assert exporter.get_finished_spans() == ()
    assert asked == []


def test_parts_hang_on_the_span_that_is_open(exporter: InMemorySpanExporter) -> None:
    with (
        trace.get_tracer("a program").start_as_current_span("its own"),
        span("outer", lambda: {"memoledger.limit": 10}),
        span("inner", outgoing=True),
    ):
        pass
    inner, outer, own = exporter.get_finished_spans()
    assert [found.name for found in (inner, outer, own)] == ["inner", "outer", "its own"]
    assert inner.parent is not None
    assert outer.context is not None
    assert inner.parent.span_id == outer.context.span_id
    assert dict(outer.attributes or {}) == {"memoledger.limit": 10}
    assert (inner.kind, outer.kind) == (trace.SpanKind.CLIENT, trace.SpanKind.INTERNAL)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (InvalidInput("content", "a secret", "no", remedy="None."), "invalid-input"),
        (KeyError("a secret"), "KeyError"),
    ],
)
def test_an_error_is_told_by_its_kind(
    exporter: InMemorySpanExporter, error: Exception, kind: str
) -> None:
    own = trace.get_tracer("a program").start_as_current_span("own")
    with own, pytest.raises(type(error)), span("part"):
        raise error
    part = exporter.get_finished_spans()[0]
    assert dict(part.attributes or {}) == {"error.type": kind}
    assert not part.events
    assert not part.status.is_ok
    assert "secret" not in part.to_json()


def test_opentelemetry_is_not_even_imported_by_a_program_without_it() -> None:
    code = (
        "import sys, memoledger; from memoledger.model.spans import span\n"
        "with span('part'): pass\n"
        "assert 'opentelemetry' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
