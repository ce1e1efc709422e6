"""The handle of a principal, over HTTP: its stores and receipts."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from memoledger.client import wire
from memoledger.client.store import StoreHandle
from memoledger.client.transport import Transport, path_of
from memoledger.model import limits
from memoledger.model.checks import check_count, check_instant, check_name, check_period
from memoledger.model.errors import Forbidden, NotFound
from memoledger.model.ids import as_id
from memoledger.model.pages import StorePage
from memoledger.model.principal import Principal
from memoledger.model.receipts import Receipt, ReceiptPage
from memoledger.model.store import Store


class PrincipalHandle:
    """A user of a tenant, acting. `Memoledger.principal` makes one."""

    def __init__(self, transport: Transport, principal: Principal) -> None:
        self._transport = transport
        self.principal = principal

    async def store(self, name: str, *, owner: str | None = None) -> StoreHandle:
        """A store by its name: the own one, created if it is not there, or one that `owner` shares.

        Raises:
            NotFound: `owner` has no such store, or does not share it.
            Forbidden: there is none yet, and the key may not create one.
        """
        check_name("store", name)
        if owner is not None and owner != self.principal.user:
            return await self.find_store(name, owner=owner)
        try:
            body = {"name": name}
            made = await self._transport.write(wire.store, "POST", path_of("stores"), body=body)
        except Forbidden:
            # A key that may only read cannot create; what is there it can have.
            found = await self._named(name, self.principal.user)
            if found is None:
                raise
            return self._handle(found)
        return self._handle(made)

    async def find_store(self, name: str, *, owner: str | None = None) -> StoreHandle:
        """A store by its name, never created.

        Raises:
            NotFound: there is none that this principal may see.
        """
        check_name("store", name)
        whose = self.principal.user if owner is None else check_name("owner", owner)
        found = await self._named(name, whose)
        if found is None:
            principal = self.principal
            raise NotFound(
                f"{principal.user!r} of {principal.tenant!r} sees no store {name!r} of {whose!r}.",
                remedy="List the stores you can see, or ask its owner to share it.",
            )
        return self._handle(found)

    async def store_by_id(self, store_id: UUID | str) -> StoreHandle:
        """A store by its id.

        Raises:
            NotFound: there is none that this principal may see.
        """
        wanted = as_id("store", store_id, remedy="Give the `id` of a store.")
        path = path_of("stores", wanted)
        return self._handle(await self._transport.ask(wire.store, "GET", path))

    async def stores(self, *, limit: int = 100, cursor: str | None = None) -> StorePage:
        """A page of the stores this principal may read, in the order of their making.

        Args:
            limit: 1 to 1,000.
            cursor: `next_cursor` of the page before.
        """
        check_count("limit", limit, least=1, most=limits.LIMIT_MAX)
        query = {"limit": limit, "cursor": cursor}
        return await self._transport.ask(wire.stores, "GET", path_of("stores"), query=query)

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
        check_count("limit", limit, least=1, most=limits.LIMIT_MAX)
        first, last = check_instant("since", since), check_instant("until", until)
        check_period("since", first, "until", last)
        asked = {
            "store_id": None if store is None else as_id("store", store),
            "memory_id": None if memory_id is None else as_id("memory_id", memory_id),
            "since": first,
            "until": last,
            "limit": limit,
            "cursor": cursor,
        }
        query = wire.body_of(asked)
        return await self._transport.ask(wire.receipts, "GET", path_of("receipts"), query=query)

    async def receipt(self, receipt_id: UUID | str) -> Receipt:
        """The receipt of one recall, by the `receipt_id` of its answer.

        Raises:
            NotFound: there is none that this principal may see.
        """
        remedy = "Give the `receipt_id` of an answer, or an id that a listing shows."
        wanted = as_id("receipt_id", receipt_id, remedy=remedy)
        return await self._transport.ask(wire.receipt, "GET", path_of("receipts", wanted))

    async def _named(self, name: str, owner: str) -> Store | None:
        query = {"name": name, "owner": owner}
        page = await self._transport.ask(wire.stores, "GET", path_of("stores"), query=query)
        return page.stores[0] if page.stores else None

    def _handle(self, store: Store) -> StoreHandle:
        return StoreHandle(self._transport, self.principal, store)
