"""Get, list and history: memories by themselves."""

from __future__ import annotations

from datetime import datetime
from typing import Final
from uuid import UUID

from memoledger.model import limits
from memoledger.model.checks import check_count, check_instant
from memoledger.model.errors import NotFound
from memoledger.model.ids import as_id
from memoledger.model.memory import Memory
from memoledger.model.pages import Page
from memoledger.model.recall import NO_FILTER, Filter
from memoledger.services.context import Context, Scope

CURSOR_REMEDY: Final = "Give the `next_cursor` of the page before, or None to begin."


async def get(
    context: Context,
    scope: Scope,
    memory_id: UUID | str,
    *,
    as_of: datetime | str | None = None,
) -> Memory:
    """The version that is current, or was at `as_of`.

    Raises:
        NotFound: there is none, or it expired, was forgotten or erased, or is another's.
    """
    wanted = as_id("id", memory_id)
    instant = check_instant("as_of", as_of)
    found = await context.ledger.memories.get(scope.principal, scope.store_id, wanted, instant)
    if found is None:
        raise no_such_memory(wanted)
    return found


async def history(context: Context, scope: Scope, memory_id: UUID | str) -> list[Memory]:
    """Every version of a memory, oldest first, also of one forgotten; texts are empty once erased.

    Raises:
        NotFound: there never was one that the principal may see.
    """
    wanted = as_id("id", memory_id)
    versions = await context.ledger.memories.history(scope.principal, scope.store_id, wanted)
    if not versions:
        raise no_such_memory(wanted)
    return versions


async def list_memories(
    context: Context,
    scope: Scope,
    *,
    filter: Filter | None = None,  # noqa: A002 - the field's natural name
    as_of: datetime | str | None = None,
    limit: int = 100,
    cursor: str | None = None,
) -> Page:
    """A page of the store's memories, in the order of their making.

    Args:
        limit: 1 to 1,000.
        cursor: `next_cursor` of the page before.
    """
    at_most = check_count("limit", limit, least=1, most=limits.LIMIT_MAX)
    found = await context.ledger.memories.list(
        scope.principal,
        scope.store_id,
        filter=filter or NO_FILTER,
        after_id=None if cursor is None else as_id("cursor", cursor, remedy=CURSOR_REMEDY),
        as_of=check_instant("as_of", as_of),
        limit=at_most + 1,
    )
    more = len(found) > at_most
    page = found[:at_most]
    return Page(page, str(page[-1].id) if more else None)


def no_such_memory(memory_id: UUID) -> NotFound:
    """The error for a memory that is not there, or not to be seen."""
    return NotFound(
        f"There is no memory {memory_id} in this store.",
        remedy="It may be forgotten, expired, erased or another's; history tells of your own.",
        id=str(memory_id),
    )
