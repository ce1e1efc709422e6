"""`recall`, `get`, `history`: the commands that read."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Final

import typer
from rich.table import Table
from rich.text import Text

from memoledger.surfaces.cli import options
from memoledger.surfaces.cli.invocation import Invocation, command
from memoledger.surfaces.cli.output import facts, moment, say, tell, visible, write_json

if TYPE_CHECKING:
    from memoledger.model.document import Chunk
    from memoledger.model.memory import Memory
    from memoledger.model.recall import Hit, Hits, Parts

PANEL: Final = "Memories"

Explain = Annotated[bool, typer.Option("--explain", help="Say what each score is made of.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    command(app, "recall", takes="shared store", panel=PANEL)(recall)
    command(app, "get", takes="shared store", panel=PANEL)(get)
    command(app, "history", takes="shared store", panel=PANEL)(history)


def recall(
    given: Invocation,
    query: Annotated[str, typer.Argument(metavar="QUERY", help="What to look for.")],
    *,
    limit: options.Limit = 10,
    mode: options.Mode = "hybrid",
    family: options.Family = None,
    min_similarity: options.MinSimilarity = None,
    as_of: options.AsOf = None,
    now: options.Now = None,
    recency: options.Recency = 0.0,
    importance: options.ImportanceWeight = 0.0,
    access: options.AccessWeight = 0.0,
    half_life_days: options.HalfLifeDays = 30.0,
    diversity: options.Diversity = 0.0,
    fold: options.Fold = None,
    rerank: options.Rerank = None,
    explain: Explain = False,
    type_: options.FilterTypes = None,
    tag: options.FilterTags = None,
    since: options.Since = None,
    until: options.Until = None,
    min_importance: options.MinImportance = None,
    metadata: options.FilterMetadata = None,
    valid_at: options.ValidAt = None,
) -> None:
    """Find memories, and chunks of documents, best first.

    With --json one object: the hits, each with its memory or chunk, its score and, with --explain,
    the parts of the score.
    """
    wanted = None if metadata is None else options.parsed_object("--metadata", metadata)

    async def run() -> tuple[Hits, float]:
        async with given.opened() as store:
            begun = time.perf_counter()
            hits = await store.recall(
                query,
                limit=limit,
                mode=mode,
                min_similarity=min_similarity,
                types=type_,
                tags=tag,
                since=since,
                until=until,
                min_importance=min_importance,
                metadata=wanted,
                as_of=as_of,
                valid_at=valid_at,
                now=now,
                recency=recency,
                importance=importance,
                access=access,
                half_life_days=half_life_days,
                diversity=diversity,
                fold=fold,
                rerank=rerank,
                explain=explain,
                families=None if family is None else [family],
            )
            return hits, time.perf_counter() - begun

    hits, took_s = asyncio.run(run())
    if given.as_json:
        answer = {"query": query, "mode": mode, "as_of": as_of, "took_ms": round(took_s * 1e3, 3)}
        write_json({**answer, **hits.facts(), "hits": [hit.as_dict() for hit in hits]})
        return
    if not hits:
        tell("Nothing found.")
    say_hits(hits)


def get(given: Invocation, memory_id: options.MemoryId, as_of: options.AsOf = None) -> None:
    """Show a memory with all its fields."""

    async def run() -> Memory:
        async with given.opened() as store:
            return await store.get(memory_id, as_of=as_of)

    memory = asyncio.run(run())
    if given.as_json:
        write_json(memory.as_dict())
        return
    fields = {name: getattr(memory, name) for name in memory.as_dict() if name != "content"}
    say(Text(visible(memory.content)))
    say(facts(fields))


def history(given: Invocation, memory_id: options.MemoryId) -> None:
    """Show every version of a memory, oldest first, also of one that was forgotten.

    Once it is erased the versions are still there, and their texts are not.
    """

    async def run() -> list[Memory]:
        async with given.opened() as store:
            return await store.history(memory_id)

    versions = asyncio.run(run())
    if given.as_json:
        write_json({"id": memory_id, "versions": [version.as_dict() for version in versions]})
    else:
        say(history_table(versions))


def say_hits(hits: Sequence[Hit]) -> None:
    """Print hits for people: rank, score, text, and a line about each."""
    table = Table.grid(padding=(0, 2), pad_edge=False)
    table.add_column(justify="right", style="dim", no_wrap=True)
    table.add_column(justify="right", style="bold cyan", no_wrap=True)
    table.add_column(overflow="fold")
    for rank, hit in enumerate(hits, start=1):
        table.add_row(str(rank), f"{hit.score:.3f}", hit_text(hit))
    say(table)


def hit_text(hit: Hit) -> Text:
    """A hit's text, and below it what is known about it, and the parts of its score."""
    chunk = hit.chunk
    above = hit.memory.metadata.get("speaker") if chunk is None else chunk.section
    known = _known_of_memory(hit.memory) if chunk is None else _known_of_chunk(chunk)
    text = Text()
    if isinstance(above, str):
        text.append(f"{visible(above)}: ", style="bold")
    text.append(visible(hit.text))
    text.append("\n" + visible("  ".join(known)), style="dim")
    if hit.folded:
        text.append(f"  and {len(hit.folded)} near-duplicates", style="dim")
    if hit.parts is not None:
        text.append("\n" + _parts(hit.parts), style="green")
    return text


