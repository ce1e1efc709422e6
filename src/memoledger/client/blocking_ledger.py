"""The synchronous client: an event loop in a thread, and the asynchronous client on it."""

from __future__ import annotations

from contextlib import ExitStack
from types import TracebackType
from typing import Self

from anyio.from_thread import BlockingPortal, start_blocking_portal

from memoledger.client import memoledger as asynchronous
from memoledger.client.blocking import PrincipalHandle


class Memoledger:
    """A ledger that a service holds, synchronous. `memoledger.sync.Memoledger.open` makes one.

    Methods may be called from several threads at once; they share the connections.
    """

    def __init__(
        self, portal: BlockingPortal, ledger: asynchronous.Memoledger, stack: ExitStack
    ) -> None:
        self._portal = portal
        self._ledger = ledger
        self._stack = stack

    @classmethod
    def open(
        cls,
        url: str,
        *,
        api_key: str | None = None,
        timeout_s: float = 60.0,
        attempts: int = 4,
    ) -> Self:
        """Open one as `memoledger.client.memoledger.Memoledger.open` does; use it in `with`.

        Raises:
            InvalidInput: an argument is wrong.
        """
        opening = asynchronous.Memoledger.open(
            url, api_key=api_key, timeout_s=timeout_s, attempts=attempts
        )
        with ExitStack() as stack:
            portal = stack.enter_context(start_blocking_portal("asyncio"))
            ledger = stack.enter_context(portal.wrap_async_context_manager(opening))
            return cls(portal, ledger, stack.pop_all())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def principal(self, *, tenant: str, user: str) -> PrincipalHandle:
        """Act as a user of a tenant: the one that the key was made for.

        Raises:
            InvalidInput: a name is empty, longer than 200 bytes or not printable.
            Unauthenticated: the key is wrong, expired or revoked, or there is none.
            Forbidden: the key is another's.
        """
        handle = self._portal.call(lambda: self._ledger.principal(tenant=tenant, user=user))
        return PrincipalHandle(self._portal, handle)

    def close(self) -> None:
        """Close the connections. Safe to call twice."""
        self._stack.close()
