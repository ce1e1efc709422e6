"""Reports of evaluations: everything in one JSON file, and two of them compared.

A report carries what each question got, so that two of them, made at different times or with
different settings, can be compared question by question.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, Field, ValidationError

from memoledger.model.errors import InvalidInput
from memoledger.services.evaluation.beir import Question
from memoledger.services.evaluation.intervals import CONFIDENCE
from memoledger.services.evaluation.retrieval import Evaluation
from memoledger.services.evaluation.summary import Breakdown, Resampling, differences, summarize

FORMAT: Final = "memoledger evaluation 1"

_REMEDY: Final = "Give a file that `memoledger eval retrieval --report` has written."


def as_report(
    found: Evaluation, *, made: Mapping[str, Any], settings: Mapping[str, Any]
) -> dict[str, Any]:
    """An evaluation as JSON-ready data with the settings, and the answers to each question.

    The text of memories and questions is not in it, only their ids.

    Args:
        made: when, by which versions of what, on which part of the folder.
        settings: whatever may change the figures.
    """
    answers = {mode: result.answers for mode, result in found.modes.items()}
    return {
        "format": FORMAT,
        **found.as_dict(),
        "made": dict(made),
        "settings": dict(settings),
        "per_question": [
            {
                **_question(question),
                "modes": {
                    mode: {
                        "found": list(given[place].found),
                        "scores": given[place].scores,
                        "took_ms": given[place].took_ms,
                        "stages_ms": dict(given[place].stages_ms),
                    }
                    for mode, given in answers.items()
                },
            }
            for place, question in enumerate(found.questions)
        ],
    }


def _question(question: Question) -> dict[str, Any]:
    return {
        "id": question.id,
        "group": question.group,
        "category": question.category,
        "gains": dict(question.gains),
    }


_Fraction = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]


class _Scored(BaseModel):
    """What a mode's answer to a question was worth."""

    scores: dict[str, _Fraction]


class _Asked(BaseModel):
    """A question of a report."""

    id: str
    category: str | None = None
    gains: dict[str, int]
    modes: dict[str, _Scored]


class Report(BaseModel):
    """What is read of a report to compare it with another."""

    format: Literal["memoledger evaluation 1"]
    folder: str
    made: dict[str, Any] = {}
    settings: dict[str, Any] = {}
    per_question: list[_Asked]


def read_report(path: Path) -> Report:
    """Read and check a report.

    Raises:
        InvalidInput: it cannot be read or is none.
    """
    try:
        return Report.model_validate_json(path.read_bytes())
    except OSError as error:
        reason = f"it cannot be read: {error.strerror}"
        raise InvalidInput("report", str(path), reason, remedy=_REMEDY) from None
    except ValidationError as error:
        [first, *_] = error.errors(include_url=False, include_input=False)
        where = ".".join(map(str, first["loc"]))
        reason = f"it is no report of an evaluation: {where}: {first['msg'].lower()}"
        raise InvalidInput("report", str(path), reason, remedy=_REMEDY) from None


@dataclass(frozen=True, slots=True)
class ModeComparison:
    """One mode in both reports, over the questions of both.

    Args:
        difference: the second less the first, question by question.
    """

    first: Breakdown
    second: Breakdown
    difference: Breakdown

    def as_dict(self) -> dict[str, Any]:
        """As JSON-ready data."""
        parts = {"first": self.first, "second": self.second, "difference": self.difference}
        return {
            name: {**part.means(), "intervals": part.intervals()} for name, part in parts.items()
        }


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two reports, paired.

    Args:
        questions: how many are in both, with the same judgments.
        settings: those that differ, with their two values; None where a report has no such.
        remarks: what could not be compared, in sentences.
    """

    questions: int
    modes: Mapping[str, ModeComparison]
    settings: Mapping[str, tuple[Any, Any]]
    remarks: Sequence[str]
    how: Resampling

    def as_dict(self) -> dict[str, Any]:
        """As JSON-ready data."""
        return {
            "questions": self.questions,
            "modes": {mode: part.as_dict() for mode, part in self.modes.items()},
            "settings": {name: list(values) for name, values in self.settings.items()},
            "remarks": list(self.remarks),
            "confidence": {
                "level": CONFIDENCE,
                "method": "paired percentile bootstrap over questions",
                "resamples": self.how.resamples,
                "seed": self.how.seed,
            },
        }


def compare_reports(first: Report, second: Report, how: Resampling | None = None) -> Comparison:
    """Pair the questions of two reports and summarize the differences, mode by mode.

    Raises:
        InvalidInput: they have no question, or no mode, in common.
    """
    how = how or Resampling()
    pairs, remarks = _pairs(first, second)
    modes = _shared_modes(pairs)
    if not modes:
        raise InvalidInput(
            "reports",
            f"{len(pairs)} shared questions",
            "there is no mode in which both have answered the same questions",
            remedy="Make both reports from the same folder, with a mode in common.",
        )
    compared = {mode: _compare(pairs, mode, how) for mode in modes}
    return Comparison(len(pairs), compared, _changed(first.settings, second.settings), remarks, how)


_Pair = tuple[_Asked, _Asked]


def _pairs(first: Report, second: Report) -> tuple[list[_Pair], list[str]]:
    """The questions of both, in the order of the first; those judged differently are left out."""
    others = {asked.id: asked for asked in second.per_question}
    shared = [(asked, others[asked.id]) for asked in first.per_question if asked.id in others]
    pairs = [(a, b) for a, b in shared if a.gains == b.gains]
    remarks = []
    if changed := len(shared) - len(pairs):
        remarks.append(f"{changed:,} questions are left out: their judgments differ.")
    sizes = (("first", first), ("second", second))
    for name, report in sizes:
        if alone := len(report.per_question) - len(shared):
            remarks.append(f"{alone:,} questions are only in the {name} report.")
    return pairs, remarks


def _shared_modes(pairs: Sequence[_Pair]) -> list[str]:
    """The modes in which every question of both was asked."""
    if not pairs:
        return []
    return [
        mode
        for mode in pairs[0][0].modes
        if all(mode in asked.modes for pair in pairs for asked in pair)
    ]


def _compare(pairs: Sequence[_Pair], mode: str, how: Resampling) -> ModeComparison:
    first = [a.modes[mode].scores for a, _ in pairs]
    second = [b.modes[mode].scores for _, b in pairs]
    categories = [a.category for a, _ in pairs]
    return ModeComparison(
        summarize(first, categories, how),
        summarize(second, categories, how),
        summarize(differences(second, first), categories, how),
    )


def _changed(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    names = sorted(first.keys() | second.keys())
    both = {name: (first.get(name), second.get(name)) for name in names}
    return {
        name: values
        for name, values in both.items()
        if json.dumps(values[0], sort_keys=True) != json.dumps(values[1], sort_keys=True)
    }
