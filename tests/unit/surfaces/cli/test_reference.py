"""The reference names every command, option and setting, and is what the program says."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from memoledger.settings import PREFIX, Settings
from memoledger.surfaces.cli.main import app

ROOT = Path(__file__).resolve().parents[4]
REFERENCE = ROOT / "docs" / "reference"

pytestmark = pytest.mark.docs

TYPERS_OWN = {"--help", "-h", "--install-completion", "--show-completion"}


def commands(group: Any, path: str) -> Iterator[tuple[str, Any]]:
    for name, command in group.commands.items():
        if not hasattr(command, "commands") or command.invoke_without_command:
            yield f"{path} {name}", command
        if hasattr(command, "commands"):
            yield from commands(command, f"{path} {name}")


ALL = dict(commands(typer.main.get_command(app), "memoledger"))


def test_the_reference_is_up_to_date() -> None:
    program = [sys.executable, str(ROOT / "tools" / "write_reference.py"), "--check"]
    done = subprocess.run(program, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("path", ALL)
def test_every_command_has_a_section_with_all_its_options(path: str) -> None:
    text = (REFERENCE / "cli.md").read_text("utf-8")
    [_, after] = text.split(f"\n## {path}\n")
    section = after.partition("\n## ")[0]
    names = {name for param in ALL[path].params for name in (*param.opts, *param.secondary_opts)}
    missing = {n for n in names - TYPERS_OWN if n.startswith("-") and f"`{n}`" not in section}
    assert missing == set()


def test_every_setting_is_in_the_reference() -> None:
    text = (REFERENCE / "settings.md").read_text("utf-8")
    names = {PREFIX + name.upper() for name in Settings.model_fields}
    assert {name for name in names if f"| `{name}` |" not in text} == set()
