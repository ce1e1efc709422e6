"""The ledger behind a server of one user: opened while the client is already greeted.

A host of agents waits seconds, not minutes, for a server to say hello, and shows its user nothing
of why one did not. So the server answers at once, the ledger opens meanwhile, and what went wrong
with that is told by the first tool that is called; the next call tries again.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import structlog
from starlette.requests import Request

from memoledger.model.errors import MemoledgerError, NotFound
from memoledger.model.keys import Scope
from memoledger.model.principal import Principal
from memoledger.surfaces.mcp.acting import DEFAULT_STORE, Acting, Tell

if TYPE_CHECKING:
    from memoledger.surfaces.python.memoledger import Memoledger
    from memoledger.surfaces.python.principal import PrincipalHandle

_log = structlog.get_logger("memoledger.mcp")


class OwnDoor:
    """The door of a server whose every request is the same user's.

    Args:
        opens: opens the ledger.
        principal: who that user is.
        scopes: what agents may do in their name.
        store, owner: the default store; one's own is made if it is not there.
    """

    def __init__(
        self,
        opens: Callable[[], Awaitable[Memoledger]],
        principal: Principal,
        *,
        scopes: frozenset[Scope],
        store: str = DEFAULT_STORE,
        owner: str | None = None,
    ) -> None:
        self._opens = opens
        self._principal = principal
        self._scopes = scopes
        self._store = store
        self._owner = owner
        self._ledger: Memoledger | None = None
        self._opening: asyncio.Task[PrincipalHandle] | None = None

    def begin(self) -> None:
        """Begin to open the ledger; nobody waits for it yet."""
        self._task()

    def scopes(self, request: Request | None) -> frozenset[Scope]:
        """The same for every request."""
        return self._scopes

    async def acting(self, request: Request | None, tell: Tell) -> Acting:
        """The user, once the ledger is open.

        Raises:
            MemoledgerError: it cannot be opened; the next request tries again.
        """
        opening = self._task()
        if not opening.done():
            await tell("Opening the ledger.")
        # A request that is cancelled meanwhile must not take the others' ledger with it.
        return Acting(await asyncio.shield(opening), self._store, self._owner)

    async def aclose(self) -> None:
        """Close the ledger, if it was opened."""
        opening, self._opening = self._opening, None
        if opening is not None and not opening.done():
            opening.cancel()
            with contextlib.suppress(asyncio.CancelledError, Exception):
                await opening
        ledger, self._ledger = self._ledger, None
        if ledger is not None:
            await ledger.aclose()

    def _task(self) -> asyncio.Task[PrincipalHandle]:
        task = self._opening
        if task is None or (task.done() and (task.cancelled() or task.exception() is not None)):
            task = self._opening = asyncio.create_task(self._open())
            task.add_done_callback(_log_failure)
        return task

    async def _open(self) -> PrincipalHandle:
        if self._ledger is None:
            self._ledger = await self._opens()
        name = self._principal
        principal = await self._ledger.principal(tenant=name.tenant, user=name.user)
        if "write" in self._scopes:
            # So that a first recall finds nothing, rather than no store. Another's may come later.
            with contextlib.suppress(NotFound):
                await principal.store(self._store, owner=self._owner)
        return principal


def _log_failure(opening: asyncio.Task[PrincipalHandle]) -> None:
    """Say in the log at once what a tool will say when one is called."""
    error = None if opening.cancelled() else opening.exception()
    if isinstance(error, MemoledgerError):
        _log.warning("ledger_not_opened", code=error.code, reason=error.message)
    elif error is not None:
        _log.warning("ledger_not_opened", error=type(error).__name__)
