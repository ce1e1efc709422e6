"""Who acts in a request, on which store: what every tool, resource and prompt is given."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

from starlette.requests import Request

from memoledger.model.errors import Forbidden
from memoledger.model.keys import Scope

if TYPE_CHECKING:
    from memoledger.surfaces.python.principal import PrincipalHandle
    from memoledger.surfaces.python.store import StoreHandle

DEFAULT_STORE: Final = "default"

Tell = Callable[[str], Awaitable[None]]
"""Says how far a request is, to a client that asked to be told."""


@dataclass(frozen=True, slots=True)
class Acting:
    """A principal at work.

    Args:
        principal: whose transactions they are, of a ledger here or over HTTP.
        store, owner: the store that is meant where a request names none; None for the own.
    """

    principal: PrincipalHandle
    store: str = DEFAULT_STORE
    owner: str | None = None

    async def find(self, store: str | None, owner: str | None) -> StoreHandle:
        """The store that a request means, which is there.

        Raises:
            NotFound: there is none that the principal may see.
        """
        name, whose = self._meant(store, owner)
        return await self.principal.find_store(name, owner=whose)

    async def make(self, store: str | None, owner: str | None) -> StoreHandle:
        """The same; one's own is created if it is not there.

        Raises:
            NotFound: another user has no such store, or does not share it.
        """
        name, whose = self._meant(store, owner)
        return await self.principal.store(name, owner=whose)

    def _meant(self, store: str | None, owner: str | None) -> tuple[str, str | None]:
        if store is None:
            return self.store, self.owner if owner is None else owner
        return store, owner


class Door(Protocol):
    """Where requests come in: it knows who makes them, and what they may do."""

    def scopes(self, request: Request | None) -> frozenset[Scope]:
        """What the caller may do. It is asked before anything is opened.

        Args:
            request: the HTTP request; None where there is but one caller.
        """
        ...

    async def acting(self, request: Request | None, tell: Tell) -> Acting:
        """The caller, ready to work.

        Raises:
            MemoledgerError: the ledger cannot be had.
        """
        ...


def require(scopes: frozenset[Scope], scope: Scope) -> None:
    """Let a caller go on only with that scope.

    Raises:
        Forbidden: it is not among theirs.
    """
    if scope not in scopes:
        held = ", ".join(sorted(scopes)) or "none"
        raise Forbidden(
            f"This takes the scope {scope!r}; yours: {held}.",
            remedy="Use a key that has it, or ask whoever runs this server for one.",
            scope=scope,
        )
