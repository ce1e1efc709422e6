"""The breaker: when it opens, when it is tried out, when it closes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from memoledger.adapters.cache.breaker import (
    FAILURES_MAX,
    PAUSE_FIRST_S,
    PAUSE_MAX_S,
    Breaker,
)


class Clock:
    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def opened(clock: Clock) -> Breaker:
    breaker = Breaker(now_s=clock)
    for _ in range(FAILURES_MAX):
        breaker.failed()
    return breaker


def test_it_opens_after_some_failures_in_a_row() -> None:
    breaker = Breaker()
    for _ in range(FAILURES_MAX - 1):
        breaker.failed()
    assert not breaker.is_open
    breaker.succeeded()
    breaker.failed()
    assert not breaker.is_open
    for _ in range(FAILURES_MAX - 1):
        breaker.failed()
    assert breaker.is_open


def test_one_tries_it_out_when_the_pause_is_over() -> None:
    clock = Clock()
    breaker = opened(clock)
    assert not breaker.begin_trial()
    clock.now_s += PAUSE_FIRST_S
    assert breaker.begin_trial()
    assert not breaker.begin_trial()
    breaker.succeeded()
    assert not breaker.is_open
    assert not breaker.begin_trial()


def test_pauses_double_up_to_a_limit() -> None:
    clock = Clock()
    breaker = opened(clock)
    pauses_s = []
    for _ in range(10):
        begun_s = clock.now_s
        while not breaker.begin_trial():
            clock.now_s += 0.5
        pauses_s.append(clock.now_s - begun_s)
        breaker.failed()
    assert pauses_s[:4] == [1.0, 2.0, 4.0, 8.0]
    assert max(pauses_s) == PAUSE_MAX_S


def test_those_still_under_way_do_not_lengthen_the_pause() -> None:
    clock = Clock()
    breaker = opened(clock)
    for _ in range(100):
        breaker.failed()
    clock.now_s += PAUSE_FIRST_S
    assert breaker.begin_trial()


@given(st.lists(st.sampled_from(["failed", "succeeded", "trial", "wait"]), max_size=60))
def test_whatever_happens_it_closes_with_the_next_success(events: list[str]) -> None:
    clock = Clock()
    breaker = Breaker(now_s=clock)
    for event in events:
        if event == "wait":
            clock.now_s += PAUSE_MAX_S
        elif event == "trial":
            breaker.begin_trial()
        else:
            getattr(breaker, event)()
    breaker.succeeded()
    assert not breaker.is_open
    for _ in range(FAILURES_MAX):
        breaker.failed()
    assert breaker.is_open
    clock.now_s += PAUSE_FIRST_S
    assert breaker.begin_trial()
