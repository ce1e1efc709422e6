"""Which embedding version a process searches, and with which embedders it writes.

The ledger says which version serves, and may say another at any moment. A process looks every
second; whatever it does in between it does in one version from beginning to end, that of the
context it took at the beginning (`Context.pinned`). To be a second late is no mistake: the version
before is kept up to date, so that its answers are complete.

A process that cannot open the embedder of the version that serves goes on with one that served
before, for as long as that is there, and says so.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import structlog

from memoledger.model.embedding_states import KEPT_UP, KeptVersion, State
from memoledger.model.errors import EmbedderError, MemoledgerError
from memoledger.ports import Embedder
from memoledger.services.companions import Companion
from memoledger.services.embedding_statistics import EmbeddingStatistics
from memoledger.services.prepare import Preparer

NOTICED_S: Final = 1.0
"""Seconds after which a process looks again which version serves."""

OPENED_AGAIN_S: Final = 60.0
"""Seconds after which an embedder that could not be opened is tried again."""

_SEARCHED: Final[tuple[State, ...]] = ("serving", "previous")

_log = structlog.get_logger("memoledger")

Read = Callable[[], Awaitable[Sequence[KeptVersion]]]
"""Reads which embedding versions there are."""

Open = Callable[[KeptVersion], Awaitable[Embedder]]
"""Opens a version's embedder.

Raises:
    SettingsError, EmbedderError: it cannot be had, or makes another version's vectors.
