from __future__ import annotations

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from memoledger.surfaces.api.spool import PIECE_BYTES, Spool


@given(
    st.lists(st.one_of(st.binary(max_size=40), st.none()), max_size=40),
    st.integers(0, 60),
)
def test_what_goes_in_comes_out_in_order(steps: list[bytes | None], memory_bytes_max: int) -> None:
    """A step puts something, or takes what there is (None)."""

    async def run() -> tuple[bytes, bytes]:
        spool = Spool(memory_bytes_max=memory_bytes_max)
        given_in, taken = b"", b""
        for step in steps:
            if step is not None:
                spool.put(step)
                given_in += step
            elif len(taken) < len(given_in):
                taken += await spool.take()
        spool.end()
        while piece := await spool.take():
            taken += piece
        spool.discard()
        return given_in, taken

    given_in, taken = asyncio.run(run())
    assert taken == given_in


async def test_a_reader_waits_for_more_and_learns_of_the_end() -> None:
    spool = Spool()
    reading = asyncio.create_task(spool.take())
    await asyncio.sleep(0)
    assert not reading.done()
    spool.put(b"x")
    assert await reading == b"x"
    reading = asyncio.create_task(spool.take())
    await asyncio.sleep(0)
    spool.end()
    assert await reading == b""
    spool.discard()
    spool.discard()


async def test_no_more_is_in_memory_than_may_be() -> None:
    spool = Spool(memory_bytes_max=1_000)
    for _ in range(1_000):
        spool.put(b"x" * 500)
    assert spool.held_bytes <= 1_000
    spool.end()
    total = 0
    while piece := await spool.take():
        assert len(piece) <= max(1_000, PIECE_BYTES)
        total += len(piece)
    assert total == spool.put_bytes == 500_000
    spool.discard()
