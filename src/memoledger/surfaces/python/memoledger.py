"""`Memoledger`: an open ledger, embedded or on a server."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Generator
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, overload

import structlog

from memoledger.bootstrap import Application, indexing, open_application
from memoledger.model.errors import MemoledgerError
from memoledger.model.principal import Principal
from memoledger.model.upkeep import Upkeep
from memoledger.ports import Embedder
from memoledger.services import index_stores as indexing_stores
from memoledger.services import sweep as sweeping
from memoledger.settings import Settings, load_settings
from memoledger.surfaces.python.principal import PrincipalHandle
from memoledger.surfaces.python.service import connect, is_behind_service

if TYPE_CHECKING:
    from memoledger.client import memoledger as client

_log = structlog.get_logger("memoledger")


class Memoledger:
    """An open ledger. `Memoledger.open()` or `Memoledger.temporary()` makes one.

    >>> async def main():
    ...     async with Memoledger.temporary() as ledger:
    ...         alice = await ledger.principal(tenant="acme", user="alice")
    ...         notes = await alice.store("notes")
    ...         await notes.remember("Meeting with John about the Q4 roadmap")
    ...         [hit] = await notes.recall("roadmap planning")
    ...         return hit.memory.content
    >>> asyncio.run(main())
    'Meeting with John about the Q4 roadmap'
    """

    def __init__(self, application: Application) -> None:
        self._application = application
        self._upkeep: list[asyncio.Task[None]] = []
        interval_s = application.settings.sweep_interval_s
        if interval_s:
            for name, act in (("sweep", self.sweep), ("index_stores", self.index_stores)):
                rounds = _repeat(interval_s, name, act, application.upkeep)
                self._upkeep.append(asyncio.create_task(rounds))

    @overload
    @classmethod
    def open(cls, url: str, *, api_key: str | None = None, **overrides: Any) -> client.Opening: ...

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
        settings: Settings | None = None,
        **overrides: Any,
    ) -> Opening: ...

    @classmethod
    def open(
        cls,
        url: str | None = None,
        *,
        api_key: str | None = None,
        database_url: str | None = None,
        data_dir: str | Path | None = None,
        embedder: str | Embedder | None = None,
        settings: Settings | None = None,
        **overrides: Any,
    ) -> Opening | client.Opening:
        """Open a ledger: `async with Memoledger.open() as ledger`, or `await` it and close it.

        Without arguments the settings decide (`MEMOLEDGER_*`, `.env`): an embedded server in the
        user's data folder unless `MEMOLEDGER_DATABASE_URL` names one, or `MEMOLEDGER_URL` a
        service.

        Args:
            url: a Memoledger service, `https://` or `http://`; its ledger then has the same verbs,
                and nothing is opened here.
            api_key: the key or token for it.
            database_url: libpq URL of a PostgreSQL server, 16 or newer, with pgvector.
            data_dir: folder of the embedded server.
            embedder: `minilm`, `provider:model`, or an embedder of your own (it is not closed
                here).
            settings: complete settings; nothing else is read then.
            overrides: any other setting by its name, for example `pool_max=20`.

        Raises:
            InvalidInput: the arguments name both a service and a ledger to be opened here, or one
                is wrong.
            SettingsError: a setting is wrong, or the settings name both.
        """
        if settings is None:
            settings = load_settings(
                url=url,
                api_key=api_key,
                database_url=database_url,
                data_dir=data_dir,
                embedder=_name(embedder),
                **overrides,
            )
        here = {"database_url": database_url, "data_dir": data_dir, "embedder": embedder}
        if is_behind_service(settings, url, here):
            return connect(settings)
        return Opening(settings, temporary=False, embedder=_instance(embedder))

    @classmethod
    def temporary(
        cls,
        *,
        embedder: str | Embedder | None = None,
        settings: Settings | None = None,
        **overrides: Any,
    ) -> Opening:
        """Open an embedded ledger in a temporary folder that is deleted at the end."""
        if settings is None:
            settings = load_settings(embedder=_name(embedder), **overrides)
        return Opening(settings, temporary=True, embedder=_instance(embedder))

    async def principal(self, *, tenant: str, user: str) -> PrincipalHandle:
        """Act as a user of a tenant; both are noted at their first use.

        Raises:
            InvalidInput: a name is empty, longer than 200 bytes or not printable.
        """
        principal = Principal(tenant, user)
        await self._application.context.ledger.stores.introduce(principal)
        return PrincipalHandle(self._application.context, principal)

    async def sweep(self) -> None:
        """Close now what has expired; an open ledger also does so by itself from time to time."""
        await sweeping.sweep(self._application.context)

    async def index_stores(self) -> int:
        """Give every store that has become large an index, and bring those there are up to date.

        An open ledger also does so by itself from time to time; where another process is at it,
        this does nothing. Recalls and writes go on meanwhile.

        Returns:
            How many indexes were made, extended or removed.

        Raises:
            Forbidden: the administrator's login cannot become the ledger's owner.
        """
        application = self._application
        async with indexing(application.settings, application.place) as indexes:
            return await indexing_stores.index_stores(
                application.context, indexes, index_from=application.settings.index_from
            )

    @property
    def application(self) -> Application:
        """What is open underneath: settings, place, embedder."""
        return self._application

    async def aclose(self) -> None:
        """Let go of everything; an embedded server stops with its last user. Safe to call twice."""
        upkeep, self._upkeep = self._upkeep, []
        for task in upkeep:
            task.cancel()
        for task in upkeep:
            with contextlib.suppress(asyncio.CancelledError):
                await task
        await self._application.close()


async def _repeat(
    interval_s: float, name: str, act: Callable[[], Awaitable[object]], upkeep: Upkeep
) -> None:
    while True:
        await asyncio.sleep(interval_s)
        try:
            await act()
            upkeep.succeeded(name)
        except MemoledgerError as error:
            upkeep.failed(name)
            # The next round tries again. Until then reads pass over what expired anyway, and
            # search large stores exactly.
            _log.warning(f"{name}_failed", code=error.code, reason=error.message)


class Opening:
    """A ledger about to be opened: an asynchronous context manager that can also be awaited."""

    def __init__(
        self, settings: Settings, *, temporary: bool, embedder: Embedder | None = None
    ) -> None:
        self._settings = settings
        self._temporary = temporary
        self._embedder = embedder
        self._ledger: Memoledger | None = None

    def __await__(self) -> Generator[Any, None, Memoledger]:
        return self._open().__await__()

    async def __aenter__(self) -> Memoledger:
        self._ledger = await self._open()
        return self._ledger

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._ledger is not None:
            await self._ledger.aclose()

    async def _open(self) -> Memoledger:
        application = await open_application(
            self._settings, temporary=self._temporary, embedder=self._embedder
        )
        return Memoledger(application)


def _name(embedder: str | Embedder | None) -> str | None:
    return embedder if isinstance(embedder, str) else None


def _instance(embedder: str | Embedder | None) -> Embedder | None:
    return None if isinstance(embedder, str) else embedder
