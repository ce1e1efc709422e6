"""`learn`: documents from files, folders, patterns and standard input."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer
from rich.text import Text

from memoledger.model.errors import ConflictError, InvalidInput, MemoledgerError
from memoledger.surfaces.cli import options, standard_input
from memoledger.surfaces.cli.failures import FAILED, INTERRUPTED
from memoledger.surfaces.cli.inputs import Input, find_inputs
from memoledger.surfaces.cli.invocation import Invocation, command
from memoledger.surfaces.cli.output import say, tell, visible, write_json
from memoledger.surfaces.cli.progress import ProgressBar

if TYPE_CHECKING:
    from memoledger.model.document import Learned
    from memoledger.surfaces.python.store import StoreHandle

PANEL: Final = "Documents"

RESULTS_SHOWN_MAX: Final = 10_000
"""Files whose outcome is in the JSON answer; those that failed are on standard error too."""

LINES_SHOWN_MAX: Final = 20
"""So many files or fewer are told of one by one."""

STDIN_BYTES_MAX: Final = 200_000_001
"""A byte more than is read of any source, so that one too large is told so."""

AT_ONCE: Final = 4
"""Files under way together: while one is embedded, others are read, split and written."""

_SAID: Final = {
    "created": "Learned",
    "updated": "Learned as the next version:",
    "unchanged": "Known already:",
}

Paths = Annotated[
    list[str],
    typer.Argument(
        metavar="PATH...",
        help="Files, folders (with all that is below them), patterns such as 'docs/**/*.md', "
        "or - for standard input.",
        show_default=False,
    ),
]
Source = Annotated[
    str,
    typer.Option("--source", metavar="NAME", help="Where such documents come from."),
]
RelativeTo = Annotated[
    Path | None,
    typer.Option(
        "--relative-to",
        metavar="FOLDER",
        help="A document's identity is its path from here; without it, the whole path.",
    ),
]
Name = Annotated[
    str | None,
    typer.Option("--name", metavar="NAME", help="What standard input is, such as notes.md."),
]
MediaType = Annotated[
    str | None,
    typer.Option(
        "--media-type",
        metavar="TYPE",
        help="What all of them are, such as text/markdown; found out for each without it.",
    ),
]
Type = Annotated[
    str | None,
    typer.Option("--type", metavar="TYPE", help="What kind of documents they are, free."),
]
State = Annotated[
    str | None,
    typer.Option("--state", metavar="STATE", help="How it stands with them: draft, final…"),
]
Author = Annotated[str | None, typer.Option("--author", metavar="NAME", help="Who wrote them.")]
Wait = Annotated[
    options.WaitName,
    typer.Option(
        "--wait",
        help="Until documents are searchable by their meaning, or durable: embedding them is "
        "left to a worker then.",
    ),
]


def register(app: typer.Typer) -> None:
    """Add the command."""
    command(app, "learn", takes="shared store", panel=PANEL)(learn)


@dataclass(slots=True)
class Tally:
    """What was done so far; all of it is committed."""

    counts: dict[str, int] = field(
        default_factory=lambda: {"created": 0, "updated": 0, "unchanged": 0, "failed": 0}
    )
    chunks: int = 0
    chunks_new: int = 0
    results: list[dict[str, Any]] = field(default_factory=list)

    @property
    def files(self) -> int:
        """Files that are done with."""
        return sum(self.counts.values())

    def add(self, file: str, learned: Learned) -> None:
        """Count a document that was learned."""
        self.counts[learned.outcome] += 1
        self.chunks += learned.chunks
        self.chunks_new += learned.chunks_new
        self._keep(
            {
                "file": file,
                "outcome": learned.outcome,
                "id": str(learned.document.id),
                "version": learned.document.version,
                "title": learned.document.title,
                "chunks": learned.chunks,
                "chunks_new": learned.chunks_new,
                "chunks_kept": learned.chunks_kept,
            }
        )

    def fail(self, file: str, error: MemoledgerError) -> dict[str, Any]:
        """Count a file that could not be learned; what is said about it."""
        self.counts["failed"] += 1
        problem = {"file": file, "outcome": "failed", **error.as_dict()}
        self._keep(problem)
        return problem

    def _keep(self, result: dict[str, Any]) -> None:
        if len(self.results) < RESULTS_SHOWN_MAX:
            self.results.append(result)

    def as_dict(self) -> dict[str, Any]:
        """The answer in JSON."""
        return {
            **self.counts,
            "files": self.files,
            "chunks": self.chunks,
            "chunks_new": self.chunks_new,
            "results": self.results,
            "results_omitted": self.files - len(self.results),
        }

    def __str__(self) -> str:
        counts = ", ".join(f"{count:,} {name}" for name, count in self.counts.items())
        return f"{counts}; {self.chunks:,} chunks, {self.chunks_new:,} of them new"


def learn(
    given: Invocation,
    paths: Paths,
    *,
    source: Source = "files",
    relative_to: RelativeTo = None,
    name: Name = None,
    media_type: MediaType = None,
    type_: Type = None,
    tag: options.Tags = None,
    state: State = None,
    author: Author = None,
    metadata: options.Metadata = None,
    occurred_at: options.OccurredAt = None,
    wait: Wait = "searchable",
) -> None:
    """Learn documents: text, Markdown, HTML, PDF, DOCX, CSV, JSON, mail, chats, source code.

    Each is kept under its path, so that learning it again changes nothing, or makes a new version
    of which only the chunks that changed are embedded. A file that cannot be read is reported on
    standard error, the rest goes on, and the exit code is then 1. In folders, hidden files and
    folders are passed over. The store is made if it is not there.
    """
    fields = options.given_fields(
        media_type=media_type,
        type=type_,
        tags=tag,
        state=state,
        author=author,
        metadata=metadata,
        occurred_at=occurred_at,
    )
    _check(source, fields)
    work = list(find_inputs(paths, relative_to, name))
    tally = Tally()
    try:
        asyncio.run(_learn(given, work, {"source": source, "wait": wait, **fields}, tally))
    except KeyboardInterrupt:
        _conclude(given, tally, "Interrupted")
        raise typer.Exit(INTERRUPTED) from None
    except MemoledgerError:
        if tally.files:
            _conclude(given, tally, "Given up")
        raise
    _conclude(given, tally, "Learned")
    if tally.counts["failed"]:
        raise typer.Exit(FAILED)


def _check(source: str, fields: dict[str, Any]) -> None:
    """Refuse at once what would be wrong with every file.

    Raises:
        InvalidInput: one of the fields is wrong.
    """
    from memoledger.model.document import DocumentDraft

    DocumentDraft(source=source, source_id="-", content="-", **fields).checked()


async def _learn(
    given: Invocation, work: Sequence[Input], fields: dict[str, Any], tally: Tally
) -> None:
    async with given.opened(create=True) as store:
        with ProgressBar("Learning", total=len(work), silent=given.as_json) as bar:
            run = _Run(given.as_json, store, work, fields, tally, bar)
            takers = [asyncio.create_task(run.take()) for _ in range(min(AT_ONCE, len(work)))]
            try:
                await asyncio.gather(*takers)
            finally:
                for taker in takers:
                    taker.cancel()
                await asyncio.gather(*takers, return_exceptions=True)


class _Run:
    """Some documents on their way, several at a time."""

    def __init__(  # noqa: PLR0917 - what is learned, and who is told
        self,
        as_json: bool,
        store: StoreHandle,
        work: Sequence[Input],
        fields: dict[str, Any],
        tally: Tally,
        bar: ProgressBar,
    ) -> None:
        self._as_json = as_json
        self._store = store
        self._waiting = iter(work)
        self._total = len(work)
        self._fields = fields
        self._tally = tally
        self._bar = bar
        self._embedded = 0

    async def take(self) -> None:
        """Learn one after the other until none is left."""
        for work in self._waiting:
            shown = work.source_id if work.file is None else str(work.file)
            try:
                learned = await self._learned(work)
            except (InvalidInput, ConflictError) as error:
                self._tell(shown, self._tally.fail(shown, error), error)
            else:
                self._tally.add(shown, learned)
            self._show()

    async def _learned(self, work: Input) -> Learned:
        before = 0

        def on_chunks(done: int, _: int) -> None:
            nonlocal before
            self._embedded += done - before
            before = done
            self._show()

        from_where = {"file": work.file} if work.file else {"data": await _standard_input()}
        return await self._store.learn(
            source_id=work.source_id, on_chunks=on_chunks, **from_where, **self._fields
        )

    def _show(self) -> None:
        failed = self._tally.counts["failed"]
        note = f"{self._tally.files:,} of {self._total:,} files, {self._embedded:,} chunks embedded"
        self._bar.update(self._tally.files, f"{note}, {failed:,} failed" if failed else note)

    def _tell(self, file: str, problem: dict[str, Any], error: MemoledgerError) -> None:
        if self._as_json:
            write_json(problem, to=sys.stderr)
        else:
            self._bar.say(Text.assemble((f"{visible(file)}: ", "yellow"), visible(str(error))))


async def _standard_input() -> bytes:
    with standard_input.open_bytes() as source:
        return await asyncio.to_thread(source.read, STDIN_BYTES_MAX)


def _conclude(given: Invocation, tally: Tally, how: str) -> None:
    if given.as_json:
        write_json({"outcome": how.lower(), **tally.as_dict()})
        return
    learned = [result for result in tally.results if result["outcome"] in _SAID]
    if tally.files <= LINES_SHOWN_MAX:
        for one in learned:
            version = f"version {one['version']}, {one['chunks']:,} chunks"
            new = f", {one['chunks_new']:,} new" if one["outcome"] == "updated" else ""
            say(f"{_SAID[one['outcome']]} {visible(one['file'])} ({version}{new})")
    say(f"{how}: {tally}.")
    if how != "Learned":
        tell("What is counted is kept. Run the same command again to go on.")
