"""Two embedders asked the same questions, each in a temporary ledger of its own."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from rich.table import Table

from memoledger.surfaces.cli.progress import ProgressBar

if TYPE_CHECKING:
    from memoledger.ports import Embedder
    from memoledger.services.evaluation.beir import Dataset
    from memoledger.surfaces.python.embeddings import EmbeddingsHandle

MEASURES: Final = ("recall@1", "recall@5", "recall@10", "recall@20", "mrr", "ndcg@10")


async def compare_on(
    embeddings: EmbeddingsHandle, version: str, folder: Path, *, silent: bool
) -> dict[str, Any]:
    """What the version that serves and another one find of a folder's answers, as JSON-ready data.

    Raises:
        NotFound: there is no such version.
        InvalidInput: the folder is not in BEIR's layout.
        EmbedderError, SettingsError: one of the embedders failed, or cannot be had.
    """
    from memoledger.services.evaluation.beir import read_dataset

    dataset = read_dataset(folder)
    found: dict[str, Any] = {"folder": str(folder)}
    for role, (name, embedder) in (await embeddings.compared(version)).items():
        found[role] = {"name": name, **await _evaluated(dataset, embedder, role, silent=silent)}
    return found


async def _evaluated(
    dataset: Dataset, embedder: Embedder, role: str, *, silent: bool
) -> dict[str, Any]:
    from memoledger.model.recall import MODES
    from memoledger.services.evaluation.retrieval import evaluate_retrieval
    from memoledger.surfaces.python.memoledger import Memoledger

    # Words find the same in both; dense shows the models, hybrid what comes of them.
    modes = [mode for mode in MODES if mode != "lexical"]
    total = dataset.memories + len(modes) * len(dataset.questions)
    done: dict[str, int] = {}
    with ProgressBar(f"Evaluating {role}", total=total, silent=silent) as bar:

        def progressed(what: str, now: int, of: int) -> None:
            done[what] = now
            bar.update(sum(done.values()), f"{now:,} of {of:,}")

        async with Memoledger.temporary(
            embedder=embedder, sweep_interval_s=0.0, receipts="off"
        ) as ledger:
            context = await ledger.application.context.pinned()
            evaluation = await evaluate_retrieval(context, dataset, modes, on_progress=progressed)
    return {"modes": evaluation.as_dict()["modes"]}


def comparison_table(found: Mapping[str, Any]) -> Table:
    """Both side by side, mode by mode."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("mode")
    table.add_column("measure")
    for role in ("serving", "version"):
        table.add_column(str(found[role]["name"]), justify="right")
    table.add_column("difference", justify="right")
    for mode, result in found["serving"]["modes"].items():
        other = found["version"]["modes"][mode]
        for measure in MEASURES:
            before, after = (one["overall"].get(measure) for one in (result, other))
            if before is None or after is None:
                continue
            shown = (f"{value:.3f}" for value in (before, after))
            table.add_row(str(mode), measure, *shown, f"{after - before:+.3f}")
    return table
