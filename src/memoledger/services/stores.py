"""Stores: get or create, find, list, open to the tenant, share."""

from __future__ import annotations

from typing import get_args
from uuid import UUID

from memoledger.model import limits
from memoledger.model.checks import check_choice, check_count, check_name
from memoledger.model.errors import Forbidden, NotFound
from memoledger.model.ids import as_id
from memoledger.model.pages import StorePage
from memoledger.model.principal import Principal, check_grantee
from memoledger.model.store import Access, Grant, Store, Visibility
from memoledger.services.context import Context, Scope
from memoledger.services.read import CURSOR_REMEDY


async def get_or_create_store(context: Context, principal: Principal, name: str) -> Store:
    """The principal's own store of that name, created if it is not there."""
    found, _ = await make_store(context, principal, name)
    return found


async def make_store(
    context: Context, principal: Principal, name: str, visibility: Visibility = "private"
) -> tuple[Store, bool]:
    """The same, and whether it was created now; only then the visibility counts."""
    check_name("store", name)
    check_choice("visibility", visibility, get_args(Visibility))
    stores = context.ledger.stores
    found = await stores.by_name(principal, principal.user, name)
    if found is not None:
        return found, False
    created = await stores.create(principal, name, visibility)
    if created is not None:
        return created, True
    # Another process created it between the two statements.
    found = await stores.by_name(principal, principal.user, name)
    if found is None:
        raise NotFound(f"The store {name!r} vanished while it was being created.")
    return found, False


async def find_store(
    context: Context, principal: Principal, name: str, owner: str | None = None
) -> Store:
    """A store by its name, the principal's own or that of `owner`.

    Raises:
        NotFound: there is none, or none this principal may see.
    """
    check_name("store", name)
    whose = principal.user if owner is None else check_name("owner", owner)
    found = await context.ledger.stores.by_name(principal, whose, name)
    if found is None:
        raise NotFound(
            f"{principal.user!r} of {principal.tenant!r} sees no store {name!r} of {whose!r}.",
            remedy="List the stores you can see, or ask its owner to share it.",
        )
    return found


async def get_store(context: Context, principal: Principal, store_id: UUID) -> Store:
    """A store by its id.

    Raises:
        NotFound: there is none, or none this principal may see.
    """
    found = await context.ledger.stores.by_id(principal, store_id)
    if found is None:
        raise NotFound(
            f"There is no store {store_id} that this principal may see.",
            remedy="List the stores, or ask its owner to share it.",
        )
    return found


async def list_stores(
    context: Context, principal: Principal, *, limit: int = 100, cursor: str | None = None
) -> StorePage:
    """A page of the stores the principal may read, in the order of their making."""
    at_most = check_count("limit", limit, least=1, most=limits.LIMIT_MAX)
    after_id = None if cursor is None else as_id("cursor", cursor, remedy=CURSOR_REMEDY)
    found = await context.ledger.stores.list(principal, after_id=after_id, limit=at_most + 1)
    page = found[:at_most]
    return StorePage(page, str(page[-1].id) if len(found) > at_most else None)


async def set_visibility(
    context: Context, principal: Principal, store_id: UUID, visibility: Visibility
) -> Store:
    """Open a store to its tenant for reading, or close it again.

    Raises:
        Forbidden: the store is not the principal's own.
    """
    check_choice("visibility", visibility, get_args(Visibility))
    changed = await context.ledger.stores.set_visibility(principal, store_id, visibility)
    if changed is None:
        raise Forbidden(
            "Only its owner may open or close a store.", remedy="Ask the owner to do it."
        )
    return changed


async def share(
    context: Context, principal: Principal, store_id: UUID, user: str, access: Access = "read"
) -> Grant:
    """Let another user of the tenant read a store, or read and write it.

    Raises:
        Forbidden: the store is not the principal's own.
        InvalidInput: the user is the owner, or the access is not known.
    """
    check_grantee(principal, user)
    check_choice("access", access, get_args(Access))
    return await context.ledger.stores.grant(principal, store_id, user, access)


async def unshare(context: Context, principal: Principal, store_id: UUID, user: str) -> None:
    """Take a grant back.

    Raises:
        NotFound: the principal gave that user no grant on this store.
    """
    if not await context.ledger.stores.revoke(principal, store_id, check_name("user", user)):
        raise NotFound(
            f"User {user!r} holds no grant of yours on this store.", remedy="List its grants."
        )


async def list_grants(context: Context, principal: Principal, store_id: UUID) -> list[Grant]:
    """The grants on a store which the principal gave or holds."""
    return await context.ledger.stores.grants(principal, store_id)


async def require_write_access(context: Context, scope: Scope) -> None:
    """Refuse whoever may only read a store; the database does so by finding nothing to change.

    Raises:
        Forbidden: the store is not the principal's to write.
    """
    if not await context.ledger.stores.may_write(scope.principal, scope.store_id):
        raise Forbidden(
            "This principal may read the store but not write into it.",
            remedy="Ask the store's owner for a write grant.",
        )
