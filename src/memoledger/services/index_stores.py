"""Index stores: give those that outgrew exact search an index, keep it fresh, take it away again.

A store earns an index at a size and loses it at two thirds of that, so that one that hovers around
the size is not indexed over and over. What is written is searched exactly until there is enough of
it to be taken into the index; after many such steps, when the store has outgrown what the index was
made of, or when much of what it holds has been replaced, it is made anew beside the old one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final, Literal

from memoledger.ledger.store_indexes import StoreIndexes, Surveyed
from memoledger.model.errors import MemoledgerError
from memoledger.services.context import Context

KEEPS_FROM: Final = 2 / 3
"""The part of the size at which an index is earned from which it is kept."""

RECENT_MIN: Final = 1_000
"""Texts written since that are worth a step; they cost a search about 0.3 ms."""

RECENT_SHARE: Final = 0.005
"""The part of a store that is worth a step, where that is more."""

SEGMENTS_MAX: Final = 64
"""Steps after which an index is made anew: each adds a place to look for every word."""

REPLACED_SHARE: Final = 0.3
"""The part of an index's texts that may have been closed since, before it is made anew."""

GROWTH_MAX: Final = 1.5
"""Times its first size to which an index is extended; beyond, it is made anew. Vectors enter a
graph one by one, ten times as slowly as they make one, and its width of search was measured when it
was made."""

NO_STORE: Final = 2**62
"""More texts than any store holds."""

Act = Literal["build", "extend", "retire", "drop"]


@dataclass(frozen=True, slots=True)
class Step:
    """What is to be done about a store or one of its builds.

    Args:
        embedding_version: in which version an index is to be made; None for other acts.
    """

    act: Act
    about: Surveyed
    embedding_version: int | None = None


async def index_stores(
    context: Context, indexes: StoreIndexes, *, index_from: int, everything: bool = True
) -> int:
    """One round: all that is to be done, unless another process is at it; how many steps that took.

    A store has an index in every embedding version that may be searched from one moment to the
    next: the one that serves, those that could, and those that did.

    Args:
        index_from: texts at which a store earns an index; 0 for never.
        everything: whether every store is looked at; else those that are on the schedule, because
            they were written to since somebody looked.

    Raises:
        Forbidden: the login of the indexes' connection cannot become the owner.
        LedgerUnavailable: somebody's transaction did not end in ten minutes.
    """
    forget = context.ledger.search.indexed.forget
    return await index_all_stores(
        indexes, index_from=index_from, everything=everything, on_step=forget
    )


async def index_all_stores(
    indexes: StoreIndexes,
    *,
    index_from: int,
    everything: bool = True,
    on_step: Callable[[], None] | None = None,
) -> int:
    """As `index_stores`, where no ledger is open to be told of each step."""
    async with indexes.alone() as free:
        if not free:
            return 0
        scheduled = await indexes.take_scheduled()
        try:
            least = index_from or NO_STORE
            surveyed = (
                await indexes.survey(least=least)
                if everything
                else await indexes.survey_some(scheduled, least=least)
            )
            versions = await indexes.versions()
            steps = plan(surveyed, index_from=index_from, embedding_versions=versions)
            for step in steps:
                await _take(indexes, step)
                if on_step is not None:
                    on_step()
        except MemoledgerError:
            await indexes.put_back(scheduled)
            raise
    return len(steps)


async def _take(indexes: StoreIndexes, step: Step) -> None:
    about = step.about
    if step.act == "build":
        assert step.embedding_version is not None, "it is planned with one"
        await indexes.build(about.tenant, about.store_id, step.embedding_version)
    elif step.act == "extend":
        await indexes.extend(about)
    elif step.act == "retire":
        await indexes.retire(about.tenant, about.store_id)
    elif about.build is not None:
        await indexes.drop(about.tenant, about.store_id, about.build)


def plan(
    surveyed: Sequence[Surveyed], *, index_from: int, embedding_versions: Sequence[int]
) -> list[Step]:
    """What is to be done; removals come first, so that there is room for what is made.

    Args:
        embedding_versions: in which a large store has an index.
        surveyed: a row for each build of a store, or one without a build; grouped by store. Nobody
            else is indexing, so that a build that is not whole was left behind.
    """
    steps: list[Step] = []
    for _, rows in groupby(surveyed, key=lambda one: (one.tenant, one.store_id)):
        steps += _plan_store(list(rows), index_from, embedding_versions)
    order: tuple[Act, ...] = ("drop", "retire", "extend", "build")
    return sorted(steps, key=lambda step: order.index(step.act))


def _plan_store(
    builds: list[Surveyed], index_from: int, embedding_versions: Sequence[int]
) -> list[Step]:
    steps = [Step("drop", one) for one in builds if one.state == "building" or one.may_go]
    ready = [one for one in builds if one.state == "ready"]
    wanted = index_from > 0 and builds[0].texts >= index_from * (KEEPS_FROM if ready else 1)
    if not wanted:
        return steps + [Step("retire", one) for one in ready[:1]]
    steps += [Step("drop", one) for one in ready if one.embedding_version not in embedding_versions]
    for version in embedding_versions:
        newest = [one for one in ready if one.embedding_version == version][-1:]
        if not newest or _is_worn(newest[0]):
            steps.append(Step("build", builds[0], version))
        elif newest[0].recent >= max(RECENT_MIN, RECENT_SHARE * newest[0].texts):
            steps.append(Step("extend", newest[0]))
    return steps


def _is_worn(one: Surveyed) -> bool:
    """Whether it took many steps, has grown much, or holds much that has been replaced."""
    indexed = one.indexed or 0
    replaced = indexed - (one.texts - one.recent)
    outgrown = indexed + one.recent > GROWTH_MAX * (one.made_of or 0)
    return (one.segments or 0) >= SEGMENTS_MAX or outgrown or replaced > REPLACED_SHARE * indexed
