"""Remember many: outcomes in order, rejected items, progress, repetition, and what is no list."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from memoledger import Draft, Forbidden, InvalidInput
from memoledger.model.bulk import BulkReport, Item, Progress


def drafts(count: int) -> list[dict[str, Any]]:
    return [{"content": f"Memory {i}", "external_id": f"m{i}"} for i in range(count)]


async def test_outcomes_come_in_the_order_of_the_items(notes: Any) -> None:
    there = await notes.remember("old", external_id="m1")
    report = await notes.remember_many(
        [
            Draft(content="Tea", tags=["a"]),
            {"content": "new", "external_id": "m1"},
            {"content": "Tea"},
            {"content": "by id", "id": "m2", "metadata": {"a_b": {"cD": 1}}},
        ]
    )
    assert isinstance(report, BulkReport)
    assert report.progress == Progress(created=2, unchanged=1, updated=1)
    assert [item.position for item in report.items] == [1, 2, 3, 4]
    assert [item.outcome for item in report.items] == ["created", "updated", "unchanged", "created"]
    assert report.items[1] == Item(2, there.id, 2, "updated")
    assert report.items[0].id == report.items[2].id
    read = await notes.get(report.items[3].id)
    assert (read.external_id, read.metadata) == ("m2", {"a_b": {"cD": 1}})
    assert (await notes.get(report.items[0].id)).tags == ("a",)


async def test_wrong_items_are_rejected_and_the_rest_is_kept(notes: Any) -> None:
    wrong: list[Any] = [
        {"content": ""},
        {"content": "x", "colour": "red"},
        {"title": "no content"},
        "text",
        None,
        {"content": "x", "importance": 2},
        {"content": "x", "id": "a", "external_id": "b"},
        {"content": "x", "embedding": [1.0]},
        {"content": "x", "expires_at": "2020-01-01T00:00:00Z"},
        {"content": "caf\ud800"},
    ]
    fields = [
        *("content", "colour", "content", "memory", "memory", "importance", "id", "embedding"),
        *("expires_at", "content"),
    ]
    mixed = [one for pair in zip(drafts(len(wrong)), wrong, strict=True) for one in pair]
    report = await notes.remember_many(mixed)
    assert report.progress == Progress(created=len(wrong), rejected=len(wrong))
    assert [item.position for item in report.items] == list(range(1, len(mixed) + 1))
    rejected = [item for item in report.items if item.outcome is None]
    assert [item.error.field for item in rejected] == fields
    assert all(isinstance(item.error, InvalidInput) and item.error.remedy for item in rejected)
    assert [(item.id, item.version) for item in rejected] == [(None, None)] * len(wrong)
    assert await notes.count() == len(wrong)


async def test_progress_after_each_batch(notes: Any) -> None:
    told: list[Progress] = []
    batches: list[list[Item]] = []
    report = await notes.remember_many(
        [*drafts(5), {"content": ""}, *drafts(2)],
        batch_size=3,
        on_progress=told.append,
        on_items=lambda items: batches.append(list(items)),
    )
    assert told == [Progress(3), Progress(5, rejected=1), Progress(5, unchanged=2, rejected=1)]
    assert [[item.position for item in batch] for batch in batches] == [
        [1, 2, 3],
        [4, 5, 6],
        [7, 8],
    ]
    assert report == BulkReport(told[-1], ())


async def test_generators_are_read_as_they_come(notes: Any) -> None:
    read: list[int] = []

    def some() -> Iterator[dict[str, Any]]:
        for number, draft in enumerate(drafts(10), 1):
            read.append(number)
            yield draft

    async def more() -> AsyncIterator[dict[str, Any]]:
        for draft in drafts(12):
            yield draft

    seen: list[int] = []
    await notes.remember_many(some(), batch_size=2, on_progress=lambda _: seen.append(len(read)))
    assert seen[0] < 10
    report = await notes.remember_many(more(), batch_size=5)
    assert report.progress == Progress(created=2, unchanged=10)


async def test_nothing_at_all(notes: Any) -> None:
    told: list[Progress] = []
    assert await notes.remember_many([], on_progress=told.append) == BulkReport(Progress(), ())
    assert told == []


async def test_more_than_one_batch_of_the_usual_size(notes: Any) -> None:
    vector = [1.0] + [0.0] * 383
    many = [{**draft, "embedding": vector} for draft in drafts(2_345)]
    report = await notes.remember_many(many)
    assert report.progress == Progress(created=2_345)
    assert [item.position for item in report.items] == list(range(1, 2_346))
    assert (await notes.remember_many(many)).progress == Progress(unchanged=2_345)
    assert await notes.count() == 2_345


async def test_changes_of_one_memory_happen_in_order(notes: Any) -> None:
    versions = [{"content": f"Version {i}", "external_id": "x"} for i in range(1, 8)]
    report = await notes.remember_many(versions, batch_size=3)
    assert [item.version for item in report.items] == [1, 2, 3, 4, 5, 6, 7]
    assert [m.content for m in await notes.history(report.items[0].id)] == [
        draft["content"] for draft in versions
    ]


@pytest.mark.parametrize("items", ["text", b"bytes", {"content": "x"}, 5, None])
async def test_what_is_no_list(notes: Any, items: Any) -> None:
    with pytest.raises(InvalidInput) as caught:
        await notes.remember_many(items)
    assert caught.value.field == "items"


@pytest.mark.parametrize("size", [0, -1, 1_001, "10", True, None, 1.5])
async def test_a_batch_has_a_size(notes: Any, size: Any) -> None:
    with pytest.raises(InvalidInput) as caught:
        await notes.remember_many(drafts(1), batch_size=size)
    assert caught.value.field == "batch_size"


async def test_by_whom_only_reads(notes: Any, bob: Any) -> None:
    await notes.share("bob")
    theirs = await bob.store("notes", owner="alice")
    told: list[Progress] = []
    with pytest.raises(Forbidden):
        await theirs.remember_many(drafts(3), on_progress=told.append)
    assert (told, await notes.count()) == ([], 0)


async def test_a_reader_that_fails(notes: Any) -> None:
    class Broken(Exception):
        pass

    def some() -> Iterator[dict[str, Any]]:
        yield from drafts(5)
        raise Broken

    told: list[Progress] = []
    with pytest.raises(Broken):
        await notes.remember_many(some(), batch_size=2, on_progress=told.append)
    assert told[-1].total == await notes.count() == 4
