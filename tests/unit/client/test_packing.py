"""Contexts counted by the caller: within the budget whatever the counts say, in few requests."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memoledger.client.packing import fitted
from memoledger.model.context_pack import ContextPack


class Server:
    """Packs as many of its words as fit, each of which it counts as some tokens."""

    def __init__(self, words: list[str], cost: int = 1) -> None:
        self.words = words
        self.cost = cost
        self.asked: list[int] = []

    async def packed(self, max_tokens: int) -> ContextPack:
        """A pack."""
        self.asked.append(max_tokens)
        fitting = min(len(self.words), max_tokens // self.cost)
        return ContextPack(
            query="q",
            text=" ".join(self.words[:fitting]),
            items=(),
            tokens=fitting * self.cost,
            max_tokens=max_tokens,
            omitted=len(self.words) - fitting,
            folded=0,
            counted_by="tokenizer",
        )


async def test_without_a_counter_the_server_counts() -> None:
    server = Server(["word"] * 10)
    pack = await fitted(server.packed, 5, None)
    assert (pack.tokens, pack.counted_by, server.asked) == (5, "tokenizer", [5])


@pytest.mark.parametrize(("own", "requests"), [(1, 1), (4, 2), (10, 2)])
async def test_a_counter_that_counts_more(own: int, requests: int) -> None:
    server = Server(["word"] * 1_000)
    pack = await fitted(server.packed, 400, lambda text: own * len(text.split()))
    assert (pack.max_tokens, pack.counted_by, len(server.asked)) == (400, "caller", requests)
    assert 0.8 * 400 <= pack.tokens <= 400


async def test_a_counter_that_counts_less() -> None:
    server = Server(["word"] * 1_000, cost=10)
    pack = await fitted(server.packed, 400, lambda text: len(text.split()))
    assert 0.8 * 400 <= pack.tokens <= 400


async def test_nothing_fits() -> None:
    server = Server(["word"] * 10)
    pack = await fitted(server.packed, 5, lambda text: 1_000 * len(text))
    assert (pack.text, pack.items, pack.tokens) == ("", (), 0)
    assert len(server.asked) <= 7


@given(
    words=st.lists(st.text("ab", min_size=1, max_size=30), max_size=200),
    cost=st.integers(1, 9),
    budget=st.integers(1, 500),
    characters=st.booleans(),
)
async def test_the_budget_always_holds(
    words: list[str], cost: int, budget: int, characters: bool
) -> None:
    def count(text: str) -> int:
        return len(text) if characters else len(text.split())

    server = Server(words, cost)
    pack = await fitted(server.packed, budget, count)
    assert pack.tokens == (count(pack.text) if pack.text else 0) <= budget
    assert len(server.asked) <= 7
