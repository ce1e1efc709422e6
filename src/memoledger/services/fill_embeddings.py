"""Fill an embedding version: give a vector to everything that lacks one.

First all texts are gone through, then what was written meanwhile, until nothing is found. What was
done is in the ledger, so that whoever is interrupted begins again and passes over it. No
transaction is open while the model works, and a batch is all that is held in memory.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final

from memoledger.ledger.embedding_texts import FAMILIES, Lacking, Made, Owner
from memoledger.ledger.embedding_work import EmbeddingWork
from memoledger.model.embedding import View
from memoledger.model.embedding_states import Filled, FillProgress, KeptVersion, Refused
from memoledger.model.errors import ConflictError, EmbedderError, InvalidInput, MemoledgerError
from memoledger.ports import Embedder, Vectors
from memoledger.services.embed_scheduled import REFUSED
from memoledger.services.prepare import views_of

BATCH: Final = 64
"""Texts embedded and written at a time, unless told otherwise."""

BATCH_MAX: Final = 1_000

ROUNDS_MAX: Final = 100
"""Rounds through what was written meanwhile; each is shorter than the one before."""

RECENT_MAX: Final = 1_000
"""So much of it is looked at in a round."""

ATTEMPTS_MAX: Final = 10
"""How often a model that fails is asked again, and a write that collided is made again."""

PAUSE_FIRST_S: Final = 1.0
PAUSE_MAX_S: Final = 60.0
"""Seconds between attempts: at first, and at most."""

REFUSED_TOLD: Final = 100
"""Refused texts that are told one by one; the others are counted."""

NO_VERSION: Final = 0
"""The number of no version, in which everything is missing."""

STATISTICS_EVERY: Final = 5_000
"""After so many new vectors the planner is told, should the tables have grown much."""

OnProgress = Callable[[FillProgress], None]


async def fill(
    work: EmbeddingWork,
    kept: KeptVersion,
    embedder: Embedder,
    *,
    batch: int = BATCH,
    pace: float = 1.0,
    on_progress: OnProgress | None = None,
) -> Filled:
    """Embed everything that lacks a vector in a version, and mark it ready if it was being filled.

    Args:
        embedder: makes vectors of this version.
        batch: texts embedded and written at a time, 1 to 1,000.
        pace: the share of the time in which the model works, above 0 to 1; less leaves more of it
            to recalls.
        on_progress: called after each batch.

    Raises:
        ConflictError: another process is filling this version, or it was retired.
        EmbedderError: the model failed ten times in a row; what was embedded before stays.
    """
    async with work.versions.alone(kept.number) as free:
        if not free:
            raise ConflictError(
                f"Another process is filling {kept.name}.",
                remedy="Wait for it, or end it; what it has done stays.",
            )
        filling = Filling(work, kept, embedder, batch=batch, pace=pace, on_progress=on_progress)
        await filling.everything()
        return await filling.finish()


class Filling:
    """One act of filling a version.

    Args:
        as for `fill`.
    """

    def __init__(
        self,
        work: EmbeddingWork,
        kept: KeptVersion,
        embedder: Embedder,
        *,
        batch: int = BATCH,
        pace: float = 1.0,
        on_progress: OnProgress | None = None,
    ) -> None:
        self._work = work
        self._kept = kept
        self._embedder = embedder
        self._batch = batch
        self._pace = pace
        self._on_progress = on_progress
        self._began = time.perf_counter()
        self._total = 0
        self._told_of = 0
        self.embedded = 0
        self.refused: dict[tuple[Owner, View], str] = {}

    async def everything(self) -> datetime:
        """Go through all texts, then through what was written meanwhile.

        Returns:
            an instant before which nothing is missing, but what was refused.
        """
        since = await self._work.indexes.everything_before()
        self._total = await self._work.texts.missing(self._kept.number)
        self._tell(done=False)
        for family in FAMILIES:
            last: Owner | None = None
            while True:
                page = await self._work.texts.page(self._kept.number, family, last)
                if page.last is None:
                    break
                await self.embed(page.lacking)
                last = page.last
        return await self.what_came_since(since)

    async def what_came_since(self, since: datetime) -> datetime:
        """Go through what was written since an instant, until nothing is found; as `everything`."""
        for _ in range(ROUNDS_MAX):
            began = await self._work.indexes.everything_before()
            found = await self.recent(since)
            await self.embed(await self._work.texts.of(self._kept.number, found))
            if len(found) < RECENT_MAX:
                since = began
            if not found:
                break
        return since

    async def embed_recent(self, since: datetime) -> None:
        """Embed what was written since an instant and is found now."""
        found = await self.recent(since)
        await self.embed(await self._work.texts.of(self._kept.number, found))

    async def recent(self, since: datetime) -> list[Owner]:
        """What was written since, lacks a vector, and was not refused."""
        # What was refused is found again each time, and must not take the others' place.
        at_most = RECENT_MAX + len(self.refused)
        found = await self._work.texts.recent(self._kept.number, since, at_most=at_most)
        return [one for one in found if (one, "body") not in self.refused][:RECENT_MAX]

    async def embed(self, lacking: Sequence[Lacking]) -> None:
        """Embed and write what these texts lack, batch by batch."""
        texts = [
            (one.owner, view, text)
            for one in lacking
            for view, text in _texts(one)
            if view in one.views and (one.owner, view) not in self.refused
        ]
        for start in range(0, len(texts), self._batch):
            started = time.perf_counter()
            await self._embed_batch(texts[start : start + self._batch])
            self._tell(done=False)
            if self._pace < 1:
                await asyncio.sleep((time.perf_counter() - started) * (1 / self._pace - 1))

    async def finish(self) -> Filled:
        """Mark the version ready if it was being filled; what was done.

        It may lack what its model refused: whoever has it serve has to say so.
        """
        await self._work.texts.refresh_statistics()
        await self._work.versions.mark_filled(self._kept.number)
        self._tell(done=True)
        state = "ready" if self._kept.state == "filling" else self._kept.state
        told = list(self.refused.items())[:REFUSED_TOLD]
        return Filled(
            self._kept.name,
            state,
            self.embedded,
            time.perf_counter() - self._began,
            tuple(_as_refused(owner, reason) for (owner, _), reason in told),
            len(self.refused),
        )

    async def _embed_batch(self, texts: Sequence[tuple[Owner, View, str]]) -> None:
        """Embed and write; where the model refuses a text, the others are embedded without it."""
        try:
            vectors = await self._vectors([text for *_, text in texts])
        except (EmbedderError, InvalidInput) as error:
            if not _is_refusal(error):
                raise
            if len(texts) == 1:
                owner, view, _ = texts[0]
                self.refused[owner, view] = error.message
                return
            middle = len(texts) // 2
            await self._embed_batch(texts[:middle])
            await self._embed_batch(texts[middle:])
            return
        made = [
            Made(owner, view, vector)
            for (owner, view, _), vector in zip(texts, vectors, strict=True)
        ]
        self.embedded += await self._write(made)
        if self.embedded - self._told_of >= STATISTICS_EVERY:
            self._told_of = self.embedded
            await self._work.texts.refresh_statistics()

    async def _vectors(self, texts: Sequence[str]) -> Vectors:
        pause_s = PAUSE_FIRST_S
        for attempt in range(ATTEMPTS_MAX):
            try:
                return await self._embedder.embed(texts, input_type="document")
            except EmbedderError as error:
                if _is_refusal(error) or attempt == ATTEMPTS_MAX - 1:
                    raise
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, PAUSE_MAX_S)
        raise AssertionError("the loop returns or raises")

    async def _write(self, made: Sequence[Made]) -> int:
        for attempt in range(ATTEMPTS_MAX):
            try:
                return await self._work.texts.write(self._kept.number, made)
            except ConflictError:
                if attempt == ATTEMPTS_MAX - 1:
                    raise
        raise AssertionError("the loop returns or raises")

    def _tell(self, *, done: bool) -> None:
        if self._on_progress is not None:
            total = max(self._total, self.embedded + len(self.refused))
            self._on_progress(FillProgress(self.embedded, total, len(self.refused), done))


async def texts_of(work: EmbeddingWork, owners: Sequence[Owner]) -> dict[Owner, str]:
    """What is embedded as the body of given texts, whether they lack anything or not."""
    found = await work.texts.of(NO_VERSION, owners)
    return {one.owner: dict(_texts(one))["body"] for one in found if "body" in one.views}


def _texts(one: Lacking) -> list[tuple[View, str]]:
    """What is embedded of a text: of a chunk its content, of a memory view by view."""
    return [("body", one.content)] if one.owner.family == "chunk" else views_of(one)


def _is_refusal(error: MemoledgerError) -> bool:
    """Whether the model refused what it was given, so that asking again would not help."""
    return isinstance(error, InvalidInput) or error.details.get("status") in REFUSED


def _as_refused(owner: Owner, reason: str) -> Refused:
    ids = str(owner.store_id), owner.family, str(owner.owner_id)
    return Refused(owner.tenant, *ids, owner.version, reason)
