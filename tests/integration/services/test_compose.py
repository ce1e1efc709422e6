"""Context packs out of a ledger: within the budget, without duplicates, with their sources."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from memoledger.model.context_pack import MARK
from memoledger.model.errors import InvalidInput
from memoledger.surfaces.python.principal import PrincipalHandle
from memoledger.surfaces.python.store import StoreHandle

T0 = datetime(2023, 5, 8, 12, tzinfo=UTC)
WORDS = ["tea", "milk", "sugar", "cup", "saucer", "spoon"]

contents = st.lists(st.sampled_from(WORDS), min_size=1, max_size=40).map(" ".join)
some_memories = st.lists(
    st.fixed_dictionaries(
        {"content": contents},
        optional={
            "occurred_at": st.integers(0, 60).map(lambda hours: T0 + timedelta(hours=hours)),
            "metadata": st.sampled_from(
                [{"speaker": "Ann"}, {"conversation": "lake", "order": 1}, {"session": 2}]
            ),
        },
    ),
    max_size=12,
)


def characters(text: str) -> int:
    """Counts that do not add up: a text has more tokens than its lines."""
    return len(text) // 3 + text.count("\n") * 2


class TestAnyStore:
    @settings(
        max_examples=25,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )
    @given(
        memories=some_memories,
        budget=st.integers(1, 200),
        count=st.sampled_from([None, characters]),
    )
    async def test_within_the_budget_and_without_duplicates(
        self, alice: PrincipalHandle, memories: list[dict[str, Any]], budget: int, count: Any
    ) -> None:
        store = await alice.store(f"store {uuid4()}")
        for item in memories:
            await store.remember(**item, external_id=str(uuid4()))
        asked = {"query": "tea spoon", "max_tokens": budget, "limit": 50}
        pack = await store.context(**asked, count_tokens=count)
        assert pack.tokens <= budget
        assert pack.counted_by == ("estimate" if count is None else "caller")
        if count is not None:
            assert pack.tokens == count(pack.text)
        assert [item.number for item in pack.items] == [*range(1, len(pack.items) + 1)]
        texts = [item.text for item in pack.items]
        assert len(texts) == len(set(texts))
        folded = {one for item in pack.items for one in item.folded}
        assert not folded & {item.source.memory_id for item in pack.items}
        assert len(pack.items) + pack.omitted + pack.folded == len(memories)
        for item in pack.items:
            memory = await store.get(item.source.memory_id)
            assert item.source.version == memory.version
            assert item.truncated == (item.text != memory.content)
            assert item.text in pack.text


class TestPacks:
    async def test_the_best_come_first_and_the_rest_is_counted(self, notes: StoreHandle) -> None:
        for number in range(30):
            await notes.remember(f"coffee {number} " + "and more of it " * 5)
        best = await notes.remember("tea with Ann", metadata={"speaker": "Ben"}, occurred_at=T0)
        pack = await notes.context("tea with Ann", max_tokens=60, mode="lexical")
        [item] = pack.items
        assert (item.source.memory_id, item.source.version) == (best.id, 1)
        assert (item.source.store, item.source.speaker) == ("notes", "Ben")
        assert pack.text == "Monday 8 May 2023\n[1] Ben: tea with Ann"
        pack = await notes.context("coffee", max_tokens=100, mode="lexical", limit=20)
        assert len(pack.items) + pack.omitted == 20
        assert 0 < len(pack.items) < 5

    async def test_a_larger_one_is_passed_over_for_smaller_ones(self, notes: StoreHandle) -> None:
        for said in ("tea at five", "tea five " + "tea " * 45, "tea for two"):
            await notes.remember(said, occurred_at=T0)
        asked = {"query": "tea five", "mode": "lexical"}
        assert len((await notes.context(**asked, max_tokens=200)).items) == 3
        pack = await notes.context(**asked, max_tokens=70)
        assert [item.text for item in pack.items] == ["tea at five", "tea for two"]
        assert pack.omitted == 1
        assert not any(item.truncated for item in pack.items)

    async def test_near_duplicates_are_left_out(self, notes: StoreHandle, hashing: Any) -> None:
        vector = hashing.vector("tea")
        for number in range(4):
            await notes.remember(f"tea {number}", embedding=vector)
        pack = await notes.context("tea", max_tokens=100)
        assert len(pack.items) == 1
        assert (pack.folded, len(pack.items[0].folded)) == (3, 3)
        assert len((await notes.context("tea", max_tokens=100, fold=None)).items) == 4

    async def test_what_is_larger_than_the_budget_is_cut_at_a_sentence(
        self, notes: StoreHandle
    ) -> None:
        story = " ".join(f"Sentence {number} is about tea." for number in range(200))
        await notes.remember(story, occurred_at=T0)
        pack = await notes.context("tea", max_tokens=100)
        [item] = pack.items
        assert item.truncated
        assert item.text.endswith("is about tea." + MARK)
        assert story.startswith(item.text.removesuffix(MARK))
        assert 80 < pack.tokens <= 100
        assert pack.omitted == 0

    async def test_two_that_are_too_large_share_the_budget(self, notes: StoreHandle) -> None:
        for kind in ("black", "green", "white"):
            story = " ".join(f"Sentence {number} is about {kind} tea." for number in range(200))
            await notes.remember(story, occurred_at=T0)
        pack = await notes.context("tea", max_tokens=200)
        assert [item.truncated for item in pack.items] == [True, True]
        assert pack.omitted == 1
        assert 150 < pack.tokens <= 200

    async def test_a_text_without_sentences_is_cut_at_a_word(self, notes: StoreHandle) -> None:
        await notes.remember("tea " * 5_000)
        [item] = (await notes.context("tea", max_tokens=50)).items
        assert item.text.endswith("tea" + MARK)

    async def test_nothing_fits_or_nothing_is_there(self, notes: StoreHandle) -> None:
        pack = await notes.context("tea", max_tokens=100)
        assert (pack.text, pack.items, pack.tokens, pack.omitted) == ("", (), 0, 0)
        await notes.remember("tea")
        pack = await notes.context("tea", max_tokens=1)
        assert (pack.text, pack.items, pack.tokens, pack.omitted) == ("", (), 0, 1)

    async def test_conversations_stand_together_by_time(self, notes: StoreHandle) -> None:
        for order, (name, said) in enumerate(
            [("lake", "tea one"), ("city", "tea two"), ("lake", "tea three"), ("city", "tea")]
        ):
            await notes.remember(
                said,
                occurred_at=T0 + timedelta(days=order),
                metadata={"conversation": name, "order": order},
            )
        pack = await notes.context("tea", max_tokens=300, fold=None)
        groups = [item.group for item in pack.items]
        assert groups in (["lake"] * 2 + ["city"] * 2, ["city"] * 2 + ["lake"] * 2)
        for name in ("lake", "city"):
            times = [item.source.occurred_at for item in pack.items if item.group == name]
            assert times == sorted(times)  # type: ignore[type-var]

    async def test_it_answers_about_the_past_and_under_filters(self, notes: StoreHandle) -> None:
        one = await notes.remember("tea at four", tags=["a"], valid_to=T0)
        await notes.update(one.id, content="tea at five")
        await notes.remember("tea at six", valid_from=T0)
        then = await notes.context("tea", max_tokens=100, as_of=one.recorded_at)
        assert [item.text for item in then.items] == ["tea at four"]
        tagged = await notes.context("tea", max_tokens=100, tags=["a"])
        assert [item.text for item in tagged.items] == ["tea at five"]
        later = await notes.context("tea", max_tokens=100, valid_at=T0)
        assert [item.text for item in later.items] == ["tea at six"]

    async def test_a_reader_gets_what_a_reader_sees(
        self, notes: StoreHandle, bob: PrincipalHandle
    ) -> None:
        await notes.share("bob")
        await notes.remember("tea for all")
        await notes.remember("tea for me", privacy="creator")
        pack = await (await bob.store("notes", owner="alice")).context("tea", max_tokens=100)
        assert [item.text for item in pack.items] == ["tea for all"]
        assert pack.omitted == pack.folded == 0

    async def test_the_receipt_lists_what_was_given(
        self, alice: PrincipalHandle, notes: StoreHandle
    ) -> None:
        for number in range(20):
            await notes.remember(f"tea {number} and some more words")
        pack = await notes.context("tea", max_tokens=50)
        assert 0 < len(pack.items) < 5
        assert pack.receipt_id is not None
        receipt = await alice.receipt(pack.receipt_id)
        given = {(item.source.memory_id, item.source.version) for item in pack.items}
        assert {(hit.memory_id, hit.version) for hit in receipt.hits} == given

    @pytest.mark.parametrize("wrong", [0, -1, 1_000_001, 1.5, True, "100"])
    async def test_a_wrong_budget(self, notes: StoreHandle, wrong: Any) -> None:
        with pytest.raises(InvalidInput, match="max_tokens"):
            await notes.context("tea", max_tokens=wrong)
        with pytest.raises(InvalidInput, match="max_tokens"):
            await notes.context("tea", max_tokens=wrong, limit=5)
