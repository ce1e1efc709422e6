"""When a request is sent again: waits by a drawn number, or as the server asks, and the end."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memoledger.client.retry import RetryPolicy, retry_after_s
from memoledger.model.errors import InvalidInput

NOW = datetime(2026, 5, 8, 13, 56, tzinfo=UTC)


@pytest.mark.parametrize(("drawn", "waits"), [(0.0, [0, 0, 0]), (1.0, [0.2, 0.4, 0.8])])
def test_waits_grow_up_to_the_number_drawn(drawn: float, waits: list[float]) -> None:
    policy = RetryPolicy(draw=lambda: drawn)
    assert [policy.wait_s(attempt) for attempt in (1, 2, 3)] == pytest.approx(waits)
    assert policy.wait_s(4) is None


def test_what_the_server_asks_for_is_a_lower_bound() -> None:
    policy = RetryPolicy(draw=lambda: 0.5)
    assert policy.wait_s(1, 7.0) == pytest.approx(7.1)
    assert policy.wait_s(1, 30.0) == pytest.approx(30.1)


def test_patience_ends() -> None:
    policy = RetryPolicy()
    assert policy.wait_s(1, 30.1) is None
    assert policy.wait_s(4, 0.0) is None
    assert RetryPolicy(attempts=1).wait_s(1) is None


@given(
    attempt=st.integers(1, 19),
    drawn=st.floats(0, 1),
    asked=st.none() | st.floats(0, 30),
)
def test_waits_are_bounded(attempt: int, drawn: float, asked: float | None) -> None:
    policy = RetryPolicy(attempts=20, draw=lambda: drawn)
    wait = policy.wait_s(attempt, asked)
    assert wait is not None
    assert (asked or 0) <= wait <= max(policy.cap_s, (asked or 0) + policy.base_s)


@pytest.mark.parametrize("attempts", [0, -1, 21, True, 1.5, "4", None])
def test_a_wrong_number_of_attempts(attempts: Any) -> None:
    with pytest.raises(InvalidInput) as caught:
        RetryPolicy(attempts)
    assert caught.value.field == "attempts"


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        *[("0", 0.0), ("7", 7.0), (" 7 ", 7.0), ("9" * 100, 999_999_999.0)],
        ("Fri, 08 May 2026 13:56:30 GMT", 30.0),
        ("Fri, 08 May 2026 13:56:30 -0000", 30.0),
        ("Fri, 08 May 2026 15:56:30 +0200", 30.0),
        ("Fri, 08 May 2020 13:56:30 GMT", 0.0),
        *[("", None), ("soon", None), ("-5", None), ("1.5", None), ("7 s", None), ("७", None)],
        *[("Fri, 99 May 2026 13:56:30 GMT", None), ("\x00", None)],
    ],
)
def test_what_retry_after_says(header: str, seconds: float | None) -> None:
    assert retry_after_s({"retry-after": header}, lambda: NOW) == seconds


def test_no_retry_after() -> None:
    assert retry_after_s({}, lambda: NOW) is None
