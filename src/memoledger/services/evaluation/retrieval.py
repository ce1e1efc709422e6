"""Evaluate retrieval: remember a dataset's texts, or learn them, ask, and measure the answers."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

import numpy as np

from memoledger.model.bulk import Progress
from memoledger.model.document import DocumentDraft
from memoledger.model.errors import InvalidInput
from memoledger.model.memory import Draft
from memoledger.model.principal import Principal
from memoledger.model.recall import Hit, Mode, Query
from memoledger.services.context import Context, Scope
from memoledger.services.evaluation.beir import Dataset, Group, Question
from memoledger.services.evaluation.intervals import CONFIDENCE
from memoledger.services.evaluation.metrics import DEPTH, Scores, score
from memoledger.services.evaluation.summary import Breakdown, Resampling, differences, summarize
from memoledger.services.learn import learn
from memoledger.services.recall import recall
from memoledger.services.remember_many import remember_many
from memoledger.services.stores import get_or_create_store

EVALUATOR: Final = Principal("evaluation", "evaluator")

JUDGED: Final[Mode] = "hybrid"
"""The mode that is judged; where others run in the same call, they are its controls."""

SOURCE: Final = "corpus"
"""The source of texts that are learned as documents."""

OnProgress = Callable[[str, int, int], None]
"""Called with what is being done, how many are done, and how many there are."""


def _unreported(_what: str, _done: int, _total: int) -> None:
    """For callers who do not ask."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What one question got.

    Args:
        found: external ids, best first.
        took_ms: the whole call of recall, embedding the question included.
        stages_ms: the parts of it that recall reports.
    """

    found: Sequence[str]
    scores: Scores
    took_ms: float
    stages_ms: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Latency:
    """Median and 95th percentile, in milliseconds."""

    p50_ms: float
    p95_ms: float

    @classmethod
    def of(cls, times_ms: Sequence[float]) -> Latency:
        """Of at least one time."""
        p50, p95 = np.percentile(times_ms, [50, 95]).tolist()
        return cls(p50, p95)

    def as_dict(self) -> dict[str, float]:
        """As JSON-ready data."""
        return {"p50": self.p50_ms, "p95": self.p95_ms}


@dataclass(frozen=True, slots=True)
class ModeResult:
    """The measures of one mode, question by question and in summary.

    Args:
        answers: in the order of the questions.
        latency: of the whole call.
        stages: of its parts, over the questions that had them.
    """

    answers: Sequence[Answer]
    summary: Breakdown
    latency: Latency
    stages: Mapping[str, Latency]

    @property
    def overall(self) -> Scores:
        """The means over all questions."""
        return self.summary.overall.means

    @property
    def by_category(self) -> dict[str, Scores]:
        """The means over the questions of each category."""
        return {name: part.means for name, part in self.summary.by_category.items()}

    @property
    def scores(self) -> list[Scores]:
        """The measures of each question."""
        return [answer.scores for answer in self.answers]

    def as_dict(self) -> dict[str, Any]:
        """As JSON-ready data."""
        return {
            **self.summary.means(),
            "latency_ms": self.latency.as_dict(),
            "intervals": self.summary.intervals(),
            "stages_ms": {name: part.as_dict() for name, part in self.stages.items()},
        }


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What an evaluation found, mode by mode.

    Args:
        memories: how many were remembered.
        questions: those that were asked, in order.
        differences: hybrid less each of the other modes, question by question.
    """

    folder: str
    memories: int
    questions: Sequence[Question]
    modes: Mapping[Mode, ModeResult]
    differences: Mapping[Mode, Breakdown]
    how: Resampling = field(default_factory=Resampling)

    @property
    def queries(self) -> int:
        """How many questions were asked."""
        return len(self.questions)

    def as_dict(self) -> dict[str, Any]:
        """As JSON-ready data."""
        some = next(iter(self.modes.values()))
        compared = {
            mode: {**part.means(), "intervals": part.intervals()}
            for mode, part in self.differences.items()
        }
        return {
            "folder": self.folder,
            "memories": self.memories,
            "queries": self.queries,
            "modes": {mode: result.as_dict() for mode, result in self.modes.items()},
            "differences": {JUDGED: compared} if compared else {},
            "questions": some.summary.counts(),
            "confidence": {
                "level": CONFIDENCE,
                "method": "percentile bootstrap over questions",
                "resamples": self.how.resamples,
                "seed": self.how.seed,
            },
        }


