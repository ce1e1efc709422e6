"""The default embedder: all-MiniLM-L6-v2 run in this process by onnxruntime.

Every text is run alone. The model's int8 quantisation scales activations over whatever is run
together, so in a batch a text's vector would depend on its neighbours; run alone it does not, and
as many threads as cores sharing one single-threaded session are faster than batches besides.
"""

from __future__ import annotations

import asyncio
import math
import os
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future, InvalidStateError, ThreadPoolExecutor
from contextlib import suppress
from threading import Lock
from typing import Any, Final, Generic, TypeVar

import numpy as np

from memoledger.adapters.embedders.onnx_model import (
    OVERLAP_TOKENS,
    REINSTALL,
    WINDOWS_MAX,
    OnnxModel,
    TokenVectors,
    Vector,
    Weights,
)
from memoledger.adapters.embedders.texts import check_text, checked_texts
from memoledger.model.embedding import EmbeddingVersion
from memoledger.model.errors import EmbedderError, InvalidInput, MemoledgerError, SettingsError
from memoledger.ports import EmbeddingInput, Vectors

MODEL: Final = "minilm:all-MiniLM-L6-v2-int8"

_Result = TypeVar("_Result")

THREADS_MAX: Final = 32
"""Beyond so many threads the interpreter lock is what is waited for, not the model."""


