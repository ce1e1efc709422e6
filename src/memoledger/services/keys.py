"""API keys: make, list, revoke.

Everybody manages their own keys; the scope `admin` lets a caller manage those of every user of the
tenant. Nobody makes a key with more scopes than they came with. The database holds all of this too.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from memoledger.model import limits
from memoledger.model.caller import Caller
from memoledger.model.checks import check_count, check_instant, check_name
from memoledger.model.errors import Forbidden, InvalidInput, NotFound
from memoledger.model.ids import as_id, new_id
from memoledger.model.keys import (
    ApiKey,
    FreshKey,
    KeyPage,
    Scope,
    check_scopes,
    digest_of,
    key_text,
    ordered,
)
from memoledger.model.principal import check_user
from memoledger.services.context import Context
from memoledger.services.read import CURSOR_REMEDY


async def create_key(
    context: Context,
    caller: Caller,
    *,
    name: str,
    scopes: Iterable[Scope] = ("read", "write"),
    user: str | None = None,
    expires_at: datetime | None = None,
) -> FreshKey:
    """Make a key. Its secret is in the answer and nowhere else; it cannot be shown again.

    Args:
        name: what the key is for, up to 200 bytes.
        scopes: at most those the caller came with.
        user: as whom it acts; without it the caller. Another's takes the scope admin.
        expires_at: from when on it is refused; None for never.

    Raises:
        InvalidInput: a value is malformed, or the key would have expired already.
        Forbidden: more scopes than the caller's, or another's key without the scope admin.
    """
    check_name("name", name)
    wanted = check_scopes("scopes", scopes)
    whose = caller.principal.user if user is None else check_user("user", user)
    until = check_instant("expires_at", expires_at)
    if until is not None and until <= context.clock.now():
        raise InvalidInput(
            "expires_at", until.isoformat(), "it is over", remedy="Give a later instant."
        )
    _require_management(caller, whose)
    for scope in ordered(wanted - caller.scopes):
        raise Forbidden(
            f"You cannot give a key the scope {scope!r}, which you came without.",
            remedy="Ask an admin of the tenant, or leave it out.",
            scope=scope,
        )
    key_id = new_id()
    text = key_text(key_id)
    made = await context.ledger.keys.create(
        caller,
        key_id,
        digest_of(text),
        name=name,
        user=whose,
        scopes=wanted,
        expires_at=until,
    )
    return FreshKey(
        made.id,
        made.name,
        made.tenant,
        made.user,
        made.scopes,
        made.created_at,
        made.created_by,
        made.created_with,
        made.expires_at,
        secret=text,
    )


async def list_keys(
    context: Context,
    caller: Caller,
    *,
    user: str | None = None,
    everybody: bool = False,
    limit: int = 100,
    cursor: str | None = None,
) -> KeyPage:
    """A page of keys, newest first, those revoked and expired among them.

    Args:
        user: whose; without it the caller's own. Another's takes the scope admin.
        everybody: those of the whole tenant; takes the scope admin.
        limit: keys a page, 1 to 1,000.
        cursor: the `next_cursor` of the page before.

    Raises:
        InvalidInput: a value is malformed, or `user` and `everybody` contradict each other.
        Forbidden: another's keys without the scope admin.
    """
    at_most = check_count("limit", limit, least=1, most=limits.LIMIT_MAX)
    before = None if cursor is None else as_id("cursor", cursor, remedy=CURSOR_REMEDY)
    whose = caller.principal.user if user is None else check_user("user", user)
    if everybody and user is not None:
        raise InvalidInput(
            "everybody", everybody, "a user is given too", remedy="Give one of the two."
        )
    _require_management(caller, None if everybody else whose)
    found = await context.ledger.keys.list(
        caller, user=None if everybody else whose, before=before, limit=at_most + 1
    )
    page = tuple(found[:at_most])
    return KeyPage(page, str(page[-1].id) if len(found) > at_most else None)


async def get_key(context: Context, caller: Caller, key_id: UUID | str) -> ApiKey:
    """A key, one's own or with the scope admin another's.

    Raises:
        NotFound: there is no such key, or none that the caller manages.
    """
    found = await context.ledger.keys.get(caller, _as_key_id(key_id))
    if found is None:
        raise _no_such_key()
    return found


async def revoke_key(context: Context, caller: Caller, key_id: UUID | str) -> ApiKey:
    """Revoke a key, one's own or with the scope admin another's; a revoked one stays as it is.

    It is refused at once where `Authenticator.forget` is called too, and by other processes once
    they ask again: after MEMOLEDGER_KEY_TRUST_S at the latest.

    Raises:
        NotFound: there is no such key, or none that the caller manages.
    """
    found = await context.ledger.keys.revoke(caller, _as_key_id(key_id))
    if found is None:
        raise _no_such_key()
    return found


def _as_key_id(key_id: UUID | str) -> UUID:
    return as_id("key", key_id, remedy="Give the key's id, as the list shows it.")


def _no_such_key() -> NotFound:
    return NotFound("There is no such key among yours.", remedy="List the keys you manage.")


def _require_management(caller: Caller, user: str | None) -> None:
    """Only an admin manages another's keys, or everybody's (None)."""
    if user != caller.principal.user:
        caller.require("admin")
