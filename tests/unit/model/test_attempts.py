"""Failed attempts: so many in a minute from one address, in bounded memory."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memoledger.model.attempts import Attempts, network_of


def test_up_to_the_limit_nobody_waits() -> None:
    attempts = Attempts(3)
    for _ in range(3):
        assert attempts.wait_s("192.0.2.1", 0.0) == 0
        attempts.failed("192.0.2.1", 0.0)
    assert attempts.wait_s("192.0.2.1", 0.0) == 20
    assert attempts.wait_s("192.0.2.2", 0.0) == 0


def test_waiting_as_long_as_was_said_is_enough() -> None:
    attempts = Attempts(7)
    for _ in range(50):  # many at once: the wait is still for one
        attempts.failed("192.0.2.1", 10.0)
    wait_s = attempts.wait_s("192.0.2.1", 10.0)
    assert wait_s == 9
    assert attempts.wait_s("192.0.2.1", 10.0 + wait_s) == 0
    assert attempts.wait_s("192.0.2.1", 10.0 + wait_s - 1) > 0


@given(st.lists(st.floats(0, 5), max_size=300), st.integers(1, 20))
def test_in_no_minute_are_twice_as_many_looked_at(gaps_s: list[float], most: int) -> None:
    """A full measure at the beginning, and what empties meanwhile."""
    attempts, now_s, looked_at = Attempts(most), 0.0, []
    for gap_s in gaps_s:
        now_s += gap_s
        if attempts.wait_s("a", now_s) == 0:
            attempts.failed("a", now_s)
            looked_at.append(now_s)
    for begin_s in looked_at:
        within = sum(begin_s <= instant_s < begin_s + 60 for instant_s in looked_at)
        assert within <= 2 * most


@given(st.lists(st.ip_addresses(v=4).map(str), max_size=200), st.integers(1, 20))
def test_memory_is_bounded(clients: list[str], clients_max: int) -> None:
    attempts = Attempts(1, clients_max=clients_max)
    for client in clients:
        attempts.failed(client, 0.0)
        assert len(attempts) <= clients_max
        assert attempts.wait_s(client, 0.0) > 0  # the latest is never the one that goes


def test_a_clock_that_stands_still_or_goes_back_lets_nobody_through() -> None:
    attempts = Attempts(1)
    attempts.failed("a", 100.0)
    assert attempts.wait_s("a", 50.0) > 0


def test_no_limit() -> None:
    attempts = Attempts(0)
    attempts.failed("a", 0.0)
    assert attempts.wait_s("a", 0.0) == 0


@pytest.mark.parametrize(
    ("client", "network"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::1", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("testclient", "testclient"),
        ("", ""),
        ("x" * 10_000, "x" * 64),
    ],
)
def test_addresses_of_one_network_count_as_one(client: str, network: str) -> None:
    assert network_of(client) == network
