"""`eval`: how much of what should be found is found, on a folder of questions."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import typer

from memoledger.model.checks import check_choice
from memoledger.model.errors import InvalidInput
from memoledger.surfaces.cli.evaluation_view import show_comparison, show_evaluation
from memoledger.surfaces.cli.invocation import AsJson, send_logs_to_standard_error
from memoledger.surfaces.cli.output import messages, tell, visible, write_json
from memoledger.surfaces.cli.progress import ProgressBar

if TYPE_CHECKING:
    from memoledger.bootstrap import Application
    from memoledger.model.recall import Mode
    from memoledger.services.evaluation.beir import Dataset
    from memoledger.services.evaluation.retrieval import Evaluation
    from memoledger.services.evaluation.summary import Breakdown, Resampling

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
Seed = Annotated[
    int | None,
    typer.Option("--seed", metavar="N", min=0, help="Of the bootstrap's draws; 7 if not given."),
]
As = Annotated[
    Literal["memories", "documents"],
    typer.Option(
        "--as", help="Remember each text, or learn it as a document that its chunks find."
    ),
]
ReportFile = Annotated[
    Path | None,
    typer.Option(
        "--report",
        metavar="FILE.json",
        help="Also write everything here, question by question, for `eval compare`.",
    ),
]
PictureFile = Annotated[
    Path | None,
    typer.Option("--picture", metavar="FILE.svg", help="Also draw the comparison here."),
]
ShownMode = Annotated[
    str | None,
    typer.Option(
        "--mode",
        metavar="hybrid|dense|lexical",
        help="Show this mode; the first that both reports have, if not given.",
    ),
]
Compared = Annotated[
    Path,
    typer.Argument(metavar="REPORT", help="A file that --report has written.", show_default=False),
]

# Where it is and what it costs there is nobody's business who reads a report.
_PRIVATE: Final = {
    "database_url",
    "admin_database_url",
    "data_dir",
    "embedder_url",
    "embedder_api_key",
}


@app.callback()
def evaluate() -> None:
    """Evaluate on questions whose answers are known."""


@app.command("retrieval")
def retrieval(
    folder: Folder,
    *,
    mode: Modes = None,
    limit_queries: LimitQueries = None,
    split: Split = None,
    as_: As = "memories",
    seed: Seed = None,
    report: ReportFile = None,
    picture: PictureFile = None,
    as_json: AsJson = False,
) -> None:
    """Remember a folder's texts in a temporary ledger, ask its questions, and score the answers.

    A `group` in the metadata of texts and questions keeps each question to its own group, one store
    each. Dense and lexical search are the controls: they answer the same questions in the same
    call, and the differences to them are paired. Nothing is written to your own ledger.
    """
    from memoledger.model.recall import MODES, as_mode
    from memoledger.services.evaluation.beir import read_dataset

    _check_place("--report", report)
    _check_place("--picture", picture)
    dataset = read_dataset(folder, split=split)
    for remark in dataset.remarks:
        messages().print(visible(f"Note: {remark}"))
    modes = [as_mode(name) for name in dict.fromkeys(mode or MODES)]
    asking = _Asking(dataset, modes, limit_queries, split, seed, as_ == "documents")
    found, whole = asyncio.run(_evaluate(asking, silent=as_json))
    if report is not None:
        report.write_text(json.dumps(whole, ensure_ascii=False, indent=1) + "\n", "utf-8")
    if picture is not None:
        counts = f"{found.memories:,} memories, {found.queries:,} questions"
        series = {str(mode): result.summary for mode, result in found.modes.items()}
        _draw(picture, f"Retrieval on {folder.resolve().name}", counts, series)
    if as_json:
        write_json(found.as_dict())
    else:
        show_evaluation(found)


@app.command("compare")
def compare(
    first: Compared,
    second: Compared,
    *,
    mode: ShownMode = None,
    seed: Seed = None,
    picture: PictureFile = None,
    as_json: AsJson = False,
) -> None:
    """Compare two reports question by question: what the second finds more or less than the first.

    A difference whose interval does not include 0 is unlikely to come from which questions were
    asked. Questions that only one of the reports has are left out. With `--json` all modes that
    both reports have.
    """
    from memoledger.services.evaluation.report import compare_reports, read_report

    _check_place("--picture", picture)
    compared = compare_reports(read_report(first), read_report(second), _resampling(seed))
    for remark in compared.remarks:
        messages().print(visible(f"Note: {remark}"))
    shown = check_choice("--mode", mode or next(iter(compared.modes)), tuple(compared.modes))
    if picture is not None:
        part = compared.modes[shown]
        series = {f"A: {first.name}": part.first, f"B: {second.name}": part.second}
        _draw(picture, f"Two reports, {shown}", f"{compared.questions:,} questions of both", series)
    if as_json:
        write_json(compared.as_dict())
    else:
        show_comparison((str(first), str(second)), compared, shown)


@dataclass(frozen=True, slots=True)
class _Asking:
    """What is to be evaluated, and how."""

    dataset: Dataset
    modes: Sequence[Mode]
    queries_max: int | None
    split: str | None
    seed: int | None
    as_documents: bool


async def _evaluate(asking: _Asking, *, silent: bool) -> tuple[Evaluation, dict[str, Any]]:
    """What was found, and the same as a report."""
    from memoledger.services.evaluation.report import as_report
    from memoledger.services.evaluation.retrieval import evaluate_retrieval
    from memoledger.surfaces.python.memoledger import Memoledger

    send_logs_to_standard_error()
    dataset = asking.dataset
    asked = len(dataset.questions[: asking.queries_max])
    total = dataset.memories + len(asking.modes) * asked
    done: dict[str, int] = {}
    with ProgressBar("Evaluating", total=total, silent=silent) as bar:

        def progressed(what: str, now: int, of: int) -> None:
            done[what] = now
            bar.update(sum(done.values()), f"{_DOING.get(what, what)} {now:,} of {of:,}")

        async with Memoledger.temporary(sweep_interval_s=0.0, receipts="off") as ledger:
            found = await evaluate_retrieval(
                ledger.application.context,
                dataset,
                asking.modes,
                queries_max=asking.queries_max,
                as_documents=asking.as_documents,
                how=_resampling(asking.seed),
                on_progress=progressed,
            )
            kind = "documents" if asking.as_documents else "memories"
            made = {**await _versions(ledger.application), "split": asking.split, "as": kind}
            settings = _settings(ledger.application)
    return found, as_report(found, made=made, settings=settings)


async def _versions(application: Application) -> dict[str, Any]:
    """When a report is made, and by which versions of what counts for it."""
    import platform
    from importlib.metadata import version

    from memoledger import __version__
    from memoledger.bootstrap import administering
    from memoledger.ledger.inspection import server_facts

    async with administering(application.settings, application.place) as connection:
        facts = await server_facts(connection)
    return {
        "at": application.context.clock.now().isoformat(timespec="seconds"),
        "memoledger": __version__,
        "python": platform.python_version(),
        "numpy": version("numpy"),
        "onnxruntime": version("onnxruntime"),
        "postgresql": facts.version,
        "pgvector": facts.vector_version,
    }


def _settings(application: Application) -> dict[str, Any]:
    """What may change the figures: the settings, and the embedder they led to."""
    version = application.embedder.version
    return {
        **application.settings.model_dump(mode="json", exclude=_PRIVATE),
        "embedding_model": version.model,
        "embedding_dimensions": version.dimensions,
        "embedding_settings": dict(version.settings),
    }


def _resampling(seed: int | None) -> Resampling:
    from memoledger.services.evaluation.summary import Resampling

    return Resampling() if seed is None else Resampling(seed=seed)


def _check_place(option: str, path: Path | None) -> None:
    """Before the work rather than after it."""
    if path is None:
        return
    if path.is_dir() or not path.parent.is_dir():
        reason = "it is a folder" if path.is_dir() else "there is no such folder to write it in"
        raise InvalidInput(option, str(path), reason, remedy="Name a file in a folder that exists.")


def _draw(path: Path, title: str, subtitle: str, series: Mapping[str, Breakdown]) -> None:
    from memoledger.services.evaluation.picture import Picture

    path.write_text(Picture(title, subtitle, series).svg(), "utf-8")
    tell(visible(f"Drawn: {path}"))
