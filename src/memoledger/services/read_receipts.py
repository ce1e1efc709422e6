"""Receipts read back: list, get, and the access counts that are made of them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from memoledger.model import limits
from memoledger.model.checks import check_count, check_instant, check_period
from memoledger.model.errors import NotFound
from memoledger.model.ids import as_id, as_ids
from memoledger.model.principal import Principal
from memoledger.model.receipts import Accesses, Receipt, ReceiptPage, least_id_from
from memoledger.services.context import Context, Scope
from memoledger.services.read import CURSOR_REMEDY

_ID_REMEDY = "Give the `receipt_id` of an answer, or an id that a listing shows."


async def list_receipts(
    context: Context,
    principal: Principal,
    *,
    store_id: UUID | str | None = None,
    memory_id: UUID | str | None = None,
    since: datetime | str | None = None,
    until: datetime | str | None = None,
    limit: int = 100,
    cursor: str | None = None,
) -> ReceiptPage:
    """A page of the receipts a principal may see, newest first: own ones, and those on own stores.

    This ledger's own recalls are all there, also those of the last moment.

    Args:
        memory_id: only recalls that returned this memory.
        since, until: only recalls answered at or after `since` and before `until`.
        limit: 1 to 1,000.
        cursor: `next_cursor` of the page before.

    Raises:
        InvalidInput: an argument is malformed.
    """
    at_most = check_count("limit", limit, least=1, most=limits.LIMIT_MAX)
    first, last = check_instant("since", since), check_instant("until", until)
    check_period("since", first, "until", last)
    ends = [] if last is None else [least_id_from(last)]
    if cursor is not None:
        ends.append(as_id("cursor", cursor, remedy=CURSOR_REMEDY))
    await context.receipts.flush()
    found = await context.ledger.receipts.list(
        principal,
        store_id=None if store_id is None else as_id("store", store_id),
        memory_id=None if memory_id is None else as_id("memory_id", memory_id),
        first_id=UUID(int=0) if first is None else least_id_from(first),
        before_id=min(ends, default=None),
        limit=at_most + 1,
    )
    page = found[:at_most]
    return ReceiptPage(page, str(page[-1].id) if len(found) > at_most else None)


async def get_receipt(context: Context, principal: Principal, receipt_id: UUID | str) -> Receipt:
    """The receipt of one recall.

    Raises:
        NotFound: there is none, it is past its retention, or it is another's.
    """
    wanted = as_id("receipt_id", receipt_id, remedy=_ID_REMEDY)
    await context.receipts.flush()
    found = await context.ledger.receipts.get(principal, wanted)
    if found is None:
        raise NotFound(
            f"There is no receipt {wanted} that this principal may see.",
            remedy="It may be older than receipts are kept, or another's.",
            id=str(wanted),
        )
    return found


async def accesses(
    context: Context, scope: Scope, memory_ids: Iterable[UUID | str]
) -> dict[UUID, Accesses]:
    """How often each memory was returned by a recall, and when last; never returned, not here.

    Args:
        memory_ids: at most 1,000.

    Raises:
        InvalidInput: one is no id, or there are too many.
    """
    wanted = as_ids("memory_ids", memory_ids, most=limits.LIMIT_MAX)
    await context.receipts.flush()
    return await context.ledger.receipts.accesses(scope.principal, scope.store_id, wanted)
