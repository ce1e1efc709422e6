"""Tables of an evaluation for people."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from rich.table import Table

from memoledger.surfaces.cli.output import say, visible

if TYPE_CHECKING:
    from memoledger.services.evaluation.report import Comparison
    from memoledger.services.evaluation.retrieval import Evaluation
    from memoledger.services.evaluation.summary import Breakdown, Summary

_BY_CATEGORY: Final = ("recall@10", "ndcg@10")


def show_evaluation(found: Evaluation) -> None:
    """All measures by mode, what hybrid is better by, the categories, and the time it took."""
    say(f"{visible(found.folder)}: {found.memories:,} memories, {found.queries:,} questions", "")
    summaries = {str(mode): result.summary for mode, result in found.modes.items()}
    say(_measures("percent (95 % interval)", {m: s.overall for m, s in summaries.items()}))
    if found.differences:
        better = {f"hybrid - {mode}": part.overall for mode, part in found.differences.items()}
        say("", _measures("points (95 % interval)", better, signed=True))
    _say_categories(summaries)
    say("", _latency(found))


def show_comparison(names: tuple[str, str], compared: Comparison, mode: str) -> None:
    """What differs between two reports, in one mode."""
    first, second = (visible(name) for name in names)
    say(f"{visible(mode)}, {compared.questions:,} questions of both")
    say(f"A: {first}")
    say(f"B: {second}")
    for name, (before, after) in compared.settings.items():
        say(visible(f"{name}: {before} in A, {after} in B"))
    part = compared.modes[mode]
    columns = {"A": part.first.overall, "B": part.second.overall}
    say("", _measures("percent (95 % interval)", columns, {"B - A": part.difference.overall}))
    _say_categories({"A": part.first, "B": part.second}, differing=part.difference)


def _measures(
    heading: str,
    columns: Mapping[str, Summary],
    differing: Mapping[str, Summary] | None = None,
    *,
    signed: bool = False,
) -> Table:
    """A measure a row; a mean and its interval a column.

    Args:
        differing: columns of differences beside them.
        signed: whether `columns` are differences themselves.
    """
    every = [(name, summary, signed) for name, summary in columns.items()]
    every += [(name, summary, True) for name, summary in (differing or {}).items()]
    table = _table(heading, [name for name, _, _ in every])
    for measure in _shared(summary.means for _, summary, _ in every):
        cells = [_with_interval(summary, measure, signed=sign) for _, summary, sign in every]
        table.add_row(measure, *cells)
    return table


def _say_categories(parts: Mapping[str, Breakdown], *, differing: Breakdown | None = None) -> None:
    categories = sorted({name for part in parts.values() for name in part.by_category})
    if not categories:
        return
    headings = [*parts, *([] if differing is None else ["B - A, recall@10", "B - A, ndcg@10"])]
    table = _table("recall@10 / ndcg@10", ["asked", *headings])
    for category in categories:
        summaries = [part.by_category[category] for part in parts.values()]
        cells = [f"{summaries[0].questions:,}", *map(_pair, summaries)]
        if differing is not None:
            summary = differing.by_category[category]
            cells += [_with_interval(summary, name, signed=True) for name in _BY_CATEGORY]
        table.add_row(visible(category), *cells)
    say("", table)


def _latency(found: Evaluation) -> Table:
    """The whole and its stages, in the order in which they come."""
    table = _table("ms, p50 / p95", list(found.modes))
    results = list(found.modes.values())
    whole = [f"{r.latency.p50_ms:.1f} / {r.latency.p95_ms:.1f}" for r in results]
    table.add_row("recall", *whole)
    for stage in dict.fromkeys(name for result in results for name in result.stages):
        parts = [result.stages.get(stage) for result in results]
        cells = ["" if p is None else f"{p.p50_ms:.1f} / {p.p95_ms:.1f}" for p in parts]
        table.add_row(f"  {visible(stage)}", *cells)
    return table


def _table(heading: str, columns: Sequence[str]) -> Table:
    table = Table(heading, box=None, pad_edge=False)
    for column in columns:
        table.add_column(column, justify="right", no_wrap=True)
    return table


def _shared(measured: Iterable[Mapping[str, float]]) -> list[str]:
    """The measures that every column has, in the first one's order."""
    first, *others = measured
    return [name for name in first if all(name in other for other in others)]


def _with_interval(summary: Summary, measure: str, *, signed: bool) -> str:
    low, high = summary.intervals[measure]
    sign = "+" if signed else ""
    mean = f"{100 * summary.means[measure]:{sign}.1f}"
    return f"{mean} ({100 * low:{sign}.1f} to {100 * high:{sign}.1f})"


def _pair(summary: Summary) -> str:
    return " / ".join(f"{100 * summary.means[name]:.1f}" for name in _BY_CATEGORY)
