"""Embedding versions beside the one that serves, as a writer sees them.

What is written gets its vectors in all of them, in the same transaction. But only the version that
serves decides whether something can be written: where the embedder of another one fails, is slow or
is not to be had, its vectors are left for later, and it is not asked again for a while.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Final

import structlog

from memoledger.model.embedding_states import State
from memoledger.model.errors import MemoledgerError
from memoledger.ports import Embedder, Vectors
from memoledger.services.embedding_statistics import EmbeddingStatistics, embed_counted

PATIENCE_S: Final = 10.0
"""Seconds that a write waits for the embedder of a version that does not serve."""

PAUSE_S: Final = 30.0
"""Seconds for which that embedder is not asked after it failed."""

_log = structlog.get_logger("memoledger")


class Companion:
    """One version that is kept up to date beside the one that serves.

    Args:
        number, name, state: the version's.
        embedder: what makes its vectors; None where this process cannot.
        statistics: where its embedding is counted.
    """

    def __init__(
        self,
        number: int,
        name: str,
        state: State,
        embedder: Embedder | None,
        statistics: EmbeddingStatistics,
    ) -> None:
        self.number = number
        self.name = name
        self.state = state
        self.embedder = embedder
        self._statistics = statistics
        self._asked_again_at = 0.0

    @property
    def is_scheduled(self) -> bool:
        """Whether what it lacks is put on the schedule; who fills a version looks for it anyway."""
        return self.state != "filling"

    async def embed(self, texts: Sequence[str]) -> Vectors | None:
        """The texts' vectors in this version; None if they are left for later."""
        if self.embedder is None or time.monotonic() < self._asked_again_at:
            return None
        try:
            async with asyncio.timeout(PATIENCE_S):
                return await embed_counted(self.embedder, texts, "document", self._statistics)
        except (MemoledgerError, TimeoutError) as error:
            self._asked_again_at = time.monotonic() + PAUSE_S
            reason = error.message if isinstance(error, MemoledgerError) else "it took too long"
            _log.warning(
                "embedding_left_for_later",
                embedding_version=self.name,
                texts=len(texts),
                reason=reason,
                again_in_s=PAUSE_S,
            )
            return None
