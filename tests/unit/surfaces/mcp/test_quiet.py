"""The SDK's log lines: without what clients said."""

from __future__ import annotations

import logging

import pytest

from memoledger.surfaces.mcp.quiet import keep_words_out_of_logs


def record(path: str, level: int, *, words: str = "secret words") -> logging.LogRecord:
    made = logging.LogRecord("x", level, path, 1, f"refused: {words}", (), None)
    made.exc_info = (ValueError, ValueError(words), None)
    return made


def passed(made: logging.LogRecord, logger: str = "mcp.server.lowlevel.server") -> str | None:
    keep_words_out_of_logs()
    found = logging.getLogger(logger).filter(made)
    return None if not found else logging.Formatter().format(made)


@pytest.mark.parametrize("logger", ["", "mcp.server.streamable_http"])
def test_words_are_left_out(logger: str) -> None:
    path = "/site-packages/mcp/shared/session.py"
    assert passed(record(path, logging.WARNING), logger) is None
    said = passed(record(path, logging.ERROR), logger)
    assert said is not None
    assert "secret" not in said
    assert "ValueError" in said


@pytest.mark.parametrize("path", ["/app/main.py", "/src/memoledger/surfaces/mcp/server.py"])
def test_what_others_log_stays_as_it_is(path: str) -> None:
    assert "secret words" in (passed(record(path, logging.WARNING), "") or "")
