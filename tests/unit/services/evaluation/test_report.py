"""Two reports, paired: what is compared, what is left out, and what is no report."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from memoledger.model.errors import InvalidInput
from memoledger.services.evaluation.report import FORMAT, Report, compare_reports, read_report


def asked(name: str, gains: dict[str, int] | None = None, **mrr: float) -> dict[str, Any]:
    return {
        "id": name,
        "category": "who",
        "gains": gains or {"t1": 1},
        "modes": {mode: {"found": ["t1"], "scores": {"mrr": value}} for mode, value in mrr.items()},
    }


def report(*questions: dict[str, Any], **settings: Any) -> Report:
    return Report.model_validate(
        {"format": FORMAT, "folder": "f", "settings": settings, "per_question": questions}
    )


def test_the_same_questions_are_compared_mode_by_mode() -> None:
    first = report(asked("q1", hybrid=0.5, dense=0.5), asked("q2", hybrid=0.5, dense=1.0))
    second = report(asked("q2", hybrid=1.0), asked("q1", hybrid=0.75))
    found = compare_reports(first, second)
    assert found.questions == 2
    assert list(found.modes) == ["hybrid"]
    part = found.modes["hybrid"]
    assert part.first.overall.means == {"mrr": 0.5}
    assert part.second.overall.means == {"mrr": 0.875}
    assert part.difference.overall.means == {"mrr": 0.375}
    assert part.difference.overall.intervals["mrr"] == (0.25, 0.5)
    assert part.difference.by_category["who"].questions == 2


def test_a_report_does_not_differ_from_itself() -> None:
    one = report(asked("q1", hybrid=0.5), asked("q2", hybrid=1.0), language="english")
    found = compare_reports(one, one)
    assert found.modes["hybrid"].difference.overall.intervals["mrr"] == (0.0, 0.0)
    assert (found.settings, found.remarks) == ({}, [])


def test_settings_that_differ_are_named() -> None:
    first = report(asked("q1", hybrid=1), language="english", embedder="minilm")
    second = report(asked("q1", hybrid=1), language="german", embedder="minilm", more=1)
    found = compare_reports(first, second)
    assert found.settings == {"language": ("english", "german"), "more": (None, 1)}


def test_what_cannot_be_paired_is_said() -> None:
    first = report(asked("q1", hybrid=1), asked("q2", hybrid=1), asked("q3", hybrid=1))
    second = report(asked("q1", hybrid=1), asked("q2", {"t9": 1}, hybrid=1))
    found = compare_reports(first, second)
    assert found.questions == 1
    assert found.remarks == [
        "1 questions are left out: their judgments differ.",
        "1 questions are only in the first report.",
    ]


@pytest.mark.parametrize(
    "other", [report(asked("q9", hybrid=1)), report(asked("q1", dense=1)), report()]
)
def test_reports_with_nothing_in_common_are_refused(other: Report) -> None:
    with pytest.raises(InvalidInput, match="no mode in which both"):
        compare_reports(report(asked("q1", hybrid=1)), other)


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        '{"format": "memoledger evaluation 1"}',
        '{"format": "another", "folder": "f", "per_question": []}',
        json.dumps({"format": FORMAT, "folder": "f", "per_question": [asked("q1", hybrid=1.5)]}),
    ],
)
def test_a_file_that_is_no_report_is_refused(tmp_path: Path, content: str) -> None:
    file = tmp_path / "report.json"
    file.write_text(content, "utf-8")
    with pytest.raises(InvalidInput, match="it is no report of an evaluation"):
        read_report(file)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="it cannot be read"):
        read_report(tmp_path / "none.json")
