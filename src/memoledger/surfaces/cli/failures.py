"""How a command ends: its exit code, and what is said on standard error.

0  done
1  it could not be done, or not all of it
2  what was asked for makes no sense: an unknown option, a value that is refused, a wrong setting
130  interrupted with Ctrl-C; 141  whoever read the output has gone away
"""

from __future__ import annotations

import sys
import traceback
from typing import Any, Final

import typer
from rich.text import Text

from memoledger.model.errors import InvalidInput, MemoledgerError
from memoledger.surfaces.cli.output import tell, visible, write_json

DONE: Final = 0
FAILED: Final = 1
BAD_INPUT: Final = 2
INTERRUPTED: Final = 130
PIPE_CLOSED: Final = 141


def report(error: BaseException, *, as_json: bool, debug: bool = False) -> int:
    """Say what went wrong, once and clearly; the exit code."""
    code, problem = _problem(error)
    if debug:
        traceback.print_exception(error, file=sys.stderr)
    if as_json:
        write_json(problem, to=sys.stderr)
    else:
        _say(str(problem["message"]), problem["remedy"])
    return code


def _problem(error: BaseException) -> tuple[int, dict[str, Any]]:
    if isinstance(error, MemoledgerError):
        return BAD_INPUT if isinstance(error, InvalidInput) else FAILED, error.as_dict()
    if isinstance(error, typer.TyperException):
        return BAD_INPUT, _usage(error)
    if isinstance(error, typer.Abort):
        return FAILED, _plain("aborted", "Aborted: nothing was done.", None)
    if isinstance(error, OSError):
        return FAILED, _plain("system", f"The system refused: {error}.", "Mend that and try again.")
    return FAILED, _plain(
        "unexpected",
        f"Something unexpected happened: {type(error).__name__}: {error}.",
        "This is a mistake in Memoledger. Run `memoledger --debug …` and report what it prints.",
    )


def _usage(error: typer.TyperException) -> dict[str, Any]:
    context = getattr(error, "ctx", None)
    path = context.command_path if context is not None else "memoledger"
    message = error.format_message().strip() or "No command was named."
    return _plain("usage", message, f"See `{path} --help`.")


def _plain(code: str, message: str, remedy: str | None) -> dict[str, Any]:
    return {"code": code, "message": message, "remedy": remedy}


def _say(message: str, remedy: object) -> None:
    text = Text.assemble(("Error: ", "bold red"), visible(message))
    if remedy:
        text.append(f"\n{visible(str(remedy))}", style="default")
    tell(text)
