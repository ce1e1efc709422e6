from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from typing import Any

import pytest

from memoledger.model.bulk import Item, Progress, Tally, each_of, refuse_what_is_no_list
from memoledger.model.errors import InvalidInput

BATCHES = [
    [Item(1, outcome="created"), Item(2, outcome="unchanged")],
    [Item(3, error=InvalidInput("content", "", "it is empty", remedy="Give a text."))],
]


def test_a_tally_keeps_what_nobody_takes() -> None:
    told: list[Progress] = []
    tally = Tally(on_progress=told.append)
    for batch in BATCHES:
        tally.note(batch)
    assert told == [Progress(1, 1), Progress(1, 1, 0, 1)]
    assert tally.report.progress == told[-1]
    assert [item.position for item in tally.report.items] == [1, 2, 3]


def test_a_tally_hands_over_what_somebody_takes() -> None:
    taken: list[Any] = []
    tally = Tally(on_items=taken.append)
    for batch in BATCHES:
        tally.note(batch)
    assert taken == BATCHES
    assert tally.report.items == ()
    assert tally.report.progress.total == 3


async def test_items_come_either_way() -> None:
    async def coming() -> AsyncIterator[int]:
        yield 1
        yield 2

    assert [one async for one in each_of([1, 2])] == [one async for one in each_of(coming())]


@pytest.mark.parametrize("given", ["a text", b"bytes", {"content": "one memory"}, 7, None])
def test_what_is_no_list_is_refused(given: object) -> None:
    with pytest.raises(InvalidInput, match="no list"):
        refuse_what_is_no_list(given)


@pytest.mark.parametrize("given", [[], (), (n for n in "ab"), {1, 2}])
def test_what_can_be_gone_through_is_taken(given: Iterable[object]) -> None:
    refuse_what_is_no_list(given)
