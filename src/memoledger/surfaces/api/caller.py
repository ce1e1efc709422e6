"""Who calls: from the headers of a request to a `Caller`."""

from __future__ import annotations

from typing import Final

from starlette.requests import Request

from memoledger.model.caller import Caller
from memoledger.model.errors import Unauthenticated
from memoledger.model.principal import Principal
from memoledger.surfaces.api.service import Service

DEVELOPMENT_TENANT: Final = "memoledger-tenant"
DEVELOPMENT_USER: Final = "memoledger-user"
"""Headers by which a request to a service in development says as whom it acts."""


async def identify(request: Request, service: Service) -> Caller:
    """Who makes this request; it is kept in `request.state.caller` as well.

    Raises:
        Unauthenticated, TooManyAttempts: as `Authenticator.caller`.
        InvalidInput: in development, a header names no possible tenant or user.
    """
    credentials = _bearer(request)
    if credentials is None and service.development is not None:
        principal = _chosen(request, service.development)
        caller = await service.authenticator.development(principal)
    else:
        address = request.client.host if request.client is not None else ""
        caller = await service.authenticator.caller(credentials, address)
    request.state.caller = caller
    return caller


def caller_of(request: Request) -> Caller:
    """Who makes this request, once `identify` has found out."""
    caller = request.state.caller
    assert isinstance(caller, Caller)
    return caller


def _bearer(request: Request) -> str | None:
    """What follows the word Bearer in the one Authorization header (RFC 6750, 2.1)."""
    given = request.headers.getlist("authorization")
    if not given:
        return None
    scheme, _, credentials = given[0].partition(" ")
    if len(given) > 1 or scheme.lower() != "bearer" or not credentials.strip():
        raise Unauthenticated(
            "The Authorization header is not of the form `Bearer KEY`.",
            remedy="Send one such header, with an API key or a token.",
        )
    return credentials.strip()


def _chosen(request: Request, usual: Principal) -> Principal:
    tenant = request.headers.get(DEVELOPMENT_TENANT)
    user = request.headers.get(DEVELOPMENT_USER)
    if tenant is None and user is None:
        return usual
    return Principal(_text(tenant) or usual.tenant, _text(user) or usual.user)


def _text(header: str | None) -> str | None:
    """A header's text in UTF-8; ASGI servers decode headers as Latin-1."""
    return None if header is None else header.encode("latin-1").decode("utf-8", "replace")
