"""`demo` shows what it says."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.acceptance.cli.conftest import Program


def test_the_demo_shows_what_it_says(folder: Path, cli: Program) -> None:
    told = cli.json("demo")
    assert told["remembered"]["memories"] >= 150
    firsts = [recalled["hits"][0]["memory"]["content"] for recalled in told["recalled"]]
    expected = ["400 volts", "does not allow a flue", "does not take calls", "sesame allergy"]
    assert [word in said for word, said in zip(expected, firsts, strict=False)] == [True] * 4
    said = {
        when: told["changed"][when]["hits"][0]["memory"]["content"]
        for when in ("before", "after", "back_then")
    }
    assert "7 March" in said["before"]
    assert "21 March" in said["after"]
    assert said["back_then"] == said["before"]
    rows = [onlooker["rows"] for onlooker in told["isolated"]]
    assert rows[1:3] == [0, 0]
    assert rows[0] == rows[3] > 150
    assert told["erased"]["found_after"] is False
    assert "4417" not in json.dumps(told["erased"])
    assert [act["act"] for act in told["erased"]["audit"]] == ["remember", "erase"]
    assert all(one["p50_ms"] > 0 and one["count"] >= 20 for one in told["latencies"])


def test_a_demo_that_is_kept_can_be_asked(
    tmp_path: Path, cli: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    outside = cli.at()
    shown = outside("demo", "--keep")
    assert shown.code == 0, shown.err
    for heading in ("Remember", "Recall", "Change, and look back", "Erase", "How long it took"):
        assert heading in shown.out
    [hint] = [line for line in shown.out.splitlines() if line.startswith("  memoledger recall")]
    assert "--data-dir memoledger-demo" in hint
    options = ["--tenant", "platform-two", "--user", "quill", "--store", "notes"]
    place = ["--data-dir", "memoledger-demo"]
    answer = outside("recall", "the flue", "--json", *place, *options).answer
    assert "flue" in answer["hits"][0]["memory"]["content"]
    shutil.rmtree(tmp_path / "memoledger-demo")


def test_the_demo_leaves_nothing_behind(cli: Program, tmp_path: Path) -> None:
    environment = {**os.environ, "TMPDIR": str(tmp_path), "HOME": str(tmp_path)}
    command = [sys.executable, "-m", "memoledger", "demo"]
    done = subprocess.run(command, capture_output=True, cwd=tmp_path, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    assert b"\x1b" not in done.stdout
    assert list(tmp_path.iterdir()) == []
