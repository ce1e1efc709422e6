"""What may be seen: at a store that a caller may not see, the answer is 404 to whatever it was."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Annotated, Final, TypeVar
from uuid import UUID

from fastapi import Path
from starlette.requests import Request

from memoledger.model import limits as model_limits
from memoledger.model.checks import check_count
from memoledger.model.errors import Forbidden
from memoledger.services.context import Context, Scope
from memoledger.services.stores import get_store
from memoledger.surfaces.api.caller import caller_of
from memoledger.surfaces.api.limits import Limits
from memoledger.surfaces.api.service import service_of

T = TypeVar("T")

PAGE: Final = 100
"""Items of a page unless the client says otherwise."""

StoreId = Annotated[UUID, Path(alias="storeId", description="The store's id.")]
MemoryId = Annotated[UUID, Path(alias="memoryId", description="The memory's id.")]
DocumentId = Annotated[UUID, Path(alias="documentId", description="The document's id.")]
UserId = Annotated[
    str,
    Path(
        alias="userId",
        description="The user's name.",
        min_length=1,
        max_length=model_limits.NAME_BYTES_MAX,
    ),
]


def at(request: Request, store_id: UUID) -> tuple[Context, Scope]:
    """The ledger, and the caller at a store."""
    return service_of(request).context, Scope(caller_of(request).principal, store_id)


async def unless_unseen(context: Context, scope: Scope, act: Awaitable[T]) -> T:
    """What `act` gives; a store that it may not write, and the caller may not even see, is none.

    Raises:
        NotFound: the caller may not see the store.
        Forbidden: they may see it, but not do that.
    """
    try:
        return await act
    except Forbidden:
        await get_store(context, scope.principal, scope.store_id)
        raise


def page_size(limit: int | None, limits: Limits) -> int:
    """Items of a page, checked against the service's limit.

    Raises:
        InvalidInput: more are asked for than a page may have.
    """
    wanted = min(PAGE, limits.page) if limit is None else limit
    return check_count("limit", wanted, least=1, most=limits.page)
