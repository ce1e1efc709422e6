"""Why a recall returns a memory, or does not."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal
from uuid import UUID

from memoledger.model.recall import Family, Parts

Reason = Literal[
    "recalled",
    "another-store",
    "erased",
    "forgotten",
    "superseded",
    "expired",
    "not-yet-recorded",
    "filtered-out",
    "below-similarity",
    "not-embedded",
    "no-word-in-common",
    "folded",
    "beyond-limit",
    "cut-short",
]
"""Why a memory is in an answer, or is not. A chunk is superseded once its document lacks it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Why:
    """Why a question returns a memory or a chunk, or does not.

    Args:
        memory_id: the id of either.
        family: which of the two it is.
        text: the reason in a sentence.
        version: the version that was looked at, of a chunk its document's; None where there is none
            to look at.
        rank: its place among all that the question finds, from 1; None where it has none, or none
            among the first 1,000.
        limit: the hits that were asked for.
        score, parts: its score in the answer and what that is made of.
        similarity: cosine similarity of its best view; None if it is not embedded or not asked.
        filters: the names of the conditions that it does not meet.
        searched_by: how vectors and words were searched; None where nothing was searched.
    """

    memory_id: UUID
    reason: Reason
    text: str
    limit: int
    family: Family = "memory"
    version: int | None = None
    rank: int | None = None
    score: float | None = None
    parts: Parts | None = None
    similarity: float | None = None
    filters: tuple[str, ...] = ()
    searched_by: str | None = None

    @property
    def recalled(self) -> bool:
        """Whether the question returns it."""
        return self.reason == "recalled"

    def as_dict(self) -> dict[str, Any]:
        """The reason as JSON-ready data."""
        return {
            "memory_id": str(self.memory_id),
            "family": self.family,
            "recalled": self.recalled,
            "reason": self.reason,
            "text": self.text,
            "version": self.version,
            "rank": self.rank,
            "limit": self.limit,
            "score": self.score,
            "parts": None if self.parts is None else asdict(self.parts),
            "similarity": self.similarity,
            "filters": list(self.filters),
            "searched_by": self.searched_by,
        }
