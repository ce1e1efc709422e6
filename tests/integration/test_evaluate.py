"""`memoledger eval` on folders small enough to know the answers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from memoledger.adapters.embedders.local import LocalEmbedder
from memoledger.services.evaluation.beir import read_dataset
from memoledger.services.evaluation.metrics import MEASURES
from memoledger.services.evaluation.retrieval import evaluate_retrieval
from memoledger.surfaces.cli import main
from memoledger.surfaces.python.memoledger import Memoledger

SAMPLE = Path(__file__).parents[2] / "docs/samples/flat-boat-bakery"

# DESIGN.md names these; there are more beside them.
DOCUMENTED = {"recall@1", "recall@5", "recall@10", "recall@20", "hit@10", "mrr", "ndcg@10"}

TURNS = [
    ("kitchen/1", "kitchen", "Ann", "The kettle broke this morning."),
    ("kitchen/2", "kitchen", "Bob", "Our neighbours have a new dog."),
    ("kitchen/3", "kitchen", "Ann", "I paid the electricity bill."),
    ("harbour/1", "harbour", "Cem", "The kettle on the boat is fine."),
    ("harbour/2", "harbour", "Dana", "We sail to the island on Sunday."),
]
QUESTIONS = [
    ("q1", "kitchen", "objects", "What happened to the kettle?", {"kitchen/1": 1}),
    ("q2", "harbour", "objects", "Is there a kettle on the boat?", {"harbour/1": 2}),
    # Nothing in the other group can be found: half of what is relevant, at most.
    ("q3", "harbour", "plans", "When do we sail to the island?", {"harbour/2": 1, "kitchen/2": 1}),
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    def write(name: str, rows: list[dict[str, Any]]) -> None:
        (tmp_path / name).write_text("".join(f"{json.dumps(row)}\n" for row in rows), "utf-8")

    when = "2023-05-08T13:56:00Z"
    write(
        "corpus.jsonl",
        [
            {"_id": i, "text": t, "metadata": {"group": g, "speaker": s, "occurred_at": when}}
            for i, g, s, t in TURNS
        ],
    )
    write(
        "queries.jsonl",
        [
            {"_id": i, "text": text, "metadata": {"group": group, "category": category}}
            for i, group, category, text, _ in QUESTIONS
        ],
    )
    lines = [
        f"{i}\t{memory}\t{gain}\n" for i, *_, gains in QUESTIONS for memory, gain in gains.items()
    ]
    (tmp_path / "qrels").mkdir()
    (tmp_path / "qrels/test.tsv").write_text(
        "query-id\tcorpus-id\tscore\n" + "".join(lines), "utf-8"
    )
    return tmp_path


def test_json_has_the_documented_shape(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["eval", "retrieval", str(folder), "--json"]) == 0
    captured = capsys.readouterr()
    found = json.loads(captured.out)
    assert {"folder", "memories", "queries", "modes"} <= found.keys()
    assert (found["folder"], found["memories"], found["queries"]) == (str(folder), 5, 3)
    assert found["modes"].keys() == {"hybrid", "dense", "lexical"}
    for result in found["modes"].values():
        assert {"overall", "by_category", "latency_ms"} <= result.keys()
        assert result["by_category"].keys() == {"objects", "plans"}
        assert 0 < result["latency_ms"]["p50"] <= result["latency_ms"]["p95"]
        for scores in (result["overall"], *result["by_category"].values()):
            assert DOCUMENTED <= scores.keys() == set(MEASURES)
            assert all(0 <= value <= 1 for value in scores.values())
    assert "is not in the corpus (or not in the question's group)" in captured.err


def test_every_figure_has_its_interval_and_hybrid_its_controls(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.run(["eval", "retrieval", str(folder), "--json", "--seed", "3"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["questions"] == {"overall": 3, "by_category": {"objects": 2, "plans": 1}}
    assert found["confidence"]["seed"] == 3
    assert all(result["stages_ms"] for result in found["modes"].values())
    assert found["differences"].keys() == {"hybrid"}
    assert found["differences"]["hybrid"].keys() == {"dense", "lexical"}
    parts = [*found["modes"].values(), *found["differences"]["hybrid"].values()]
    for part in parts:
        figures = {"overall": part["overall"], **part["by_category"]}
        intervals = {"overall": part["intervals"]["overall"], **part["intervals"]["by_category"]}
        for name, scores in figures.items():
            assert intervals[name].keys() == scores.keys()
            assert all(low <= high for low, high in intervals[name].values())


async def test_what_is_found_is_measured_within_the_group(
    folder: Path, ledger: Memoledger, embedder: LocalEmbedder
) -> None:
    reported: list[tuple[str, int, int]] = []
    found = await evaluate_retrieval(
        ledger.application.context,
        read_dataset(folder),
        ["dense", "lexical", "hybrid"],
        on_progress=lambda *progress: reported.append(progress),
    )
    for result in found.modes.values():
        assert result.by_category["objects"] == dict.fromkeys(MEASURES, 1.0)
        plans = result.by_category["plans"]
        assert (plans["recall@20"], plans["mrr"], plans["hit@10"]) == (0.5, 1.0, 1.0)
        assert result.overall["recall@20"] == pytest.approx(2.5 / 3)
    assert ("remember", 5, 5) in reported
    assert {("dense", 3, 3), ("lexical", 3, 3), ("hybrid", 3, 3)} <= set(reported)


async def test_who_and_when_and_the_text_as_it_is_are_remembered(
    folder: Path, ledger: Memoledger
) -> None:
    await evaluate_retrieval(ledger.application.context, read_dataset(folder), ["lexical"])
    evaluator = await ledger.principal(tenant="evaluation", user="evaluator")
    page = await evaluator.stores()
    assert [store.name for store in page.stores] == ["group 1", "group 2"]
    kitchen = await evaluator.store("group 1")
    [first, *_] = (await kitchen.list()).memories
    assert (first.external_id, first.content) == ("kitchen/1", "The kettle broke this morning.")
    assert first.metadata == {"group": "kitchen", "speaker": "Ann"}
    assert first.occurred_at is not None
    assert first.occurred_at.isoformat() == "2023-05-08T13:56:00+00:00"


def test_texts_can_be_learned_as_documents(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = tmp_path / "report.json"
    options = ["--as", "documents", "--json", "--report", str(report)]
    assert main.run(["eval", "retrieval", str(folder), *options]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["memories"], found["queries"]) == (5, 3)
    assert found["modes"]["hybrid"]["by_category"]["objects"]["recall@5"] == 1.0
    assert json.loads(report.read_text("utf-8"))["made"]["as"] == "documents"


def test_modes_and_questions_can_be_chosen(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["eval", "retrieval", str(folder), "--mode", "lexical", "--limit-queries", "1"]
    assert main.run([*arguments, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["modes"].keys() == {"lexical"}
    assert (found["memories"], found["queries"]) == (5, 1)


def test_people_get_a_table(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["eval", "retrieval", str(folder), "--mode", "lexical"]) == 0
    text = capsys.readouterr().out
    assert "5 memories, 3 questions" in text
    assert "recall@10" in text
    assert "objects" in text


def test_a_report_can_be_compared_and_drawn(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report, picture = tmp_path / "report.json", tmp_path / "picture.svg"
    arguments = ["eval", "retrieval", str(SAMPLE), "--mode", "hybrid", "--mode", "lexical"]
    assert main.run([*arguments, "--report", str(report), "--picture", str(picture)]) == 0
    shown = capsys.readouterr().out
    assert "hybrid - lexical" in shown
    written = json.loads(report.read_text("utf-8"))
    assert len(written["per_question"]) == written["queries"] == 25
    assert written["made"]["postgresql"]
    assert written["settings"]["embedding_model"]
    assert not {"data_dir", "database_url", "embedder_api_key"} & written["settings"].keys()
    assert "Biscuit" not in report.read_text("utf-8"), "texts are not in it"
    names = [text.text for text in ET.parse(picture).iter("{http://www.w3.org/2000/svg}text")]
    assert {"hybrid", "lexical", "several memories"} <= set(names)

    assert main.run(["eval", "compare", str(report), str(report), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["questions"] == 25
    assert found["modes"]["hybrid"]["first"]["overall"] == written["modes"]["hybrid"]["overall"]
    assert set(found["modes"]["hybrid"]["difference"]["overall"].values()) == {0.0}
    assert main.run(["eval", "compare", str(report), str(report), "--picture", str(picture)]) == 0
    assert "B - A" in capsys.readouterr().out
    assert "Two reports, hybrid" in picture.read_text("utf-8")


def test_the_sample_is_whole() -> None:
    dataset = read_dataset(SAMPLE)
    assert (dataset.memories, len(dataset.questions), dataset.remarks) == (65, 25, [])
    assert list(dataset.groups) == ["flat", "boat", "bakery"]


def test_where_nothing_can_be_written_is_refused_before_the_work(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    nowhere = str(folder / "none" / "report.json")
    assert main.run(["eval", "retrieval", str(folder), "--report", nowhere]) == 2
    assert "--report" in capsys.readouterr().err
    assert main.run(["eval", "retrieval", str(folder), "--picture", str(folder)]) == 2
    assert "it is a folder" in capsys.readouterr().err


def test_what_is_no_report_is_refused(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    corpus = str(folder / "corpus.jsonl")
    assert main.run(["eval", "compare", corpus, corpus]) == 2
    assert "no report of an evaluation" in capsys.readouterr().err.replace("\n", " ")


@pytest.mark.parametrize("as_json", [False, True])
def test_a_wrong_folder_is_refused(
    tmp_path: Path, as_json: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "corpus.jsonl").write_text('{"_id": "1", "text": "x"}\n{"_id": \n', "utf-8")
    json_option = ["--json"] if as_json else []
    assert main.run(["eval", "retrieval", str(tmp_path), *json_option]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "corpus.jsonl line 2" in captured.err.replace("\n", " ")
    assert main.run(["eval", "retrieval", str(tmp_path / "nowhere"), *json_option]) == 2
    assert "there is no such folder" in capsys.readouterr().err.replace("\n", " ")
