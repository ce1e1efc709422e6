"""The log: a JSON object a line, with the request's id and tenant, and nobody's words."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from memoledger.surfaces.api.logs import configure_logs

SECRET = "The vault's number is 4711"


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    before = root.handlers[:], root.level
    stream = io.StringIO()
    yield stream
    root.handlers, root.level = before
    structlog.reset_defaults()


def lines(log: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in log.getvalue().splitlines()]


async def test_a_request_leaves_a_line_without_content(service: Any, log: io.StringIO) -> None:
    configure_logs("debug", "json", stream=log)
    client = await service()
    store = (await client.post("/v1/stores", json={"name": "notes"})).json()
    path = f"/v1/stores/{store['id']}"
    await client.post(f"{path}/memories", json={"content": SECRET})
    answer = await client.post(f"{path}/recall", json={"query": SECRET})
    await client.post(f"{path}/recall", json={"query": SECRET, "nonsense": SECRET})
    await client.get(f"/v1/stores/{SECRET}", headers={"Authorization": f"Bearer {SECRET}"})
    found = [line for line in lines(log) if line["event"] == "answered"]
    assert len(found) == 5
    recall = found[2]
    assert recall["request_id"] == answer.headers["x-request-id"]
    assert recall["tenant"] == "acme"
    assert recall["status"] == 200
    assert recall["level"] == "info"
    assert recall["time"].endswith("Z")
    assert "4711" not in log.getvalue()


def test_what_libraries_log_is_in_the_same_form(log: io.StringIO) -> None:
    configure_logs("info", "json", stream=log)
    logging.getLogger("uvicorn.error").info("It %s.", "runs")
    logging.getLogger("uvicorn.access").info("for every request")
    logging.getLogger("mcp.server").info("for every message")
    logging.getLogger("some.library").debug("what it was given")
    structlog.get_logger("memoledger").info("something", count=1)
    first, second = lines(log)
    assert first["event"] == "It runs."
    assert first["logger"] == "uvicorn.error"
    assert (second["event"], second["count"]) == ("something", 1)


def test_a_level_keeps_what_is_less_important_out(log: io.StringIO) -> None:
    configure_logs("warning", "json", stream=log)
    structlog.get_logger("memoledger").info("not this")
    structlog.get_logger("memoledger").warning("but this")
    logging.getLogger("uvicorn.error").info("nor this")
    assert [line["event"] for line in lines(log)] == ["but this"]


def test_at_debug_libraries_still_do_not_write_out_what_they_are_given(log: io.StringIO) -> None:
    configure_logs("debug", "json", stream=log)
    logging.getLogger("some.library").debug(SECRET)
    structlog.get_logger("memoledger").debug("ours")
    assert [line["event"] for line in lines(log)] == ["ours"]


def test_people_get_lines(log: io.StringIO) -> None:
    configure_logs("info", "console", stream=log)
    structlog.get_logger("memoledger").info("answered", status=200)
    assert "status=200" in log.getvalue()


def test_a_failure_s_trace_is_in_the_line(log: io.StringIO) -> None:
    configure_logs("info", "json", stream=log)
    try:
        raise ZeroDivisionError
    except ZeroDivisionError:
        logging.getLogger("uvicorn.error").exception("It failed.")
    [line] = lines(log)
    assert "ZeroDivisionError" in line["exception"]
