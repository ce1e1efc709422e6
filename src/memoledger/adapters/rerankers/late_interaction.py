"""The default reranker: every token of the query against every token of a text.

An embedding is the mean over a text's tokens, and a mean forgets details. Late interaction keeps
the tokens apart: each token of the query looks for the token of the text that resembles it most,
and what they find is averaged (MaxSim: Khattab and Zaharia, "ColBERT", 2020). The vectors are the
last hidden states of the local embedding model, which was not trained for this but serves: no other
weights are needed.

Two things differ from the textbook. Tokens of the query count by how rare they are among the texts
at hand, as words do in BM25: the plain mean gained less, and beside the full search nothing, for a
question mark then counts as much as a name. And the tokens of the texts are computed at query
time; kept beside each memory they would take three times the place of its embedding
(docs/explanation/decisions.md has the figures).
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from typing import Final

import numpy as np

from memoledger.adapters.embedders.local import LocalEmbedder
from memoledger.adapters.embedders.onnx_model import TokenVectors
from memoledger.model.indexing import inverse_document_frequency
from memoledger.ports import Scores

DEPTH: Final = 20
"""How many are compared by default: beside the full search 50 gained no more than 20."""

WEIGHT: Final = 0.1
"""What its verdict counts beside the search's. More gains more where the search is weak, and loses
where it is strong."""

WINDOWS_MAX: Final = 4
"""Of a text of more than some 900 tokens, four windows spread evenly over it are compared."""


class LateInteractionReranker:
    """Compares texts with a query token by token, with the local embedding model.

    A text of 45 tokens takes 4 to 6 ms of one core; calls share the embedder's threads text by
    text, so that other calls do not wait for this one to end.

    Args:
        embedder: whose model and threads are used.
        owned: whether `aclose` closes the embedder too.
    """

    def __init__(self, embedder: LocalEmbedder, *, owned: bool = False) -> None:
        self._embedder = embedder
        self._owned = owned

    @property
    def name(self) -> str:
        """The method and the model."""
        return f"late-interaction:{self._embedder.version.model.partition(':')[2]}"

    @property
    def depth(self) -> int:
        """See `memoledger.ports.Reranker`."""
        return DEPTH

    @property
    def weight(self) -> float:
        """See `memoledger.ports.Reranker`."""
        return WEIGHT

    async def rerank(self, query: str, texts: Sequence[str]) -> Scores:
        """Score `texts`, -1 to 1 each; see `memoledger.ports.Reranker`.

        Raises:
            InvalidInput: a text is empty, blank, no string, or has lone surrogates.
            EmbedderError: the local model cannot be loaded, failed, or is closed.
        """
        [asked] = await self._embedder.token_vectors([query], windows_max=WINDOWS_MAX)
        found = await self._embedder.token_vectors(texts, windows_max=WINDOWS_MAX)
        return await asyncio.to_thread(_scores, asked, found)

    async def aclose(self) -> None:
        """Close the embedder if it is owned. Safe to call twice."""
        if self._owned:
            await self._embedder.aclose()


def _scores(asked: TokenVectors, found: Sequence[TokenVectors]) -> Scores:
    scores = np.zeros(len(found), dtype=np.float32)
    if not asked.ids:
        return scores
    weights = _token_weights(asked, found)
    for place, text in enumerate(found):
        if text.ids:
            nearest = (text.vectors @ asked.vectors.T).max(axis=0)
            scores[place] = nearest @ weights
    return scores


def _token_weights(asked: TokenVectors, found: Sequence[TokenVectors]) -> Scores:
    """What each token of the query counts, all together 1: the rarer among the texts, the more."""
    frequencies = Counter(token for text in found for token in set(text.ids))
    weights = np.array(
        [inverse_document_frequency(len(found), frequencies[token]) for token in asked.ids],
        dtype=np.float32,
    )
    total: Scores = weights / weights.sum()
    return total
