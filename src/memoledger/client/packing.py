"""Contexts counted by the caller's own function, which no server can call."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Final

from memoledger.model.context_pack import BUDGET_MAX, ContextPack, CountTokens

_TRIES_MAX: Final = 6
_MARGIN: Final = 0.95
_WELL_FILLED: Final = 0.8
"""A pack that takes this much of the budget is not asked for again only to be larger."""


async def fitted(
    packed: Callable[[int], Awaitable[ContextPack]], budget: int, count_tokens: CountTokens | None
) -> ContextPack:
    """A pack of at most `budget` tokens as the caller counts them.

    Without a counter the server's count decides. With one, a pack is asked for by the server's
    count, counted here, and asked for again with a budget corrected by what the two counts say,
    until it fits and is well filled. Each of these leaves a receipt; the pack names its own.

    Args:
        packed: asks the server for a pack of so many of its own tokens.
    """
    if count_tokens is None:
        return await packed(budget)
    best: ContextPack | None = None
    asked = budget
    for _ in range(_TRIES_MAX):
        pack = await packed(asked)
        own = count_tokens(pack.text) if pack.text.strip() else 0
        if own <= budget and (best is None or own >= best.tokens):
            best = replace(pack, tokens=own, max_tokens=budget, counted_by="caller")
        if own <= budget and (own >= _WELL_FILLED * budget or not pack.omitted):
            break
        # From the second pack on this converges; the margin makes up for uneven texts.
        asked = min(BUDGET_MAX, max(1, int(asked * _MARGIN * budget / max(1, own))))
    if best is None:
        nothing = await packed(1)
        return replace(nothing, text="", items=(), tokens=0, max_tokens=budget, counted_by="caller")
    return best