class LocalEmbedder:
    """Embeds with the model of the `memoledger-minilm` package; nothing leaves the machine.

    A query takes a few milliseconds. Calls share the threads text by text, so a query does not
    wait for an import of 100,000 texts to end. Files are checked and loaded once, at the first
    call, in a thread. Queries and documents are embedded alike: the model knows no difference.

    A text longer than the model's window (256 tokens, some 190 words) is not cut off: it is run in
    windows that overlap by 32 tokens, and its vector is the mean over all their tokens. Of a text
    of more than 32 windows (about 7,100 tokens), 32 spread evenly over it are run.

    Args:
        dimensions: keep only so many of the 384 numbers, 1 to 384, and restore length 1. The
            model was not trained for this; each halving costs some quality.
        threads: 1 to 32; as many as this process may use cores when None.
        weights: other files than the package's, for tests and for models of the same make.

    Raises:
        InvalidInput: `dimensions` or `threads` is out of range.
        SettingsError: `weights` is None and `memoledger-minilm` is not installed.
    """

    def __init__(
        self,
        *,
        dimensions: int | None = None,
        threads: int | None = None,
        weights: Weights | None = None,
    ) -> None:
        self._weights = weights or packaged_weights()
        self._version = _version(self._weights, dimensions)
        self._threads = _thread_count(threads)
        self._model: OnnxModel | None = None
        self._model_lock = Lock()
        self._pool: ThreadPoolExecutor | None = None
        self._pool_process = 0
        self._pool_lock = Lock()
        self._closed = False

    @property
    def version(self) -> EmbeddingVersion:
        """Model and dimensions, with revision, file hashes and window handling as settings."""
        return self._version

    async def embed(self, texts: Sequence[str], *, input_type: EmbeddingInput) -> Vectors:
        """Embed `texts`; see `memoledger.ports.Embedder`. `input_type` makes no difference.

        Cancelling stops the work after the window under way in each thread.

        Raises:
            InvalidInput: a text is empty, blank, no string, or has lone surrogates.
            EmbedderError: a file is missing or has another hash, the model failed, or this
                embedder is closed.
        """
        checked = await checked_texts(texts)
        dimensions = self._version.dimensions
        rows: Vectors = np.empty((len(checked), dimensions), dtype=np.float32)

        def keep(index: int, total: Vector) -> None:
            rows[index] = _unit(total[:dimensions])

        await self._carry_out(_Call(checked, OnnxModel.embed_steps, keep))
        return rows

    async def token_vectors(self, texts: Sequence[str], *, windows_max: int) -> list[TokenVectors]:
        """What the model makes of each token of each text, for comparing texts word by word.

        These have all of the model's 384 dimensions, however many the embeddings keep.

        Args:
            windows_max: windows of 254 tokens that are run of a text at most, 2 or more.

        Raises:
            InvalidInput, EmbedderError: as `embed`.
        """
        checked = await checked_texts(texts)
        found: dict[int, TokenVectors] = {}

        def steps(model: OnnxModel, text: str) -> Generator[None, None, TokenVectors]:
            return model.token_steps(text, windows_max)

        await self._carry_out(_Call(checked, steps, found.__setitem__))
        return [found[index] for index in range(len(checked))]

    async def token_count(self, text: str) -> int:
        """Number of tokens of `text`, of which the model's window holds 254.

        Raises:
            InvalidInput: `text` is empty, blank, no string, or has lone surrogates.
            EmbedderError: as `embed`.
        """
        check_text(text, 0)
        return await asyncio.wrap_future(
            self._threads_pool().submit(lambda: self._loaded().token_count(text))
        )

    async def token_counts(self, texts: Sequence[str]) -> list[int]:
        """Number of tokens of each text.

        Raises:
            InvalidInput, EmbedderError: as `token_count`.
        """
        checked = await checked_texts(texts)
        return await asyncio.wrap_future(
            self._threads_pool().submit(lambda: [*map(self._loaded().token_count, checked)])
        )

    async def aclose(self) -> None:
        """End the threads and let go of the model; calls under way fail. Safe to call twice."""
        with self._pool_lock:
            pool, self._pool, self._closed = self._pool, None, True
        if pool is not None:
            await asyncio.to_thread(pool.shutdown)
        self._model = None

    async def _carry_out(self, call: _Call[Any]) -> None:
        """Have the threads work on a call until it ended."""
        if call.texts:
            for _ in range(min(self._threads, len(call.texts))):
                self._submit(call, self._work(call))
            await asyncio.wrap_future(call.ended)

    def _submit(self, call: _Call[Any], work: Iterator[None]) -> None:
        """Put one step of `work` at the end of the queue, where other calls' steps wait too."""
        try:
            self._threads_pool().submit(self._advance, call, work)
        except MemoledgerError as error:
            call.end(error)
        except RuntimeError as error:  # the pool was shut down a moment ago, or Python is exiting
            call.end(_closed_error(error))

    def _advance(self, call: _Call[Any], work: Iterator[None]) -> None:
        """Do one step of `work` in this thread, then queue the next."""
        try:
            next(work)
        except StopIteration:
            return
        except MemoledgerError as error:
            call.end(error)
        except Exception as error:  # onnxruntime's errors have no common class
            call.end(
                EmbedderError(
                    f"The local embedding model failed: {type(error).__name__}: {error}.",
                    remedy=REINSTALL,
                )
            )
        else:
            self._submit(call, work)

    def _work(self, call: _Call[Any]) -> Iterator[None]:
        """One thread's share of a call: take a text, embed it, until none is left."""
        model = self._loaded()
        while (index := call.take()) is not None:
            result = yield from call.steps(model, call.texts[index])
            call.store(index, result)
            if not call.ended.done():
                yield

    def _loaded(self) -> OnnxModel:
        """The model, loaded by whoever comes first; a failed load is tried again next time."""
        if (model := self._model) is not None:
            return model
        with self._model_lock:
            if self._model is None:
                self._model = OnnxModel.load(self._weights)
            return self._model

    def _threads_pool(self) -> ThreadPoolExecutor:
        # Threads do not survive a fork: the child would queue steps that nobody ever takes.
        if (pool := self._pool) is not None and self._pool_process == os.getpid():
            return pool
        with self._pool_lock:
            if self._closed:
                raise _closed_error()
            if self._pool is None or self._pool_process != os.getpid():
                self._pool = ThreadPoolExecutor(self._threads, "memoledger-embed")
                self._pool_process = os.getpid()
            return self._pool


