"""Hits: what a recall found, and what there is to say about the answer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, get_args
from uuid import UUID

from memoledger.model.document import Chunk
from memoledger.model.errors import InvalidInput
from memoledger.model.memory import Memory

Family = Literal["memory", "chunk"]
"""What is recalled: memories, or chunks of documents."""

FAMILIES: Final[tuple[Family, ...]] = get_args(Family)
"""Every family; all are asked unless a question says otherwise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What a hit's score is made of. None where that channel did not take part.

    Args:
        dense: cosine similarity of the best view, -1 to 1.
        lexical: BM25 score, from 0, unbounded.
        dense_scaled, lexical_scaled: the two, with what stands around the memory, on the common
            scale from 0 to 1 on which they were added.
        rank: place in the answer, from 1.
        dense_around, lexical_around: the two with what stands around the memory, in their units.
        named: 1 if the question names the memory's speaker, 1/2 if nearly.
        timely: how near it lies to the days the question speaks of, 0 to 1.
        quoted: which share of the question's quotations it holds.
        telling: which share of it tells rather than asks.
        reranked: the reranker's verdict, from 0 (the worst it judged) to 1 (the best); None if it
            did not judge this one.
    """

    dense: float | None
    lexical: float | None
    dense_scaled: float | None
    lexical_scaled: float | None
    rank: int
    dense_around: float | None = None
    lexical_around: float | None = None
    named: float | None = None
    timely: float | None = None
    quoted: float | None = None
    telling: float | None = None
    reranked: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """A memory, or a chunk of a document, that was found.

    Args:
        found: which one.
        score: higher is better; comparable within one answer.
        parts: what the score is made of, if that was asked for.
        folded: ids of the near-duplicates for which this hit stands, best first.
    """

    found: Memory | Chunk
    score: float
    parts: Parts | None = field(default=None)
    folded: tuple[UUID, ...] = ()

    @property
    def family(self) -> Family:
        """What was found: "memory" or "chunk"."""
        return "chunk" if isinstance(self.found, Chunk) else "memory"

    @property
    def id(self) -> UUID:
        """The id of the memory or chunk."""
        return self.found.id

    @property
    def text(self) -> str:
        """What it says: a memory's content, a chunk's text."""
        return self.found.text if isinstance(self.found, Chunk) else self.found.content

    @property
    def memory(self) -> Memory:
        """The memory.

        Raises:
            InvalidInput: it is a chunk that was found.
        """
        if isinstance(self.found, Chunk):
            raise InvalidInput(
                "memory",
                self.found.id,
                "this hit is a chunk of a document",
                remedy='Look at hit.family and hit.chunk, or ask with families=["memory"].',
            )
        return self.found

    @property
    def chunk(self) -> Chunk | None:
        """The chunk; None where it is a memory that was found."""
        return self.found if isinstance(self.found, Chunk) else None

    def as_dict(self) -> dict[str, Any]:
        """The hit as JSON-ready data."""
        parts = None if self.parts is None else {n: getattr(self.parts, n) for n in _PART_NAMES}
        found = self.found.as_dict()
        return {
            "family": self.family,
            "id": str(self.id),
            "memory": found if self.family == "memory" else None,
            "chunk": found if self.family == "chunk" else None,
            "score": self.score,
            "parts": parts,
            "folded": [str(one) for one in self.folded],
        }


_PART_NAMES = (
    *("dense", "lexical", "dense_scaled", "lexical_scaled", "rank"),
    *("dense_around", "lexical_around", "named", "timely", "quoted", "telling", "reranked"),
)


class Hits(list[Hit]):
    """The answer to a recall: a list of hits, best first, and what there is to say about it.

    Args:
        hits: the hits.
        receipt_id: the receipt that this recall leaves; None where receipts are switched off.
        complete: False if time ran out before everything was looked at: the hits are right, but
            others may be missing.
        pending: how many memories and chunks of the store wait to be embedded; they are found by
            words only.
        searched_by: how vectors and words were searched, such as "exact" or the index's name.
        timings_ms: how long each part took, in milliseconds.
    """

    __slots__ = ("complete", "pending", "receipt_id", "searched_by", "timings_ms")

    def __init__(
        self,
        hits: Iterable[Hit] = (),
        *,
        receipt_id: UUID | None = None,
        complete: bool = True,
        pending: int = 0,
        searched_by: str = "exact",
        timings_ms: Mapping[str, float] | None = None,
    ) -> None:
        super().__init__(hits)
        self.receipt_id = receipt_id
        self.complete = complete
        self.pending = pending
        self.searched_by = searched_by
        self.timings_ms: Mapping[str, float] = timings_ms or {}

    def only(self, hits: Iterable[Hit]) -> Hits:
        """Some of the hits, with all else that there is to say about the answer."""
        told = {name: getattr(self, name) for name in self.__slots__}
        return Hits(hits, **told)

    def facts(self) -> dict[str, Any]:
        """What there is to say about the answer, as JSON-ready data; the hits are not in it."""
        return {
            "receipt_id": None if self.receipt_id is None else str(self.receipt_id),
            "complete": self.complete,
            "pending": self.pending,
            "searched_by": self.searched_by,
            "timings_ms": {part: round(ms, 3) for part, ms in self.timings_ms.items()},
        }
