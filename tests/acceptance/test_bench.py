"""`memoledger bench --quick`: every benchmark runs and reports what it says it does.

Nothing here looks at how fast anything was.
"""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path
from typing import Any

import pytest

from memoledger.surfaces.cli import main

FIELDS = {"bench", "case", "figure", "value", "unit", "floor", "ratio"}
FIGURES = {
    "isolation": {
        "recall@10",
        "recall p50",
        "recall p95",
        "recall@10, filter keeps 1 %",
        "recall p50, filter keeps 1 %",
        "recall@10, filter keeps 0.1 %",
        "recall p50, filter keeps 0.1 %",
    },
    "write": {"remember p50", "remember p95", "memories"},
    "learn": {
        "files",
        "chunks, of the bare embedder's",
        "chunks, of the bare splitter's",
        "files, all of them",
        "chunks, all of them",
        "bytes, all of them",
        "time, all of them",
        "time",
        "chunks embedded",
        "files not known",
        "chunks embedded, a file",
        "chunks embedded, the most",
    },
    "cache": {"chunks p50", "document p50", "known source p50"},
    "migrate-embeddings": {
        "texts embedded",
        "texts, of the bare model's",
        *(
            f"time, {act}"
            for act in ("filling", "verifying", "cutting over", "rolling back", "retiring")
        ),
        "writes held up, the longest",
        "checks failed",
        "texts missing",
        "recalls",
        "writes",
        "failed",
        "recalls without hits",
        *(
            f"{verb} p{share}, {phase}"
            for verb in ("recall", "remember")
            for share in (50, 95)
            for phase in ("before", "filling", "cutting over", "after it", "rolling back")
        ),
        *(f"{verb} p{share}, retiring" for verb in ("recall", "remember") for share in (50, 95)),
    },
    "scale": {
        "tables on disk, a memory",
        "indexes on disk, a memory",
        "recall p50, dense",
        "recall p50, lexical",
        "recall p50, hybrid",
        "recall p50, hybrid, in 50 beside it",
        "recall p50, hybrid, first of all",
        "search p50, of hybrid",
        "rank p50, of hybrid",
        "fetch p50, of hybrid",
        "recall@10 against exact, dense",
        "recall@10 against exact, lexical",
        "recall@10 against exact, hybrid",
        "remember p50",
    },
    "concurrency": {
        "recalls, of the bare SQL's",
        "recalls, of the bare model's",
        "recalls, of both in turn",
        "recall p50, beside bare SQL",
        "recall p95, beside bare SQL",
        "errors",
        "receipts, of recalls",
    },
    "http": {
        "requests",
        "requests, of those without HTTP",
        *(f"{verb} p{share}" for verb in ("recall", "remember") for share in (50, 95, 99)),
        "errors",
        "generator, of one core",
        "memory",
    },
}
SLOW = {"http", "migrate-embeddings"}

CASES = {
    "isolation": ["4 users × 100", "one user × 10", "one user × 1,000"],
    "write": ["one, vector given", "many, vectors given", "many, local model"],
    "learn": [
        "12 files, first time",
        "the same files again",
        "a paragraph changed in each of 3 files",
    ],
    "cache": [
        f"{kind}, {what}"
        for kind in ("in the process", *(["Redis"] if shutil.which("redis-server") else []))
        for what in ("a page of 1", "a document", "a known source")
    ],
    "scale": ["100 memories", "200 memories"],
    "concurrency": ["8 callers, 100 memories"],
    "http": [
        "closed loop, 12 clients, 3 tenants",
        "open loop, 60 requests/s",
        "without pauses, 4 clients",
        "open loop, half of that rate",
        "the service",
    ],
    "migrate-embeddings": ["100 memories"],
}
ALONE = {
    *("generator, of one core", "memory"),
    *("files, all of them", "chunks, all of them", "bytes, all of them", "time, all of them"),
    "chunks embedded, the most",
    *(figure for figure in FIGURES["migrate-embeddings"] if figure.startswith("time, ")),
    "writes held up, the longest",
    *(f"{verb} p{share}, before" for verb in ("recall", "remember") for share in (50, 95)),
}
"""Figures that have no floor; a recall's p95 of the loop without pauses has none either."""


