"""Where results and messages go: results to standard output, everything else to standard error."""

from __future__ import annotations

import contextlib
import json
import os
import re
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import IO, Any, Final

from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.text import Text

PLAIN_WIDTH: Final = 100
"""Characters in a line where no terminal says how wide it is."""

UNBROKEN_WIDTH: Final = 1_000_000
"""Wider than anything that is printed."""

_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")


class _PipeAwareConsole(Console):
    """A console that leaves a closed pipe to `main`, which ends quietly."""

    def on_broken_pipe(self) -> None:
        raise BrokenPipeError


def results(*, wrapped: bool = True) -> Console:
    """The console of results: standard output."""
    return _console(sys.stdout, PLAIN_WIDTH if wrapped else UNBROKEN_WIDTH)


def messages() -> Console:
    """The console of messages, questions and progress: standard error."""
    return _console(sys.stderr, PLAIN_WIDTH)


def _console(file: IO[str], plain_width: int) -> Console:
    # Made anew each time: what standard output is can change, in tests for example.
    width = None if file.isatty() else plain_width
    return _PipeAwareConsole(file=file, highlight=False, width=width)


def write_json(value: object, *, to: IO[str] | None = None) -> None:
    """Write `value` as one line of JSON, to standard output unless told otherwise."""
    file = to or sys.stdout
    # An encoding that lacks characters still has those of escapes.
    escaped = (getattr(file, "encoding", None) or "").lower().replace("-", "") != "utf8"
    file.write(json.dumps(value, ensure_ascii=escaped, default=str) + "\n")
    file.flush()


def say(*parts: RenderableType, wrapped: bool = False) -> None:
    """Print to standard output, for people.

    In a file or a pipe, where a line is what other programs look at, no line is broken, unless
    `wrapped`; and the blanks with which tables are filled up to the right are left out.
    """
    console = results(wrapped=wrapped)
    if console.is_terminal:
        console.print(*parts)
        return
    with console.capture() as capture:
        console.print(*parts)
    sys.stdout.write("".join(f"{line.rstrip()}\n" for line in capture.get().splitlines()))


def tell(message: RenderableType) -> None:
    """Print to standard error, for people; in a file a message is not broken into lines."""
    console = messages()
    console.print(message, soft_wrap=not console.is_terminal)


def abandon_output() -> None:
    """Whoever read the output has gone: point it nowhere, so that the flush at exit is quiet."""
    with contextlib.suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


def visible(text: str) -> str:
    r"""`text` with control characters as `\x1b`: what was remembered must not steer a terminal."""
    return _CONTROLS.sub(lambda found: ascii(found.group())[1:-1], text)


def moment(instant: datetime | None, *, seconds: bool = False) -> str:
    """An instant for people: `2026-05-08 13:56 UTC`."""
    if instant is None:
        return ""
    return f"{instant.astimezone(UTC):{'%Y-%m-%d %H:%M:%S' if seconds else '%Y-%m-%d %H:%M'}} UTC"


def facts(pairs: Mapping[str, Any]) -> RenderableType:
    """Names and values below each other; empty values are left out."""
    shown = {
        name.replace("_", " "): value
        for name, value in pairs.items()
        if value not in (None, "", (), [], {})
    }
    width = max((len(name) for name in shown), default=0) + 2
    lines = Text()
    for number, (name, value) in enumerate(shown.items()):
        lines.append("\n" if number else "")
        lines.append(name.ljust(width), style="dim")
        lines.append(visible(_as_text(value)).replace("\n", "\n" + " " * width))
    return Padding(lines, (0, 0, 0, 2))


def _as_text(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return moment(value)
    if isinstance(value, tuple | list):
        return ", ".join(str(item) for item in value)
    if isinstance(value, dict):
        return json.dumps(value, ensure_ascii=False)
    return str(value)
