"""Why a recall returns a memory, or does not: each reason, told of the memory in question."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from memoledger.model.errors import NotFound

Sql = Callable[..., list[tuple[Any, ...]]]


async def test_it_was_recalled(notes: Any) -> None:
    memory = await notes.remember("tea with milk")
    await notes.remember("coffee")
    [first, *_] = await notes.recall("tea with milk", explain=True)
    told = await notes.why(memory.id, "tea with milk")
    assert (told.recalled, told.reason, told.rank) == (True, "recalled", 1)
    assert (told.score, told.parts) == (first.score, first.parts)
    assert told.searched_by is not None
    assert told.as_dict()["parts"]["lexical"] > 0


async def test_it_is_in_another_store(alice: Any, notes: Any) -> None:
    elsewhere = await (await alice.store("other")).remember("tea")
    told = await notes.why(elsewhere.id, "tea")
    assert told.reason == "another-store"
    assert "'other' of 'alice'" in told.text


async def test_it_is_not_there_or_anothers(alice: Any, bob: Any, notes: Any) -> None:
    hidden = await (await bob.store("hidden")).remember("tea")
    for unknown in (hidden.id, uuid4()):
        with pytest.raises(NotFound):
            await notes.why(unknown, "tea")
    await notes.share("bob", access="write")
    theirs = await bob.store("notes", owner="alice")
    private = await theirs.remember("tea", privacy="creator")
    with pytest.raises(NotFound):
        await notes.why(private.id, "tea")
    assert (await theirs.why(private.id, "tea")).recalled


async def test_it_was_forgotten_erased_or_expired(notes: Any) -> None:
    memory = await notes.remember("tea")
    await notes.forget(memory.id)
    assert (await notes.why(memory.id, "tea")).reason == "forgotten"
    await notes.forget(memory.id, hard=True)
    assert (await notes.why(memory.id, "tea")).reason == "erased"
    soon = datetime.now(UTC) + timedelta(milliseconds=300)
    memory = await notes.remember("milk", expires_at=soon)
    await asyncio.sleep(0.4)
    assert (await notes.why(memory.id, "milk")).reason == "expired"


async def test_at_that_instant_it_was_not_yet_there(notes: Any) -> None:
    before = datetime.now(UTC)
    memory = await notes.remember("tea")
    assert (await notes.why(memory.id, "tea", as_of=before)).reason == "not-yet-recorded"
    between = datetime.now(UTC)
    await notes.update(memory.id, content="green tea")
    told = await notes.why(memory.id, "tea", as_of=between)
    assert (told.reason, told.version) == ("recalled", 1)


@pytest.mark.parametrize(
    ("asked", "unmet"),
    [
        ({"types": ["note"]}, ("types",)),
        ({"tags": ["red", "blue"]}, ("tags",)),
        ({"since": "2026-02-01T00:00:00Z"}, ("since",)),
        ({"until": "2025-12-01T00:00:00Z"}, ("until",)),
        ({"min_importance": 0.9}, ("min_importance",)),
        ({"metadata": {"k": 2}}, ("metadata",)),
        ({"valid_at": "2027-01-01T00:00:00Z"}, ("valid_at",)),
        ({"types": ["fact"], "tags": ["blue"], "min_importance": 0.9}, ("tags", "min_importance")),
    ],
)
async def test_a_filter_keeps_it_out(notes: Any, asked: dict[str, Any], unmet: Any) -> None:
    memory = await notes.remember(
        "tea",
        tags=["red"],
        importance=0.5,
        metadata={"k": 1},
        occurred_at="2026-01-01T00:00:00Z",
        valid_to="2026-06-01T00:00:00Z",
    )
    assert memory.id not in {hit.memory.id for hit in await notes.recall("tea", **asked)}
    told = await notes.why(memory.id, "tea", **asked)
    assert (told.reason, told.filters, told.recalled) == ("filtered-out", unmet, False)
    assert all(name in told.text for name in unmet)


async def test_it_is_not_similar_enough(notes: Any) -> None:
    memory = await notes.remember("tea")
    told = await notes.why(memory.id, "something else", mode="dense", min_similarity=0.99)
    assert told.reason == "below-similarity"
    assert -1 <= told.similarity < 0.99


async def test_it_has_none_of_the_words(notes: Any) -> None:
    memory = await notes.remember("tea")
    assert (await notes.why(memory.id, "coffee", mode="lexical")).reason == "no-word-in-common"


async def test_it_is_beyond_the_limit_at_its_place(notes: Any, hashing: Any) -> None:
    for number in range(15):
        await notes.remember(f"tea {number}")
    everything = await notes.recall("tea", limit=100, mode="dense")
    place = 12
    memory = everything[place - 1].memory
    told = await notes.why(memory.id, "tea", limit=5, mode="dense")
    assert (told.reason, told.rank, told.limit) == ("beyond-limit", place, 5)
    assert told.score == everything[place - 1].score
    assert "12" in told.text
    told = await notes.why(memory.id, "tea", limit=place, mode="dense")
    assert (told.reason, told.rank) == ("recalled", place)


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        ({"mode": "dense"}, "not-embedded"),
        ({"mode": "hybrid", "min_similarity": 0.0}, "not-embedded"),
        ({"mode": "lexical"}, "recalled"),
    ],
)
async def test_it_waits_to_be_embedded(
    notes: Any, sql: Sql, asked: dict[str, Any], reason: str
) -> None:
    memory = await notes.remember("tea")
    sql("DELETE FROM memoledger.embeddings WHERE owner_id = %s RETURNING 1", memory.id)
    told = await notes.why(memory.id, "tea", **asked)
    await notes.forget(memory.id, hard=True)
    assert told.reason == reason


async def test_a_near_duplicate_stands_for_it(notes: Any, hashing: Any) -> None:
    same = hashing.vector("tea")
    first = await notes.remember("tea", embedding=same)
    second = await notes.remember("tea!", embedding=same)
    [hit] = await notes.recall("tea", mode="dense", fold=0.95)
    [folded] = {first.id, second.id} - {hit.memory.id}
    told = await notes.why(folded, "tea", mode="dense", fold=0.95)
    assert (told.reason, told.rank) == ("folded", 1)
    assert str(hit.memory.id) in told.text


async def test_it_leaves_no_receipt_and_counts_for_nothing(alice: Any, notes: Any) -> None:
    memory = await notes.remember("tea")
    await notes.why(memory.id, "tea")
    assert (await alice.receipts()).receipts == []
    assert await notes.accesses([memory.id]) == {}


async def test_an_argument_that_recall_does_not_take_is_refused(notes: Any) -> None:
    memory = await notes.remember("tea")
    with pytest.raises(TypeError, match="colour"):
        await notes.why(memory.id, "tea", colour="red")