def check_rows(bench: str, rows: list[dict[str, Any]]) -> None:
    assert {row["figure"] for row in rows} == FIGURES[bench]
    assert list(dict.fromkeys(row["case"] for row in rows)) == CASES[bench]
    for row in rows:
        assert row.keys() == FIELDS
        assert row["bench"] == bench
        assert row["unit"] in {"fraction", "ms", "s", "/s", "MB/s", "bytes", "chunks", "count"}
        assert math.isfinite(row["value"])
        assert row["value"] > 0 or row["unit"] == "count"
        alone = row["figure"] in ALONE or (
            bench == "http" and row["case"].startswith(("without", "open loop, half"))
        )
        if alone and row["floor"] is None:
            assert row["ratio"] is None
        elif bench == "scale" or row["unit"] == "count" or "filter" in row["figure"]:
            assert row["floor"] is row["ratio"] is None
        else:
            assert row["ratio"] == pytest.approx(row["value"] / row["floor"])


@pytest.mark.parametrize(
    "bench",
    [pytest.param(one, marks=pytest.mark.slow) if one in SLOW else one for one in CASES],
)
def test_every_benchmark_gives_rows(
    bench: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "figures.json"
    assert main.run(["bench", bench, "--quick", "--json", "--output", str(file)]) == 0
    captured = capsys.readouterr()
    rows = json.loads(captured.out)
    check_rows(bench, rows)
    record = json.loads(file.read_text("utf-8"))
    assert record["rows"] == rows
    assert record["machine"]["cores"] >= 1
    assert f"PostgreSQL {record['machine']['postgresql']}" in captured.err.replace("\n", " ")
    if bench == "isolation":
        # So few vectors differ from one another by more than half precision rounds.
        assert all(row["value"] >= 0.99 for row in rows if row["unit"] == "fraction")
    if bench == "http":
        assert [row["value"] for row in rows if row["figure"] == "errors"] == [0, 0, 0, 0]
    if bench == "migrate-embeddings":
        found = {row["figure"]: row["value"] for row in rows}
        wrong = ("failed", "recalls without hits", "texts missing", "checks failed")
        assert [found[figure] for figure in wrong] == [0, 0, 0, 0]
    if bench == "concurrency":
        found = {row["figure"]: row["value"] for row in rows}
        assert (found["errors"], found["receipts, of recalls"]) == (0, 1)


@pytest.mark.slow
def test_a_service_is_measured_through_pgbouncer(capsys: pytest.CaptureFixture[str]) -> None:
    if shutil.which("pgbouncer-prepared") is None:
        pytest.skip("there is no pgbouncer-prepared here; tools/get_pgbouncer.sh installs it")
    given = ["--quick", "--json", "--pgbouncer", "pgbouncer-prepared"]
    assert main.run(["bench", "http", *given]) == 0
    check_rows("http", json.loads(capsys.readouterr().out))


def test_a_pgbouncer_that_is_not_there_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["bench", "http", "--quick", "--pgbouncer", "no-such-pooler"]) == 2
    assert "--pgbouncer" in capsys.readouterr().err


def test_people_get_a_table_with_the_machine(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["bench", "scale", "--quick"]) == 0
    text = capsys.readouterr().out
    assert "PostgreSQL" in text
    assert "200 memories" in text


def test_an_unknown_benchmark_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["bench", "speed"]) == 2
    told = capsys.readouterr().err.replace("\n", " ")
    assert f"{', '.join(CASES)}, all" in told


def test_the_user_s_own_ledger_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MEMOLEDGER_DATABASE_URL", "postgresql://127.0.0.1:1/nowhere")
    monkeypatch.setenv("MEMOLEDGER_DATA_DIR", str(tmp_path / "own"))
    assert main.run(["bench", "isolation", "--quick", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)
    assert not (tmp_path / "own").exists()
