"""Vectors of what is about to be written, in the embedding versions beside the one that serves."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from memoledger.ledger.memory_rows import Beside, Prepared
from memoledger.model.embedding import View
from memoledger.ports import Vectors
from memoledger.services.companions import Companion

Views = Sequence[Sequence[tuple[View, str]]]
"""Of each draft its views with their texts."""


@dataclass(frozen=True, slots=True)
class BesideVectors:
    """Dealt out to the drafts in their order.

    Args:
        dealt: for each draft its vectors in every other version that has them.
        later: the versions that have none, and for which they are scheduled.
    """

    dealt: Iterator[tuple[Beside, ...]]
    later: tuple[int, ...]

    def completed(self, prepared: Prepared) -> Prepared:
        """The next draft with what is its own of them."""
        return replace(prepared, beside=next(self.dealt), later=self.later)


async def beside_vectors(
    companions: Sequence[Companion], views: Views, *, embed: bool
) -> BesideVectors:
    """Embed every view in every version, at the same time; what fails is left for later.

    Args:
        embed: False to leave all of it for later.
    """
    texts = [text for found in views for _, text in found]
    made: list[Vectors | None] = [None] * len(companions)
    if embed:
        made = await asyncio.gather(*(companion.embed(texts) for companion in companions))
    later = tuple(
        one.number
        for one, found in zip(companions, made, strict=True)
        if found is None and one.is_scheduled
    )
    there = [
        (companion.number, found)
        for companion, found in zip(companions, made, strict=True)
        if found is not None
    ]
    return BesideVectors(_deal(views, there), later)


def _deal(views: Views, there: Sequence[tuple[int, Vectors]]) -> Iterator[tuple[Beside, ...]]:
    start = 0
    for found in views:
        end = start + len(found)
        names = tuple(view for view, _ in found)
        yield tuple(Beside(number, names, vectors[start:end]) for number, vectors in there)
        start = end
