"""`Memoledger`: an open ledger, embedded or on a server."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, overload

from memoledger.bootstrap import Application, all_artifacts, indexing, open_application
from memoledger.model.principal import Principal
from memoledger.ports import Embedder
from memoledger.services import index_stores as indexing_stores
from memoledger.services import sweep as sweeping
from memoledger.services.artifact_upkeep import Collected, collect
from memoledger.services.artifacts import ABANDONED_AFTER_S, require_artifacts
from memoledger.settings import Settings, load_settings
from memoledger.surfaces.python.embeddings import EmbeddingsHandle
from memoledger.surfaces.python.principal import PrincipalHandle
from memoledger.surfaces.python.service import connect, is_behind_service
from memoledger.worker.worker import Worker

if TYPE_CHECKING:
    from memoledger.client import memoledger as client


class Memoledger:
    """An open ledger. `Memoledger.open()` or `Memoledger.temporary()` makes one.

    >>> import asyncio
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
        self._worker: Worker | None = None
        if application.settings.sweep_interval_s:
            rounds: dict[str, Callable[[], Awaitable[object]]] = {
                "sweep": self.sweep,
                "index_stores": self._index_scheduled,
            }
            if application.context.artifacts is not None:
                rounds["collect_artifacts"] = self.collect_artifacts
            daily = {"survey_stores": self.index_stores}
            self._worker = Worker(application, rounds, daily)
            self._worker.start()

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
        more_embedders: Sequence[Embedder] = (),
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
        more_embedders: Sequence[Embedder] = (),
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
            more_embedders: embedders of your own for other embedding versions that the ledger has,
                or is to have (`ledger.embeddings`). They are not closed here.
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
        own = _instance(embedder)
        return Opening(settings, temporary=False, embedder=own, more_embedders=more_embedders)

    @classmethod
    def temporary(
        cls,
        *,
        embedder: str | Embedder | None = None,
        more_embedders: Sequence[Embedder] = (),
        settings: Settings | None = None,
        **overrides: Any,
    ) -> Opening:
        """Open an embedded ledger in a temporary folder that is deleted at the end."""
        if settings is None:
            settings = load_settings(embedder=_name(embedder), **overrides)
        own = _instance(embedder)
        return Opening(settings, temporary=True, embedder=own, more_embedders=more_embedders)

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
        return await self._index(everything=True)

    async def _index_scheduled(self) -> int:
        """The same for the stores that were written to since somebody looked."""
        return await self._index(everything=False)

    async def _index(self, *, everything: bool) -> int:
        application = self._application
        async with indexing(application.settings, application.place) as indexes:
            return await indexing_stores.index_stores(
                application.context,
                indexes,
                index_from=application.settings.index_from,
                everything=everything,
            )

    async def collect_artifacts(self, *, older_than_s: float = ABANDONED_AFTER_S) -> Collected:
        """Delete raw sources that no document keeps: of writers that died, and of erased documents.

        An open ledger also does so by itself from time to time.

        Args:
            older_than_s: how many seconds ago a source has to have been stored that no document
                ever kept; 0 or more.

        Raises:
            ArtifactError: artifacts are off.
            Forbidden: the administrator's login cannot become the ledger's owner.
        """
        application = self._application
        artifacts = require_artifacts(application.context)
        async with all_artifacts(application.settings, application.place) as rows:
            return await collect(artifacts, rows, older_than_s=older_than_s)

    @property
    def embeddings(self) -> EmbeddingsHandle:
        """The embedding versions: change the model that embeds, while the ledger serves."""
        application = self._application
        embedders = application.context.embedders
        assert embedders is not None, "an open ledger follows its versions"
        return EmbeddingsHandle(
            application.settings,
            application.place,
            embedders,
            forget_indexes=application.context.ledger.search.indexed.forget,
            look=embedders.look,
        )

    @property
    def application(self) -> Application:
        """What is open underneath: settings, place, embedder."""
        return self._application

    async def aclose(self) -> None:
        """Let go of everything; an embedded server stops with its last user. Safe to call twice."""
        worker, self._worker = self._worker, None
        if worker is not None:
            await worker.aclose()
        await self._application.close()


class Opening:
    """A ledger about to be opened: an asynchronous context manager that can also be awaited."""

    def __init__(
        self,
        settings: Settings,
        *,
        temporary: bool,
        embedder: Embedder | None = None,
        more_embedders: Sequence[Embedder] = (),
    ) -> None:
        self._settings = settings
        self._temporary = temporary
        self._embedder = embedder
        self._more_embedders = tuple(more_embedders)
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
            self._settings,
            temporary=self._temporary,
            embedder=self._embedder,
            more_embedders=self._more_embedders,
        )
        return Memoledger(application)


def _name(embedder: str | Embedder | None) -> str | None:
    return embedder if isinstance(embedder, str) else None


def _instance(embedder: str | Embedder | None) -> Embedder | None:
    return None if isinstance(embedder, str) else embedder
