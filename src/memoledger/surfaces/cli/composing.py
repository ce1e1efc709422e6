"""`context`: the command that packs memories for a model."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated, Any

import typer

from memoledger.surfaces.cli import options
from memoledger.surfaces.cli.invocation import Invocation, command
from memoledger.surfaces.cli.output import say, tell, visible, write_json
from memoledger.surfaces.cli.reading import PANEL

if TYPE_CHECKING:
    from memoledger.model.context_pack import ContextPack


def register(app: typer.Typer) -> None:
    """Add the command."""
    command(app, "context", takes="shared store", panel=PANEL)(context)


def context(
    given: Invocation,
    query: Annotated[str, typer.Argument(metavar="QUERY", help="What the text is for.")],
    *,
    max_tokens: Annotated[
        int,
        typer.Option(
            "--max-tokens", "-t", metavar="N", help="Tokens at most, headings included, from 1."
        ),
    ] = 1_000,
    limit: Annotated[
        int | None,
        typer.Option(
            "--limit",
            "-n",
            metavar="N",
            help="Memories considered at most, 1 to 1,000; as many as might fit, up to 200, if not "
            "given.",
        ),
    ] = None,
    mode: options.Mode = "hybrid",
    family: options.Family = None,
    as_of: options.AsOf = None,
    diversity: options.Diversity = 0.0,
    fold: options.Fold = None,
    type_: options.FilterTypes = None,
    tag: options.FilterTags = None,
    since: options.Since = None,
    until: options.Until = None,
    min_importance: options.MinImportance = None,
    metadata: options.FilterMetadata = None,
    valid_at: options.ValidAt = None,
) -> None:
    """Pack the best memories and chunks for a question into a budget of tokens, for a model.

    Memories of one conversation or topic stand together, in the order of time, and chunks of one
    document in its order; near-duplicates are left out. The text goes to standard output; what did
    not fit is counted on standard error. With --json one object: the text, and each item in it with
    its source.
    """
    wanted = None if metadata is None else options.parsed_object("--metadata", metadata)
    folding: dict[str, Any] = {} if fold is None else {"fold": fold}

    async def run() -> ContextPack:
        async with given.opened() as store:
            return await store.context(
                query,
                max_tokens=max_tokens,
                limit=limit,
                mode=mode,
                families=None if family is None else [family],
                as_of=as_of,
                diversity=diversity,
                types=type_,
                tags=tag,
                since=since,
                until=until,
                min_importance=min_importance,
                metadata=wanted,
                valid_at=valid_at,
                **folding,
            )

    pack = asyncio.run(run())
    if given.as_json:
        write_json(pack.as_dict())
        return
    if pack.text:
        say(visible(pack.text))
    tell(_summary(pack))


def _summary(pack: ContextPack) -> str:
    """How much of what was found is in the text."""
    if not pack.items:
        return "Nothing found." if not pack.omitted else "Nothing fits."
    parts = [f"{_counted(pack)} in {pack.tokens:,} of {pack.max_tokens:,} tokens"]
    if any(item.truncated for item in pack.items):
        parts.append("cut at […]")
    if pack.folded:
        parts.append(f"{pack.folded} near-duplicates left out")
    if pack.omitted:
        parts.append(f"{pack.omitted} did not fit")
    return "; ".join(parts) + "."


def _counted(pack: ContextPack) -> str:
    """`3 memories`, `2 chunks`, `3 memories and 2 chunks`."""
    chunks = sum(item.source.chunk_id is not None for item in pack.items)
    memories = len(pack.items) - chunks
    told = [f"{count} {name}" for count, name in ((memories, "memories"), (chunks, "chunks"))]
    return " and ".join(one for one in told if not one.startswith("0 "))
