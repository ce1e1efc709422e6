"""Stores, and who else may use them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response

from memoledger.model.errors import InvalidInput, NotFound
from memoledger.model.store import Grant, Store
from memoledger.services.context import Context, Scope
from memoledger.services.stores import (
    find_store,
    get_store,
    list_grants,
    list_stores,
    make_store,
    set_visibility,
    share,
    unshare,
)
from memoledger.surfaces.api import answers, render
from memoledger.surfaces.api.access import StoreId, UserId, at, page_size
from memoledger.surfaces.api.caller import caller_of
from memoledger.surfaces.api.once import Done, once
from memoledger.surfaces.api.paging import opened, sealed
from memoledger.surfaces.api.render import as_json
from memoledger.surfaces.api.requests import ChangedStore, NewGrant, NewStore, StoresAsked
from memoledger.surfaces.api.routing import Route, door
from memoledger.surfaces.api.service import service_of

LISTING = "stores"

router = APIRouter(prefix="/v1/stores", tags=["stores"], route_class=Route)


@router.get("", response_model=answers.Stores)
@door("read")
async def list_all_stores(request: Request, asked: Annotated[StoresAsked, Query()]) -> Response:
    """List the stores the caller may read; with a name, that one store or none."""
    context, caller = service_of(request).context, caller_of(request)
    size = page_size(asked.limit, service_of(request).limits)
    cursor = opened(LISTING, asked.cursor)
    if asked.owner is not None and asked.name is None:
        raise InvalidInput(
            "owner", asked.owner, "it says whose store of a name", remedy="Give `name` as well."
        )
    if asked.name is not None:
        try:
            found = [await find_store(context, caller.principal, asked.name, asked.owner)]
        except NotFound:
            found = []
        return as_json({"stores": [render.store(one) for one in found], "nextCursor": None})
    page = await list_stores(context, caller.principal, limit=size, cursor=cursor)
    stores = [render.store(one) for one in page.stores]
    return as_json({"stores": stores, "nextCursor": sealed(LISTING, page.next_cursor)})


@router.post("", response_model=answers.Store, status_code=201)
@door("write")
async def create_store(request: Request, body: NewStore) -> Response:
    """Make a store of the caller's own: 201. Where there is one of that name: 200, as it is."""
    context, caller = service_of(request).context, caller_of(request)

    async def act() -> Done:
        made, new = await make_store(context, caller.principal, body.name, body.visibility)
        return _done(made, 201 if new else 200)

    async def again(kept: Mapping[str, Any], status: int) -> Done:
        return _done(await get_store(context, caller.principal, UUID(kept["id"])), status)

    return await once(request, act, again)


@router.get("/{storeId:uuid}", response_model=answers.Store)
@door("read")
async def get_one_store(request: Request, store_id: StoreId) -> Response:
    """Get a store."""
    context, scope = at(request, store_id)
    return as_json(render.store(await get_store(context, scope.principal, store_id)))


@router.patch("/{storeId:uuid}", response_model=answers.Store)
@door("write")
async def change_store(request: Request, store_id: StoreId, body: ChangedStore) -> Response:
    """Open a store to its tenant for reading, or close it; only its owner may."""
    context, scope = at(request, store_id)

    async def act() -> Done:
        await get_store(context, scope.principal, store_id)
        return _done(await set_visibility(context, scope.principal, store_id, body.visibility))

    async def again(kept: Mapping[str, Any], status: int) -> Done:
        return _done(await get_store(context, scope.principal, UUID(kept["id"])), status)

    return await once(request, act, again)


@router.get("/{storeId:uuid}/grants", response_model=answers.Grants)
@door("read")
async def list_store_grants(request: Request, store_id: StoreId) -> Response:
    """List the grants on a store that the caller gave or holds."""
    context, scope = at(request, store_id)
    await get_store(context, scope.principal, store_id)
    found = await list_grants(context, scope.principal, store_id)
    return as_json({"grants": [render.grant(one) for one in found]})


@router.get("/{storeId:uuid}/grants/{userId:path}", response_model=answers.Grant)
@door("read")
async def get_grant(request: Request, store_id: StoreId, user_id: UserId) -> Response:
    """Get the grant of one user, if the caller gave or holds it."""
    context, scope = at(request, store_id)
    await get_store(context, scope.principal, store_id)
    return as_json(render.grant(await _granted(context, scope, user_id)))


@router.put("/{storeId:uuid}/grants/{userId:path}", response_model=answers.Grant)
@door("write")
async def grant_access(
    request: Request, store_id: StoreId, user_id: UserId, body: NewGrant
) -> Response:
    """Let another user of the tenant read a store, or read and write it; only its owner may."""
    context, scope = at(request, store_id)

    async def act() -> Done:
        await get_store(context, scope.principal, store_id)
        given = await share(context, scope.principal, store_id, user_id, body.access)
        return Done(200, {}, render.grant(given))

    async def again(kept: Mapping[str, Any], status: int) -> Done:
        await get_store(context, scope.principal, store_id)
        return Done(status, kept, render.grant(await _granted(context, scope, user_id)))

    return await once(request, act, again)


@router.delete("/{storeId:uuid}/grants/{userId:path}", status_code=204, response_class=Response)
@door("write")
async def revoke_access(request: Request, store_id: StoreId, user_id: UserId) -> Response:
    """Take a grant back."""
    context, scope = at(request, store_id)

    async def act() -> Done:
        await get_store(context, scope.principal, store_id)
        await unshare(context, scope.principal, store_id, user_id)
        return Done(204, {})

    async def again(kept: Mapping[str, Any], status: int) -> Done:
        return Done(status, kept)

    return await once(request, act, again)


async def _granted(context: Context, scope: Scope, user: str) -> Grant:
    for one in await list_grants(context, scope.principal, scope.store_id):
        if one.grantee == user:
            return one
    raise NotFound("There is no such grant that you gave or hold.", remedy="List the grants.")


def _done(store: Store, status: int = 200) -> Done:
    headers = {"Location": f"/v1/stores/{store.id}"}
    return Done(status, {"id": str(store.id)}, render.store(store), headers)
