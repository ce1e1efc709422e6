"""The queue of a tenant: what waits to be embedded, what failed; to try it again, or to let it go.

For admins, who manage and do not read: ids, counts and kinds of errors.
"""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from memoledger.model import limits
from memoledger.model.caller import Caller
from memoledger.model.checks import check_count
from memoledger.model.ids import as_ids
from memoledger.model.queue import QueueDepth, QueueRow
from memoledger.services.context import Context


async def queue_depth(context: Context, caller: Caller) -> QueueDepth:
    """How much of the caller's tenant waits to be embedded.

    Raises:
        Forbidden: they came without the scope admin.
    """
    caller.require("admin")
    return await context.ledger.schedules.depth(caller.principal, caller.scopes)


async def list_queue(
    context: Context, caller: Caller, *, poisoned: bool = False, limit: int = 100
) -> list[QueueRow]:
    """What of the caller's tenant waits to be embedded, what was set aside first, then the oldest.

    Args:
        poisoned: only what was set aside.
        limit: rows at most, 1 to 1,000.

    Raises:
        Forbidden: they came without the scope admin.
        InvalidInput: the limit is out of its range.
    """
    caller.require("admin")
    at_most = check_count("limit", limit, least=1, most=limits.LIMIT_MAX)
    return await context.ledger.schedules.rows(
        caller.principal, caller.scopes, poisoned=poisoned, limit=at_most
    )


async def retry_queue(
    context: Context, caller: Caller, ids: Sequence[UUID | str] | None = None
) -> int:
    """Have what failed or was set aside tried again now; how many rows that were.

    Args:
        ids: of memories or chunks; None for all of the tenant.

    Raises:
        Forbidden: they came without the scope admin.
        InvalidInput: that is no list of ids.
    """
    caller.require("admin")
    wanted = None if ids is None else as_ids("ids", ids, most=limits.BATCH_MAX)
    return await context.ledger.schedules.retry(caller.principal, caller.scopes, wanted)


async def drop_queue(
    context: Context, caller: Caller, ids: Sequence[UUID | str] | None = None
) -> int:
    """Take what was set aside off the schedule: words go on finding it. How many rows that were.

    Args:
        ids: of memories or chunks; None for all of the tenant.

    Raises:
        Forbidden: they came without the scope admin.
        InvalidInput: that is no list of ids.
    """
    caller.require("admin")
    wanted = None if ids is None else as_ids("ids", ids, most=limits.BATCH_MAX)
    return await context.ledger.schedules.drop(caller.principal, caller.scopes, wanted)
