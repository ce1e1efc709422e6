"""The synchronous `Memoledger`: an event loop in a thread, and the asynchronous ledger on it."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, overload

from anyio.from_thread import BlockingPortal, start_blocking_portal

from memoledger.ports import Embedder
from memoledger.services.artifact_upkeep import Collected
from memoledger.services.artifacts import ABANDONED_AFTER_S
from memoledger.settings import Settings, load_settings
from memoledger.surfaces.python import memoledger as asynchronous
from memoledger.surfaces.python.blocking import PrincipalHandle
from memoledger.surfaces.python.blocking_embeddings import EmbeddingsHandle
from memoledger.surfaces.python.service import connect_blocking, is_behind_service

if TYPE_CHECKING:
    from memoledger.client import blocking_ledger as client


class Memoledger:
    """An open ledger, synchronous. `Memoledger.open()` or `Memoledger.temporary()` makes one.

    Methods may be called from several threads at once; they share the ledger's connections.
    """

    def __init__(
        self, portal: BlockingPortal, ledger: asynchronous.Memoledger, stack: ExitStack
    ) -> None:
        self._portal = portal
        self._ledger = ledger
        self._stack = stack

    @overload
    @classmethod
    def open(
        cls, url: str, *, api_key: str | None = None, **overrides: Any
    ) -> client.Memoledger: ...

    @overload
    @classmethod
    def open(
        cls,
        url: None = None,
        *,
        api_key: str | None = None,
        database_url: str | None = None,
        data_dir: str | Path | None = None,
        embedder: str | Embedder | None = None,
        more_embedders: Sequence[Embedder] = (),
        settings: Settings | None = None,
        **overrides: Any,
    ) -> Self: ...

    @classmethod
    def open(
        cls,
        url: str | None = None,
        *,
        api_key: str | None = None,
        database_url: str | None = None,
        data_dir: str | Path | None = None,
        embedder: str | Embedder | None = None,
        more_embedders: Sequence[Embedder] = (),
        settings: Settings | None = None,
        **overrides: Any,
    ) -> Self | client.Memoledger:
        """Open a ledger as `memoledger.Memoledger.open` does; use it in `with` or close it."""
        if settings is None:
            name = embedder if isinstance(embedder, str) else None
            settings = load_settings(
                url=url,
                api_key=api_key,
                database_url=database_url,
                data_dir=data_dir,
                embedder=name,
                **overrides,
            )
        here = {"database_url": database_url, "data_dir": data_dir, "embedder": embedder}
        if is_behind_service(settings, url, here):
            return connect_blocking(settings)
        own = None if isinstance(embedder, str) else embedder
        return cls._opened(
            asynchronous.Opening(
                settings, temporary=False, embedder=own, more_embedders=more_embedders
            )
        )

    @classmethod
    def temporary(
        cls,
        *,
        embedder: str | Embedder | None = None,
        more_embedders: Sequence[Embedder] = (),
        settings: Settings | None = None,
        **overrides: Any,
    ) -> Self:
        """Open an embedded ledger in a temporary folder that is deleted at the end."""
        return cls._opened(
            asynchronous.Memoledger.temporary(
                embedder=embedder, more_embedders=more_embedders, settings=settings, **overrides
            )
        )

    @classmethod
    def _opened(cls, opening: asynchronous.Opening) -> Self:
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
        """Act as a user of a tenant; both are noted at their first use.

        Raises:
            InvalidInput: a name is empty, longer than 200 bytes or not printable.
        """
        handle = self._portal.call(lambda: self._ledger.principal(tenant=tenant, user=user))
        return PrincipalHandle(self._portal, handle)

    def sweep(self) -> None:
        """Close now what has expired."""
        self._portal.call(self._ledger.sweep)

    def index_stores(self) -> int:
        """Give every large store an index, as `memoledger.Memoledger.index_stores` does."""
        return self._portal.call(self._ledger.index_stores)

    def collect_artifacts(self, *, older_than_s: float = ABANDONED_AFTER_S) -> Collected:
        """Delete raw sources that no document keeps, as the asynchronous twin does."""
        act = partial(self._ledger.collect_artifacts, older_than_s=older_than_s)
        return self._portal.call(act)

    @property
    def embeddings(self) -> EmbeddingsHandle:
        """The embedding versions: change the model that embeds, while the ledger serves."""
        return EmbeddingsHandle(self._portal, self._ledger.embeddings)

    def close(self) -> None:
        """Let go of everything. Safe to call twice."""
        self._stack.close()
