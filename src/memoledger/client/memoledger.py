"""`Memoledger` over HTTP: a ledger that a service holds."""

from __future__ import annotations

from collections.abc import Generator
from types import TracebackType
from typing import Any

from memoledger.client import wire
from memoledger.client.principal import PrincipalHandle
from memoledger.client.retry import RetryPolicy
from memoledger.client.transport import Patience, Transport, path_of
from memoledger.model.errors import Forbidden
from memoledger.model.principal import Principal


class Memoledger:
    """A ledger that a service holds. `memoledger.Memoledger.open("https://…")` makes one.

    The verbs are those of a ledger that is opened here, with the same names, arguments, answers and
    errors. What it means to keep a ledger, such as indexes and sweeping, is the service's affair.
    """

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    @classmethod
    def open(
        cls,
        url: str,
        *,
        api_key: str | None = None,
        timeout_s: float = 60.0,
        attempts: int = 4,
    ) -> Opening:
        """Open one: `async with Memoledger.open(url, api_key=…) as ledger`, or await and close it.

        Nothing is asked of the service yet; `principal` does.

        Args:
            url: where the service is, `https://` or `http://`.
            api_key: the key that the service's administrator made, or a token; None for a service
                in development, which asks for none.
            timeout_s: seconds to wait for the next piece of an answer, above 0 to 3,600.
            attempts: how often a request is sent that fails for a passing reason, 1 to 20.

        Raises:
            InvalidInput: an argument is wrong.
        """
        patience = Patience(RetryPolicy(attempts))
        return Opening(Transport(url, api_key, timeout_s=timeout_s, patience=patience))

    async def principal(self, *, tenant: str, user: str) -> PrincipalHandle:
        """Act as a user of a tenant: the one that the key was made for.

        Raises:
            InvalidInput: a name is empty, longer than 200 bytes or not printable.
            Unauthenticated: the key is wrong, expired or revoked, or there is none.
            Forbidden: the key is another's.
        """
        principal = Principal(tenant, user)
        transport = self._transport.acting_as(principal)
        held = await transport.ask(wire.principal, "GET", path_of("me"))
        if held != principal:
            raise Forbidden(
                f"The key acts as {held.user!r} of {held.tenant!r}, not as {user!r} of {tenant!r}.",
                remedy="Name the principal that the key was made for, or open with another key.",
            )
        return PrincipalHandle(transport, principal)

    async def aclose(self) -> None:
        """Close the connections. Safe to call twice."""
        await self._transport.aclose()


class Opening:
    """A client about to be used: an asynchronous context manager that can also be awaited."""

    def __init__(self, transport: Transport) -> None:
        self._ledger = Memoledger(transport)

    def __await__(self) -> Generator[Any, None, Memoledger]:
        return self._open().__await__()

    async def __aenter__(self) -> Memoledger:
        return self._ledger

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._ledger.aclose()

    async def _open(self) -> Memoledger:
        return self._ledger
