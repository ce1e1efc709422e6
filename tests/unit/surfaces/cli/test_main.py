"""The program: help, version, exit codes, and what is said when something is wrong."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer

import memoledger
from memoledger.model.errors import InvalidInput, LedgerUnavailable, NotFound
from memoledger.surfaces.cli import failures, invocation, main
from memoledger.surfaces.cli.invocation import Invocation, Place

ROOT: Any = typer.main.get_command(main.app)
COMMANDS = sorted(ROOT.commands)
HEAVY = {"mcp", "numpy", "onnxruntime", "psycopg", "pydantic", "structlog", "tokenizers"}


def test_the_commands_are_all_there() -> None:
    assert {
        "init",
        "demo",
        "remember",
        "recall",
        "get",
        "update",
        "forget",
        "history",
        "import",
        "export",
        "stores",
        "artifacts",
        "receipts",
        "migrate",
        "doctor",
        "eval",
        "bench",
    } <= set(COMMANDS)


@pytest.mark.parametrize(
    "arguments",
    [["--help"], ["-h"]]
    + [[name, "--help"] for name in COMMANDS]
    + [
        [group, name, "--help"]
        for group in ("stores", "artifacts", "receipts", "mcp")
        for name in ROOT.commands[group].commands
    ],
    ids=" ".join,
)
def test_help_is_given(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(arguments) == 0
    captured = capsys.readouterr()
    assert captured.out.lstrip().startswith("Usage: memoledger")
    assert captured.err == ""


def test_help_does_not_wait_for_what_it_does_not_need() -> None:
    program = (
        "import sys; from memoledger.surfaces.cli.main import run; run(['--help']);"
        f"print(*({HEAVY!r} & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert done.stderr.split() == []


def test_the_package_still_gives_its_public_names() -> None:
    assert {getattr(memoledger, name).__name__ for name in memoledger.__all__} == set(
        memoledger.__all__
    )
    assert set(memoledger.__all__) <= set(dir(memoledger))
    with pytest.raises(AttributeError, match="has no attribute 'Ledgermemo'"):
        memoledger.Ledgermemo  # type: ignore[attr-defined]  # noqa: B018


@pytest.mark.parametrize("program", [["-m", "memoledger"]])
def test_the_version_is_printed(program: list[str]) -> None:
    command = [sys.executable, *program, "--version"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, f"memoledger {memoledger.__version__}\n")


@pytest.mark.parametrize(
    "arguments",
    [
        ["nonsense"],
        ["recall"],
        ["recall", "x", "--nonsense"],
        ["recall", "x", "--limit", "many"],
        ["recall", "x", "--mode", "psychic"],
        ["stores", "share", "notes"],
    ],
    ids=" ".join,
)
def test_a_command_that_makes_no_sense_ends_with_2(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.run(arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "Traceback" not in captured.err
    assert "--help" in captured.err


@pytest.mark.parametrize("arguments", [[], ["stores"], ["receipts"]], ids=" ".join)
def test_without_a_command_help_is_shown_and_2_is_the_end(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.run(arguments) == 2
    captured = capsys.readouterr()
    assert captured.out.lstrip().startswith("Usage: memoledger")
    assert captured.err.startswith("Error: No command was named.")


def test_with_json_a_wrong_command_is_told_in_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["recall", "--json"]) == 2
    problem = json.loads(capsys.readouterr().err)
    assert problem == {
        "code": "usage",
        "message": "Missing argument 'QUERY'.",
        "remedy": "See `memoledger recall --help`.",
    }


def test_a_text_that_looks_like_an_option_is_none(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["remember", "--type", "", "--", "--json"]) == 2
    assert capsys.readouterr().err.startswith("Error: type: it is empty")


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (InvalidInput("limit", 0, "it is too small", remedy="Give more."), 2),
        (NotFound("There is none.", remedy="Look elsewhere."), 1),
        (LedgerUnavailable("It is away.", remedy="Try again."), 1),
        (OSError(28, "No space left on device"), 1),
        (ZeroDivisionError("a bug"), 1),
    ],
)
def test_an_error_is_one_message_without_a_traceback(
    error: Exception, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert failures.report(error, as_json=False) == code
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.startswith("Error: ")
    assert "Traceback" not in told.err
    assert failures.report(error, as_json=True) == code
    problem = json.loads(capsys.readouterr().err)
    assert problem["code"]
    assert problem["message"]
    assert problem["remedy"]


def test_debug_adds_the_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    try:
        raise ZeroDivisionError("a bug")
    except ZeroDivisionError as error:
        failures.report(error, as_json=False, debug=True)
    assert "Traceback" in capsys.readouterr().err


def test_an_error_cannot_steer_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    failures.report(NotFound("\x1b[2J"), as_json=False)
    assert "\x1b" not in capsys.readouterr().err


@pytest.mark.parametrize(("ending", "code"), [(KeyboardInterrupt(), 130), (BrokenPipeError(), 141)])
def test_an_ending_from_outside_is_no_error(
    ending: BaseException,
    code: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def end(arguments: object) -> int:
        raise ending

    monkeypatch.setattr(main, "_invoke", end)
    assert main.run(["anything"]) == code
    assert capsys.readouterr().err == ""


def test_an_unknown_setting_ends_with_2(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MEMOLEDGER_DATADIR", "/tmp/x")
    assert main.run(["recall", "x", "--json"]) == 2
    problem = json.loads(capsys.readouterr().err)
    assert problem["code"] == "invalid-setting"
    assert problem["remedy"] == "Did you mean MEMOLEDGER_DATA_DIR?"


def test_a_place_is_a_folder_or_a_server(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput) as caught:
        Place("postgresql://localhost/x", tmp_path).settings()
    assert caught.value.field == "--data-dir"


def test_an_option_beats_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MEMOLEDGER_DATABASE_URL", "postgresql://production/x")
    monkeypatch.setenv("MEMOLEDGER_ADMIN_DATABASE_URL", "postgresql://admin@production/x")
    folder = Place(data_dir=tmp_path).settings()
    assert (folder.database_url, folder.admin_database_url) == (None, None)
    assert folder.data_dir == tmp_path
    server = Place(database_url="postgresql://staging/x").settings()
    assert server.database_url is not None
    assert server.database_url.get_secret_value() == "postgresql://staging/x"
    assert server.admin_database_url is None


def test_the_user_is_the_one_logged_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOGNAME", "ada")
    assert Invocation().acting_user == "ada"
    assert Invocation(user="bob").acting_user == "bob"

    def nobody() -> str:
        raise OSError("no name")

    monkeypatch.setattr("getpass.getuser", nobody)
    assert Invocation().acting_user == "default"


def test_options_before_the_command_count_unless_it_has_its_own() -> None:
    seen: list[Invocation] = []
    app = typer.Typer()

    @app.callback()
    def before(context: typer.Context) -> None:
        context.obj = Place(data_dir=Path("outer"))

    def look(given: Invocation, word: str, *, times: int = 1) -> None:
        """Look."""
        seen.append(given)

    invocation.command(app, "look", takes="shared store")(look)
    command = typer.main.get_command(app)
    command.main(["look", "x", "--times", "2", "--owner", "o"], standalone_mode=False)
    command.main(["look", "x", "--data-dir", "inner", "--store", "s"], standalone_mode=False)
    assert [(given.data_dir, given.store, given.owner) for given in seen] == [
        (Path("outer"), "default", "o"),
        (Path("inner"), "s", None),
    ]


def test_names_can_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("TENANT", "USER", "STORE"):
        monkeypatch.setenv(f"MEMO_{name}", name.lower())
    seen: list[Invocation] = []
    app = typer.Typer()

    def look(given: Invocation) -> None:
        """Look."""
        seen.append(given)

    invocation.command(app, "look", takes="shared store")(look)
    typer.main.get_command(app).main([], standalone_mode=False)
    assert [(given.tenant, given.user, given.store) for given in seen] == [
        ("tenant", "user", "store")
    ]
