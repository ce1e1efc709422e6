"""`queue`: what waits to be embedded, of every tenant; to try it again, or to let it go."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from memoledger.surfaces.cli.invocation import Invocation, command
from memoledger.surfaces.cli.output import facts, moment, say, tell, visible, write_json

if TYPE_CHECKING:
    from memoledger.ledger.claims import Claims
    from memoledger.model.queue import QueueDepth, QueueRow

app = typer.Typer(
    no_args_is_help=True,
    help="What waits to be embedded: see it, try it again, let it go.",
)

Tenant = Annotated[
    str | None,
    typer.Option("--tenant", metavar="NAME", help="Only of this tenant; without it of all."),
]
Ids = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[ID]...", help="Ids of memories or chunks; without one all.", show_default=False
    ),
]


def list_queue(
    given: Invocation,
    of_tenant: Tenant = None,
    poisoned: Annotated[bool, typer.Option("--poisoned", help="Only what was set aside.")] = False,
    limit: Annotated[
        int, typer.Option("--limit", "-n", metavar="N", min=1, max=10_000, help="Rows at most.")
    ] = 100,
) -> None:
    """List what waits to be embedded, what was set aside first, then the oldest.

    This and the other commands here need the administrator's connection
    (MEMOLEDGER_ADMIN_DATABASE_URL on a server).
    """

    async def run() -> list[QueueRow]:
        async with _claims(given) as claims:
            return await claims.rows(tenant=of_tenant, poisoned=poisoned, limit=limit)

    found = asyncio.run(run())
    if given.as_json:
        write_json({"rows": [row.as_dict() for row in found]})
    elif not found:
        tell("Nothing was set aside." if poisoned else "Nothing waits to be embedded.")
    else:
        say(_table(found))


def stats(given: Invocation, of_tenant: Tenant = None) -> None:
    """Say how much waits, is being embedded, or was set aside, and how long the oldest waits."""

    async def run() -> QueueDepth:
        async with _claims(given) as claims:
            return await claims.depth(of_tenant)

    depth = asyncio.run(run())
    if given.as_json:
        write_json(depth.as_dict())
        return
    shown = {
        "waiting": f"{depth.waiting:,}",
        "being embedded": f"{depth.claimed:,}",
        "set aside": f"{depth.poisoned:,}",
        "failed before": f"{depth.failed:,}",
        "oldest": f"{depth.age_s:,.1f} s",
    }
    say(facts(shown))


def retry(given: Invocation, ids: Ids = None, of_tenant: Tenant = None) -> None:
    """Try again now what failed or was set aside."""
    from memoledger.model.ids import as_id

    wanted = None if not ids else [as_id("ID", one) for one in ids]

    async def run() -> int:
        async with _claims(given) as claims:
            return await claims.retry(tenant=of_tenant, ids=wanted)

    _tell_count(given, asyncio.run(run()), "are tried again", "retried")


def drop(given: Invocation, ids: Ids = None, of_tenant: Tenant = None) -> None:
    """Take off the queue what was set aside: it stays without a vector, and words find it."""
    from memoledger.model.ids import as_id

    wanted = None if not ids else [as_id("ID", one) for one in ids]

    async def run() -> int:
        async with _claims(given) as claims:
            return await claims.drop(tenant=of_tenant, ids=wanted)

    _tell_count(given, asyncio.run(run()), "were dropped", "dropped")


command(app, "list")(list_queue)
command(app, "stats")(stats)
command(app, "retry")(retry)
command(app, "drop")(drop)


@asynccontextmanager
async def _claims(given: Invocation) -> AsyncIterator[Claims]:
    from memoledger import bootstrap
    from memoledger.ledger.claims import Claims

    async with given.ledger() as ledger:
        application = ledger.application
        async with bootstrap.queueing(application.settings, application.place) as pool:
            yield Claims(pool)


def _tell_count(given: Invocation, count: int, what: str, name: str) -> None:
    if given.as_json:
        write_json({name: count})
    else:
        say(f"{count:,} {what}.")


def _table(found: Sequence[QueueRow]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in ("id", "kind", "store", "owner", "tenant", "state", "attempts", "due", "error"):
        table.add_column(column, overflow="fold")
    for row in found:
        table.add_row(
            str(row.id),
            row.family,
            *(visible(name) for name in (row.store, row.owner, row.tenant)),
            row.state,
            str(row.attempts),
            "" if row.poisoned_at else moment(row.due_at, seconds=True),
            visible(row.last_error or ""),
        )
    return table
