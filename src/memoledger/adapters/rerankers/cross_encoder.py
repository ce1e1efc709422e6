"""Cross-encoders: models that read the query and a text together, run by sentence-transformers.

More exact than comparing vectors, and slower: each pair is a run of a model of its own. They come
with an extra, since they bring PyTorch and their weights are downloaded at the first use.
"""

from __future__ import annotations

import asyncio
import importlib
import importlib.util
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Lock
from typing import Final, Protocol

import numpy as np

from memoledger.adapters.embedders.texts import checked_texts
from memoledger.model.errors import RerankerError, SettingsError
from memoledger.ports import Scores

LIBRARY: Final = "sentence_transformers"

DEPTH: Final = 50
"""How many are judged; a cross-encoder is worth more candidates than a cheap comparison is."""

WEIGHT: Final = 0.8
"""What its verdict counts beside the search's; customary is its verdict alone. Not measured."""

BATCH: Final = 16
"""Pairs run together."""


class _Model(Protocol):
    """The one method of sentence-transformers' CrossEncoder that is used."""

    def predict(
        self, sentences: list[tuple[str, str]], *, batch_size: int, show_progress_bar: bool
    ) -> object:
        """One score a pair, as an array."""
        ...


class CrossEncoderReranker:
    """Judges pairs of query and text with a cross-encoder.

    The model is loaded at the first use, in a thread of its own, which runs one call after the
    other. Pairs longer than the model reads are cut off by its tokenizer.

    Args:
        model: name on the Hugging Face hub or a folder, such as
            `cross-encoder/ms-marco-MiniLM-L6-v2`.

    Raises:
        SettingsError: sentence-transformers is not installed.
    """

    def __init__(self, model: str) -> None:
        if importlib.util.find_spec(LIBRARY) is None:
            raise SettingsError(
                "reranker",
                f"cross-encoder:{model}",
                "the package sentence-transformers is not installed",
                remedy='Run: pip install "memoledger[cross-encoder]"',
            )
        self._model_name = model
        self._model: _Model | None = None
        self._closed = False
        self._lock = Lock()
        self._thread = ThreadPoolExecutor(1, "memoledger-rerank")

    @property
    def name(self) -> str:
        """The method and the model."""
        return f"cross-encoder:{self._model_name}"

    @property
    def depth(self) -> int:
        """See `memoledger.ports.Reranker`."""
        return DEPTH

    @property
    def weight(self) -> float:
        """See `memoledger.ports.Reranker`."""
        return WEIGHT

    async def rerank(self, query: str, texts: Sequence[str]) -> Scores:
        """Score `texts`, as the model scores them; see `memoledger.ports.Reranker`.

        Raises:
            InvalidInput: a text is empty, blank, no string, or has lone surrogates.
            RerankerError: the model cannot be loaded, failed, gave other than one number a
                pair, or this reranker is closed.
        """
        [asked] = await checked_texts([query])
        checked = await checked_texts(texts)
        with self._lock:
            if self._closed:
                raise RerankerError("The cross-encoder is closed.", remedy="Open a new one.")
            if not checked:
                return np.empty(0, dtype=np.float32)
            judging = self._thread.submit(self._judge, [(asked, text) for text in checked])
        return await asyncio.wrap_future(judging)

    async def aclose(self) -> None:
        """Let a call under way end, and let go of the model. Safe to call twice."""
        with self._lock:
            self._closed = True
        await asyncio.to_thread(self._thread.shutdown)
        self._model = None

    def _judge(self, pairs: list[tuple[str, str]]) -> Scores:
        """Load the model if this is the first time, and run it on the pairs."""
        try:
            if self._model is None:
                self._model = _load(self._model_name)
            found = self._model.predict(pairs, batch_size=BATCH, show_progress_bar=False)
            scores = np.asarray(found, dtype=np.float32)
        except Exception as error:  # its libraries raise classes of many kinds
            raise RerankerError(
                f"The cross-encoder {self._model_name} failed: {type(error).__name__}: {error}.",
                remedy="Check the model's name and that its weights can be downloaded,"
                " or set MEMOLEDGER_RERANKER=late-interaction.",
            ) from error
        if scores.shape != (len(pairs),) or not np.isfinite(scores).all():
            raise RerankerError(
                f"The cross-encoder {self._model_name} gave numbers of shape {scores.shape}"
                f" for {len(pairs)} pairs, or some that are not finite.",
                remedy="Choose a model that gives one number a pair.",
            )
        return scores


def _load(name: str) -> _Model:
    library = importlib.import_module(LIBRARY)  # takes seconds, so not before it is needed
    model: _Model = library.CrossEncoder(name)
    return model
