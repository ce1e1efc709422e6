"""Tenants and users: who there is. Admins of a tenant see and note its users."""

from __future__ import annotations

from memoledger.model import limits
from memoledger.model.caller import Caller
from memoledger.model.checks import check_count, check_name
from memoledger.model.errors import NotFound
from memoledger.model.people import Tenant, User, UserPage
from memoledger.model.principal import Principal, check_user
from memoledger.services.context import Context


async def own_tenant(context: Context, principal: Principal) -> Tenant:
    """The principal's own tenant; there is no other to be seen.

    Raises:
        NotFound: the ledger has not noted it yet.
    """
    found = await context.ledger.stores.tenant(principal)
    if found is None:
        raise no_such_tenant(principal.tenant)
    return found


async def list_users(
    context: Context, caller: Caller, *, limit: int = 100, cursor: str | None = None
) -> UserPage:
    """A page of the tenant's users, in the order of their names.

    Args:
        limit: 1 to 1,000.
        cursor: `next_cursor` of the page before.

    Raises:
        Forbidden: the caller came without the scope admin.
    """
    caller.require("admin")
    at_most = check_count("limit", limit, least=1, most=limits.LIMIT_MAX)
    after = None if cursor is None else check_name("cursor", cursor)
    found = list(
        await context.ledger.stores.users(caller.principal, after=after, limit=at_most + 1)
    )
    page = found[:at_most]
    return UserPage(page, page[-1].id if len(found) > at_most else None)


async def note_user(context: Context, caller: Caller, user: str) -> User:
    """Note a user of the tenant; one who is there stays as they are.

    Raises:
        Forbidden: the caller came without the scope admin.
        InvalidInput: that is no possible name of a user.
    """
    caller.require("admin")
    noted = await context.ledger.stores.introduce_user(caller.principal, check_user("user", user))
    if noted is None:
        raise NotFound(f"There is no user {user!r}.", remedy="Try again.")
    return noted


def no_such_tenant(tenant: str) -> NotFound:
    """The error for a tenant that is not there, or not the caller's."""
    return NotFound(
        f"There is no tenant {tenant!r} that you may see.", remedy="GET /v1/me names your own."
    )
