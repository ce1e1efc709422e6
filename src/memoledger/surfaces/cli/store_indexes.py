"""`stores indexes`: the indexes of large stores, and how far they are."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from memoledger.surfaces.cli.invocation import Invocation
from memoledger.surfaces.cli.output import moment, say, tell, visible, write_json

if TYPE_CHECKING:
    from memoledger.ledger.store_indexes import IndexStatus
    from memoledger.surfaces.python.memoledger import Memoledger


def indexes(
    given: Invocation,
    build: Annotated[
        bool,
        typer.Option("--build", help="First make or renew what is due, and wait for it."),
    ] = False,
) -> None:
    """List the indexes of stores that outgrew exact search, of every tenant, with their progress.

    An open ledger makes them by itself, in the background; searches use one once it is whole. This
    needs the administrator's connection (MEMOLEDGER_ADMIN_DATABASE_URL on a server).
    """
    found = asyncio.run(_indexes(given, build=build))
    if given.as_json:
        write_json({"indexes": [_plain(one) for one in found]})
    elif not found:
        tell("There are none. A store gets one when it holds MEMOLEDGER_INDEX_FROM memories.")
    else:
        say(_table(found))


async def _indexes(given: Invocation, *, build: bool) -> list[IndexStatus]:
    async with given.ledger() as ledger:
        if build:
            await _build(ledger)
        return await _statuses(ledger)


async def _build(ledger: Memoledger) -> None:
    """Make what is due, telling now and then how far it is."""
    task = asyncio.create_task(ledger.index_stores())
    told: dict[int, int] = {}
    while not (await asyncio.wait([task], timeout=2.0))[0]:
        for one in await _statuses(ledger):
            percent = int(100 * one.progress) // 10 * 10
            if one.state == "building" and told.get(one.build) != percent:
                told[one.build] = percent
                tell(f"… {visible(one.store)} of {visible(one.owner)}: {percent} %")
    await task


async def _statuses(ledger: Memoledger) -> list[IndexStatus]:
    from memoledger import bootstrap

    application = ledger.application
    async with bootstrap.indexing(application.settings, application.place) as found:
        return await found.statuses()


def _table(found: list[IndexStatus]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in ("store", "owner", "tenant", "state", "memories", "vectors", "built"):
        table.add_column(column, overflow="fold")
    for one in found:
        names = (visible(one.store), visible(one.owner), visible(one.tenant))
        state = f"{one.progress:.0%}" if one.state == "building" else one.state
        built = "" if one.built_at is None else moment(one.built_at)
        table.add_row(*names, state, f"{one.texts:,}", _vectors(one), built)
    return table


def _vectors(one: IndexStatus) -> str:
    """How vectors are searched, and what that found of the ten nearest."""
    if one.recall is None:
        return ""
    how = "exactly" if one.ef_search is None else f"graph, width {one.ef_search}"
    return f"{how} (recall {one.recall:.3f})"


def _plain(one: IndexStatus) -> dict[str, Any]:
    """The status as JSON-ready data."""
    return {
        "tenant": one.tenant,
        "store_id": str(one.store_id),
        "owner": one.owner,
        "store": one.store,
        "build": one.build,
        "state": one.state,
        "progress": one.progress,
        "texts": one.texts,
        "vectors": one.vectors,
        "segments": one.segments,
        "ef_search": one.ef_search,
        "recall": one.recall,
        "started_at": one.started_at.isoformat(),
        "built_at": None if one.built_at is None else one.built_at.isoformat(),
    }
