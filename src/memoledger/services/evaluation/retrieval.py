"""Evaluate retrieval: remember a dataset's memories, ask its questions, measure the answers."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from memoledger.model.errors import InvalidInput
from memoledger.model.principal import Principal
from memoledger.model.recall import Mode, Query
from memoledger.services.context import Context, Scope
from memoledger.services.evaluation.beir import Dataset, Group, Question
from memoledger.services.evaluation.metrics import DEPTH, Scores, mean, score
from memoledger.services.recall import recall
from memoledger.services.remember_many import Progress, remember_many
from memoledger.services.stores import get_or_create_store

EVALUATOR: Final = Principal("evaluation", "evaluator")

OnProgress = Callable[[str, int, int], None]
"""Called with what is being done, how many are done, and how many there are."""


@dataclass(frozen=True, slots=True)
class ModeResult:
    """The measures of one mode: means over all questions, and over those of each category.

    Args:
        p50_ms, p95_ms: of the whole call of recall, embedding the question included.
    """

    overall: Scores
    by_category: Mapping[str, Scores]
    p50_ms: float
    p95_ms: float

    def as_dict(self) -> dict[str, Any]:
        """As JSON-ready data."""
        return {
            "overall": self.overall,
            "by_category": dict(self.by_category),
            "latency_ms": {"p50": self.p50_ms, "p95": self.p95_ms},
        }


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What an evaluation found, mode by mode."""

    folder: str
    memories: int
    queries: int
    modes: Mapping[Mode, ModeResult]

    def as_dict(self) -> dict[str, Any]:
        """As JSON-ready data."""
        return {
            "folder": self.folder,
            "memories": self.memories,
            "queries": self.queries,
            "modes": {mode: result.as_dict() for mode, result in self.modes.items()},
        }


async def evaluate_retrieval(
    context: Context,
    dataset: Dataset,
    modes: Sequence[Mode],
    *,
    queries_max: int | None = None,
    on_progress: OnProgress | None = None,
) -> Evaluation:
    """Remember every memory of the dataset, one store a group, and ask the questions in each mode.

    The ledger should be empty: what its stores of that name already hold would be found as well.

    Args:
        queries_max: ask only the first so many questions.

    Raises:
        InvalidInput: a memory was refused.
        EmbedderError: the model failed.
    """
    report = on_progress or (lambda _what, _done, _total: None)
    await context.ledger.stores.introduce(EVALUATOR)
    scopes = await _remember_all(context, dataset, report)
    questions = dataset.questions[:queries_max]
    results: dict[Mode, ModeResult] = {}
    for mode in modes:
        results[mode] = await _ask_all(context, scopes, questions, mode, report)
    return Evaluation(str(dataset.folder), dataset.memories, len(questions), results)


async def _remember_all(
    context: Context, dataset: Dataset, report: OnProgress
) -> dict[Group, Scope]:
    scopes: dict[Group, Scope] = {}
    done = 0
    for number, (group, drafts) in enumerate(dataset.groups.items(), start=1):
        # By number: a group's name may be none that a store can have.
        store = await get_or_create_store(context, EVALUATOR, f"group {number}")
        scopes[group] = Scope(EVALUATOR, store.id)

        def progressed(progress: Progress, before: int = done) -> None:
            report("remember", before + progress.total, dataset.memories)

        written = await remember_many(context, scopes[group], drafts, on_progress=progressed)
        _refuse_rejected([item.error for item in written.items if item.error is not None])
        done += len(drafts)
    return scopes


def _refuse_rejected(errors: Sequence[InvalidInput]) -> None:
    if errors:
        raise errors[0]


async def _ask_all(
    context: Context,
    scopes: Mapping[Group, Scope],
    questions: Sequence[Question],
    mode: Mode,
    report: OnProgress,
) -> ModeResult:
    scores: list[Scores] = []
    latencies_s: list[float] = []
    for question in questions[:1]:  # once unmeasured: plans, caches and the model warm up
        await _ask(context, scopes, question, mode)
    for done, question in enumerate(questions, start=1):
        started = time.perf_counter()
        ranking = await _ask(context, scopes, question, mode)
        latencies_s.append(time.perf_counter() - started)
        scores.append(score(ranking, question.gains))
        report(mode, done, len(questions))
    p50_ms, p95_ms = np.percentile(latencies_s, [50, 95]) * 1_000
    categories = [question.category for question in questions]
    return ModeResult(mean(scores), _by_category(scores, categories), float(p50_ms), float(p95_ms))


async def _ask(
    context: Context, scopes: Mapping[Group, Scope], question: Question, mode: Mode
) -> list[str]:
    query = Query.of(question.text, limit=DEPTH, mode=mode)
    hits = await recall(context, scopes[question.group], query)
    return [hit.memory.external_id or "" for hit in hits]


def _by_category(scores: Sequence[Scores], categories: Sequence[str | None]) -> dict[str, Scores]:
    """Means by category, in the order of their names; questions without one count overall only."""
    rows: dict[str, list[Scores]] = {}
    for row, category in zip(scores, categories, strict=True):
        if category is not None:
            rows.setdefault(category, []).append(row)
    return {category: mean(rows[category]) for category in sorted(rows)}