"""


@dataclass(frozen=True, slots=True)
class Live:
    """What a process works with until the next look.

    Args:
        number, name: the version that it searches.
        embedder, preparer: what embeds in it.
    """

    number: int
    name: str
    embedder: Embedder
    preparer: Preparer


class Embedders:
    """Follows the ledger's embedding versions, with the embedders that this process can have.

    Args:
        read: which versions there are.
        open_embedder: opens the embedder of one of them.
        given: embedders that are there already, by their version's name; they stay open.
        language: the Snowball stemmer's name.
    """

    def __init__(
        self, read: Read, open_embedder: Open, given: Mapping[str, Embedder], language: str
    ) -> None:
        self._read = read
        self._open = open_embedder
        self._given = dict(given)
        self._opened: dict[str, Embedder] = {}
        self._failed_at: dict[str, float] = {}
        self._opening: dict[str, asyncio.Task[None]] = {}
        self._language = language
        self._statistics = EmbeddingStatistics()
        self._versions: tuple[KeptVersion, ...] = ()
        self._preparers: dict[int, Preparer] = {}
        self._live: Live | None = None
        self._looked_at = 0.0
        self._turn = asyncio.Lock()

    @property
    def versions(self) -> tuple[KeptVersion, ...]:
        """The versions as they were at the last look."""
        return self._versions

    @property
    def preparers(self) -> Mapping[int, Preparer]:
        """What embeds in each version that is kept up to date, as far as this process can."""
        return self._preparers

    async def begin(self) -> Live:
        """Look for the first time; what is needed for searching is opened before this returns.

        Raises:
            SettingsError, EmbedderError: no version that could be searched can be opened.
        """
        versions = await self._read()
        problem: MemoledgerError | None = None
        for one in _searchable(versions):
            try:
                await self._open_now(one)
                break
            except MemoledgerError as error:
                problem = problem or error
        self._follow(versions)
        if self._live is None:
            raise problem or _nothing_serves()
        return self._live

    async def live(self) -> Live:
        """What to work with now.

        Raises:
            EmbedderError: the version it worked with is gone, and no other can be opened.
        """
        if time.monotonic() - self._looked_at >= NOTICED_S and not self._turn.locked():
            async with self._turn:
                # If that fails, what was known is what is known; the caller will meet the same.
                with contextlib.suppress(MemoledgerError):
                    await self.look()
        if self._live is None:
            raise _cannot_be_opened(self._versions)
        return self._live

    async def look(self) -> None:
        """Look now, whenever that was done before."""
        self._looked_at = time.monotonic()
        self._follow(await self._read())

    def add(self, name: str, embedder: Embedder) -> None:
        """Have another embedder at hand; it stays open."""
        self._given[name] = embedder

    async def obtain(self, kept: KeptVersion) -> Embedder:
        """The embedder of a version, opened if need be, and closed with the others.

        Raises:
            SettingsError, EmbedderError: it cannot be had.
        """
        await self._open_now(kept)
        embedder = self.embedder_of(kept.name)
        assert embedder is not None, "it was opened"
        return embedder

    def embedder_of(self, name: str) -> Embedder | None:
        """The embedder of a version, if this process has it."""
        return self._given.get(name) or self._opened.get(name)

    async def aclose(self) -> None:
        """Close what was opened here. Safe to call twice."""
        for task in self._opening.values():
            task.cancel()
        await asyncio.gather(*self._opening.values(), return_exceptions=True)
        for embedder in self._opened.values():
            await embedder.aclose()
        self._opened.clear()

    def _follow(self, versions: Sequence[KeptVersion]) -> None:
        """Work with these versions from now on; those without an embedder get one in a while."""
        self._looked_at = time.monotonic()
        changed = tuple(versions) != self._versions
        self._versions = tuple(versions)
        for one in self._versions:
            if one.state in KEPT_UP and self.embedder_of(one.name) is None:
                self._open_later(one)
        if changed:
            self._arrange()

    def _arrange(self) -> None:
        kept = [one for one in self._versions if one.state in KEPT_UP]
        companions = {
            one.number: Companion(
                one.number, one.name, one.state, self.embedder_of(one.name), self._statistics
            )
            for one in kept
        }
        self._preparers = {
            one.number: Preparer(
                embedder,
                self._language,
                companions=[other for number, other in companions.items() if number != one.number],
                statistics=self._statistics,
            )
            for one in kept
            if (embedder := self.embedder_of(one.name)) is not None
        }
        before, self._live = self._live, None
        for one in _searchable(self._versions):
            embedder = self.embedder_of(one.name)
            if embedder is not None:
                self._live = Live(one.number, one.name, embedder, self._preparers[one.number])
                break
        self._tell(before)

    def _tell(self, before: Live | None) -> None:
        serving = next((one.name for one in self._versions if one.state == "serving"), None)
        name = None if self._live is None else self._live.name
        if before is not None and before.name != name:
            _log.info("embedding_version_changed", searched=name, before=before.name)
        if name != serving:
            _log.warning("embedding_version_not_served", serving=serving, searched=name)

    async def _open_now(self, one: KeptVersion) -> None:
        if self.embedder_of(one.name) is None:
            self._opened[one.name] = await self._open(one)

    def _open_later(self, one: KeptVersion) -> None:
        """Open an embedder while requests go on without it."""
        failed_at = self._failed_at.get(one.name)
        waits = failed_at is not None and time.monotonic() - failed_at < OPENED_AGAIN_S
        if not waits and one.name not in self._opening:
            self._opening[one.name] = asyncio.create_task(self._try_opening(one))

    async def _try_opening(self, one: KeptVersion) -> None:
        try:
            await self._open_now(one)
            self._arrange()
        except MemoledgerError as error:
            self._failed_at[one.name] = time.monotonic()
            _log.warning(
                "embedder_not_opened",
                embedding_version=one.name,
                state=one.state,
                reason=error.message,
            )
        finally:
            self._opening.pop(one.name, None)


def _searchable(versions: Sequence[KeptVersion]) -> list[KeptVersion]:
    """The version that serves, then those that served before, the latest first."""
    found = [one for one in versions if one.state in _SEARCHED]
    return sorted(
        found,
        key=lambda one: (
            one.state != "serving",
            0.0 if one.replaced_at is None else -one.replaced_at.timestamp(),
        ),
    )


def _nothing_serves() -> EmbedderError:
    return EmbedderError(
        "No embedding version serves in this ledger.", remedy="Run `memoledger migrate`."
    )


def _cannot_be_opened(versions: Sequence[KeptVersion]) -> EmbedderError:
    name = next((one.name for one in versions if one.state == "serving"), "another version")
    return EmbedderError(
        f"The ledger is served by {name} now, whose embedder this process cannot open.",
        remedy="Set MEMOLEDGER_EMBEDDER to it, or open the ledger with that embedder.",
    )
