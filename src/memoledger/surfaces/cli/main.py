"""`memoledger`: the program, its global options, and how it ends."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Sequence
from itertools import takewhile
from typing import Annotated, Final, TextIO

import typer

from memoledger.model.errors import MemoledgerError
from memoledger.surfaces.cli import (
    administration,
    artifacts,
    bench,
    composing,
    demo,
    doctor,
    embeddings,
    exchanging,
    keys,
    learning,
    mcp,
    queue,
    reading,
    receipts,
    remembering,
    serve,
    stores,
    working,
)
from memoledger.surfaces.cli.evaluate import app as eval_app
from memoledger.surfaces.cli.failures import DONE, FAILED, INTERRUPTED, PIPE_CLOSED, report
from memoledger.surfaces.cli.invocation import DatabaseUrl, DataDir, Place
from memoledger.surfaces.cli.output import abandon_output

_MEASURING: Final = "Measuring"

app = typer.Typer(
    name="memoledger",
    help="The memory database for AI agents: remembers, recalls, looks back in time and erases, on "
    "PostgreSQL.",
    epilog="Exit codes: 0 done, 1 failed or not all of it, 2 bad input.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _show_version(wanted: bool) -> None:
    if wanted:
        from memoledger import __version__

        typer.echo(f"memoledger {__version__}")
        raise typer.Exit(DONE)


@app.callback()
def options(
    context: typer.Context,
    database_url: DatabaseUrl = None,
    data_dir: DataDir = None,
    debug: Annotated[
        bool, typer.Option("--debug", help="When something fails, also print the traceback.")
    ] = False,
    version: Annotated[
        bool,
        typer.Option("--version", help="Print the version.", callback=_show_version, is_eager=True),
    ] = False,
) -> None:
    """The options before the command."""
    context.obj = Place(database_url, data_dir)


# In the order in which help shows them.
administration.register_init(app)
demo.register(app)
remembering.register(app)
reading.register(app)
composing.register(app)
learning.register(app)
exchanging.register(app)
app.add_typer(stores.app, name="stores", rich_help_panel="Stores")
app.add_typer(artifacts.app, name="artifacts", rich_help_panel="Stores")
app.add_typer(receipts.app, name="receipts", rich_help_panel="Stores")
app.add_typer(keys.app, name="keys", rich_help_panel="Stores")
app.add_typer(queue.app, name="queue", rich_help_panel="Upkeep")
app.add_typer(mcp.app, name="mcp", rich_help_panel="Service")
serve.register(app)
doctor.register(app)
administration.register_migrate(app)
working.register(app)
app.add_typer(embeddings.app, name="embeddings", rich_help_panel="Upkeep")
app.add_typer(eval_app, name="eval", rich_help_panel=_MEASURING)
bench.register(app, _MEASURING)


def main() -> None:
    """Run the program with the arguments of the process, and end it."""
    _let_output_carry_any_text()
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """Run the program with these arguments; its exit code. Whatever happens is said on stderr."""
    options_given = list(takewhile(lambda argument: argument != "--", arguments))
    try:
        code = _invoke(arguments)
        sys.stdout.flush()
        return code
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        abandon_output()
        return PIPE_CLOSED
    except SystemExit as ending:  # From typer, for what it handles itself.
        return ending.code if isinstance(ending.code, int) else FAILED
    except (MemoledgerError, typer.TyperException, typer.Abort, Exception) as error:
        return report(error, as_json="--json" in options_given, debug="--debug" in options_given)


def _invoke(arguments: Sequence[str]) -> int:
    command = typer.main.get_command(app)
    code = command.main(list(arguments), prog_name="memoledger", standalone_mode=False)
    return code if isinstance(code, int) else DONE


def _let_output_carry_any_text() -> None:
    """What a terminal cannot show, or nobody wants to read, is no reason to fail."""
    # None where the program was started without them, whatever the types say.
    sys.stdout = sys.stdout or _nowhere()
    sys.stderr = sys.stderr or _nowhere()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError):  # Replaced by something simpler.
            stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]


def _nowhere() -> TextIO:
    return os.fdopen(os.open(os.devnull, os.O_WRONLY), "w", encoding="utf-8")
