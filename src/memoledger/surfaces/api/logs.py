"""The log of `serve`: one line an event, on standard error, without content.

What Memoledger logs names ids, codes and times, and the tenant; no text of a memory or a question,
no key. Libraries know no such rule, so of theirs nothing below "info" is written, whatever level is
set: at "debug" some of them write out what they are given.
"""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING, Final, Literal, TextIO

import structlog

if TYPE_CHECKING:
    from structlog.typing import EventDict, Processor

Level = Literal["debug", "info", "warning", "error"]
Form = Literal["json", "console"]

_LEVELS: Final[dict[Level, int]] = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
}
_QUIET: Final = ("uvicorn.access", "httpx", "httpcore", "mcp", "psycopg.pool")
"""Libraries that have a line for everything: only their warnings are written."""


def configure_logs(level: Level, form: Form, *, stream: TextIO | None = None) -> None:
    """Have everything that this process logs written in one form.

    Args:
        level: the least important that is written.
        form: a JSON object a line, or lines for people.
        stream: where to; standard error if it is None, looked up at each line.
    """
    before: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
        _name_trace,
    ]
    last: Processor = (
        structlog.processors.JSONRenderer(sort_keys=False)
        if form == "json"
        else structlog.dev.ConsoleRenderer(colors=False)
    )
    structlog.configure(
        processors=[*before, structlog.processors.format_exc_info, last],
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level]),
        logger_factory=lambda *_: structlog.WriteLogger(stream or sys.stderr),
        cache_logger_on_first_use=False,
    )
    _take_in_libraries(before, last, _LEVELS[level], stream)


def _take_in_libraries(
    before: list[Processor], last: Processor, level: int, stream: TextIO | None
) -> None:
    """Libraries log by the standard library's `logging`: in the same form, to the same place."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*before, structlog.stdlib.add_logger_name],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                last,
            ],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(max(level, logging.INFO))
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        library = logging.getLogger(name)
        library.handlers, library.propagate = [], True
        library.setLevel(logging.NOTSET)
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)


def _name_trace(_: object, __: str, event: EventDict) -> EventDict:
    """Name the trace that a line belongs to, where there is one."""
    trace = sys.modules.get("opentelemetry.trace")
    if trace is not None:
        found = trace.get_current_span().get_span_context()
        if found.is_valid:
            event["trace_id"] = trace.format_trace_id(found.trace_id)
            event["span_id"] = trace.format_span_id(found.span_id)
    return event
