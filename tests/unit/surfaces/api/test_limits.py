from __future__ import annotations

import asyncio

import pytest

from memoledger.model.errors import Busy
from memoledger.surfaces.api.limits import Gate


async def test_no_more_than_so_many_are_inside_and_they_come_in_order() -> None:
    gate = Gate(2, waiting_max=10, wait_s=10)
    most, order = 0, []

    async def work(number: int) -> None:
        nonlocal most
        async with gate.turn():
            most = max(most, gate.inside)
            order.append(number)
            await asyncio.sleep(0)

    await asyncio.gather(*(work(number) for number in range(12)))
    assert (most, order) == (2, list(range(12)))
    assert (gate.inside, gate.waiting, gate.refused) == (0, 0, 0)


async def test_who_finds_all_places_to_wait_taken_is_sent_away_at_once() -> None:
    gate = Gate(1, waiting_max=1, wait_s=60)
    async with gate.turn():
        waits = asyncio.create_task(_through(gate))
        await asyncio.sleep(0)
        with pytest.raises(Busy) as caught:
            await _through(gate)
        assert caught.value.retry_after_s == 60
    await waits
    assert gate.refused == 1


async def test_who_waits_for_too_long_is_sent_away() -> None:
    gate = Gate(1, waiting_max=5, wait_s=0.01)
    async with gate.turn():
        with pytest.raises(Busy):
            await _through(gate)
    await _through(gate)
    assert (gate.inside, gate.waiting) == (0, 0)


async def test_who_goes_away_while_waiting_leaves_the_place_to_others() -> None:
    gate = Gate(1, waiting_max=1, wait_s=60)
    async with gate.turn():
        waits = asyncio.create_task(_through(gate))
        await asyncio.sleep(0)
        waits.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waits
        assert gate.waiting == 0
    await _through(gate)


async def test_a_failure_inside_gives_the_place_back() -> None:
    gate = Gate(1)
    for _ in range(3):
        with pytest.raises(RuntimeError):
            async with gate.turn():
                raise RuntimeError
    with pytest.raises(Busy):
        async with gate.turn():
            await _through(gate)


async def _through(gate: Gate) -> None:
    async with gate.turn():
        pass
