"""Who calls, the tenant, its users, and API keys."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Path, Query
from starlette.requests import Request
from starlette.responses import Response

from memoledger.model.checks import check_instant
from memoledger.model.keys import ApiKey, ordered
from memoledger.model.people import User
from memoledger.model.plain import camel
from memoledger.services.keys import create_key, get_key, list_keys, revoke_key
from memoledger.services.people import list_users, no_such_tenant, note_user, own_tenant
from memoledger.surfaces.api import answers, render
from memoledger.surfaces.api.access import UserId, page_size
from memoledger.surfaces.api.caller import caller_of
from memoledger.surfaces.api.once import Done, once
from memoledger.surfaces.api.paging import opened, sealed
from memoledger.surfaces.api.render import as_json
from memoledger.surfaces.api.requests import KeysAsked, NewKey, OnePage
from memoledger.surfaces.api.routing import Route, door
from memoledger.surfaces.api.service import service_of

USERS, KEYS = "users", "keys"

router = APIRouter(prefix="/v1", route_class=Route)


@router.get("/me", response_model=answers.Me, tags=["who"])
@door()
async def get_me(request: Request) -> Response:
    """Say who calls, and with which scopes."""
    caller = caller_of(request)
    return as_json(
        {
            "tenant": caller.principal.tenant,
            "user": caller.principal.user,
            "scopes": ordered(caller.scopes),
            "method": caller.method,
            "keyId": caller.key_id,
        }
    )


@router.get("/tenants", response_model=answers.Tenants, tags=["who"])
@door()
async def list_tenants(request: Request) -> Response:
    """List the tenants the caller may see: their own."""
    found = await own_tenant(service_of(request).context, caller_of(request).principal)
    return as_json({"tenants": [_camel(asdict(found))], "nextCursor": None})


@router.get("/tenants/{tenantId:path}", response_model=answers.Tenant, tags=["who"])
@door()
async def get_tenant(
    request: Request,
    tenant_id: Annotated[
        str, Path(alias="tenantId", min_length=1, description="The tenant's name.")
    ],
) -> Response:
    """Get the caller's own tenant; there is no other to be seen."""
    principal = caller_of(request).principal
    if tenant_id != principal.tenant:
        raise no_such_tenant(tenant_id[:200])
    return as_json(_camel(asdict(await own_tenant(service_of(request).context, principal))))


@router.get("/users", response_model=answers.Users, tags=["who"])
@door("admin")
async def list_all_users(request: Request, asked: Annotated[OnePage, Query()]) -> Response:
    """List the users of the tenant, in the order of their names."""
    service = service_of(request)
    page = await list_users(
        service.context,
        caller_of(request),
        limit=page_size(asked.limit, service.limits),
        cursor=opened(USERS, asked.cursor),
    )
    users = [_camel(asdict(user)) for user in page.users]
    return as_json({"users": users, "nextCursor": sealed(USERS, page.next_cursor)})


@router.put("/users/{userId:path}", response_model=answers.User, tags=["who"])
@door("admin")
async def put_user(request: Request, user_id: UserId) -> Response:
    """Note a user of the tenant; one who is there stays as they are."""
    noted: User = await note_user(service_of(request).context, caller_of(request), user_id)
    return as_json(_camel(asdict(noted)))


@router.post("/keys", response_model=answers.FreshKey, status_code=201, tags=["keys"])
@door()
async def create_api_key(request: Request, body: NewKey) -> Response:
    """Make an API key, with at most one's own scopes; another's takes the scope admin.

    The secret is in this answer and nowhere else. Sent again under its Idempotency-Key, the request
    is answered without it: revoke that key, and make another.
    """
    context, caller = service_of(request).context, caller_of(request)

    async def act() -> Done:
        made = await create_key(
            context,
            caller,
            name=body.name,
            scopes=body.scopes,
            user=body.user,
            expires_at=check_instant("expires_at", body.expires_at),
        )
        return _fresh(made)

    async def again(kept: Mapping[str, Any], status: int) -> Done:
        return _fresh(await get_key(context, caller, kept["id"]))

    return await once(request, act, again)


@router.get("/keys", response_model=answers.Keys, tags=["keys"])
@door()
async def list_api_keys(request: Request, asked: Annotated[KeysAsked, Query()]) -> Response:
    """List one's own keys, newest first; those of others take the scope admin."""
    service = service_of(request)
    page = await list_keys(
        service.context,
        caller_of(request),
        user=asked.user,
        everybody=asked.everybody,
        limit=page_size(asked.limit, service.limits),
        cursor=opened(KEYS, asked.cursor),
    )
    keys = [render.key(one) for one in page.keys]
    return as_json({"keys": keys, "nextCursor": sealed(KEYS, page.next_cursor)})


@router.delete("/keys/{keyId:uuid}", response_model=answers.Key, tags=["keys"])
@door()
async def revoke_api_key(
    request: Request, key_id: Annotated[UUID, Path(alias="keyId", description="The key's id.")]
) -> Response:
    """Revoke a key, one's own or with the scope admin another's.

    It is refused here at once, and by other processes a few seconds later.
    """
    service = service_of(request)
    revoked = await revoke_key(service.context, caller_of(request), key_id)
    service.authenticator.forget(revoked.id)
    return as_json(render.key(revoked))


def _fresh(key: ApiKey) -> Done:
    return Done(201, {"id": str(key.id)}, render.fresh_key(key))


def _camel(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {camel(name): value for name, value in fields.items()}
