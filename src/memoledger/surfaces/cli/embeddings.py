"""`embeddings`: list, create, backfill, verify, cutover, rollback, retire, refresh.

Changing the model that embeds is the operator's work: all of it takes the administrator's
connection (MEMOLEDGER_ADMIN_DATABASE_URL on a server), and goes over every tenant.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from memoledger.model.errors import InvalidInput, SettingsError
from memoledger.surfaces.cli.embeddings_view import (
    checks_table,
    say_filled,
    say_switched,
    shown_on,
    versions_table,
)
from memoledger.surfaces.cli.failures import FAILED
from memoledger.surfaces.cli.invocation import (
    Invocation,
    command,
    send_logs_to_standard_error,
)
from memoledger.surfaces.cli.output import say, tell, visible, write_json
from memoledger.surfaces.cli.progress import ProgressBar

if TYPE_CHECKING:
    from memoledger.model.embedding_states import (
        Filled,
        FillProgress,
        Switched,
        Verification,
        VersionStatus,
    )
    from memoledger.surfaces.python.embeddings import EmbeddingsHandle

app = typer.Typer(
    no_args_is_help=True,
    help="Embedding versions: change the model that embeds, while the ledger serves.",
)

VersionName = Annotated[
    str,
    typer.Argument(
        metavar="VERSION",
        help="The version's name, its beginning, or its number; `embeddings list` shows them.",
        show_default=False,
    ),
]
Batch = Annotated[
    int,
    typer.Option(
        "--batch", metavar="N", min=1, max=1_000, help="Texts embedded and written at a time."
    ),
]
Pace = Annotated[
    float,
    typer.Option(
        "--pace",
        metavar="SHARE",
        min=0.05,
        max=1.0,
        help="Share of the time in which the model works; less leaves more of it to recalls.",
    ),
]


def list_versions(given: Invocation) -> None:
    """List the embedding versions, their states, and how complete they are."""

    async def run() -> list[VersionStatus]:
        async with _embeddings(given) as embeddings:
            return await embeddings.list()

    found = asyncio.run(run())
    if given.as_json:
        write_json({"versions": [one.as_dict() for one in found]})
    elif not found:
        tell("There are none yet. The first command that opens the ledger makes one.")
    else:
        say(versions_table(found))


def create(
    given: Invocation,
    embedder: Annotated[
        str,
        typer.Option(
            "--embedder",
            metavar="NAME",
            help="`minilm`, or provider:model, as MEMOLEDGER_EMBEDDER has it.",
            show_default=False,
        ),
    ],
    dimensions: Annotated[
        int | None,
        typer.Option(
            "--dimensions",
            metavar="N",
            min=1,
            max=3_900,
            help="Shorten its vectors to this length; without it the model's own.",
        ),
    ] = None,
    url: Annotated[
        str | None,
        typer.Option("--url", metavar="URL", help="Its server, if not its provider's usual one."),
    ] = None,
) -> None:
    """Declare a version for another model, dimension or truncation.

    From now on what is written gets its vectors in it too, in every process that can open its
    embedder. The ledger goes on being searched in the version that serves.
    """

    async def run() -> dict[str, Any]:
        async with _embeddings(given) as embeddings:
            kept = await embeddings.create(embedder, dimensions=dimensions, base_url=url)
        return {
            "number": kept.number,
            "name": kept.name,
            "state": kept.state,
            "model": kept.model,
            "dimensions": kept.dimensions,
        }

    made = asyncio.run(run())
    if given.as_json:
        write_json(made)
        return
    say(made["name"])
    tell(f"It is {made['state']}. Next: memoledger embeddings backfill {made['name']}")


def backfill(given: Invocation, version: VersionName, batch: Batch = 64, pace: Pace = 1.0) -> None:
    """Give a vector to everything that lacks one in a version, then its index to every large store.

    It may be interrupted at any moment: begun again, it passes over what is done. The exit code is
    1 if the model refused some texts, which are told.
    """

    async def run(on_progress: Callable[[FillProgress], None]) -> Filled:
        async with _embeddings(given) as embeddings:
            return await embeddings.backfill(
                version, batch=batch, pace=pace, on_progress=on_progress
            )

    with ProgressBar("Embedding", total=1, silent=given.as_json) as bar:
        filled = asyncio.run(run(shown_on(bar)))
    say_filled(given, [filled])


def verify(
    given: Invocation,
    version: VersionName,
    sample: Annotated[
        int,
        typer.Option(
            "--sample", metavar="N", min=1, max=10_000, help="Texts that are looked at closely."
        ),
    ] = 100,
    evaluate: Annotated[
        Path | None,
        typer.Option(
            "--eval",
            metavar="FOLDER",
            help="Also ask this folder's questions (BEIR's layout) of both models, each in a "
            "temporary ledger, and show them side by side.",
        ),
    ] = None,
) -> None:
    """Look whether a version could serve: is it whole, well-formed, its model's, and indexed?

    What is near in it is compared with what is near in the version that serves. The exit code is 1
    if it must not serve as it is.
    """

    async def run() -> Verification:
        async with _embeddings(given) as embeddings:
            return await embeddings.verify(version, sample=sample)

    found = asyncio.run(run())
    compared = None if evaluate is None else _compared(given, version, evaluate)
    if given.as_json:
        write_json({**found.as_dict(), **({} if compared is None else {"eval": compared})})
    else:
        say(checks_table(found))
        if compared is not None:
            from memoledger.surfaces.cli.embeddings_compare import comparison_table

            say(comparison_table(compared))
    if not found.passed:
        raise typer.Exit(FAILED)


def cutover(
    given: Invocation,
    version: VersionName,
    missing_max: Annotated[
        int,
        typer.Option(
            "--missing-max",
            metavar="N",
            min=0,
            help="So many texts may lack a vector, which the model refuses; words find them.",
        ),
    ] = 0,
    without_indexes: Annotated[
        bool,
        typer.Option(
            "--without-indexes",
            help="Also where large stores have no index in it yet: they are searched slowly.",
        ),
    ] = False,
) -> None:
    """Have a version serve in the place of the one that does, once it lacks nothing.

    Recalls and writes go on. Nothing is changed if it lacks something. The version before is kept
    up to date, so that `rollback` can have it serve again at once.
    """

    async def run() -> Switched:
        async with _embeddings(given) as embeddings:
            return await embeddings.cutover(
                version, missing_max=missing_max, without_indexes=without_indexes
            )

    say_switched(given, asyncio.run(run()))


def rollback(given: Invocation) -> None:
    """Have the version serve again that served before, at once."""

    async def run() -> Switched:
        async with _embeddings(given) as embeddings:
            return await embeddings.rollback()

    say_switched(given, asyncio.run(run()))


def retire(
    given: Invocation,
    version: VersionName,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Remove a version with its vectors and indexes, for good. Reads and writes go on."""
    if not yes and not given.as_json:
        typer.confirm(f"Remove all vectors of {visible(version)}?", abort=True, err=True)

    async def run() -> None:
        async with _embeddings(given) as embeddings:
            await embeddings.retire(version)

    asyncio.run(run())
    if given.as_json:
        write_json({"retired": version})
    else:
        tell(f"{visible(version)} is retired.")