def _known_of_memory(memory: Memory) -> list[str]:
    when = moment(memory.occurred_at) or f"recorded {moment(memory.recorded_at)}"
    return [memory.type, when, *(f"#{tag}" for tag in memory.tags), str(memory.id)]


def _known_of_chunk(chunk: Chunk) -> list[str]:
    """Its document, where it stands in its text, and its id."""
    when = moment(chunk.occurred_at) or f"recorded {moment(chunk.recorded_at)}"
    place = f"{chunk.title or chunk.source_id}, characters {chunk.start:,} to {chunk.end:,}"
    return [chunk.type, place, when, *(f"#{tag}" for tag in chunk.tags), str(chunk.id)]


def _parts(parts: Parts) -> str:
    """What a score is made of: `meaning 0.620, around 0.580 → 0.910   words 7.300 → 1.000`."""
    channels = (
        ("meaning", parts.dense, parts.dense_around, parts.dense_scaled),
        ("words", parts.lexical, parts.lexical_around, parts.lexical_scaled),
    )
    evidence = (
        ("speaker", parts.named),
        ("time", parts.timely),
        ("quoted", parts.quoted),
        ("telling", parts.telling),
        ("reranked", parts.reranked),
    )
    told = [_channel(*channel) for channel in channels]
    told += [f"{name} {share:.2f}" for name, share in evidence if share is not None]
    return "   ".join(part for part in told if part)


def _channel(name: str, own: float | None, around: float | None, scaled: float | None) -> str:
    """One channel's part, if it took any: alone, with what stands around it, and on the scale."""
    if own is None and around is None:
        return ""
    text = f"{name} {own or 0.0:.3f}"
    if around is not None and abs(around - (own or 0.0)) >= 0.0005:
        text += f", around {around:.3f}"
    return text if scaled is None else f"{text} → {scaled:.3f}"


def history_table(versions: Sequence[Memory]) -> Table:
    """The versions of a memory as a table."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in ("version", "from", "until", "by", "what it says"):
        table.add_column(column, overflow="fold", no_wrap=column != "what it says")
    for version in versions:
        table.add_row(
            str(version.version),
            moment(version.recorded_at, seconds=True),
            _ending(version),
            visible(version.updated_by),
            Text("(erased)", style="dim italic")
            if version.erased_at is not None
            else Text(visible(version.content)),
        )
    return table


def _ending(version: Memory) -> str:
    if version.superseded_at is not None:
        return moment(version.superseded_at, seconds=True)
    if version.deleted_at is not None:
        return f"{moment(version.deleted_at, seconds=True)}, forgotten"
    return "now"
