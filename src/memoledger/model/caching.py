"""What is cached, for how long, and what a cache tells of itself."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Literal

CacheState = Literal["ok", "failing"]

CacheOutcome = Literal["hit", "miss", "refused", "failed", "skipped"]
"""What came of asking: `refused` was there and not what it should be, `failed` is no answer in
time, `skipped` was not asked because it failed before."""

OUTCOMES: Final[tuple[CacheOutcome, ...]] = ("hit", "miss", "refused", "failed", "skipped")


@dataclass(frozen=True, slots=True)
class Contract:
    """One kind of what is cached.

    Args:
        name: what its keys begin with.
        ttl_s: seconds for which it is kept.
    """

    name: str
    ttl_s: float


DOCUMENT: Final = Contract("document", 72 * 3_600)
CHUNKS: Final = Contract("chunks", 24 * 3_600)
DEDUPE: Final = Contract("source-dedupe", 24 * 3_600)
ADJACENCY: Final = Contract("graph:out", 24 * 3_600)

CONTRACTS: Final = (DOCUMENT, CHUNKS, DEDUPE, ADJACENCY)


@dataclass(slots=True)
class CacheStatistics:
    """What a cache has done since it was opened.

    Args:
        state: whether it answered the last time it was asked.
        reason: why it did not, in words.
        answers: how often what came of asking.
        written: values that it took.
    """

    state: CacheState = "ok"
    reason: str | None = None
    answers: dict[CacheOutcome, int] = field(default_factory=lambda: dict.fromkeys(OUTCOMES, 0))
    written: int = 0

    def note(self, outcome: CacheOutcome, count: int = 1) -> None:
        """Count what came of asking."""
        self.answers[outcome] += count

    def refuse(self) -> None:
        """Count a hit as what it turned out to be: something that nobody may believe."""
        self.answers["hit"] -= 1
        self.answers["refused"] += 1
