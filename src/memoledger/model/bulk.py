"""Bulk writes: what became of the items, and how far it has come."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar
from uuid import UUID

from memoledger.model.errors import InvalidInput
from memoledger.model.memory import Outcome

T = TypeVar("T")

BATCH_DEFAULT: Final = 1_000
"""Large enough that a round trip does not count, small enough to be written in 0.1 s."""


@dataclass(frozen=True, slots=True)
class Item:
    """What became of one item of a bulk write.

    Args:
        position: its place in what was given, from 1.
        id, version, outcome: as `remember` returns them; None if it was rejected.
        error: why it was rejected; None if it was not.
    """

    position: int
    id: UUID | None = None
    version: int | None = None
    outcome: Outcome | None = None
    error: InvalidInput | None = None


@dataclass(frozen=True, slots=True)
class Progress:
    """Counts so far: everything counted is committed or was rejected."""

    created: int = 0
    unchanged: int = 0
    updated: int = 0
    rejected: int = 0

    @property
    def total(self) -> int:
        """Items that are done with."""
        return self.created + self.unchanged + self.updated + self.rejected

    def plus(self, items: Iterable[Item]) -> Progress:
        """The counts with these items."""
        counts = {"created": 0, "unchanged": 0, "updated": 0, "rejected": 0}
        for item in items:
            counts[item.outcome or "rejected"] += 1
        return Progress(
            self.created + counts["created"],
            self.unchanged + counts["unchanged"],
            self.updated + counts["updated"],
            self.rejected + counts["rejected"],
        )


@dataclass(frozen=True, slots=True)
class BulkReport:
    """The counts of a bulk write, and its items in order (none if a callback took them)."""

    progress: Progress
    items: tuple[Item, ...]


class Tally:
    """Counts what becomes of the items, and tells whoever asked to be told.

    Args:
        on_progress: called with the counts so far, after each batch.
        on_items: called with each batch's items; the report then holds none.
    """

    def __init__(
        self,
        on_progress: Callable[[Progress], None] | None = None,
        on_items: Callable[[Sequence[Item]], None] | None = None,
    ) -> None:
        self._on_progress = on_progress
        self._on_items = on_items
        self._kept: list[Item] = []
        self.progress = Progress()

    def note(self, settled: Sequence[Item]) -> None:
        """Count a batch."""
        self.progress = self.progress.plus(settled)
        if self._on_items is None:
            self._kept.extend(settled)
        else:
            self._on_items(settled)
        if self._on_progress is not None:
            self._on_progress(self.progress)

    @property
    def report(self) -> BulkReport:
        """What has been counted so far."""
        return BulkReport(self.progress, tuple(self._kept))


def refuse_what_is_no_list(items: object) -> None:
    """See that something can be gone through, and is not one memory or its text.

    Raises:
        InvalidInput: it is not.
    """
    one_thing = isinstance(items, str | bytes | Mapping)
    if one_thing or not isinstance(items, Iterable | AsyncIterable):
        raise InvalidInput(
            "items",
            items,
            "that is no list of memories",
            remedy="Give drafts or mappings in a list, or a generator of them.",
        )


async def each_of(items: Iterable[T] | AsyncIterable[T]) -> AsyncIterator[T]:
    """One item after the other, however they come."""
    if isinstance(items, AsyncIterable):
        async for item in items:
            yield item
    else:
        for item in items:
            yield item
