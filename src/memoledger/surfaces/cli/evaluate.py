"""`eval retrieval`: how much of what should be found is found, on a folder of questions."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer
from rich.table import Table

from memoledger.surfaces.cli.invocation import AsJson, send_logs_to_standard_error
from memoledger.surfaces.cli.output import messages, say, visible, write_json
from memoledger.surfaces.cli.progress import ProgressBar

if TYPE_CHECKING:
    from memoledger.model.recall import Mode
    from memoledger.services.evaluation.beir import Dataset
    from memoledger.services.evaluation.retrieval import Evaluation, ModeResult

app = typer.Typer(no_args_is_help=True, help="Evaluate on questions whose answers are known.")

_DOING: Final = {"remember": "remembering"}

Folder = Annotated[
    Path,
    typer.Argument(
        metavar="FOLDER",
        help="A folder in BEIR's layout: corpus.jsonl, queries.jsonl and qrels/*.tsv.",
        show_default=False,
    ),
]
Modes = Annotated[
    list[str] | None,
    typer.Option(
        "--mode",
        metavar="hybrid|dense|lexical",
        help="How to search; may be repeated; all three if not given.",
    ),
]
LimitQueries = Annotated[
    int | None,
    typer.Option(
        "--limit-queries",
        metavar="N",
        min=1,
        help="Ask only the first N questions, for a quick look.",
    ),
]
Split = Annotated[
    str | None,
    typer.Option(
        "--split", metavar="NAME", help="Use qrels/NAME.tsv alone; all its files if not given."
    ),
]


@app.callback()
def evaluate() -> None:
    """Evaluate on questions whose answers are known."""


@app.command("retrieval")
def retrieval(
    folder: Folder,
    mode: Modes = None,
    limit_queries: LimitQueries = None,
    split: Split = None,
    as_json: AsJson = False,
) -> None:
    """Remember a folder's texts in a temporary ledger, ask its questions, and score the answers.

    A `group` in the metadata of texts and questions keeps each question to its own group, one store
    each. Nothing is written to your own ledger.
    """
    from memoledger.model.recall import MODES, as_mode
    from memoledger.services.evaluation.beir import read_dataset

    dataset = read_dataset(folder, split=split)
    for remark in dataset.remarks:
        messages().print(visible(f"Note: {remark}"))
    modes = [as_mode(name) for name in dict.fromkeys(mode or MODES)]
    found = asyncio.run(_evaluate(dataset, modes, limit_queries, silent=as_json))
    if as_json:
        write_json(found.as_dict())
    else:
        _show(found)


async def _evaluate(
    dataset: Dataset, modes: Sequence[Mode], queries_max: int | None, *, silent: bool
) -> Evaluation:
    from memoledger.services.evaluation.retrieval import evaluate_retrieval
    from memoledger.surfaces.python.memoledger import Memoledger

    send_logs_to_standard_error()
    asked = len(dataset.questions[:queries_max])
    total = dataset.memories + len(modes) * asked
    done: dict[str, int] = {}
    with ProgressBar("Evaluating", total=total, silent=silent) as bar:

        def progressed(what: str, now: int, of: int) -> None:
            done[what] = now
            bar.update(sum(done.values()), f"{_DOING.get(what, what)} {now:,} of {of:,}")

        async with Memoledger.temporary(sweep_interval_s=0.0) as ledger:
            return await evaluate_retrieval(
                ledger.application.context,
                dataset,
                modes,
                queries_max=queries_max,
                on_progress=progressed,
            )


def _show(found: Evaluation) -> None:
    """Tables for people: all questions by mode, then each category."""
    say(f"{visible(found.folder)}: {found.memories:,} memories, {found.queries:,} questions", "")
    say(_overall(found))
    categories = {name for result in found.modes.values() for name in result.by_category}
    if categories:
        say("", _by_category(found, sorted(categories)))


def _overall(found: Evaluation) -> Table:
    measures = [name for result in found.modes.values() for name in result.overall]
    columns = list(dict.fromkeys(measures))
    table = Table("percent", *columns, "p50", "p95", box=None, pad_edge=False)
    for mode, result in found.modes.items():
        scores = [f"{result.overall[name]:.1%}".removesuffix("%") for name in columns]
        table.add_row(mode, *scores, f"{result.p50_ms:.1f} ms", f"{result.p95_ms:.1f} ms")
    return table


def _by_category(found: Evaluation, categories: Sequence[str]) -> Table:
    table = Table("recall@10 / ndcg@10", *found.modes, box=None, pad_edge=False)
    for category in categories:
        cells = [_pair(result, category) for result in found.modes.values()]
        table.add_row(visible(category), *cells)
    return table


def _pair(result: ModeResult, category: str) -> str:
    scores = result.by_category[category]
    return f"{100 * scores['recall@10']:.1f} / {100 * scores['ndcg@10']:.1f}"
