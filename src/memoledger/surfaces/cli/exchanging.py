"""`import` and `export`: memories as JSON Lines."""

from __future__ import annotations

import asyncio
import contextlib
import os
import stat
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from io import BufferedReader
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, BinaryIO, Final

import typer
from rich.text import Text

from memoledger.model.errors import InvalidInput, MemoledgerError
from memoledger.surfaces.cli import options, standard_input
from memoledger.surfaces.cli.failures import FAILED, INTERRUPTED
from memoledger.surfaces.cli.invocation import Invocation, command
from memoledger.surfaces.cli.output import say, tell, visible, write_json
from memoledger.surfaces.cli.progress import ProgressBar

if TYPE_CHECKING:
    from memoledger.services.exchange import Imported

PANEL: Final = "Moving memories"

REJECTIONS_SHOWN_MAX: Final = 1_000
"""Rejected lines in the JSON answer; all of them are on standard error."""


def register(app: typer.Typer) -> None:
    """Add the commands."""
    command(app, "import", takes="shared store", panel=PANEL)(import_)
    command(app, "export", takes="shared store", panel=PANEL)(export)


@dataclass(slots=True)
class Tally:
    """What an import has done so far; all of it is committed."""

    counts: dict[str, int] = field(
        default_factory=lambda: {"created": 0, "unchanged": 0, "updated": 0, "rejected": 0}
    )
    rejections: list[dict[str, Any]] = field(default_factory=list)

    @property
    def total(self) -> int:
        """Lines that are done with."""
        return sum(self.counts.values())

    def as_dict(self) -> dict[str, Any]:
        """The answer in JSON."""
        omitted = self.counts["rejected"] - len(self.rejections)
        return {
            **self.counts,
            "total": self.total,
            "rejections": self.rejections,
            "rejections_omitted": omitted,
        }

    def __str__(self) -> str:
        return ", ".join(f"{count:,} {name}" for name, count in self.counts.items())


def import_(
    given: Invocation,
    file: Annotated[
        str, typer.Argument(metavar="FILE", help="A file of JSON Lines, or - for standard input.")
    ],
    wait: options.Wait = "searchable",
) -> None:
    """Remember every line of a file.

    A line is an object with `content` and any other field of a memory; `id` is kept as
    `external_id`. A line that is wrong is reported on standard error with its number and the
    reason, the rest is kept, and the exit code is then 1. Interrupted, the same command goes on
    where it was: what is there already is recognised. The store is made if it is not there.
    """
    tally = Tally()
    try:
        with _readable(file) as source:
            asyncio.run(_import(given, source, tally, wait))
    except KeyboardInterrupt:
        _conclude_import(given, tally, "Interrupted")
        raise typer.Exit(INTERRUPTED) from None
    except MemoledgerError:
        if tally.total:
            _conclude_import(given, tally, "Given up")
        raise
    _conclude_import(given, tally, "Imported")
    if tally.counts["rejected"]:
        raise typer.Exit(FAILED)


async def _import(
    given: Invocation, source: BufferedReader, tally: Tally, wait: options.WaitName
) -> None:
    from memoledger.services.exchange import import_lines

    async with given.scoped(create=True) as (context, scope):
        with ProgressBar("Importing", total=_size_bytes(source), silent=given.as_json) as bar:

            def progressed(done: Imported) -> None:
                tally.counts = asdict(done.progress)
                bar.update(done.bytes_done, str(tally))

            def rejected(number: int, error: InvalidInput) -> None:
                problem = {"line": number, **error.as_dict()}
                if len(tally.rejections) < REJECTIONS_SHOWN_MAX:
                    tally.rejections.append(problem)
                if given.as_json:
                    write_json(problem, to=sys.stderr)
                else:
                    bar.say(Text.assemble((f"line {number}: ", "yellow"), visible(str(error))))

            await import_lines(
                context,
                scope,
                source,
                on_rejected=rejected,
                on_progress=progressed,
                wait=wait,
            )


def _conclude_import(given: Invocation, tally: Tally, how: str) -> None:
    if given.as_json:
        write_json({"outcome": how.lower(), **tally.as_dict()})
        return
    say(f"{how}: {tally}.")
    if how != "Imported":
        tell("What is counted is kept. Run the same command again to go on.")


def export(
    given: Invocation,
    file: Annotated[
        str, typer.Argument(metavar="FILE", help="Where to write, or - for standard output.")
    ],
    as_of: options.AsOf = None,
    valid_at: options.ValidAt = None,
    force: Annotated[
        bool, typer.Option("--force", help="Replace the file if there is one.")
    ] = False,
) -> None:
    """Write every memory of a store as JSON Lines, which `import` takes back.

    Written are the current memories, or those of an instant, all or those that were true at one,
    with all that was remembered with them. Not written are vectors, which importing makes again,
    and versions, ids and dates of recording, which are the ledger's own. The file appears when it
    is complete.
    """
    with _writable(file, force=force) as target:
        count = asyncio.run(_export(given, target.write, as_of, valid_at, to_output=file == "-"))
    if file == "-":
        if not given.as_json:
            tell(f"Exported {count:,} memories.")
    elif given.as_json:
        write_json({"file": file, "memories": count})
    else:
        say(f"Exported {count:,} memories to {visible(file)}")


async def _export(
    given: Invocation,
    write: Callable[[bytes], object],
    as_of: str | None,
    valid_at: str | None,
    *,
    to_output: bool,
) -> int:
    from memoledger.model.recall import Filter
    from memoledger.services.exchange import export_lines

    count = 0
    async with given.scoped() as (context, scope):
        held = await context.ledger.memories.count(scope.principal, scope.store_id)
        total = held if as_of is None and valid_at is None else None
        with ProgressBar("Exporting", total=total, silent=given.as_json or to_output) as bar:
            async for line in export_lines(
                context, scope, filter=Filter.of(valid_at=valid_at), as_of=as_of
            ):
                write(line)
                count += 1
                bar.update(count, f"{count:,}")
    return count


@contextlib.contextmanager
def _readable(file: str) -> Iterator[BufferedReader]:
    """The file, or standard input, which is left open: a thread may still be waiting at it."""
    if file == "-":
        yield standard_input.open_bytes()
        return
    with contextlib.ExitStack() as stack:
        try:
            opened = stack.enter_context(Path(file).open("rb"))
        except OSError as error:
            raise _unusable(file, error) from None
        yield opened


@contextlib.contextmanager
def _writable(file: str, *, force: bool) -> Iterator[BinaryIO]:
    """Standard output, or a new file beside the one wanted, which takes its place at the end."""
    if file == "-":
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    path = Path(file)
    if path.exists() and not force:
        raise InvalidInput("FILE", file, "there is one already", remedy="Add --force, or rename.")
    try:
        descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    except OSError as error:
        raise _unusable(file, error) from None
    part = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as target:
            yield target
            target.flush()
            os.fsync(target.fileno())
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def _unusable(file: str, error: OSError) -> InvalidInput:
    reason = (error.strerror or "it cannot be opened").lower()
    return InvalidInput("FILE", file, reason, remedy="Check the path and its permissions.")


def _size_bytes(source: BufferedReader) -> int | None:
    """How much there is to read; None for a pipe."""
    found = os.fstat(source.fileno())
    return found.st_size if stat.S_ISREG(found.st_mode) else None
