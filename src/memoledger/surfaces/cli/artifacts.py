"""`artifacts`: verify, gc, get: the raw sources of documents, in their folder or bucket."""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from memoledger.model.errors import InvalidInput
from memoledger.surfaces.cli.failures import FAILED
from memoledger.surfaces.cli.invocation import Invocation, command
from memoledger.surfaces.cli.output import say, tell, visible, write_json
from memoledger.surfaces.cli.progress import ProgressBar

if TYPE_CHECKING:
    from memoledger.model.artifact import Artifact
    from memoledger.services.artifact_upkeep import Checked, Collected

HOURS: Final = 24.0
FINDINGS_MAX: Final = 10_000
"""What is wrong is listed up to this many; the counts are of all."""

app = typer.Typer(no_args_is_help=True, help="Raw sources of documents: verify, gc (collect), get.")


def verify(
    given: Invocation,
    quick: Annotated[
        bool, typer.Option("--quick", help="Compare sizes only; else every byte is read.")
    ] = False,
) -> None:
    """Compare every raw source that a document keeps with its hash, for all tenants.

    Also listed are objects that the ledger does not know: of another ledger in the same place, or
    newer than a ledger that was restored from a backup. Nothing is changed. The exit code is 1 if a
    source is missing, damaged or cannot be read. This needs the administrator's connection
    (MEMOLEDGER_ADMIN_DATABASE_URL on a server).
    """
    counts, findings = asyncio.run(_verify(given, quick=quick))
    wrong = sum(counts[state] for state in ("missing", "damaged", "unreadable"))
    if given.as_json:
        rows = [_plain(one) for one in findings]
        write_json({"ok": wrong == 0, "counts": dict(counts), "findings": rows})
    else:
        for one in findings:
            say(f"{one.state}: {visible(one.key)}  {visible(one.reason or '')}")
        told = ", ".join(f"{count:,} {state}" for state, count in sorted(counts.items()))
        tell(f"{told or 'There are none'}.")
    if wrong:
        raise typer.Exit(FAILED)


async def _verify(given: Invocation, *, quick: bool) -> tuple[Counter[str], list[Checked]]:
    from memoledger import bootstrap
    from memoledger.services import artifact_upkeep
    from memoledger.services.artifacts import require_artifacts

    counts: Counter[str] = Counter()
    findings: list[Checked] = []
    async with given.ledger() as ledger:
        application = ledger.application
        artifacts = require_artifacts(application.context)
        async with bootstrap.all_artifacts(application.settings, application.place) as rows:
            with ProgressBar("verifying", silent=given.as_json) as bar:
                async for one in artifact_upkeep.verify(artifacts, rows, quick=quick):
                    counts[one.state] += 1
                    if one.state != "ok" and len(findings) < FINDINGS_MAX:
                        findings.append(one)
                    bar.update(counts.total(), f"{counts.total():,} looked at")
    return counts, findings


def gc(
    given: Invocation,
    older_than_hours: Annotated[
        float,
        typer.Option(
            "--older-than",
            min=0,
            metavar="HOURS",
            help="How long ago a source has to have been stored that no document ever kept.",
        ),
    ] = HOURS,
) -> None:
    """Delete raw sources that no document keeps: of writers that died, and of erased documents.

    An open ledger does that by itself, now and then. What a document keeps is never touched, nor an
    object that the ledger does not know. The exit code is 1 if something could not be deleted. This
    needs the administrator's connection (MEMOLEDGER_ADMIN_DATABASE_URL on a server).
    """
    done = asyncio.run(_gc(given, older_than_hours * 3_600))
    if given.as_json:
        write_json(asdict(done))
    else:
        say(f"{done.deleted:,} deleted, {done.abandoned:,} of them given up now.")
        if done.left:
            tell(f"{done.left:,} could not be deleted. Try again once the store can be reached.")
    if done.left:
        raise typer.Exit(FAILED)


async def _gc(given: Invocation, older_than_s: float) -> Collected:
    async with given.ledger() as ledger:
        return await ledger.collect_artifacts(older_than_s=older_than_s)


def get(
    given: Invocation,
    artifact: Annotated[
        str,
        typer.Argument(
            metavar="ARTIFACT", help="Its key, as a document has it, or the id at the key's end."
        ),
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="FILE", help="Where to write it; without it standard output."
        ),
    ] = None,
) -> None:
    """Write out a raw source of a store (`--tenant`, `--user`, `--store`).

    Its hash is compared on the way. A file appears once all of it is there and is right; if bytes
    that went to standard output turn out to be wrong, the exit code is 1.
    """
    if output is None and sys.stdout.isatty():
        raise InvalidInput(
            "--output", None, "this may be anything but text", remedy="Name a file, or use a pipe."
        )
    if given.as_json and output is None:
        raise InvalidInput(
            "--json", True, "the source itself goes to standard output", remedy="Name an --output."
        )
    found = asyncio.run(_get(given, artifact.rpartition("/")[2], output))
    if given.as_json:
        write_json({**_told(found), "file": str(output)})
    elif output is not None:
        tell(f"{found.bytes:,} bytes in {visible(str(output))}.")


async def _get(given: Invocation, artifact_id: str, output: Path | None) -> Artifact:
    from memoledger.services.artifacts import open_artifact

    async with given.scoped() as (context, scope):
        opened = await open_artifact(context, scope, artifact_id)
        if output is None:
            async for piece in opened.pieces:
                sys.stdout.buffer.write(piece)
            sys.stdout.buffer.flush()
        else:
            await _write(opened.pieces, output)
        return opened.artifact


async def _write(pieces: AsyncIterator[bytes], output: Path) -> None:
    """Write a file whole or not at all."""
    try:
        number, name = tempfile.mkstemp(prefix=f".{output.name}.", dir=output.parent)
    except OSError as error:
        raise _unwritable(output, error) from None
    try:
        with os.fdopen(number, "wb") as file:
            async for piece in pieces:
                await asyncio.to_thread(file.write, piece)
        Path(name).replace(output)  # noqa: ASYNC240 - a rename
    except OSError as error:
        raise _unwritable(output, error) from None
    finally:
        with suppress(FileNotFoundError):
            Path(name).unlink()  # noqa: ASYNC240 - gone, if all went well


def _unwritable(output: Path, error: OSError) -> InvalidInput:
    reason = error.strerror or type(error).__name__
    return InvalidInput(
        "--output", str(output), f"it cannot be written: {reason}", remedy="Name another file."
    )


def _plain(one: Checked) -> dict[str, Any]:
    """What was found as JSON-ready data."""
    return {**asdict(one), "artifact_id": None if one.artifact_id is None else str(one.artifact_id)}


def _told(artifact: Artifact) -> dict[str, Any]:
    """The artifact as JSON-ready data."""
    return {
        "id": str(artifact.id),
        "document_id": str(artifact.document_id),
        "key": artifact.key,
        "hash": artifact.hash,
        "bytes": artifact.bytes,
        "media_type": artifact.media_type,
        "state": artifact.state,
        "recorded_at": artifact.recorded_at.isoformat(),
    }


command(app, "verify")(verify)
command(app, "gc")(gc)
command(app, "get", takes="shared store")(get)
