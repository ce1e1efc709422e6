"""Recall: what is asked, and what comes back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
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
    check_positive,
    check_similarity,
    check_text,
)
from memoledger.model.errors import InvalidInput
from memoledger.model.hits import FAMILIES, Family, Hit, Hits, Parts
from memoledger.model.memory import check_tags

__all__ = [
    "FAMILIES",
    "FILTER_FIELDS",
    "MODES",
    "NO_FILTER",
    "PLAIN_RANKING",
    "Family",
    "Filter",
    "Hit",
    "Hits",
    "Mode",
    "Parts",
    "Query",
    "Ranking",
    "as_families",
    "as_mode",
    "question_of",
]

Mode = Literal["hybrid", "dense", "lexical"]
"""By vectors and words together, by vectors alone, or by words alone."""

MODES: Final[tuple[Mode, ...]] = get_args(Mode)
"""Every mode."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """What a memory must be to count; everything given must hold. Empty lets everything through.

    A chunk is held against its document's fields. A document has no importance, so that none
    passes `min_importance`; and it does not say when it is true, so that all pass `valid_at`.

    Args:
        types: its type is one of these.
        tags: it carries every one of these.
        since, until: it occurred (or, where that is not known, was recorded) at or after `since`
            and before `until`.
        min_importance: its importance is at least this, 0 to 1.
        metadata: its metadata contains this JSON object (PostgreSQL's `@>`).
        valid_at: what it says was true at this instant: `valid_from` is not later and `valid_to`
            is later, and one that is not given has no say.
    """

    types: tuple[str, ...] | None = None
    tags: tuple[str, ...] | None = None
    since: datetime | None = None
    until: datetime | None = None
    min_importance: float | None = None
    metadata: Mapping[str, Any] | None = None
    valid_at: datetime | None = None

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
        valid_at: datetime | str | None = None,
    ) -> Filter:
        """A filter of checked values; an empty list is the same as None.

        Raises:
            InvalidInput: naming the field, its value and the remedy.
        """
        given = (types, tags, since, until, min_importance, metadata, valid_at)
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
            valid_at=check_instant("valid_at", valid_at),
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
class Ranking:
    """What else counts for the order of an answer; the default adds nothing to what was found.

    Args:
        recency, importance, access: how much a memory's age, its importance and how often it was
            recalled count beside its score, each 0 (not at all) to 1 (as much as the score).
        half_life_days: the age at which recency counts half, above 0 to 36,500.
        diversity: 0 to 1; how much a hit is held back for resembling those before it (maximal
            marginal relevance).
        fold: cosine similarity, above 0 to 1, from which near-duplicates become one hit; None to
            fold nothing.
        rerank: whether the best candidates are compared word by word by the reranker; None for the
            ledger's default.
    """

    recency: float = 0.0
    importance: float = 0.0
    access: float = 0.0
    half_life_days: float = 30.0
    diversity: float = 0.0
    fold: float | None = None
    rerank: bool | None = None

    @classmethod
    def of(
        cls,
        *,
        recency: float = 0.0,
        importance: float = 0.0,
        access: float = 0.0,
        half_life_days: float = 30.0,
        diversity: float = 0.0,
        fold: float | None = None,
        rerank: bool | None = None,
    ) -> Ranking:
        """A ranking of checked values.

        Raises:
            InvalidInput: naming the field, its value and the remedy.
        """
        return cls(
            recency=check_fraction("recency", recency),
            importance=check_fraction("importance", importance),
            access=check_fraction("access", access),
            half_life_days=check_positive("half_life_days", half_life_days, most=36_500.0),
            diversity=check_fraction("diversity", diversity),
            fold=None if fold is None else check_positive("fold", fold, most=1.0),
            rerank=rerank,
        )

    @property
    def weighs(self) -> bool:
        """Whether recency, importance or access count."""
        return self.recency > 0 or self.importance > 0 or self.access > 0

    @property
    def compares(self) -> bool:
        """Whether hits are compared with each other."""
        return self.diversity > 0 or self.fold is not None


PLAIN_RANKING: Final = Ranking()
"""The order of the scores alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """One question to a store; `Query.of` checks it.

    Args:
        as_of: answer from what the ledger held at this instant; None for now.
        now: the caller's clock, to which "yesterday" and recency refer; None for the ledger's.
        families: what may be an answer: memories, chunks of documents, or both.
    """

    text: str
    limit: int
    mode: Mode
    min_similarity: float | None
    filter: Filter
    as_of: datetime | None
    explain: bool
    now: datetime | None = None
    ranking: Ranking = PLAIN_RANKING
    families: tuple[Family, ...] = FAMILIES

    @classmethod
    def of(  # noqa: PLR0913 - all that a question can say
        cls,
        text: str,
        *,
        limit: int = 10,
        mode: str = "hybrid",
        min_similarity: float | None = None,
        filter: Filter | None = None,  # noqa: A002 - the field's natural name
        as_of: datetime | str | None = None,
        explain: bool = False,
        now: datetime | str | None = None,
        ranking: Ranking = PLAIN_RANKING,
        families: Sequence[str] | None = None,
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
            now=check_instant("now", now),
            ranking=ranking,
            families=as_families(families),
        )


def question_of(text: str, asked: Mapping[str, Any]) -> Query:
    """A question from the arguments of `recall`, by their names.

    Raises:
        InvalidInput: naming the field, its value and the remedy.
        TypeError: there is no such argument.
    """
    parts: dict[str, dict[str, Any]] = {"filter": {}, "ranking": {}, "query": {}}
    for name, value in asked.items():
        kind = "filter" if name in FILTER_FIELDS else "ranking" if name in _RANKING else "query"
        parts[kind][name] = value
    chosen, ranking = Filter.of(**parts["filter"]), Ranking.of(**parts["ranking"])
    return Query.of(text, filter=chosen, ranking=ranking, **parts["query"])


FILTER_FIELDS: Final = frozenset(one.name for one in fields(Filter))
"""The names of a filter's conditions."""

_RANKING: Final = frozenset(one.name for one in fields(Ranking))


def as_mode(value: str) -> Mode:
    """`value` as a mode.

    Raises:
        InvalidInput: it is none.
    """
    chosen = check_choice("mode", value, MODES)
    return "dense" if chosen == "dense" else "lexical" if chosen == "lexical" else "hybrid"


def as_families(value: object) -> tuple[Family, ...]:
    """`value` as families, each once and in their own order; None or none at all is every one.

    Raises:
        InvalidInput: it is no list, or one of them is no family.
    """
    if value is None or value == ():
        return FAMILIES
    if isinstance(value, str) or not isinstance(value, Sequence):
        raise InvalidInput(
            "families", value, "it is no list", remedy='Give a list, for example ["memory"].'
        )
    chosen = {check_choice("families", one, FAMILIES) for one in value}
    return tuple(family for family in FAMILIES if not chosen or family in chosen)
