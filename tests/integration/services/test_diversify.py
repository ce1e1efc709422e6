"""Diversity and folding through recall: what a plain reading of the definitions gives."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from memoledger.surfaces.python.principal import PrincipalHandle
from memoledger.surfaces.python.store import StoreHandle

DIMENSIONS = 32


def near(base: Any, cosine: float, axis: int) -> Any:
    """A unit vector at a cosine from `base`, turned towards a coordinate axis."""
    away = np.zeros(DIMENSIONS)
    away[axis] = 1.0
    away -= (away @ base) * base
    away /= np.linalg.norm(away)
    return (cosine * base + np.sqrt(1 - cosine**2) * away).astype(np.float32)


BASE = np.eye(DIMENSIONS, dtype=np.float32)[0]
MODES = ("dense", "lexical", "hybrid")


@pytest.fixture
async def doubled(notes: StoreHandle) -> StoreHandle:
    """Six kinds of tea, each told twice in other words: 0.99 is the cosine of the two."""
    for kind in range(6):
        first = near(BASE, 0.9 - kind / 20, 1 + kind)
        second = near(first.astype(np.float64), 0.99, 20 + kind)
        await notes.remember(f"tea {kind} first", embedding=first)
        await notes.remember(f"tea {kind} again", embedding=second)
    return notes


class TestFolding:
    async def test_near_duplicates_are_one_hit_and_the_next_move_up(
        self, doubled: StoreHandle
    ) -> None:
        for mode in ("dense", "hybrid"):
            hits = await doubled.recall("tea", mode=mode, limit=5, fold=0.97, embedding=BASE)
            kinds = [hit.memory.content.split()[1] for hit in hits]
            assert len(kinds) == len(set(kinds)) == 5
            for hit in hits:
                [other] = hit.folded
                [said] = [(await doubled.get(other)).content]
                assert said.split()[1] == hit.memory.content.split()[1]
                assert hit.as_dict()["folded"] == [str(other)]

    async def test_nothing_is_folded_unless_asked(self, doubled: StoreHandle) -> None:
        for mode in MODES:
            hits = await doubled.recall("tea", mode=mode, limit=12, embedding=None)
            assert len(hits) == 12
            assert {hit.folded for hit in hits} == {()}

    async def test_ranks_are_those_of_the_answer(self, doubled: StoreHandle) -> None:
        hits = await doubled.recall("tea", limit=4, fold=0.97, explain=True, embedding=BASE)
        assert [hit.parts.rank for hit in hits if hit.parts] == [1, 2, 3, 4]

    @pytest.mark.parametrize("mode", MODES)
    async def test_the_same_words_are_folded_whatever_their_vectors(
        self, notes: StoreHandle, mode: Any
    ) -> None:
        for number, said in enumerate(["Thanks!", "Thanks!", " Thanks! \n", "Thanks a lot!"]):
            await notes.remember(said, external_id=f"turn {number}", metadata={"speaker": "Ann"})
        hits = await notes.recall("thanks", mode=mode, fold=1.0)
        assert sorted(len(hit.folded) for hit in hits) == [0, 2]
        assert len(await notes.recall("thanks", mode=mode)) == 4

    async def test_what_was_folded_is_of_the_store_and_of_the_reader(
        self, alice: PrincipalHandle, bob: PrincipalHandle, notes: StoreHandle
    ) -> None:
        await notes.share("bob")
        vector = near(BASE, 0.9, 3)
        shown = await notes.remember("tea at four", embedding=vector)
        await notes.remember("tea at five", embedding=vector, privacy="creator")
        hits = await (await bob.store("notes", owner="alice")).recall("tea", fold=0.9)
        assert [(hit.memory.id, hit.folded) for hit in hits] == [(shown.id, ())]
        [own] = await notes.recall("tea", fold=0.9)
        assert len(own.folded) == 1

    async def test_an_answer_about_the_past_folds_the_versions_of_then(
        self, notes: StoreHandle
    ) -> None:
        vector = near(BASE, 0.9, 3)
        one = await notes.remember("tea at four", embedding=vector)
        two = await notes.remember("tea at five", embedding=vector)
        await notes.update(two.id, content="milk", embedding=near(BASE, 0.1, 5))
        [then] = await notes.recall("tea", as_of=two.recorded_at, fold=0.9, embedding=BASE)
        assert {then.memory.id, *then.folded} == {one.id, two.id}
        assert len(await notes.recall("tea", fold=0.9, embedding=BASE)) == 2


class TestDiversity:
    async def test_what_repeats_comes_later(self, doubled: StoreHandle) -> None:
        plain = await doubled.recall("x", mode="dense", limit=6, embedding=BASE)
        varied = await doubled.recall("x", mode="dense", limit=6, diversity=0.7, embedding=BASE)
        kinds = [hit.memory.content.split()[1] for hit in varied]
        assert varied[0].memory == plain[0].memory
        assert len(set(kinds)) == 6
        assert len({hit.memory.content.split()[1] for hit in plain}) < 6

    async def test_none_changes_nothing(self, doubled: StoreHandle) -> None:
        for mode in MODES:
            plain = await doubled.recall("tea first", mode=mode, limit=8)
            same = await doubled.recall("tea first", mode=mode, limit=8, diversity=0.0)
            assert plain == same

    async def test_all_are_there_in_some_order(self, doubled: StoreHandle) -> None:
        for mode in MODES:
            for diversity in (0.3, 1.0):
                hits = await doubled.recall("tea", mode=mode, limit=100, diversity=diversity)
                assert len({hit.memory.id for hit in hits}) == len(hits) == 12

    async def test_folding_and_diversity_together(self, doubled: StoreHandle) -> None:
        hits = await doubled.recall("tea", limit=4, fold=0.97, diversity=0.5, embedding=BASE)
        assert len({hit.memory.content.split()[1] for hit in hits}) == 4
