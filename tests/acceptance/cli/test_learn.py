"""`learn`: files, folders, patterns and standard input; outcomes and exit codes."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.acceptance.cli.conftest import Program


@pytest.fixture
def folder_of_files(tmp_path: Path) -> Path:
    folder = tmp_path / "docs"
    (folder / "deep" / "deeper").mkdir(parents=True)
    (folder / ".hidden").mkdir()
    (folder / "plan.md").write_text("# Plan\n\nThe herons cross the river in May.\n")
    (folder / "deep" / "code.py").write_text("def cross(river):\n    return river\n")
    (folder / "deep" / "deeper" / "table.csv").write_text("bird,count\nheron,42\n")
    (folder / ".hidden" / "secret.md").write_text("hidden")
    (folder / ".dot.md").write_text("hidden")
    return folder


def learned(cli: Program, store: str, *arguments: str) -> Any:
    return cli.json("learn", *arguments, store=store)


def test_a_folder_is_learned_with_all_that_is_below_it(
    cli: Program, store: str, folder_of_files: Path
) -> None:
    answer = learned(cli, store, str(folder_of_files))
    assert (answer["created"], answer["failed"], answer["files"]) == (3, 0, 3)
    assert answer["chunks"] == answer["chunks_new"] == 3
    results = {Path(one["file"]).name: one for one in answer["results"]}
    assert results.keys() == {"plan.md", "code.py", "table.csv"}
    assert results["plan.md"]["title"] == "Plan"
    again = learned(cli, store, str(folder_of_files))
    assert (again["unchanged"], again["chunks_new"]) == (3, 0)
    (folder_of_files / "plan.md").write_text("# Plan\n\nThe herons stay.\n")
    changed = learned(cli, store, str(folder_of_files))
    assert (changed["updated"], changed["unchanged"], changed["chunks_new"]) == (1, 2, 1)


def test_patterns_files_and_what_is_named_twice(
    cli: Program, store: str, folder_of_files: Path
) -> None:
    plan = folder_of_files / "plan.md"
    answer = learned(cli, store, str(plan), str(folder_of_files / "**" / "*.py"), str(plan))
    assert (answer["created"], answer["files"]) == (2, 2)


def test_what_is_learned_is_found(cli: Program, store: str, folder_of_files: Path) -> None:
    learned(cli, store, str(folder_of_files), "--tag", "birds", "--type", "report")
    hits = cli.json("recall", "When do herons cross the river?", store=store)["hits"]
    assert "herons cross" in json.dumps(hits[0])


def test_paths_may_be_relative(cli: Program, store: str, folder_of_files: Path) -> None:
    one = learned(cli, store, str(folder_of_files), "--relative-to", str(folder_of_files))
    moved = folder_of_files.rename(folder_of_files.with_name("moved"))
    again = learned(cli, store, str(moved), "--relative-to", str(moved))
    assert (one["created"], again["unchanged"]) == (3, 3)
    refused = cli("learn", str(moved), "--relative-to", str(moved / "deep"), "--store", store)
    assert refused.code == 2
    assert "--relative-to" in refused.err


def test_a_file_that_cannot_be_read_is_told_of_and_the_rest_goes_on(
    cli: Program, store: str, folder_of_files: Path
) -> None:
    (folder_of_files / "broken.pdf").write_bytes(b"%PDF-1.4 no more")
    (folder_of_files / "picture.png").write_bytes(b"\x89PNG\r\n\x1a\n\x00\x00")
    result = cli("learn", str(folder_of_files), "--json", "--store", store)
    assert result.code == 1
    assert (result.answer["created"], result.answer["failed"]) == (3, 2)
    problems = [json.loads(line) for line in result.err.splitlines()]
    assert {Path(one["file"]).name for one in problems} == {"broken.pdf", "picture.png"}
    assert {one["code"] for one in problems} == {"unreadable-source"}
    told = cli("learn", str(folder_of_files), "--store", store)
    assert told.code == 1
    assert "broken.pdf" in told.err
    assert "3 unchanged, 2 failed" in told.out


def test_standard_input_is_learned_under_a_name(
    cli: Program, store: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "in"
    file.write_text("# Piped\n\nText.\n")
    with file.open("rb") as opened:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(opened))
        answer = learned(cli, store, "-", "--name", "notes.md", "--source", "pipe")
        assert answer["results"][0]["title"] == "Piped"
    assert cli("learn", "-", "--store", store).code == 2


@pytest.mark.parametrize("path", ["none.md", "none/**/*.md", ""])
def test_a_path_that_names_nothing_is_refused(
    cli: Program, store: str, tmp_path: Path, path: str
) -> None:
    result = cli("learn", f"{tmp_path}/{path}*" if not path else f"{tmp_path}/{path}")
    assert result.code == 2
    assert "PATH" in result.err


@pytest.mark.parametrize(
    "option", [("--source", ""), ("--media-type", "pdf"), ("--occurred-at", "yesterday")]
)
def test_what_is_wrong_for_every_file_is_refused_at_once(
    cli: Program, store: str, folder_of_files: Path, option: tuple[str, str]
) -> None:
    result = cli("learn", str(folder_of_files), "--json", "--store", store, *option)
    assert result.code == 2
    assert result.problem["code"] == "invalid-input"


def test_people_are_told_of_each_of_a_few(cli: Program, store: str, folder_of_files: Path) -> None:
    result = cli("learn", str(folder_of_files), "--store", store)
    assert result.code == 0
    assert result.out.count("Learned ") == 3
    assert "Learned: 3 created, 0 updated, 0 unchanged, 0 failed; 3 chunks" in result.out
