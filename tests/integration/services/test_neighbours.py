"""Neighbours in recall: what stands around a memory lifts it, and never what may not be seen."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from memoledger.model.errors import InvalidInput
from memoledger.surfaces.python.principal import PrincipalHandle
from memoledger.surfaces.python.store import StoreHandle

T0 = datetime(2023, 5, 8, tzinfo=UTC)
FILLER = 30


async def tell(
    store: StoreHandle, turns: Sequence[str], *, hashing: Any, **metadata: Any
) -> list[Any]:
    """Turns of a conversation, all with one vector, so that words decide."""
    return [
        await store.remember(turn, metadata=metadata, embedding=hashing.vector("same"))
        for turn in turns
    ]


async def ask(store: StoreHandle, text: str, hashing: Any, **asked: Any) -> list[str]:
    hits = await store.recall(text, embedding=hashing.vector("same"), **asked)
    return [hit.memory.content for hit in hits]


class TestConversations:
    async def test_an_answer_is_found_by_its_question(
        self, notes: StoreHandle, hashing: Any
    ) -> None:
        await tell(notes, ["Lovely weather", "Yes, last Tuesday"], hashing=hashing, session=1)
        await tell(
            notes,
            ["Good morning", "Did the parcel reach the harbour?", "Yes, on Friday"],
            hashing=hashing,
            session=2,
        )
        found = await ask(notes, "parcel harbour", hashing)
        assert found[0] == "Yes, on Friday"
        assert found.index("Good morning") < found.index("Lovely weather")

    async def test_other_conversations_lend_nothing(self, notes: StoreHandle, hashing: Any) -> None:
        await tell(notes, ["The parcel is there"], hashing=hashing, session=1)
        await tell(notes, ["Thanks"], hashing=hashing, session=2)
        [near, far] = await notes.recall("parcel", embedding=hashing.vector("same"), explain=True)
        assert near.memory.content == "The parcel is there"
        assert far.parts is not None
        assert far.parts.lexical_around == 0

    async def test_notes_without_a_conversation_stand_alone(
        self, notes: StoreHandle, hashing: Any
    ) -> None:
        await tell(notes, ["The parcel?", "Thanks"], hashing=hashing)
        for hit in await notes.recall("parcel", embedding=hashing.vector("same"), explain=True):
            assert hit.parts is not None
            assert hit.parts.dense_around == pytest.approx(hit.parts.dense)
            assert hit.parts.lexical_around == pytest.approx(hit.parts.lexical or 0.0)
            assert hit.parts.telling is None

    async def test_the_order_is_that_of_the_numbers(self, notes: StoreHandle, hashing: Any) -> None:
        for turn, number in (("third", 3), ("Was it the parcel?", 1), ("second", 2)):
            await tell(notes, [turn], hashing=hashing, conversation="c", order=number)
        assert (await ask(notes, "parcel", hashing))[0] == "second"

    async def test_the_order_is_that_of_occurrence_else(
        self, notes: StoreHandle, hashing: Any
    ) -> None:
        for turn, hours in (("third", 9), ("Was it the parcel?", 0), ("second", 4)):
            await notes.remember(
                turn,
                metadata={"thread_id": "t"},
                occurred_at=T0 + timedelta(hours=hours),
                embedding=hashing.vector("same"),
            )
        assert (await ask(notes, "parcel", hashing))[0] == "second"

    async def test_a_neighbour_that_no_channel_found(
        self, notes: StoreHandle, hashing: Any
    ) -> None:
        """More memories than candidates, and an answer that shares nothing with the question."""
        await notes.remember_many(
            {
                "content": f"milk {number}",
                "embedding": hashing.vector("asked"),
                "metadata": {"session": f"s{number}"},
            }
            for number in range(300)
        )
        for turn, name in (("Where is the parcel?", "asked"), ("Behind the door", "elsewhere")):
            await notes.remember(
                turn, metadata={"session": "x"}, embedding=hashing.vector(name), tags=[name]
            )
        asked: dict[str, Any] = {"limit": 5, "embedding": hashing.vector("asked")}
        found = await notes.recall("parcel", **asked)
        assert "Behind the door" in [hit.memory.content for hit in found]
        for narrowed in ({"tags": ["asked"]}, {"min_similarity": 0.9}):
            found = await notes.recall("parcel", **asked, **narrowed)
            assert "Behind the door" not in [hit.memory.content for hit in found]
            assert found[0].memory.content == "Where is the parcel?"

    async def test_what_a_filter_keeps_out_still_lends(
        self, notes: StoreHandle, hashing: Any
    ) -> None:
        await notes.remember(
            "Where is the parcel?", metadata={"session": 1}, embedding=hashing.vector("same")
        )
        for content, session in (("In the shed", 1), ("In the garden", 2)):
            await notes.remember(
                content,
                metadata={"session": session},
                embedding=hashing.vector("same"),
                tags=["place"],
            )
        assert await ask(notes, "parcel", hashing, tags=["place"]) == [
            "In the shed",
            "In the garden",
        ]


class TestWhatMayNotBeSeen:
    async def around(self, store: StoreHandle, hashing: Any, **asked: Any) -> float | None:
        """What "Thanks" borrows of the words of a turn that somebody may not see."""
        hits = await store.recall("parcel", embedding=hashing.vector("same"), explain=True, **asked)
        [thanks] = [hit for hit in hits if hit.memory.content == "Thanks"]
        assert thanks.parts is not None
        return thanks.parts.lexical_around

    async def test_privacy(
        self, alice: PrincipalHandle, bob: PrincipalHandle, hashing: Any
    ) -> None:
        own = await alice.store("shared")
        await own.share("bob", access="write")
        await own.remember(
            "The parcel is here",
            metadata={"session": 1},
            privacy="creator",
            embedding=hashing.vector("same"),
        )
        await tell(own, ["Thanks"], hashing=hashing, session=1)
        theirs = await bob.store("shared", owner="alice")
        assert (await self.around(own, hashing) or 0) > 0
        assert await self.around(theirs, hashing) == 0

    @pytest.mark.parametrize("hard", [False, True])
    async def test_the_forgotten(self, notes: StoreHandle, hashing: Any, hard: bool) -> None:
        [parcel, _] = await tell(notes, ["The parcel", "Thanks"], hashing=hashing, session=1)
        assert (await self.around(notes, hashing) or 0) > 0
        before = (await notes.history(parcel.id))[-1].recorded_at + timedelta(milliseconds=1)
        late = (await notes.recall("Thanks"))[0].memory.recorded_at
        await notes.forget(parcel.id, hard=hard)
        assert await self.around(notes, hashing) == 0
        past = await self.around(notes, hashing, as_of=max(before, late))
        assert (past or 0) == 0 if hard else (past or 0) > 0

    async def test_what_was_said_later(self, notes: StoreHandle, hashing: Any) -> None:
        [thanks] = await tell(notes, ["Thanks"], hashing=hashing, session=1)
        await tell(notes, ["For the parcel"], hashing=hashing, session=1)
        assert (await self.around(notes, hashing) or 0) > 0
        assert await self.around(notes, hashing, as_of=thanks.recorded_at) == 0

    async def test_an_update_lends_what_it_says_now(self, notes: StoreHandle, hashing: Any) -> None:
        [parcel, _] = await tell(notes, ["The parcel", "Thanks"], hashing=hashing, session=1)
        await notes.update(parcel.id, content="The letter", embedding=hashing.vector("same"))
        assert await self.around(notes, hashing) == 0


class TestEvidence:
    async def test_whoever_is_named_comes_first(self, notes: StoreHandle, hashing: Any) -> None:
        for speaker, content in (("Bob", "Ann likes tea"), ("Ann", "I like tea")):
            await notes.remember(
                content, metadata={"speaker": speaker}, embedding=hashing.vector("same")
            )
        hits = await notes.recall(
            "What does Ann like?", embedding=hashing.vector("same"), explain=True
        )
        assert {hit.memory.speaker: hit.parts.named for hit in hits if hit.parts} == {
            "Ann": 1.0,
            "Bob": 0.0,
        }
        assert hits[0].memory.speaker == "Ann"

    async def test_times_refer_to_the_caller_s_clock(
        self, notes: StoreHandle, hashing: Any
    ) -> None:
        for number in range(3):
            await notes.remember(
                f"tea {number}",
                occurred_at=T0 + timedelta(days=number),
                embedding=hashing.vector("same"),
            )
        for number in range(3):
            now = T0 + timedelta(days=number + 1, hours=3)
            found = await ask(notes, "tea yesterday", hashing, now=now)
            assert found[0] == f"tea {number}"

    async def test_a_quotation_is_found_as_it_stands(
        self, notes: StoreHandle, hashing: Any
    ) -> None:
        await tell(
            notes,
            ["hours in small print", "read Small  Hours", "small hours count"],
            hashing=hashing,
        )
        hits = await notes.recall(
            'who read "small hours"', embedding=hashing.vector("same"), explain=True
        )
        assert {hit.memory.content: hit.parts.quoted for hit in hits if hit.parts} == {
            "hours in small print": 0.0,
            "read Small  Hours": 0.0,
            "small hours count": 1.0,
        }


class TestWeights:
    async def remember(self, notes: StoreHandle, hashing: Any) -> None:
        for content, days, importance in (("old tea", 300, 0.9), ("new tea", 1, 0.1)):
            await notes.remember(
                content,
                occurred_at=T0 - timedelta(days=days),
                importance=importance,
                embedding=hashing.vector("same"),
            )

    @pytest.mark.parametrize("mode", ["hybrid", "dense", "lexical"])
    async def test_recency_and_importance(
        self, notes: StoreHandle, hashing: Any, mode: Any
    ) -> None:
        await self.remember(notes, hashing)
        plain = await ask(notes, "tea", hashing, mode=mode)
        assert plain == ["old tea", "new tea"]  # equal, as they were made
        assert await ask(notes, "tea", hashing, mode=mode, recency=0.5, now=T0) == [
            "new tea",
            "old tea",
        ]
        assert await ask(notes, "tea", hashing, mode=mode, importance=0.5) == plain
        hits = await notes.recall(
            "tea", mode=mode, embedding=hashing.vector("same"), recency=1.0, importance=1.0
        )
        assert all(0 <= hit.score <= 1 for hit in hits)

    async def test_a_wrong_weight_is_refused(self, notes: StoreHandle) -> None:
        with pytest.raises(InvalidInput, match="recency"):
            await notes.recall("tea", recency=2)


class TestOddMetadata:
    @pytest.mark.parametrize(
        "metadata",
        [
            {"session": {"a": ["deep", None]}},
            {"session": None},
            {"session": "x" * 10_000, "order": "seven"},
            {"session": 1, "order": 1e300},
            {"session": 1, "order": -1e300},
            {"session": 1, "order": 1e-300},
            {"order": None},
            {"order": True, "turn": 2.5},
            {"conversation_id": "\n", "thread": "", "session_id": False},
        ],
    )
    async def test_any_metadata_has_a_place(
        self, notes: StoreHandle, metadata: dict[str, Any]
    ) -> None:
        await notes.remember("Where?", metadata=metadata, occurred_at="1000-01-01T00:00:00Z")
        await notes.remember("?" * 5_000, metadata=metadata, occurred_at="2999-12-31T23:59:59Z")
        assert len(await notes.recall("where")) == 2
