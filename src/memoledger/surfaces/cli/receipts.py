"""`receipts`: list, show, why."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from memoledger.surfaces.cli import options
from memoledger.surfaces.cli.invocation import Invocation, Owner, command
from memoledger.surfaces.cli.output import facts, moment, say, tell, visible, write_json

if TYPE_CHECKING:
    from memoledger.model.receipts import Receipt, ReceiptPage
    from memoledger.model.why import Why

app = typer.Typer(no_args_is_help=True, help="Receipts: what was asked, and what came back.")


def list_receipts(
    given: Invocation,
    *,
    store: Annotated[
        str | None,
        typer.Option("--store", metavar="NAME", help="Only recalls in this store."),
    ] = None,
    owner: Owner = None,
    memory: Annotated[
        str | None,
        typer.Option("--memory", metavar="ID", help="Only recalls that returned this memory."),
    ] = None,
    since: Annotated[
        str | None, typer.Option("--since", metavar="TIME", help="Only recalls then or later.")
    ] = None,
    until: Annotated[
        str | None, typer.Option("--until", metavar="TIME", help="Only recalls before.")
    ] = None,
    limit: Annotated[
        int, typer.Option("--limit", "-n", metavar="N", help="Receipts at most, 1 to 1,000.")
    ] = 20,
    cursor: Annotated[
        str | None,
        typer.Option("--cursor", metavar="ID", help="Continue where the page before ended."),
    ] = None,
) -> None:
    """List your recalls and, of your own stores, everybody's, newest first.

    Of others on your stores those are left out whose answers hold what they keep private.
    """

    async def run() -> ReceiptPage:
        async with given.principal() as principal:
            found = None if store is None else await principal.find_store(store, owner=owner)
            return await principal.receipts(
                store=None if found is None else found.id,
                memory_id=memory,
                since=since,
                until=until,
                limit=limit,
                cursor=cursor,
            )

    page = asyncio.run(run())
    if given.as_json:
        receipts = [receipt.as_dict() for receipt in page.receipts]
        write_json({"receipts": receipts, "next_cursor": page.next_cursor})
        return
    if not page.receipts:
        tell("There are none.")
        return
    say(_table(page.receipts))
    if page.next_cursor is not None:
        tell(f"There are more: --cursor {page.next_cursor}")


def show(
    given: Invocation,
    receipt_id: Annotated[
        str, typer.Argument(metavar="ID", help="The receipt's id.", show_default=False)
    ],
) -> None:
    """Show a receipt: who asked what and when, what came back, and how long it took."""

    async def run() -> Receipt:
        async with given.principal() as principal:
            return await principal.receipt(receipt_id)

    receipt = asyncio.run(run())
    if given.as_json:
        write_json(receipt.as_dict())
        return
    say(facts(_shown(receipt)))
    table = Table("rank", "score", "family", "id", "version", box=None, pad_edge=False)
    for rank, hit in enumerate(receipt.hits, start=1):
        score = "(erased)" if hit.score is None else f"{hit.score:.4f}"
        table.add_row(str(rank), score, hit.family, str(hit.id), str(hit.version))
    say(table if receipt.hits else "It returned nothing.")


def why(
    given: Invocation,
    memory_id: options.MemoryId,
    query: Annotated[str, typer.Argument(metavar="QUERY", help="What was looked for.")],
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
    type_: options.FilterTypes = None,
    tag: options.FilterTags = None,
    since: options.Since = None,
    until: options.Until = None,
    min_importance: options.MinImportance = None,
    metadata: options.FilterMetadata = None,
    valid_at: options.ValidAt = None,
) -> None:
    """Say why a recall returns a memory, or why it does not.

    Give the options of the recall in question. It is asked again, without a receipt of its own.
    """
    wanted = None if metadata is None else options.parsed_object("--metadata", metadata)

    async def run() -> Why:
        async with given.opened() as store:
            return await store.why(
                memory_id,
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
                families=None if family is None else [family],
            )

    found = asyncio.run(run())
    if given.as_json:
        write_json(found.as_dict())
        return
    say(visible(("Recalled. " if found.recalled else "Not recalled. ") + found.text))
    shown = {"reason": found.reason, "version": found.version, "score": found.score}
    shown["similarity"] = found.similarity
    parts = found.as_dict()["parts"] or {}
    say(facts({**shown, **{name: value for name, value in parts.items() if value is not None}}))


def _shown(receipt: Receipt) -> dict[str, Any]:
    """What a receipt says, in the order in which people ask."""
    timings = ", ".join(f"{part} {ms:g} ms" for part, ms in sorted(receipt.timings_ms.items()))
    return {
        "receipt": receipt.id,
        "asked": moment(receipt.asked_at, seconds=True),
        "by": receipt.user,
        "in store": receipt.store_id,
        "query": _question(receipt),
        "mode": receipt.mode,
        "limit": receipt.limit,
        "filters": dict(receipt.filters),
        "embedding version": receipt.embedding_version,
        "searched by": receipt.searched_by,
        "complete": receipt.complete,
        "waiting to be embedded": receipt.pending or None,
        "took": timings,
    }


def _question(receipt: Receipt) -> str:
    if receipt.query is not None:
        return receipt.query
    if receipt.query_hash is not None:
        return f"(hashed) {receipt.query_hash}"
    return f"(struck by an erasure at {moment(receipt.struck_at, seconds=True)})"


def _table(receipts: Sequence[Receipt]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in ("asked", "by", "query", "hits", "receipt"):
        table.add_column(column, overflow="fold", no_wrap=column in {"asked", "receipt"})
    for receipt in receipts:
        asked, by = moment(receipt.asked_at, seconds=True), visible(receipt.user)
        question = visible(_question(receipt)).replace("\n", " ")
        table.add_row(asked, by, question, str(len(receipt.hits)), str(receipt.id))
    return table


command(app, "list", takes="principal")(list_receipts)
command(app, "show", takes="principal")(show)
command(app, "why", takes="shared store")(why)
