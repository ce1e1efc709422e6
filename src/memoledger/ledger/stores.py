"""Tenants, users, stores and grants in the ledger."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from memoledger.ledger.round_trip import Call, Row
from memoledger.ledger.sessions import Sessions
from memoledger.ledger.statements import statements
from memoledger.model.ids import new_id
from memoledger.model.people import Tenant, User
from memoledger.model.principal import Principal
from memoledger.model.store import Access, Grant, Store, Visibility

_PRINCIPALS = statements("principals")
_SQL = statements("stores")


class Stores:
    """Reads and writes of who there is and what they own."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    async def introduce(self, principal: Principal) -> None:
        """Note a tenant and a user at their first use."""
        await self._sessions.run(
            principal,
            None,
            (_PRINCIPALS["introduce_tenant"], {"tenant": principal.tenant, "user": principal.user}),
            _introduction(principal, principal.user),
        )

    async def introduce_user(self, principal: Principal, user: str) -> User | None:
        """Note a user of the principal's tenant; as the ledger has them then."""
        _, rows = await self._sessions.run(
            principal,
            None,
            _introduction(principal, user),
            (_PRINCIPALS["user_by_id"], {"wanted": user}),
        )
        return User(*rows[0]) if rows else None

    async def tenant(self, principal: Principal) -> Tenant | None:
        """The principal's tenant; None if it was never noted."""
        [rows] = await self._sessions.run(principal, None, (_PRINCIPALS["own_tenant"], {}))
        return Tenant(*rows[0]) if rows else None

    async def users(self, principal: Principal, *, after: str | None, limit: int) -> Sequence[User]:
        """At most `limit` users of the principal's tenant, after the one named `after`."""
        params = {"after": after, "limit": limit}
        [rows] = await self._sessions.run(principal, None, (_PRINCIPALS["list_users"], params))
        return [User(*row) for row in rows]

    async def create(
        self, principal: Principal, name: str, visibility: Visibility = "private"
    ) -> Store | None:
        """Create a store of the principal's; None if there is one of that name."""
        params = {
            "tenant": principal.tenant,
            "user": principal.user,
            "store_id": new_id(),
            "name": name,
            "visibility": visibility,
        }
        return await self._one(principal, "create_store", params)

    async def by_name(self, principal: Principal, owner: str, name: str) -> Store | None:
        """The store of that owner and name, if the principal may see it."""
        return await self._one(principal, "store_by_name", {"owner": owner, "name": name})

    async def by_id(self, principal: Principal, store_id: UUID) -> Store | None:
        """The store of that id, if the principal may see it."""
        return await self._one(principal, "store_by_id", {"store_id": store_id})

    async def set_visibility(
        self, principal: Principal, store_id: UUID, visibility: Visibility
    ) -> Store | None:
        """Open or close a store of the principal's; None if it is not theirs."""
        params = {"store_id": store_id, "visibility": visibility, "user": principal.user}
        return await self._one(principal, "set_visibility", params)

    async def grant(
        self, principal: Principal, store_id: UUID, grantee: str, access: Access
    ) -> Grant:
        """Grant access to a store of the principal's; introduces the grantee."""
        params = {
            "tenant": principal.tenant,
            "user": principal.user,
            "store_id": store_id,
            "grantee": grantee,
            "access": access,
        }
        _, rows = await self._sessions.run(
            principal, None, _introduction(principal, grantee), (_SQL["grant_access"], params)
        )
        return _as_grant(rows[0])

    async def revoke(self, principal: Principal, store_id: UUID, grantee: str) -> bool:
        """Take a grant back; False if there was none of the principal's."""
        params = {"store_id": store_id, "grantee": grantee}
        [rows] = await self._sessions.run(principal, None, (_SQL["revoke_access"], params))
        return bool(rows)

    async def grants(self, principal: Principal, store_id: UUID) -> list[Grant]:
        """The grants on a store which the principal gave or holds."""
        params = {"store_id": store_id}
        [rows] = await self._sessions.run(principal, None, (_SQL["list_grants"], params))
        return [_as_grant(row) for row in rows]

    async def _one(self, principal: Principal, name: str, params: dict[str, Any]) -> Store | None:
        [rows] = await self._sessions.run(principal, None, (_SQL[name], params))
        return _as_store(rows[0]) if rows else None

    async def may_write(self, principal: Principal, store_id: UUID) -> bool:
        """Whether the principal may write into a store."""
        call = (_SQL["may_write_store"], {"store_id": store_id, "user": principal.user})
        [rows] = await self._sessions.run(principal, None, call)
        return bool(rows)

    async def list(self, principal: Principal, *, after_id: UUID | None, limit: int) -> list[Store]:
        """At most `limit` stores that the principal may read, after `after_id`."""
        params = {"after_id": after_id, "limit": limit}
        [rows] = await self._sessions.run(principal, None, (_SQL["list_stores"], params))
        return [_as_store(row) for row in rows]


def _introduction(principal: Principal, user: str) -> Call:
    who = {"tenant": principal.tenant, "user": principal.user, "introduced": user}
    return _PRINCIPALS["introduce_user"], who


def _as_store(row: Row | Sequence[Any]) -> Store:
    return Store(
        id=row[0],
        name=row[1],
        owner=row[2],
        visibility=row[3],
        created_at=row[4],
        updated_at=row[5],
    )


def _as_grant(row: Row | Sequence[Any]) -> Grant:
    return Grant(
        store_id=row[0], grantee=row[1], access=row[2], granted_by=row[3], granted_at=row[4]
    )
