"""Write docs/reference/cli.md, settings.md and http.md from the program itself.

Run it after changing a command, an option, a setting or an operation; a test says when that was
forgotten:

    python tools/write_reference.py [--check]
"""

from __future__ import annotations

import argparse
import sys
import textwrap
import typing
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import UnionType
from typing import Protocol, cast

import typer
from annotated_types import Ge, Gt, Le, Lt
from http_reference import http_reference
from pydantic import SecretStr
from pydantic.fields import FieldInfo

from memoledger.settings import DOTENV_FILE, PREFIX, Settings
from memoledger.surfaces.cli.invocation import shared_options
from memoledger.surfaces.cli.main import app

FOLDER = Path(__file__).resolve().parent.parent / "docs" / "reference"

# Typer's own, on every program that it makes.
LEFT_OUT = {"help", "install_completion", "show_completion"}

CLI_HEAD = """\
# The command line

<!-- Written by tools/write_reference.py from the program: edit docstrings and options there. -->

`memoledger COMMAND --help` says the same in the terminal. `memoledger --install-completion` makes
the shell complete commands and options.

Exit codes: 0 done; 1 it failed, or not all of it was done (an import with rejected lines); 2 bad
input (an unknown option, a value that is refused, a wrong setting); 130 interrupted with Ctrl-C;
141 whoever read the output has gone away.

Results go to standard output, everything else to standard error. With `--json` a result is one
object on one line, and an error is one object on standard error with `code`, `message`, `remedy`
and details.

Times are ISO 8601 with a time zone. An argument that begins with a dash goes after `--`.

## Options before the command
"""

SHARED_HEAD = """\
## Options that commands share

Which ledger it is can also be said before the command, or by the [settings](settings.md). Whose
memories they are can be said by environment variables too; their names begin with `MEMO_`, because
names with `MEMOLEDGER_` are settings, and an unknown one of those is refused.
"""

SETTINGS_HEAD = f"""\
# Settings

<!-- Written by tools/write_reference.py from memoledger.settings: edit the descriptions there. -->

Each is read from an argument of `Memoledger.open`, or else from the environment, or else from a
file `{DOTENV_FILE}` in the current folder. In Python the name is in lower case and without the
prefix: `{PREFIX}DATA_DIR` is `data_dir`. A name that is unknown and a value that is malformed are
refused, with the reason.

| setting | what it is | values | unless given |
|---|---|---|---|
"""

HAS_ALL_SHARED = "recall"
"""A command that takes every shared option."""


class Param(Protocol):
    """What is read of an option or an argument."""

    name: str
    param_type_name: str
    opts: list[str]
    secondary_opts: list[str]
    required: bool
    nargs: int
    metavar: str | None
    default: object
    envvar: str | None
    help: str | None
    is_flag: bool
    type_descriptor: TypeDescriptor


class TypeDescriptor(Protocol):
    """What typer knows about an option's values."""

    choices: Sequence[object] | None


class Command(Protocol):
    """What is read of a command, or of a group of commands."""

    params: list[Param]
    help: str | None
    # Groups only.
    commands: dict[str, Command]
    invoke_without_command: bool


def cli_reference() -> str:
    """The text of cli.md."""
    root = cast("Command", typer.main.get_command(app))
    helps = {option.help for option in shared_options()}
    shared = [param for param in root.commands[HAS_ALL_SHARED].params if param.help in helps]
    parts = [CLI_HEAD, _table(_own(root)), SHARED_HEAD, _table(shared)]
    for path, command in _commands(root, "memoledger"):
        parts += _section(path, command, helps)
    return "\n".join(parts)


def _section(path: str, command: Command, shared: set[str | None]) -> Iterator[str]:
    params = _own(command)
    own = [param for param in params if param.help not in shared]
    arguments = "".join(f" {_argument(param)}" for param in params if _is_argument(param))
    yield f"## {path}\n"
    yield f"```\n{path}{arguments} [OPTIONS]\n```\n"
    paragraphs = (command.help or "").strip().split("\n\n")
    yield "\n\n".join(textwrap.fill(" ".join(p.split()), 100) for p in paragraphs) + "\n"
    if own:
        yield _table(own)
    also = ", ".join(f"`{param.opts[0]}`" for param in params if param.help in shared)
    if also:
        yield f"Shared: {also}.\n"


