"""Recall: what is asked, and what comes back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Literal, get_args

from memoledger.model import limits
from memoledger.model.checks import (
    check_choice,
    check_count,
    check_fraction,
    check_instant,
    check_labels,
    check_metadata,
    check_period,
    check_similarity,
    check_text,
)
from memoledger.model.errors import InvalidInput
from memoledger.model.memory import Memory, check_tags

Mode = Literal["hybrid", "dense", "lexical"]
"""By vectors and words together, by vectors alone, or by words alone."""

MODES: Final[tuple[Mode, ...]] = get_args(Mode)
"""Every mode."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """What a memory must be to count; everything given must hold. Empty lets everything through.

    Args:
        types: its type is one of these.
        tags: it carries every one of these.
        since, until: it occurred (or, where that is not known, was recorded) at or after `since`
            and before `until`.
        min_importance: its importance is at least this, 0 to 1.
        metadata: its metadata contains this JSON object (PostgreSQL's `@>`).
    """

    types: tuple[str, ...] | None = None
    tags: tuple[str, ...] | None = None
    since: datetime | None = None
    until: datetime | None = None
    min_importance: float | None = None
    metadata: Mapping[str, Any] | None = None

    @classmethod
    def of(
        cls,
        *,
        types: Sequence[str] | None = None,
        tags: Sequence[str] | None = None,
        since: datetime | str | None = None,
        until: datetime | str | None = None,
        min_importance: float | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> Filter:
        """A filter of checked values; an empty list is the same as None.

        Raises:
            InvalidInput: naming the field, its value and the remedy.
        """
        given = (types, tags, since, until, min_importance, metadata)
        if all(value is None for value in given):
            return NO_FILTER
        first, last = check_instant("since", since), check_instant("until", until)
        check_period("since", first, "until", last)
        return cls(
            types=_check_types(types),
            tags=check_tags("tags", tags) or None,
            since=first,
            until=last,
            min_importance=None
            if min_importance is None
            else check_fraction("min_importance", min_importance),
            metadata=check_metadata("metadata", {} if metadata is None else metadata) or None,
        )

    @property
    def is_empty(self) -> bool:
        """Whether everything passes."""
        return self is NO_FILTER or self == NO_FILTER


NO_FILTER: Final = Filter()
"""Lets everything through."""


def _check_types(types: Sequence[str] | None) -> tuple[str, ...] | None:
    if types is None:
        return None
    checked = check_labels(
        "types", types, count_max=limits.FILTER_VALUES_MAX, chars_max=limits.TYPE_CHARS_MAX
    )
    return checked or None


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """One question to a store; `Query.of` checks it."""

    text: str
    limit: int
    mode: Mode
    min_similarity: float | None
    filter: Filter
    as_of: datetime | None
    explain: bool

    @classmethod
    def of(
        cls,
        text: str,
        *,
        limit: int = 10,
        mode: str = "hybrid",
        min_similarity: float | None = None,
        filter: Filter | None = None,  # noqa: A002 - the field's natural name
        as_of: datetime | str | None = None,
        explain: bool = False,
    ) -> Query:
        """A question of checked values.

        Raises:
            InvalidInput: naming the field, its value and the remedy.
        """
        if mode == "lexical" and min_similarity is not None:
            raise InvalidInput(
                "min_similarity",
                min_similarity,
                "words alone have no cosine similarity",
                remedy='Leave it out, or ask with mode "hybrid" or "dense".',
            )
        return cls(
            text=check_text("query", text, chars_max=limits.QUERY_CHARS_MAX),
            limit=check_count("limit", limit, least=1, most=limits.LIMIT_MAX),
            mode=as_mode(mode),
            min_similarity=check_similarity("min_similarity", min_similarity),
            filter=filter or NO_FILTER,
            as_of=check_instant("as_of", as_of),
            explain=explain,
        )


def as_mode(value: str) -> Mode:
    """`value` as a mode.

    Raises:
        InvalidInput: it is none.
    """
    chosen = check_choice("mode", value, MODES)
    return "dense" if chosen == "dense" else "lexical" if chosen == "lexical" else "hybrid"


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What a hit's score is made of. None where that channel did not take part.

    Args:
        dense: cosine similarity of the best view, -1 to 1.
        lexical: BM25 score, from 0, unbounded.
        dense_scaled, lexical_scaled: the two on the common scale from 0 to 1 on which they were
            added.
        rank: place in the answer, from 1.
    """

    dense: float | None
    lexical: float | None
    dense_scaled: float | None
    lexical_scaled: float | None
    rank: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """A memory that was found, with its score; higher is better, comparable within one answer."""

    memory: Memory
    score: float
    parts: Parts | None = field(default=None)

    def as_dict(self) -> dict[str, Any]:
        """The hit as JSON-ready data."""
        parts = None if self.parts is None else {n: getattr(self.parts, n) for n in _PART_NAMES}
        return {"memory": self.memory.as_dict(), "score": self.score, "parts": parts}


_PART_NAMES = ("dense", "lexical", "dense_scaled", "lexical_scaled", "rank")
