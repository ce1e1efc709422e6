"""`keys`: create, list, revoke.

Whoever can open the ledger itself is its operator: no key is asked of them, and they may give any
scope.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer
from rich.table import Table

from memoledger.surfaces.cli.invocation import Invocation, command
from memoledger.surfaces.cli.output import moment, say, tell, visible, write_json

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from memoledger.model.caller import Caller
    from memoledger.model.keys import ApiKey
    from memoledger.services.context import Context

PAGE: Final = 1_000

app = typer.Typer(no_args_is_help=True, help="API keys of the service: create, list, revoke.")


def create(
    given: Invocation,
    name: Annotated[str, typer.Argument(metavar="NAME", help="What the key is for.")],
    scope: Annotated[
        list[str] | None,
        typer.Option(
            "--scope",
            metavar="SCOPE",
            help="What it may do: read, write or admin, once for each; without it read and write.",
        ),
    ] = None,
    days: Annotated[
        int | None,
        typer.Option("--days", min=1, max=36_500, help="Days it is good for; without it for ever."),
    ] = None,
) -> None:
    """Make a key for a user (`--tenant`, `--user`). It is shown this once: keep it safe."""
    from memoledger.model.keys import check_scopes
    from memoledger.services.keys import create_key

    scopes = check_scopes("--scope", scope or ("read", "write"))
    until = None if days is None else datetime.now(UTC) + timedelta(days=days)

    async def run() -> tuple[ApiKey, str]:
        async with _operator(given) as (context, caller):
            fresh = await create_key(context, caller, name=name, scopes=scopes, expires_at=until)
            return fresh, fresh.secret

    key, secret = asyncio.run(run())
    if given.as_json:
        write_json({**_plain(key), "secret": secret})
        return
    say(secret)
    tell("This is the key. It is kept nowhere and cannot be shown again.")
    tell(f"For {visible(key.user)} of {visible(key.tenant)}: {_scopes(key)}; {_end(key)}.")


def list_keys(
    given: Invocation,
    everybody: Annotated[
        bool, typer.Option("--everybody", help="Those of every user of the tenant.")
    ] = False,
) -> None:
    """List a user's keys, newest first; never their secrets."""

    async def run() -> list[ApiKey]:
        from memoledger.services import keys

        found: list[ApiKey] = []
        async with _operator(given) as (context, caller):
            cursor: str | None = None
            while True:
                page = await keys.list_keys(
                    context, caller, everybody=everybody, limit=PAGE, cursor=cursor
                )
                found += page.keys
                cursor = page.next_cursor
                if cursor is None:
                    return found

    found = asyncio.run(run())
    if given.as_json:
        write_json({"keys": [_plain(key) for key in found]})
    elif not found:
        tell("There are none. `memoledger keys create NAME` makes one.")
    else:
        say(_table(found))


def revoke(
    given: Invocation,
    key_id: Annotated[str, typer.Argument(metavar="KEY-ID", help="Its id, as the list shows it.")],
) -> None:
    """Revoke a key of any user of the tenant: running services refuse it within seconds."""

    async def run() -> ApiKey:
        from memoledger.services.keys import revoke_key

        async with _operator(given) as (context, caller):
            return await revoke_key(context, caller, key_id)

    key = asyncio.run(run())
    if given.as_json:
        write_json({**_plain(key), "outcome": "revoked"})
    else:
        say(f"Revoked: {visible(key.name)} of {visible(key.user)}.")


@asynccontextmanager
async def _operator(given: Invocation) -> AsyncIterator[tuple[Context, Caller]]:
    """The open ledger, and its operator in the place of a user."""
    from memoledger.model.caller import EVERY_SCOPE, Caller

    async with given.ledger() as ledger:
        principal = await ledger.principal(tenant=given.tenant, user=given.acting_user)
        caller = Caller(principal.principal, EVERY_SCOPE, "development")
        yield ledger.application.context, caller


def _table(keys: Sequence[ApiKey]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in ("key", "user", "scopes", "made", "last used", "state", "id"):
        table.add_column(column, overflow="fold")
    for key in keys:
        used = "never" if key.last_used_at is None else moment(key.last_used_at)
        names = (visible(key.name), visible(key.user), _scopes(key))
        table.add_row(*names, moment(key.created_at), used, _end(key), str(key.id))
    return table


def _scopes(key: ApiKey) -> str:
    from memoledger.model.keys import ordered

    return ", ".join(ordered(key.scopes))


def _end(key: ApiKey) -> str:
    if key.revoked_at is not None:
        return f"revoked {moment(key.revoked_at)}"
    if key.expires_at is None:
        return "good for ever"
    verb = "good until" if key.is_good_at(datetime.now(UTC)) else "expired"
    return f"{verb} {moment(key.expires_at)}"


def _plain(key: ApiKey) -> dict[str, Any]:
    """The key as JSON-ready data, without a secret."""
    from memoledger.model.keys import ordered

    instants = ("created_at", "expires_at", "last_used_at", "revoked_at")
    return {
        "id": str(key.id),
        "name": key.name,
        "tenant": key.tenant,
        "user": key.user,
        "scopes": list(ordered(key.scopes)),
        "created_by": key.created_by,
        "created_with": None if key.created_with is None else str(key.created_with),
        **{name: _text(getattr(key, name)) for name in instants},
    }


def _text(instant: datetime | None) -> str | None:
    return None if instant is None else instant.isoformat()


command(app, "create", takes="principal")(create)
command(app, "list", takes="principal")(list_keys)
command(app, "revoke", takes="principal")(revoke)