def refresh(
    given: Invocation,
    version: Annotated[
        str | None,
        typer.Argument(
            metavar="VERSION",
            help="One version; without it all that are kept up to date.",
            show_default=False,
        ),
    ] = None,
    batch: Batch = 64,
    pace: Pace = 1.0,
) -> None:
    """Find stale embeddings and put them right: missing, failed, orphaned or outdated ones.

    The exit code is 1 if a model refused some texts, which are told.
    """

    async def run(on_progress: Callable[[FillProgress], None]) -> Sequence[Filled]:
        async with _embeddings(given) as embeddings:
            return await embeddings.refresh(
                version, batch=batch, pace=pace, on_progress=on_progress
            )

    with ProgressBar("Refreshing", total=1, silent=given.as_json) as bar:
        filled = asyncio.run(run(shown_on(bar)))
    say_filled(given, filled)


command(app, "list")(list_versions)
command(app, "create")(create)
command(app, "backfill")(backfill)
command(app, "verify")(verify)
command(app, "cutover")(cutover)
command(app, "rollback")(rollback)
command(app, "retire")(retire)
command(app, "refresh")(refresh)


@asynccontextmanager
async def _embeddings(given: Invocation) -> AsyncIterator[EmbeddingsHandle]:
    """The ledger's embedding versions; nothing else of it is opened, so that none has to serve.

    Raises:
        SettingsError: the settings name a service, behind which the ledger is out of reach.
    """
    from memoledger import bootstrap
    from memoledger.surfaces.python.embeddings import EmbeddingsHandle

    settings = given.place.settings(sweep_interval_s=0.0)
    if settings.url is not None:
        raise SettingsError(
            "MEMOLEDGER_URL",
            settings.url,
            "this command works on a ledger itself, not through a service",
            remedy="Name the ledger with --data-dir or --database-url, or unset it.",
        )
    send_logs_to_standard_error()
    async with bootstrap.administering_embeddings(settings) as (place, embedders):
        yield EmbeddingsHandle(settings, place, embedders)


def _compared(given: Invocation, version: str, folder: Path) -> dict[str, Any]:
    from memoledger.surfaces.cli.embeddings_compare import compare_on

    if not folder.is_dir():
        raise InvalidInput(
            "--eval",
            str(folder),
            "it is no folder",
            remedy="Name one with corpus.jsonl, queries.jsonl and qrels/*.tsv.",
        )

    async def run() -> dict[str, Any]:
        async with _embeddings(given) as embeddings:
            return await compare_on(embeddings, version, folder, silent=given.as_json)

    return asyncio.run(run())
