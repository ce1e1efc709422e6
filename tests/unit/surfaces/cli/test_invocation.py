"""What every command does before and after its work."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator

import pytest
import structlog

from memoledger.surfaces.cli.invocation import send_logs_to_standard_error


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    yield
    structlog.reset_defaults()


def test_logs_follow_standard_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """A program that calls a command in its own process may close the stream it gave it."""
    with monkeypatch.context() as patched:
        given = io.StringIO()
        patched.setattr(sys, "stderr", given)
        send_logs_to_standard_error()
        given.close()
    later = io.StringIO()
    monkeypatch.setattr(sys, "stderr", later)
    structlog.get_logger("memoledger").warning("receipts_wait")
    assert "receipts_wait" in later.getvalue()
