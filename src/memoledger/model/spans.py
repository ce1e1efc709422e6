"""Spans of OpenTelemetry traces, where somebody traces.

A span is made only inside one that is being recorded: the service's own of a request, or whatever
span a program that uses the Python API has open. Everywhere else this costs a dictionary look-up;
OpenTelemetry is not even imported. Names and attributes come from the program, never from what a
user wrote, and an error is told by its class: its message may quote a value.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from opentelemetry.trace import SpanKind

Attributes = dict[str, "str | int | float | bool"]

TRACER: Final = "memoledger"

_NOTHING: Final = nullcontext()


def span(
    name: str, attributes: Callable[[], Attributes] = dict, *, outgoing: bool = False
) -> AbstractContextManager[None]:
    """Make a part of a trace, if there is one, for as long as a `with` block runs.

    Args:
        name: what is done, out of a small fixed set.
        attributes: gives them, by the names of OpenTelemetry's conventions where there is one; it
            is called only where there is a trace.
        outgoing: another process does the work, such as the database.
    """
    trace = sys.modules.get("opentelemetry.trace")
    if trace is None or not trace.get_current_span().is_recording():
        return _NOTHING
    kind: SpanKind = trace.SpanKind.CLIENT if outgoing else trace.SpanKind.INTERNAL
    return _recorded(name, attributes(), kind)


@contextmanager
def _recorded(name: str, attributes: Attributes, kind: SpanKind) -> Iterator[None]:
    from opentelemetry.trace import StatusCode, get_tracer

    with get_tracer(TRACER).start_as_current_span(
        name,
        kind=kind,
        attributes=attributes,
        record_exception=False,
        set_status_on_exception=False,
    ) as opened:
        try:
            yield
        except BaseException as error:
            opened.set_attribute("error.type", getattr(error, "code", type(error).__name__))
            opened.set_status(StatusCode.ERROR)
            raise
