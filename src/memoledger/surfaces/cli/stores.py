"""`stores`: list, create, show, share, unshare, open, close, indexes."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import fields
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal
from uuid import UUID

import typer
from rich.table import Table

from memoledger.surfaces.cli.invocation import Invocation, Owner, command
from memoledger.surfaces.cli.output import facts, moment, say, tell, visible, write_json
from memoledger.surfaces.cli.store_indexes import indexes

if TYPE_CHECKING:
    from memoledger.model.store import Grant, Store, Visibility

PAGE: Final = 1_000

StoreName = Annotated[str, typer.Argument(metavar="STORE", help="The store's name.")]
AccessName = Literal["read", "write"]

app = typer.Typer(
    no_args_is_help=True, help="Stores: list, create, show, share, open, close; their indexes."
)


def list_stores(given: Invocation) -> None:
    """List the stores you may read: your own, those shared with you, those open to the tenant."""

    async def run() -> list[Store]:
        found: list[Store] = []
        async with given.principal() as principal:
            cursor: str | None = None
            while True:
                page = await principal.stores(limit=PAGE, cursor=cursor)
                found += page.stores
                cursor = page.next_cursor
                if cursor is None:
                    return found

    found = asyncio.run(run())
    if given.as_json:
        write_json({"stores": [_plain(store) for store in found]})
    elif not found:
        tell("There are none. `memoledger stores create NAME` makes one.")
    else:
        say(_table(found))


def create(given: Invocation, name: StoreName) -> None:
    """Create a store of your own; one that is there already is left as it is."""

    async def run() -> tuple[Store, bool]:
        from memoledger.model.errors import NotFound

        async with given.principal() as principal:
            try:
                return (await principal.find_store(name)).details, False
            except NotFound:
                return (await principal.store(name)).details, True

    store, created = asyncio.run(run())
    if given.as_json:
        write_json({**_plain(store), "outcome": "created" if created else "unchanged"})
    else:
        say(f"{'Created' if created else 'It was there already:'} {visible(name)} ({store.id})")


def show(given: Invocation, name: StoreName, owner: Owner = None) -> None:
    """Show a store: how many memories it holds, and who may use it."""

    async def run() -> tuple[Store, int, list[Grant]]:
        async with given.principal() as principal:
            store = await principal.find_store(name, owner=owner)
            return store.details, await store.count(), await store.grants()

    store, count, grants = asyncio.run(run())
    if given.as_json:
        shared = [_plain(grant) for grant in grants]
        write_json({**_plain(store), "memories": count, "grants": shared})
        return
    held = {grant.grantee: grant.access for grant in grants}
    say(facts({**_plain(store), "memories": f"{count:,}"}))
    say(facts({"shared with": [f"{user} ({access})" for user, access in held.items()]}))


def share(
    given: Invocation,
    name: StoreName,
    with_user: Annotated[str, typer.Argument(metavar="USER", help="Whom to share it with.")],
    access: Annotated[
        AccessName, typer.Option("--access", help="To read it, or to read and write it.")
    ] = "read",
) -> None:
    """Let another user of the tenant read a store of yours, or read and write it."""

    async def run() -> Grant:
        async with given.principal() as principal:
            return await (await principal.find_store(name)).share(with_user, access=access)

    grant = asyncio.run(run())
    if given.as_json:
        write_json(_plain(grant))
    else:
        say(f"{visible(with_user)} may now {access} {visible(name)}.")


def unshare(
    given: Invocation,
    name: StoreName,
    with_user: Annotated[str, typer.Argument(metavar="USER", help="Who loses it.")],
) -> None:
    """Take back what `share` gave."""

    async def run() -> UUID:
        async with given.principal() as principal:
            store = await principal.find_store(name)
            await store.unshare(with_user)
            return store.id

    store_id = asyncio.run(run())
    if given.as_json:
        write_json({"store_id": str(store_id), "grantee": with_user, "outcome": "revoked"})
    else:
        say(f"{visible(with_user)} no longer has access to {visible(name)}.")


def open_(given: Invocation, name: StoreName) -> None:
    """Open a store of yours to the tenant: every user of it may read."""
    _set_visibility(given, name, "tenant")


def close(given: Invocation, name: StoreName) -> None:
    """Close a store again: only you and those it is shared with may read it."""
    _set_visibility(given, name, "private")


def _set_visibility(given: Invocation, name: str, visibility: Visibility) -> None:
    async def run() -> Store:
        async with given.principal() as principal:
            return await (await principal.find_store(name)).set_visibility(visibility)

    store = asyncio.run(run())
    if given.as_json:
        write_json(_plain(store))
    else:
        whom = (
            "every user of the tenant" if visibility == "tenant" else "you and those it is shared"
        )
        say(
            f"{visible(name)} can now be read by {whom}{'' if visibility == 'tenant' else ' with'}."
        )


def _table(stores: Sequence[Store]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in ("store", "owner", "visibility", "created", "id"):
        table.add_column(column, overflow="fold")
    for store in stores:
        created = moment(store.created_at)
        names = (visible(store.name), visible(store.owner))
        table.add_row(*names, store.visibility, created, str(store.id))
    return table


def _plain(value: Store | Grant) -> dict[str, Any]:
    """The fields as JSON-ready data."""
    found = {field.name: getattr(value, field.name) for field in fields(value)}
    return {
        name: item.isoformat() if isinstance(item, datetime) else str(item)
        for name, item in found.items()
    }


command(app, "list", takes="principal")(list_stores)
command(app, "create", takes="principal")(create)
command(app, "show", takes="principal")(show)
command(app, "share", takes="principal")(share)
command(app, "unshare", takes="principal")(unshare)
command(app, "open", takes="principal")(open_)
command(app, "close", takes="principal")(close)
command(app, "indexes")(indexes)
