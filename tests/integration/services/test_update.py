"""Update: the next version, written by exactly one, with everything that was not changed kept."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any
from uuid import uuid4

import numpy as np
import pytest

from memoledger.model.errors import (
    ConflictError,
    EmbedderError,
    Forbidden,
    InvalidInput,
    NotFound,
)
from memoledger.surfaces.python.principal import PrincipalHandle
from memoledger.surfaces.python.store import StoreHandle

BEFORE: dict[str, Any] = {
    "content": "Tea at five",
    "type": "fact",
    "importance": 0.2,
    "source": "email",
    "tags": ("a", "b"),
    "subject_refs": ("john",),
    "metadata": {"speaker": "Ann", "n": 1},
    "title": "Tea",
    "summary": "Five",
    "occurred_at": datetime(2026, 5, 8, tzinfo=UTC),
    "valid_from": datetime(2026, 1, 1, tzinfo=UTC),
    "valid_to": datetime(2027, 1, 1, tzinfo=UTC),
    "expires_at": datetime(2998, 1, 1, tzinfo=UTC),
    "privacy": "store",
}
AFTER: dict[str, Any] = {
    "content": "Tea at six",
    "type": "episode",
    "importance": 1.0,
    "source": None,
    "tags": ("b", "c"),
    "subject_refs": (),
    "metadata": {"speaker": "Ben"},
    "title": None,
    "summary": "Six",
    "occurred_at": None,
    "valid_from": datetime(2026, 6, 1, tzinfo=UTC),
    "valid_to": None,
    "expires_at": None,
    "privacy": "creator",
}


def soon(ms: int) -> datetime:
    return datetime.now(UTC) + timedelta(milliseconds=ms)


async def passed(instant: datetime) -> None:
    await asyncio.sleep(max(0.0, (instant - datetime.now(UTC)).total_seconds()) + 0.005)


def fields_of(memory: Any) -> dict[str, Any]:
    return {name: getattr(memory, name) for name in BEFORE}


class TestFields:
    @pytest.mark.parametrize("name", BEFORE)
    async def test_one_field_changes_and_the_others_stay(
        self, notes: StoreHandle, name: str
    ) -> None:
        first = await notes.remember(**BEFORE, external_id="x")
        second = await notes.update(first.id, **{name: AFTER[name]})
        assert (second.version, second.outcome, second.external_id) == (2, "updated", "x")
        assert fields_of(second) == BEFORE | {name: AFTER[name]}
        assert fields_of(await notes.get(first.id)) == fields_of(second)
        assert [fields_of(m) for m in await notes.history(first.id)] == [
            BEFORE,
            BEFORE | {name: AFTER[name]},
        ]

    async def test_all_fields_change_together(self, notes: StoreHandle) -> None:
        first = await notes.remember(**BEFORE)
        assert fields_of(await notes.update(first.id, **AFTER)) == AFTER
        assert fields_of(await notes.update(first.id, **BEFORE)) == BEFORE
        assert [m.version for m in await notes.history(first.id)] == [1, 2, 3]

    async def test_nothing_different_is_no_new_version(
        self, notes: StoreHandle, hashing: Any
    ) -> None:
        first = await notes.remember(**BEFORE)
        embedded = len(hashing.texts)
        again = await notes.update(first.id, **BEFORE)
        assert (again.version, again.outcome) == (1, "unchanged")
        assert len(hashing.texts) == embedded
        assert len(await notes.history(first.id)) == 1

    async def test_white_space_in_the_content_is_a_difference(self, notes: StoreHandle) -> None:
        first = await notes.remember("Tea at five")
        second = await notes.update(first.id, content="Tea  at five")
        assert (second.outcome, second.content) == ("updated", "Tea  at five")

    async def test_who_made_it_and_who_changed_it(
        self, notes: StoreHandle, bob: PrincipalHandle
    ) -> None:
        first = await notes.remember("Tea")
        await notes.share("bob", access="write")
        second = await (await bob.store("notes", owner="alice")).update(first.id, tags=["x"])
        assert (second.created_by, second.updated_by) == ("alice", "bob")
        read = await notes.get(first.id)
        assert (read.created_by, read.updated_by) == ("alice", "bob")


class TestVectors:
    """What is searched follows what is said, and only that."""

    @pytest.mark.parametrize(
        "changes",
        [
            {"tags": ["new"]},
            {"importance": 1},
            {"metadata": {"speaker": "Ann", "other": 1}},
            {"source": "web"},
            {"expires_at": "2999-01-01T00:00:00Z"},
            {"privacy": "creator"},
        ],
        ids=lambda changes: next(iter(changes)),
    )
    async def test_unchanged_texts_are_not_embedded_again_and_keep_their_vectors(
        self, notes: StoreHandle, hashing: Any, changes: dict[str, Any]
    ) -> None:
        own = hashing.vector("a vector of the caller's own")
        first = await notes.remember(
            "Tea", title="Title", metadata={"speaker": "Ann"}, embedding=own
        )
        hashing.texts.clear()
        await notes.update(first.id, **changes)
        assert hashing.texts == []
        [hit] = await notes.recall("x", mode="dense", embedding=own)
        assert hit.score == pytest.approx(1, abs=2e-3)
        [hit] = await notes.recall("x", mode="dense", embedding=hashing.vector("Title"))
        assert hit.score == pytest.approx(1, abs=2e-3)

    @pytest.mark.parametrize(
        ("changes", "embedded"),
        [
            ({"content": "Milk"}, ["Ann: Milk"]),
            ({"title": "New"}, ["New"]),
            ({"summary": "Short"}, ["Short"]),
            ({"metadata": {"speaker": "Ben"}}, ["Ben: Tea"]),
            ({"metadata": {}}, ["Tea"]),
            ({"occurred_at": "2026-05-08T12:00:00Z"}, ["Ann (on Friday 8 May 2026): Tea"]),
            ({"content": "Milk", "title": None}, ["Ann: Milk"]),
            ({"title": None}, []),
        ],
    )
    async def test_changed_texts_are_embedded(
        self, notes: StoreHandle, hashing: Any, changes: dict[str, Any], embedded: list[str]
    ) -> None:
        first = await notes.remember("Tea", title="Title", metadata={"speaker": "Ann"})
        hashing.texts.clear()
        await notes.update(first.id, **changes)
        assert hashing.texts == embedded
        for text in embedded:
            [hit] = await notes.recall("x", mode="dense", embedding=hashing.vector(text))
            assert hit.score == pytest.approx(1, abs=2e-3)

    async def test_a_title_that_is_gone_is_not_found_any_more(
        self, notes: StoreHandle, hashing: Any
    ) -> None:
        first = await notes.remember("Tea", title="Aardvark")
        await notes.update(first.id, title=None)
        assert await notes.recall("aardvark", mode="lexical") == []
        [hit] = await notes.recall("x", mode="dense", embedding=hashing.vector("Aardvark"))
        assert hit.score < 0.9

    async def test_a_new_vector_for_the_same_content(
        self, notes: StoreHandle, hashing: Any
    ) -> None:
        first = await notes.remember("Tea")
        own = hashing.vector("own")
        second = await notes.update(first.id, embedding=own)
        assert (second.version, second.content) == (2, "Tea")
        [hit] = await notes.recall("x", mode="dense", embedding=own)
        assert hit.score == pytest.approx(1, abs=2e-3)

    async def test_words_follow_the_content(self, notes: StoreHandle) -> None:
        first = await notes.remember("aardvark")
        await notes.update(first.id, content="bumblebee")
        assert await notes.recall("aardvark", mode="lexical") == []
        [hit] = await notes.recall("bumblebee", mode="lexical")
        assert hit.memory.version == 2

    async def test_when_the_model_fails_nothing_is_written(
        self, notes: StoreHandle, hashing: Any
    ) -> None:
        first = await notes.remember("Tea")

        def fail(_: object) -> None:
            raise EmbedderError("The model is away.")

        hashing.before = fail
        with pytest.raises(EmbedderError):
            await notes.update(first.id, content="Milk")
        assert (await notes.get(first.id)).content == "Tea"


class TestRefused:
    @pytest.mark.parametrize(
        ("changes", "field"),
        [
            ({}, "changes"),
            ({"external_id": "y"}, "external_id"),
            ({"id": "y"}, "id"),
            ({"version": 3}, "version"),
            ({"colour": "red"}, "colour"),
            ({"created_by": "bob"}, "created_by"),
            ({"content": ""}, "content"),
            ({"content": None}, "content"),
            ({"importance": 2}, "importance"),
            ({"tags": "x"}, "tags"),
            ({"expires_at": "2020-01-01T00:00:00Z"}, "expires_at"),
            ({"valid_to": "2020-01-01T00:00:00Z"}, "valid_to"),
            ({"embedding": [1, 2]}, "embedding"),
            ({"privacy": "nobody"}, "privacy"),
        ],
    )
    async def test_a_wrong_change_is_named_and_nothing_is_written(
        self, notes: StoreHandle, changes: dict[str, Any], field: str
    ) -> None:
        first = await notes.remember("Tea", valid_from="2026-01-01T00:00:00Z")
        with pytest.raises(InvalidInput) as caught:
            await notes.update(first.id, **changes)
        assert caught.value.field == field
        assert len(await notes.history(first.id)) == 1

    @pytest.mark.parametrize("if_version", [0, -1, 2**31, True, 1.0, "1"])
    async def test_a_version_that_is_none(self, notes: StoreHandle, if_version: Any) -> None:
        first = await notes.remember("Tea")
        with pytest.raises(InvalidInput, match="if_version"):
            await notes.update(first.id, tags=["x"], if_version=if_version)

    async def test_what_is_not_there(self, notes: StoreHandle, alice: PrincipalHandle) -> None:
        forgotten = await notes.remember("Forgotten")
        await notes.forget(forgotten.id)
        elsewhere = await (await alice.store("other")).remember("Elsewhere")
        expires = soon(30)
        expired = await notes.remember("Expired", expires_at=expires)
        await passed(expires)
        for memory_id in (uuid4(), forgotten.id, elsewhere.id, expired.id):
            with pytest.raises(NotFound):
                await notes.update(memory_id, tags=["x"])
        assert await notes.count() == 0


class TestVersions:
    async def test_the_version_seen_must_be_the_current_one(self, notes: StoreHandle) -> None:
        first = await notes.remember("one")
        await notes.update(first.id, content="two", if_version=1)
        for stale in (1, 3):
            with pytest.raises(ConflictError) as caught:
                await notes.update(first.id, content="three", if_version=stale)
            assert caught.value.details["current_version"] == 2
        assert (await notes.get(first.id)).content == "two"

    async def test_a_stale_version_is_a_conflict_even_if_nothing_would_change(
        self, notes: StoreHandle
    ) -> None:
        first = await notes.remember("one")
        await notes.update(first.id, content="two")
        with pytest.raises(ConflictError):
            await notes.update(first.id, content="two", if_version=1)

    async def test_of_many_at_the_same_time_one_wins_each_version(
        self, open_ledger: Callable[..., Any], tenant: str
    ) -> None:
        async with open_ledger(pool_max=8) as one, open_ledger(pool_max=8) as two:
            stores = [
                await (await each.principal(tenant=tenant, user="alice")).store("notes")
                for each in (one, two)
            ]
            first = await stores[0].remember("0")
            won: list[tuple[int, str]] = [(1, "0")]

            async def writer(number: int) -> None:
                store = stores[number % 2]
                for turn in range(5):
                    seen = await store.get(first.id)
                    content = f"{seen.content},{number}.{turn}"
                    with contextlib.suppress(ConflictError):
                        written = await store.update(
                            first.id, content=content, if_version=seen.version
                        )
                        assert written.version == seen.version + 1
                        won.append((written.version, content))

            await asyncio.gather(*(writer(number) for number in range(12)))
            history = await stores[0].history(first.id)
        assert [(m.version, m.content) for m in history] == sorted(won)
        # Nobody overwrote what they had not seen: each content continues the one before.
        for before, after in pairwise(history):
            assert after.content.rpartition(",")[0] == before.content

    async def test_without_a_version_a_lost_race_is_still_a_conflict_and_never_a_lost_update(
        self, notes: StoreHandle
    ) -> None:
        first = await notes.remember("Tea", metadata={"counts": {}})
        done = await asyncio.gather(
            *(notes.update(first.id, tags=[f"t{i}"]) for i in range(20)), return_exceptions=True
        )
        written = [r for r in done if not isinstance(r, BaseException)]
        assert written
        assert all(isinstance(r, ConflictError) for r in done if isinstance(r, BaseException))
        history = await notes.history(first.id)
        assert len(history) == len(written) + 1
        assert {m.tags for m in history[1:]} == {m.tags for m in written}

    async def test_two_that_swap_their_contents(self, notes: StoreHandle) -> None:
        one, two = await notes.remember("one"), await notes.remember("two")
        for _ in range(5):
            done = await asyncio.gather(
                notes.update(one.id, content="two"),
                notes.update(two.id, content="one"),
                return_exceptions=True,
            )
            assert all(isinstance(result, ConflictError) for result in done)
        assert (await notes.get(one.id)).content == "one"


class TestIdentity:
    async def test_it_cannot_take_what_another_holds(self, notes: StoreHandle) -> None:
        one, two = await notes.remember("one"), await notes.remember("two")
        with pytest.raises(ConflictError, match="identity"):
            await notes.update(two.id, content=" ONE ".lower())
        assert (await notes.get(two.id)).content == "two"
        await notes.forget(one.id)
        assert (await notes.update(two.id, content="one")).version == 2

    async def test_it_can_take_what_an_expired_one_held(
        self, notes: StoreHandle, sql: Callable[..., list[tuple[Any, ...]]]
    ) -> None:
        expires = soon(1_000)
        expired = await notes.remember("one", expires_at=expires)
        private = await notes.remember("one", expires_at=expires, privacy="creator")
        two = await notes.remember("two", expires_at="2999-01-01T00:00:00Z")
        with pytest.raises(ConflictError):
            await notes.update(two.id, content="one")
        await passed(expires)
        assert (await notes.update(two.id, content="one")).version == 2
        assert [m.deleted_at for m in await notes.history(expired.id)] == [expires]
        assert (await notes.update(two.id, privacy="creator")).version == 3
        assert [m.deleted_at for m in await notes.history(private.id)] == [expires]
        assert await notes.count() == 1

    async def test_the_old_content_is_free_again(self, notes: StoreHandle) -> None:
        first = await notes.remember("one")
        await notes.update(first.id, content="two")
        assert (await notes.remember("two")).id == first.id
        assert (await notes.remember("one")).outcome == "created"

    async def test_opening_a_private_memory_of_which_there_is_an_open_one(
        self, notes: StoreHandle
    ) -> None:
        private = await notes.remember("Tea", privacy="creator")
        await notes.remember("Tea")
        with pytest.raises(ConflictError):
            await notes.update(private.id, privacy="store")


class TestRights:
    async def test_a_reader_may_not_change_and_is_told_so(
        self, notes: StoreHandle, bob: PrincipalHandle
    ) -> None:
        first = await notes.remember("Tea")
        await notes.share("bob", access="read")
        shared = await bob.store("notes", owner="alice")
        for given in ({}, {"if_version": 1}):
            with pytest.raises(Forbidden):
                await shared.update(first.id, tags=["x"], **given)
        with pytest.raises(ConflictError):
            await shared.update(first.id, tags=["x"], if_version=2)
        assert (await notes.get(first.id)).version == 1

    async def test_a_private_memory_is_nobody_elses_to_see_or_change(
        self, notes: StoreHandle, bob: PrincipalHandle
    ) -> None:
        private = await notes.remember("Secret", privacy="creator")
        await notes.share("bob", access="write")
        shared = await bob.store("notes", owner="alice")
        with pytest.raises(NotFound):
            await shared.update(private.id, content="Known", privacy="store")
        assert (await notes.get(private.id)).content == "Secret"

    async def test_only_its_creator_can_make_it_private(
        self, notes: StoreHandle, bob: PrincipalHandle
    ) -> None:
        first = await notes.remember("Tea")
        await notes.share("bob", access="write")
        shared = await bob.store("notes", owner="alice")
        with pytest.raises(Forbidden, match="creator"):
            await shared.update(first.id, privacy="creator")
        assert (await shared.update(first.id, tags=["x"])).version == 2
        assert (await notes.update(first.id, privacy="creator")).version == 3
        with pytest.raises(NotFound):
            await shared.get(first.id)

    async def test_a_private_memory_of_a_guest_stays_the_guests(
        self, notes: StoreHandle, bob: PrincipalHandle
    ) -> None:
        await notes.share("bob", access="write")
        shared = await bob.store("notes", owner="alice")
        private = await shared.remember("Bob's own", privacy="creator")
        with pytest.raises(NotFound):
            await notes.update(private.id, content="Alice's now")
        assert (await shared.update(private.id, content="Still Bob's")).created_by == "bob"
        assert await notes.count() == 0


class TestExpiry:
    async def test_it_can_be_put_off_and_lifted(self, notes: StoreHandle) -> None:
        expires = soon(150)
        first = await notes.remember("Tea", expires_at=expires)
        second = await notes.update(first.id, expires_at="2999-01-01T00:00:00Z")
        await passed(expires)
        assert (await notes.get(first.id)).version == second.version == 2
        assert (await notes.update(first.id, expires_at=None)).expires_at is None

    async def test_it_can_be_set(self, notes: StoreHandle) -> None:
        first = await notes.remember("Tea")
        expires = soon(80)
        await notes.update(first.id, expires_at=expires)
        await passed(expires)
        with pytest.raises(NotFound):
            await notes.get(first.id)
        assert await notes.recall("Tea") == []


async def test_a_vector_of_doubles_is_as_good_as_one_of_floats(notes: StoreHandle) -> None:
    first = await notes.remember("Tea")
    assert (await notes.update(first.id, embedding=np.ones(32).tolist())).version == 2
