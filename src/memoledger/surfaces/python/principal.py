"""The handle of a principal: its stores."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from memoledger.model.errors import NotFound
from memoledger.model.ids import as_id
from memoledger.model.pages import StorePage
from memoledger.model.principal import Principal
from memoledger.model.receipts import Receipt, ReceiptPage
from memoledger.services import read_receipts, stores
from memoledger.services.context import Context
from memoledger.surfaces.python.store import StoreHandle


class PrincipalHandle:
    """A user of a tenant, acting. `Memoledger.principal` makes one."""

    def __init__(self, context: Context, principal: Principal) -> None:
        self._context = context
        self.principal = principal

    async def store(self, name: str, *, owner: str | None = None) -> StoreHandle:
        """A store by its name: the own one, created if it is not there, or one that `owner` shares.

        Raises:
            NotFound: `owner` has no such store, or does not share it.
        """
        if owner is None or owner == self.principal.user:
            found = await stores.get_or_create_store(self._context, self.principal, name)
        else:
            found = await stores.find_store(self._context, self.principal, name, owner)
        return StoreHandle(self._context, self.principal, found)

    async def find_store(self, name: str, *, owner: str | None = None) -> StoreHandle:
        """A store by its name, never created.

        Raises:
            NotFound: there is none that this principal may see.
        """
        found = await stores.find_store(self._context, self.principal, name, owner)
        return StoreHandle(self._context, self.principal, found)

    async def store_by_id(self, store_id: UUID | str) -> StoreHandle:
        """A store by its id.

        Raises:
            NotFound: there is none that this principal may see.
        """
        wanted = as_id("store", store_id, remedy="Give the `id` of a store.")
        found = await self._context.ledger.stores.by_id(self.principal, wanted)
        if found is None:
            raise NotFound(
                f"There is no store {wanted} that this principal may see.",
                remedy="List the stores, or ask its owner to share it.",
            )
        return StoreHandle(self._context, self.principal, found)

    async def stores(self, *, limit: int = 100, cursor: str | None = None) -> StorePage:
        """A page of the stores this principal may read, in the order of their making.

        Args:
            limit: 1 to 1,000.
            cursor: `next_cursor` of the page before.
        """
        return await stores.list_stores(self._context, self.principal, limit=limit, cursor=cursor)

    async def receipts(
        self,
        *,
        store: UUID | str | None = None,
        memory_id: UUID | str | None = None,
        since: datetime | str | None = None,
        until: datetime | str | None = None,
        limit: int = 100,
        cursor: str | None = None,
    ) -> ReceiptPage:
        """A page of the recalls this principal made, and of everybody's on stores of their own.

        Newest first. On one's own store those of others are left out whose answers hold what they
        keep private.

        Args:
            store: only recalls in the store of this id.
            memory_id: only recalls that returned this memory.
            since, until: only recalls answered at or after `since` and before `until`.
            limit: 1 to 1,000.
            cursor: `next_cursor` of the page before.
        """
        return await read_receipts.list_receipts(
            self._context,
            self.principal,
            store_id=store,
            memory_id=memory_id,
            since=since,
            until=until,
            limit=limit,
            cursor=cursor,
        )

    async def receipt(self, receipt_id: UUID | str) -> Receipt:
        """The receipt of one recall, by the `receipt_id` of its answer.

        Raises:
            NotFound: there is none that this principal may see.
        """
        return await read_receipts.get_receipt(self._context, self.principal, receipt_id)
