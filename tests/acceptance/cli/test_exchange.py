"""`import` and `export`: rejections, interruptions, and that nothing is lost."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.acceptance.cli.conftest import Program


def program(folder: Path, *arguments: str, **options: Any) -> subprocess.Popen[bytes]:
    """The program in a process of its own."""
    command = [sys.executable, "-m", "memoledger", "--data-dir", str(folder), *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options)


def write_lines(path: Path, *lines: object) -> Path:
    path.write_text("".join(f"{json.dumps(line)}\n" for line in lines), "utf-8")
    return path


def test_every_rejected_line_is_reported_and_the_rest_is_kept(
    cli: Program, store: str, tmp_path: Path
) -> None:
    lines = {
        1: b'\xef\xbb\xbf{"id": "a", "content": "kept one"}',
        2: b"",
        3: b'{"content": "broken"',
        4: b"[1, 2]",
        5: b'{"content": "x", "content": "y"}',
        6: b'{"content": "\xff"}',
        7: b'{"content": "x", "importance": NaN}',
        8: b'{"content": "kept two", "tags": ["t"]}\r',
        9: b'{"content": ""}',
        10: b'{"text": "no content"}',
        11: b'{"content": "x", "colour": "red"}',
        12: b'{"content": "x", "tags": [' + b",".join(b'"%d"' % n for n in range(10_000)) + b"]}",
        13: b'{"content": "x", "occurred_at": "2026-05-08T10:00:00"}',
        14: b'{"content": "x", "embedding": [1, 2]}',
        15: b'{"content": "x", "embedding": "none"}',
        16: b'{"content": "x", "id": 17}',
        17: b'{"content": "\\ud800"}',
        18: b'{"content": "' + b"x" * (5 * 1024 * 1024) + b'"}',
        19: b'{"content": "' + b"x" * 100_001 + b'"}',
        20: b'{"content": "x", "importance": 7}',
        21: b'{"content": "kept three"}',
    }
    (tmp_path / "in.jsonl").write_bytes(b"\n".join(lines.values()))
    result = cli("import", str(tmp_path / "in.jsonl"), "--json", "--store", store)
    assert result.code == 1
    kept = {1, 8, 21}
    rejected = sorted(set(lines) - kept - {2})
    answer = result.answer
    assert (answer["outcome"], answer["created"], answer["rejected"]) == ("imported", 3, 17)
    assert [problem["line"] for problem in answer["rejections"]] == rejected
    assert answer["rejections_omitted"] == 0
    told = [json.loads(line) for line in result.err.splitlines()]
    assert told == answer["rejections"]
    assert all(problem["message"] and problem["remedy"] for problem in told)
    assert len(result.err) < 20_000
    shown = cli("import", str(tmp_path / "in.jsonl"), "--store", store)
    assert shown.out == "Imported: 0 created, 3 unchanged, 0 updated, 17 rejected.\n"
    assert [line.split(":")[0] for line in shown.err.splitlines()] == [
        f"line {number}" for number in rejected
    ]


def test_importing_again_changes_only_what_changed(
    cli: Program, store: str, tmp_path: Path
) -> None:
    items = [{"id": f"m{n}", "content": f"Note number {n}"} for n in range(30)]
    path = str(write_lines(tmp_path / "in.jsonl", *items))
    assert cli.json("import", path, store=store)["created"] == 30
    items[7]["content"] = "Note number seven, corrected"
    write_lines(tmp_path / "in.jsonl", *items, {"content": "Note without an id"})
    answer = cli.json("import", path, store=store)
    counts = {name: answer[name] for name in ("created", "unchanged", "updated", "rejected")}
    assert counts == {"created": 1, "unchanged": 29, "updated": 1, "rejected": 0}
    [hit] = cli.json("recall", "corrected", "--mode", "lexical", store=store)["hits"]
    assert hit["memory"]["external_id"] == "m7"


@pytest.mark.parametrize(
    ("name", "reason"),
    [("missing.jsonl", "no such file or directory"), ("", "is a directory")],
)
def test_a_file_that_cannot_be_read_is_named(
    cli: Program, tmp_path: Path, name: str, reason: str
) -> None:
    result = cli("import", str(tmp_path / name), "--json")
    assert result.code == 2
    assert reason in result.problem["message"]


def test_an_import_goes_through_a_pipe(folder: Path, cli: Program, store: str) -> None:
    data = b'{"content": "one"}\n{"content": "two"}'
    process = program(folder, "import", "-", "--json", "--store", store, stdin=subprocess.PIPE)
    out, err = process.communicate(data, timeout=60)
    assert (process.returncode, err) == (0, b"")
    assert json.loads(out)["created"] == 2
    lines = cli("export", "-", "--store", store)
    assert [json.loads(line)["content"] for line in lines.out.splitlines()] == ["one", "two"]


def wait_until(done: int, cli: Program, store: str) -> None:
    """Until so many memories are in the store; a minute at most."""
    give_up = time.monotonic() + 60
    while time.monotonic() < give_up:
        shown = cli("stores", "show", store, "--json")
        if shown.code == 0 and shown.answer["memories"] >= done:
            return
        time.sleep(0.05)
    raise AssertionError(f"no {done} memories within a minute")


def test_an_interrupted_import_says_what_is_kept_and_is_resumed(
    folder: Path, cli: Program, store: str, tmp_path: Path
) -> None:
    vector = [1.0] + [0.0] * 383
    items = [
        {"id": f"m{n}", "content": f"Note {n}", "embedding": [*vector[:-1], n / 1_000]}
        for n in range(1_100)
    ]
    path = write_lines(tmp_path / "in.jsonl", *items)
    arguments = ("import", "-", "--json", "--store", store)
    process = program(folder, *arguments, stdin=subprocess.PIPE, start_new_session=True)
    assert process.stdin is not None
    process.stdin.write(path.read_bytes())
    process.stdin.flush()
    wait_until(1_000, cli, store)
    # As the terminal does: to every process of the group. The pipe stays open, and silent.
    os.killpg(process.pid, signal.SIGINT)
    assert process.wait(timeout=60) == 130
    out, err = process.communicate()
    answer = json.loads(out)
    assert (answer["outcome"], answer["created"], answer["total"]) == ("interrupted", 1_000, 1_000)
    assert err == b""
    resumed = cli.json("import", str(path), store=store)
    assert (resumed["unchanged"], resumed["created"]) == (1_000, 100)
    assert cli("stores", "show", store, "--json").answer["memories"] == 1_100


def test_an_export_is_imported_without_loss(cli: Program, tmp_path: Path, store: str) -> None:
    everything = {
        "id": "mail-17",
        "content": 'Zwölf Boxkämpfer\n\t„jagen“ 🚂 \\ "Viktor"',
        "type": "episode",
        "importance": 0.123456789,
        "source": "email",
        "tags": ["a", "b c"],
        "subject_refs": ["mail:17"],
        "metadata": {"speaker": "Ada", "n": [1, 2.5, None, {"deep": True}], "big": 10**20},
        "title": "A title",
        "summary": "A summary",
        "occurred_at": "2026-05-08T13:56:00.123456+02:00",
        "valid_from": "2026-01-01T00:00:00Z",
        "valid_to": "2027-01-01T00:00:00Z",
        "expires_at": "2999-01-01T00:00:00Z",
        "privacy": "creator",
    }
    path = write_lines(tmp_path / "in.jsonl", everything, {"content": "plain"})
    cli.json("import", str(path), store=store)
    first, second = tmp_path / "first.jsonl", tmp_path / "second.jsonl"
    answer = cli.json("export", str(first), store=store)
    assert answer == {"file": str(first), "memories": 2}
    cli.json("import", str(first), store=f"{store}-copy")
    cli.json("export", str(second), store=f"{store}-copy")
    assert second.read_bytes() == first.read_bytes()
    exported, plain = (json.loads(line) for line in first.read_text("utf-8").splitlines())
    assert exported.pop("external_id") == everything.pop("id")
    assert exported.pop("occurred_at") == "2026-05-08T11:56:00.123456+00:00"
    instants = {"occurred_at", "valid_from", "valid_to", "expires_at"}
    kept = {name: value for name, value in everything.items() if name not in instants}
    assert {name: exported[name] for name in kept} == kept
    assert plain == {"content": "plain", "type": "fact", "importance": 0.5, "privacy": "store"}
    # In the store that it came from, nothing is new.
    assert cli.json("import", str(first), store=store)["unchanged"] == 2


def test_an_export_of_the_past(cli: Program, store: str) -> None:
    first = cli.remember(store, "We open on 7 March.")
    cli.json("update", first["id"], "--content", "We open on 21 March.", store=store)
    asked = ["export", "-", "--store", store, "--as-of", first["recorded_at"]]
    [line] = cli(*asked).out.splitlines()
    assert json.loads(line)["content"] == "We open on 7 March."


def test_an_export_replaces_no_file_unless_told(cli: Program, store: str, tmp_path: Path) -> None:
    cli.remember(store, "x")
    target = tmp_path / "out.jsonl"
    target.write_text("precious", "utf-8")
    refused = cli("export", str(target), "--store", store, "--json")
    assert (refused.code, refused.problem["remedy"]) == (2, "Add --force, or rename.")
    assert target.read_text("utf-8") == "precious"
    assert cli("export", str(target), "--store", store, "--force").code == 0
    assert "precious" not in target.read_text("utf-8")
    assert cli("export", str(tmp_path / "no" / "out"), "--store", store).code == 2
    assert [path.name for path in tmp_path.iterdir()] == ["out.jsonl"]


def test_a_failed_export_leaves_nothing_behind(cli: Program, store: str, tmp_path: Path) -> None:
    assert cli("export", str(tmp_path / "out.jsonl"), "--store", store).code == 1
    assert list(tmp_path.iterdir()) == []


def test_a_reader_that_goes_away_is_no_error(
    folder: Path, cli: Program, store: str, tmp_path: Path
) -> None:
    vector = [1.0] + [0.0] * 383
    items = [{"content": f"{n} " + "x" * 50_000, "embedding": vector} for n in range(20)]
    cli.json("import", str(write_lines(tmp_path / "in.jsonl", *items)), store=store)
    process = program(folder, "export", "-", "--store", store)
    assert process.stdout is not None
    assert process.stderr is not None
    with process.stderr:
        process.stdout.read(10)
        process.stdout.close()
        assert process.wait(timeout=60) == 141
        assert process.stderr.read() == b""
