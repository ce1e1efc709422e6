"""Calls of a provider, no faster than its rate."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memoledger.model.errors import SettingsError
from memoledger.worker.throttle import Throttle, rates_of


class Time:
    """Passes only when somebody sleeps."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.mark.parametrize("said", ["fast", "openai=", "0", "-1", "openai=x", "inf", "nan"])
def test_what_is_no_rate_is_refused(said: str) -> None:
    with pytest.raises(SettingsError, match="QUEUE_PER_MINUTE"):
        rates_of(said)


def test_rates_are_of_providers() -> None:
    assert rates_of("") == {}
    assert rates_of("60") == {"": 60.0}
    assert rates_of("openai=3000, ollama=0.5 10") == {"openai": 3000.0, "ollama": 0.5, "": 10.0}


@given(st.integers(1, 6_000), st.integers(1, 30))
def test_calls_come_no_faster_than_the_rate(rate: int, calls: int) -> None:
    time = Time()
    throttle = Throttle({"openai": float(rate)}, clock=time, sleep=time.sleep)

    async def call() -> None:
        for _ in range(calls):
            await throttle.turn("openai:small")
            await throttle.turn("minilm")

    asyncio.run(call())
    assert time.now == pytest.approx((calls - 1) * 60 / rate)


def test_one_provider_does_not_hold_up_another() -> None:
    time = Time()
    throttle = Throttle({"openai": 1.0}, clock=time, sleep=time.sleep)

    async def call() -> None:
        for _ in range(10):
            await throttle.turn("ollama:small")
        await throttle.turn("openai:small")

    asyncio.run(call())
    assert time.now == 0.0