def settings_reference() -> str:
    """The text of settings.md."""
    rows = [_setting(name, field) for name, field in Settings.model_fields.items()]
    return SETTINGS_HEAD + "".join(rows)


def _commands(group: Command, path: str) -> Iterator[tuple[str, Command]]:
    """Every command that does something, in the order of help."""
    for name, command in group.commands.items():
        if not hasattr(command, "commands") or command.invoke_without_command:
            yield f"{path} {name}", command
        if hasattr(command, "commands"):
            yield from _commands(command, f"{path} {name}")


def _own(command: Command) -> list[Param]:
    return [param for param in command.params if param.name not in LEFT_OUT]


def _is_argument(param: Param) -> bool:
    return param.param_type_name == "argument"


def _argument(param: Param) -> str:
    name = param.metavar or param.name.upper()
    name = f"{name}…" if param.nargs != 1 else name
    return name if param.required else f"[{name}]"


def _table(params: Sequence[Param]) -> str:
    return "| | | unless given |\n|---|---|---|\n" + "".join(map(_row, params))


def _row(param: Param) -> str:
    if _is_argument(param):
        name = f"`{_argument(param)}`"
    else:
        value = _value(param)
        name = ", ".join(f"`{opt}`" for opt in (*param.opts, *param.secondary_opts))
        name += f" {value}" if value else ""
    default = param.default
    shown = "" if default in (None, False, (), []) or callable(default) else f"`{default}`"
    if param.envvar:
        shown = f"`{param.envvar}`, or else {shown}" if shown else f"`{param.envvar}`"
    return f"| {_cell(name)} | {_cell(param.help or '')} | {_cell(shown)} |\n"


def _value(param: Param) -> str:
    """What follows an option: its placeholder, or its choices; nothing for a flag."""
    if param.metavar:
        return f"`{param.metavar}`"
    if getattr(param, "is_flag", False):
        return ""
    if param.type_descriptor.choices:
        return " or ".join(f"`{choice}`" for choice in param.type_descriptor.choices)
    return f"`{param.name.upper()}`"


def _setting(name: str, field: FieldInfo) -> str:
    if field.default_factory is not None:
        default = "the user's data folder"
    elif field.default is None:
        default = ""
    else:
        value = field.default
        default = f"`{str(value).lower() if isinstance(value, bool) else value}`"
    description = _cell(field.description or "")
    return f"| `{PREFIX}{name.upper()}` | {description} | {_values(field)} | {default} |\n"


def _values(field: FieldInfo) -> str:
    kinds = [kind for kind in _kinds(field.annotation) if kind is not type(None)]
    words: dict[object, str] = {
        bool: "true or false",
        int: "whole number",
        float: "number",
        Path: "path",
        SecretStr: "secret text",
    }
    named = [_choices(kind) or words.get(kind, "text") for kind in kinds]
    return " ".join([" or ".join(named), _range(field)]).strip()


def _choices(kind: object) -> str:
    """The values of a setting that takes one of a few; empty for any other."""
    if typing.get_origin(kind) is not typing.Literal:
        return ""
    return ", ".join(f"`{choice}`" for choice in typing.get_args(kind))


def _kinds(annotation: object) -> tuple[object, ...]:
    if typing.get_origin(annotation) in (typing.Union, UnionType):
        return typing.get_args(annotation)
    return (annotation,)


def _range(field: FieldInfo) -> str:
    words = []
    for bound in field.metadata:
        if isinstance(bound, Ge):
            words.append(f"from {bound.ge:,}")
        elif isinstance(bound, Gt):
            words.append(f"above {bound.gt:,}")
        elif isinstance(bound, Le):
            words.append(f"to {bound.le:,}")
        elif isinstance(bound, Lt):
            words.append(f"below {bound.lt:,}")
    return " ".join(words)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def main() -> int:
    """Write the files, or with `--check` say whether they are what would be written."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing; 1 if out of date")
    check = parser.parse_args().check
    stale = []
    for name, text in (
        ("cli.md", cli_reference()),
        ("settings.md", settings_reference()),
        ("http.md", http_reference()),
    ):
        path = FOLDER / name
        if not path.exists() or path.read_text("utf-8") != text:
            stale.append(name)
            if not check:
                path.write_text(text, "utf-8")
    if check and stale:
        print(f"{', '.join(stale)}: run `python tools/write_reference.py`", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