async def evaluate_retrieval(
    context: Context,
    dataset: Dataset,
    modes: Sequence[Mode],
    *,
    queries_max: int | None = None,
    as_documents: bool = False,
    how: Resampling | None = None,
    on_progress: OnProgress | None = None,
) -> Evaluation:
    """Remember every memory of the dataset, one store a group, and ask the questions in each mode.

    The ledger should be empty: what its stores of that name already hold would be found as well.

    Args:
        modes: at least one.
        queries_max: ask only the first so many questions, at least 1.
        as_documents: learn each text as a document of its own, and find it by its chunks.
        how: how intervals are drawn.

    Raises:
        InvalidInput: a memory was refused.
        EmbedderError: the model failed.
    """
    report = on_progress or _unreported
    scopes = await remember_dataset(context, dataset, as_documents=as_documents, on_progress=report)
    questions = dataset.questions[:queries_max]
    how = how or Resampling()
    results: dict[Mode, ModeResult] = {}
    for mode in modes:
        answers = await _ask_all(context, scopes, questions, mode, report)
        results[mode] = _result(questions, answers, how)
    compared = _against_controls(questions, results, how)
    return Evaluation(str(dataset.folder), dataset.memories, questions, results, compared, how)


async def remember_dataset(
    context: Context,
    dataset: Dataset,
    *,
    prefix: str = "",
    as_documents: bool = False,
    on_progress: OnProgress | None = None,
) -> dict[Group, Scope]:
    """Remember every memory of the dataset, or learn it; the store of each group.

    Args:
        as_documents: learn each as a document of its own.
        prefix: what the names of the stores begin with, so that several datasets stay apart.

    Raises:
        InvalidInput: a memory was refused.
        EmbedderError: the model failed.
    """
    report = on_progress or _unreported
    await context.ledger.stores.introduce(EVALUATOR)
    scopes: dict[Group, Scope] = {}
    done = 0
    for number, (group, drafts) in enumerate(dataset.groups.items(), start=1):
        # By number: a group's name may be none that a store can have.
        store = await get_or_create_store(context, EVALUATOR, f"{prefix}group {number}")
        scopes[group] = Scope(EVALUATOR, store.id)

        def progressed(progress: Progress, before: int = done) -> None:
            report("remember", before + progress.total, dataset.memories)

        if as_documents:
            await _learn(context, scopes[group], drafts, progressed)
        else:
            written = await remember_many(context, scopes[group], drafts, on_progress=progressed)
            _refuse_rejected([item.error for item in written.items if item.error is not None])
        done += len(drafts)
    return scopes


async def _learn(
    context: Context, scope: Scope, drafts: Sequence[Draft], on_progress: Callable[[Progress], None]
) -> None:
    """Learn each draft's text as it is, under its external id."""
    progress = Progress()
    for number, draft in enumerate(drafts, start=1):
        document = DocumentDraft(
            source=SOURCE,
            source_id=draft.external_id or str(number),
            content=draft.content,
            title=draft.title,
            metadata=draft.metadata,
            occurred_at=draft.occurred_at,
        )
        await learn(context, scope, document)
        progress = replace(progress, created=number)
        on_progress(progress)


def _refuse_rejected(errors: Sequence[InvalidInput]) -> None:
    if errors:
        raise errors[0]


async def _ask_all(
    context: Context,
    scopes: Mapping[Group, Scope],
    questions: Sequence[Question],
    mode: Mode,
    report: OnProgress,
) -> list[Answer]:
    answers: list[Answer] = []
    for question in questions[:1]:  # once unmeasured: plans, caches and the model warm up
        await _ask(context, scopes, question, mode)
    for done, question in enumerate(questions, start=1):
        answers.append(await _ask(context, scopes, question, mode))
        report(mode, done, len(questions))
    return answers


async def _ask(
    context: Context, scopes: Mapping[Group, Scope], question: Question, mode: Mode
) -> Answer:
    query = Query.of(question.text, limit=DEPTH, mode=mode)
    started = time.perf_counter()
    hits = await recall(context, scopes[question.group], query)
    took_ms = (time.perf_counter() - started) * 1_000
    found = list(dict.fromkeys([_name(hit) for hit in hits]))
    return Answer(found, score(found, question.gains), took_ms, dict(hits.timings_ms))


def _name(hit: Hit) -> str:
    """What the dataset calls it; of several chunks of a text the best counts."""
    chunk = hit.chunk
    return (hit.memory.external_id or "") if chunk is None else chunk.source_id


def _result(
    questions: Sequence[Question], answers: Sequence[Answer], how: Resampling
) -> ModeResult:
    stages: dict[str, list[float]] = {}
    for answer in answers:
        for name, took_ms in answer.stages_ms.items():
            stages.setdefault(name, []).append(took_ms)
    return ModeResult(
        answers,
        summarize([answer.scores for answer in answers], _categories(questions), how),
        Latency.of([answer.took_ms for answer in answers]),
        {name: Latency.of(times_ms) for name, times_ms in stages.items()},
    )


def _against_controls(
    questions: Sequence[Question], results: Mapping[Mode, ModeResult], how: Resampling
) -> dict[Mode, Breakdown]:
    """Hybrid less every other mode; empty without hybrid."""
    judged = results.get(JUDGED)
    if judged is None:
        return {}
    return {
        mode: summarize(differences(judged.scores, control.scores), _categories(questions), how)
        for mode, control in results.items()
        if mode != JUDGED
    }


def _categories(questions: Sequence[Question]) -> list[str | None]:
    return [question.category for question in questions]
