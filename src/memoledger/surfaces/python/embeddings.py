"""`ledger.embeddings`: change the model that embeds, while the ledger serves."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Final

from memoledger import bootstrap
from memoledger.bootstrap import Place
from memoledger.bootstrap import embeddings as bootstrap_embeddings
from memoledger.ledger.embedding_work import EmbeddingWork
from memoledger.model.checks import check_count, check_fraction
from memoledger.model.embedding_states import (
    KEPT_UP,
    Filled,
    FillProgress,
    KeptVersion,
    Switched,
    Verification,
    VersionStatus,
)
from memoledger.model.errors import ConflictError, InvalidInput, MemoledgerError
from memoledger.ports import Embedder
from memoledger.services import migrate_embeddings as migrating
from memoledger.services.embedders import Embedders
from memoledger.services.fill_embeddings import BATCH, BATCH_MAX, fill
from memoledger.services.index_stores import index_all_stores
from memoledger.services.verify_embeddings import SAMPLE, verify
from memoledger.settings import Settings

MISSING_MAX: Final = 1_000_000
PACE_MIN: Final = 0.05


class EmbeddingsHandle:
    """The embedding versions of a ledger, and how one takes another's place.

    >>> import asyncio
    >>> from memoledger import Memoledger
    >>> from memoledger.adapters.embedders.local import LocalEmbedder
    >>> async def main():
    ...     async with Memoledger.temporary() as ledger:
    ...         alice = await ledger.principal(tenant="acme", user="alice")
    ...         notes = await alice.store("notes")
    ...         await notes.remember("Meeting with John about the Q4 roadmap")
    ...         version = await ledger.embeddings.create(LocalEmbedder(dimensions=128))
    ...         await ledger.embeddings.backfill(version.name)
    ...         assert (await ledger.embeddings.verify(version.name)).passed
    ...         await ledger.embeddings.cutover(version.name)
    ...         [hit] = await notes.recall("roadmap planning")
    ...         states = [one.kept.state for one in await ledger.embeddings.list()]
    ...         return states, hit.memory.content
    >>> asyncio.run(main())
    (['previous', 'serving'], 'Meeting with John about the Q4 roadmap')
    """

    def __init__(
        self,
        settings: Settings,
        place: Place,
        embedders: Embedders,
        *,
        forget_indexes: Callable[[], None] | None = None,
        look: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        """For the ledger and the command line, which have all of this.

        Args:
            forget_indexes: called when indexes of stores have changed.
            look: called when versions have changed, so that this process knows at once.
        """
        self._settings = settings
        self._place = place
        self._embedders = embedders
        self._forget_indexes = forget_indexes
        self._look = look

    async def list(self) -> list[VersionStatus]:
        """Every embedding version there is or was, its state, and how complete it is.

        Raises:
            Forbidden: the administrator's login cannot become the ledger's owner.
        """
        async with self._working() as work:
            return await migrating.statuses(work)

    async def create(
        self,
        embedder: str | Embedder,
        *,
        dimensions: int | None = None,
        base_url: str | None = None,
    ) -> KeptVersion:
        """Declare a version; from now on what is written gets its vectors in it too.

        Args:
            embedder: `minilm` or `provider:model`, which other processes open by themselves, or an
                embedder of your own, which each process has to be given (`more_embedders`).
            dimensions: shorten its vectors to this length; None for the model's own.
            base_url: the server of a remote model, if it is not its provider's usual one.

        Raises:
            InvalidInput: it serves already, or the embedder's words are wrong.
            EmbedderError: the embedder cannot be had.
            Forbidden: the administrator's login cannot become the ledger's owner.
        """
        opening = None
        if isinstance(embedder, str):
            changed = {
                "embedder": embedder,
                "embedding_dimensions": dimensions,
                "embedder_url": base_url,
            }
            if embedder.partition(":")[0] != self._settings.embedder.partition(":")[0]:
                changed["embedder_api_key"] = None  # It is for another provider.
            chosen = self._settings.model_copy(update=changed)
            opening = bootstrap_embeddings.opening_of(chosen)
            opened = await bootstrap_embeddings.embedder_of(chosen)
        elif dimensions is not None or base_url is not None:
            raise InvalidInput(
                "dimensions" if base_url is None else "base_url",
                dimensions if base_url is None else base_url,
                "an embedder of your own says that itself",
                remedy="Leave it out.",
            )
        else:
            opened = embedder
        version = bootstrap_embeddings.index_version(opened.version)
        try:
            async with self._working() as work:
                kept = await migrating.create(work, version, opening)
        finally:
            if isinstance(embedder, str):
                await opened.aclose()
        if not isinstance(embedder, str):
            self._embedders.add(kept.name, embedder)
        await self._noticed()
        return kept

    async def backfill(
        self,
        name: str,
        *,
        batch: int = BATCH,
        pace: float = 1.0,
        on_progress: Callable[[FillProgress], None] | None = None,
    ) -> Filled:
        """Give a vector to everything that lacks one, then an index to every large store.

        It can be interrupted at any moment and called again: what was done stays.

        Args:
            name: the version's name, its beginning, or its number.
            batch: texts embedded and written at a time, 1 to 1,000.
            pace: the share of the time in which the model works, 0.05 to 1; less leaves more of it
                to recalls.
            on_progress: called after each batch.

        Raises:
            NotFound: there is no such version.
            ConflictError: another process is filling it, or it was retired.
            EmbedderError, SettingsError: its embedder failed, or cannot be had.
        """
        check_count("batch", batch, least=1, most=BATCH_MAX)
        if check_fraction("pace", pace) < PACE_MIN:
            raise InvalidInput("pace", pace, "it would never end", remedy=f"Give {PACE_MIN} to 1.")
        async with self._working() as work:
            kept = await migrating.find_version(work, name)
            if kept.state not in KEPT_UP:
                raise ConflictError(f"{kept.name} was retired.", remedy="Create it anew.")
            embedder = await self._embedders.obtain(kept)
            filled = await fill(
                work, kept, embedder, batch=batch, pace=pace, on_progress=on_progress
            )
            await self._index(work)
        return filled

    async def verify(self, name: str, *, sample: int = SAMPLE) -> Verification:
        """Look whether a version could serve: counts, dimensions, vectors made anew, neighbours.

        Args:
            name: as for `backfill`.
            sample: texts that are looked at closely, 1 to 10,000.

        Raises:
            NotFound: there is no such version.
            EmbedderError: its embedder failed.
        """
        check_count("sample", sample, least=1, most=10_000)
        async with self._working() as work:
            kept = await migrating.find_version(work, name)
            if kept.state not in KEPT_UP:
                raise ConflictError(f"{kept.name} was retired.", remedy="There is nothing in it.")
            serving = await migrating.serving_version(work)
            embedder = await self._obtain_if_possible(kept)
            return await verify(work, kept, serving, embedder, sample=sample)

    async def compared(self, name: str) -> dict[str, tuple[str, Embedder]]:
        """The embedders to be compared: that of the version that serves, and that of another.

        Returns:
            name and embedder, under "serving" and "version".

        Raises:
            NotFound: there is no such version.
            EmbedderError, SettingsError: one of them cannot be had.
        """
        async with self._working() as work:
            kept = await migrating.find_version(work, name)
            serving = await migrating.serving_version(work)
        return {
            role: (one.name, await self._embedders.obtain(one))
            for role, one in (("serving", serving), ("version", kept))
        }

    async def cutover(
        self, name: str, *, missing_max: int = 0, without_indexes: bool = False
    ) -> Switched:
        """Have a version serve in the place of the one that does, once it lacks nothing.

        Recalls and writes go on; a write under way is waited for, and others wait for a moment.
        Other processes notice within a second, and answer from the version before until then.

        Args:
            name: as for `backfill`.
            missing_max: so many texts may lack a vector, 0 to 1,000,000.
            without_indexes: also where large stores have no index in it yet.

        Raises:
            NotFound: there is no such version.
            ConflictError: it cannot serve yet; nothing was changed.
            EmbedderError, SettingsError: its embedder failed or cannot be had; nothing was changed.
        """
        check_count("missing_max", missing_max, least=0, most=MISSING_MAX)
        async with self._working() as work:
            kept = await migrating.find_version(work, name)
            embedder = await self._embedders.obtain(kept)
            switched = await migrating.cutover(
                work,
                kept,
                embedder,
                missing_max=missing_max,
                without_indexes=without_indexes,
            )
        await self._noticed()
        return switched

    async def rollback(self) -> Switched:
        """Have the version serve again that served before, at once.

        Raises:
            ConflictError: no version served before, or it was retired.
        """
        async with self._working() as work:
            switched = await migrating.rollback(work, self._embedders.obtain)
        await self._noticed()
        return switched

    async def retire(self, name: str) -> None:
        """Remove a version with its vectors and indexes, for good. Reads and writes go on.

        Raises:
            NotFound: there is no such version.
            ConflictError: it serves, or another process is filling it.
        """
        async with self._working() as work:
            kept = await migrating.find_version(work, name)
            await migrating.retire(work, kept)
        await self._noticed()

    async def refresh(
        self,
        name: str | None = None,
        *,
        batch: int = BATCH,
        pace: float = 1.0,
        on_progress: Callable[[FillProgress], None] | None = None,
    ) -> Sequence[Filled]:
        """Find what is stale, and put it right: vectors that are missing, orphaned or outdated.

        Args:
            name: one version; None for all that are kept up to date and whose embedder can be had.
            batch, pace, on_progress: as for `backfill`.

        Raises:
            NotFound: there is no such version.
            ConflictError: another process is filling it, or it was retired.
            EmbedderError, SettingsError: its embedder failed, or cannot be had.
        """
        check_count("batch", batch, least=1, most=BATCH_MAX)
        done: list[Filled] = []
        async with self._working() as work:
            if name is None:
                wanted = [one for one in await work.versions.all() if one.state in KEPT_UP]
            else:
                wanted = [await migrating.find_version(work, name)]
            for kept in wanted:
                embedder = await (
                    self._obtain_if_possible(kept) if name is None else self._embedders.obtain(kept)
                )
                await work.checks.put_in_place(kept.number)
                if embedder is not None:
                    done.append(
                        await fill(
                            work, kept, embedder, batch=batch, pace=pace, on_progress=on_progress
                        )
                    )
        return done

    async def _noticed(self) -> None:
        if self._look is not None:
            await self._look()

    async def _obtain_if_possible(self, kept: KeptVersion) -> Embedder | None:
        try:
            return await self._embedders.obtain(kept)
        except MemoledgerError:
            return None

    async def _index(self, work: EmbeddingWork) -> None:
        await index_all_stores(
            work.indexes,
            index_from=self._settings.index_from,
            on_step=self._forget_indexes,
        )

    @asynccontextmanager
    async def _working(self) -> AsyncIterator[EmbeddingWork]:
        async with bootstrap.changing_embeddings(self._settings, self._place) as work:
            yield work
