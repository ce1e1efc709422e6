"""Bulk writes: what became of the items, and how far it has come."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from memoledger.model.errors import InvalidInput
from memoledger.model.memory import Outcome

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
