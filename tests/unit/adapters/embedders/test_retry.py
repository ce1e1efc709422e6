from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memoledger.adapters.embedders.retry import RetryPolicy
from memoledger.model.errors import InvalidInput


@given(st.integers(1, 19))
def test_the_wait_is_random_below_a_doubling_bound(attempt: int) -> None:
    policy = RetryPolicy(attempts=20, base_s=0.5, cap_s=20)
    bound = min(20, 0.5 * 2 ** (attempt - 1))
    waits = [policy.wait_s(attempt, None) for _ in range(50)]
    assert all(wait is not None and 0 <= wait <= bound for wait in waits)
    assert len(set(waits)) > 1


def test_the_last_attempt_is_not_followed_by_a_wait() -> None:
    assert RetryPolicy(attempts=1).wait_s(1, None) is None
    assert RetryPolicy(attempts=4).wait_s(4, 0.1) is None


@given(st.floats(0, 60))
def test_what_the_server_asks_is_waited_at_least(retry_after_s: float) -> None:
    wait = RetryPolicy().wait_s(1, retry_after_s)
    assert wait is not None
    assert retry_after_s <= wait <= retry_after_s + 0.5


def test_a_server_that_asks_for_too_long_is_not_waited_for() -> None:
    assert RetryPolicy(patience_s=60).wait_s(1, 61) is None


@pytest.mark.parametrize("attempts", [0, -1, 21])
def test_attempts_are_bounded(attempts: int) -> None:
    with pytest.raises(InvalidInput, match="attempts"):
        RetryPolicy(attempts=attempts)