class _Call(Generic[_Result]):
    """One call under way: its texts, what is done with each, and how it ended.

    Args:
        steps: the work on one text, step by step.
        keep: takes a text's place and what the work made of it, in any thread.
    """

    def __init__(
        self,
        texts: list[str],
        steps: Callable[[OnnxModel, str], Generator[None, None, _Result]],
        keep: Callable[[int, _Result], None],
    ) -> None:
        self.texts = texts
        self.steps = steps
        self._keep = keep
        self.ended: Future[None] = Future()
        self._lock = Lock()
        self._taken = 0
        self._unfinished = len(texts)

    def take(self) -> int | None:
        """The next text's index; None when none is left, or the call failed or was cancelled."""
        if self.ended.done():
            return None
        with self._lock:
            index = self._taken
            self._taken += 1
        return index if index < len(self.texts) else None

    def store(self, index: int, result: _Result) -> None:
        """Keep what was made of a text; the last one ends the call."""
        self._keep(index, result)
        with self._lock:
            self._unfinished -= 1
            finished = self._unfinished == 0
        if finished:
            self.end(None)

    def end(self, error: Exception | None) -> None:
        """Wake the caller, with the error if there is one; only the first ending counts."""
        with suppress(InvalidStateError):  # failed in another thread, or cancelled just now
            if error is None:
                self.ended.set_result(None)
            else:
                self.ended.set_exception(error)


def packaged_weights() -> Weights:
    """The files of the `memoledger-minilm` package.

    Raises:
        SettingsError: the package is not installed.
    """
    try:
        import memoledger_minilm as minilm
    except ImportError as error:
        raise SettingsError(
            "embedder",
            "minilm",
            "the package with the local model's files is not installed",
            remedy="Run: pip install memoledger-minilm",
        ) from error
    return Weights(
        model_path=minilm.MODEL_PATH,
        model_sha256=minilm.MODEL_SHA256,
        tokenizer_path=minilm.TOKENIZER_PATH,
        tokenizer_sha256=minilm.TOKENIZER_SHA256,
        revision=minilm.REVISION,
        dimensions=minilm.DIMENSIONS,
        window_tokens=minilm.WINDOW_TOKENS,
    )


def _version(weights: Weights, dimensions: int | None) -> EmbeddingVersion:
    wanted = weights.dimensions if dimensions is None else dimensions
    if not 1 <= wanted <= weights.dimensions:
        raise InvalidInput(
            "dimensions",
            wanted,
            f"the local model has {weights.dimensions} dimensions",
            remedy=f"Choose 1 to {weights.dimensions}, or another embedder.",
        )
    settings = {
        "revision": weights.revision[:8],
        "model_sha256": weights.model_sha256[:16],
        "tokenizer_sha256": weights.tokenizer_sha256[:16],
        "pooling": "mean",
        "window_tokens": str(weights.window_tokens),
        "overlap_tokens": str(OVERLAP_TOKENS),
        "windows_max": str(WINDOWS_MAX),
    }
    return EmbeddingVersion(MODEL, wanted, settings)


def _thread_count(threads: int | None) -> int:
    if threads is None:
        return min(_usable_cores(), THREADS_MAX)
    if not 1 <= threads <= THREADS_MAX:
        raise InvalidInput(
            "threads",
            threads,
            f"1 to {THREADS_MAX} threads",
            remedy="Leave it out to use all cores.",
        )
    return threads


def _usable_cores() -> int:
    """Cores this process may run on, which inside a container can be fewer than the machine's."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _unit(vector: Vector) -> Vector:
    """`vector` at Euclidean length 1."""
    length = math.sqrt(float(vector @ vector))
    if not 0 < length < math.inf:
        raise EmbedderError(
            f"The local embedding model gave a vector of length {length}.", remedy=REINSTALL
        )
    return vector / np.float32(length)


def _closed_error(cause: Exception | None = None) -> EmbedderError:
    error = EmbedderError("The local embedder is closed.", remedy="Open a new one.")
    error.__cause__ = cause
    return error
