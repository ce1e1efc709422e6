"""`memoledger embeddings`: change the model that embeds, from the command line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from memoledger.ledger.embedded import EmbeddedServer


@pytest.fixture
def there(tmp_path: Path, cli: Any) -> Iterator[Any]:
    """The program on a ledger of the test's own, with three memories."""
    path = tmp_path / "ledger"
    server = EmbeddedServer.start(path, settings={"fsync": "off"})
    program = cli.at("--data-dir", str(path))
    for content in ("The cat sat on the mat.", "Rain is forecast.", "Tea is served at four."):
        program.remember("notes", content)
    yield program
    server.stop()


def test_a_version_takes_the_place_of_another(there: Any) -> None:
    [first] = listed(there)
    assert (first["state"], first["missing"], first["embedder"]) == ("serving", 0, "minilm")
    made = run(there, "create", "--embedder", "minilm", "--dimensions", "128")
    assert made["state"] == "filling"
    name = made["name"]
    assert [one["missing"] for one in listed(there)] == [0, 3]
    [filled] = run(there, "backfill", name)["filled"]
    assert (filled["embedded"], filled["state"]) == (3, "ready")
    verified = run(there, "verify", name, "--sample", "3")
    assert {check["status"] for check in verified["checks"]} <= {"ok", "warn"}
    assert run(there, "cutover", name)["serving"] == name
    hits = there.json("recall", "the weather", "--mode", "dense", "--limit", "1", store="notes")
    assert hits["hits"][0]["memory"]["content"] == "Rain is forecast."
    assert run(there, "rollback")["serving"] == first["name"]
    assert [one["embedded"] for one in run(there, "refresh")["filled"]] == [0, 0]
    assert run(there, "retire", name) == {"retired": name}
    assert [one["state"] for one in listed(there)] == ["serving", "retired"]


def run(there: Any, *arguments: str) -> Any:
    """The answer of a command that succeeds."""
    result = there("embeddings", *arguments, "--json")
    assert result.code == 0, result.err
    return result.answer


def listed(there: Any) -> Any:
    return run(there, "list")["versions"]


def test_people_are_told(there: Any) -> None:
    made = there("embeddings", "create", "--embedder", "minilm", "--dimensions", "64")
    name = made.out.strip()
    assert f"memoledger embeddings backfill {name}" in made.err.replace("\n", " ")
    assert "3 embedded" in there("embeddings", "backfill", name).err
    assert "Every text has its vector" in there("embeddings", "verify", name).out
    assert f"{name} serves." in there("embeddings", "cutover", name).out
    table = there("embeddings", "list").out
    assert "serving" in table
    assert "previous" in table


def test_what_is_wrong_is_said(there: Any) -> None:
    same = there("embeddings", "create", "--embedder", "minilm", "--json")
    assert same.code == 2
    assert "serves already" in same.problem["message"]
    assert there("embeddings", "backfill", "nothing").code != 0
    assert "no version to go back to" in there("embeddings", "rollback").err
    nowhere = there("embeddings", "verify", "1", "--eval", "/nonexistent")
    assert nowhere.code == 2


def test_another_embedder_in_the_settings_is_refused(
    there: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MEMOLEDGER_EMBEDDING_DIMENSIONS", "96")
    refused = there("recall", "tea", "--store", "notes", "--json")
    assert refused.code == 2
    assert "memoledger embeddings create" in refused.problem["remedy"]
    monkeypatch.delenv("MEMOLEDGER_EMBEDDING_DIMENSIONS")
    assert there("recall", "tea", "--store", "notes").code == 0


def test_two_models_are_asked_the_same_questions(there: Any, tmp_path: Path) -> None:
    folder = tmp_path / "questions"
    (folder / "qrels").mkdir(parents=True)
    texts = {"a": "The cat sat on the mat.", "b": "Rain is forecast.", "c": "Tea at four."}
    lines = [json.dumps({"_id": key, "text": text}) for key, text in texts.items()]
    (folder / "corpus.jsonl").write_text("\n".join(lines))
    (folder / "queries.jsonl").write_text(json.dumps({"_id": "q", "text": "What is the weather?"}))
    (folder / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\nq\tb\t1\n")
    made = run(there, "create", "--embedder", "minilm", "--dimensions", "200")
    run(there, "backfill", made["name"])
    found = run(there, "verify", made["name"], "--eval", str(folder))["eval"]
    assert found["version"]["name"] == made["name"]
    for role in ("serving", "version"):
        assert set(found[role]["modes"]) == {"hybrid", "dense"}
        assert found[role]["modes"]["dense"]["overall"]["recall@1"] == 1.0
    assert "recall@10" in there("embeddings", "verify", made["name"], "--eval", str(folder)).out
