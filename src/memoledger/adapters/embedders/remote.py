"""Embedding models behind a provider's API, through pydantic-ai."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator, Sequence
from typing import Final

import numpy as np

from memoledger.adapters.embedders.known_models import KnownModel, known_model
from memoledger.adapters.embedders.providers import PROVIDERS, Connection, open_backend
from memoledger.adapters.embedders.remote_model import RemoteModel
from memoledger.adapters.embedders.retry import RetryPolicy
from memoledger.adapters.embedders.texts import checked_texts
from memoledger.adapters.embedders.vectors import answer_matrix, unit_rows, wrong_answer
from memoledger.model.embedding import EmbeddingVersion
from memoledger.model.errors import EmbedderError, InvalidInput, SettingsError
from memoledger.ports import EmbeddingInput, Vectors

BATCH_CHARS_MAX: Final = 100_000
"""Most characters in a request of several texts; providers bound a request's tokens as well."""

CONCURRENCY: Final = 4
"""Requests under way at once, unless told otherwise."""

CONCURRENCY_MAX: Final = 64
"""Most requests that may be under way at once."""

TIMEOUT_MAX_S: Final = 3_600
"""Longest time one request may be given, in seconds."""

PROBE: Final = "How many dimensions?"
"""Embedded once to learn the dimension of a model nobody described."""


class RemoteEmbedder:
    """Embeds through OpenAI, Cohere, Bedrock, VoyageAI, Ollama or an OpenAI-compatible server.

    Made by `connect`. Texts go out in batches of bounded size, a bounded number at once. Queries
    and documents are announced as such to providers that tell them apart (Cohere, VoyageAI,
    Bedrock's Cohere and Nova); the others embed them alike. A text longer than the model's window
    is refused by the provider and raises EmbedderError; some servers (Ollama) cut it instead.
    """

    def __init__(
        self,
        model: RemoteModel,
        version: EmbeddingVersion,
        *,
        asks_for: int | None,
        lengths: frozenset[int],
        batch_texts_max: int,
        concurrency: int,
    ) -> None:
        """For `connect`, which finds out what is passed here."""
        self._model = model
        self._version = version
        self._asks_for = asks_for
        self._lengths = lengths
        self._batch_texts_max = batch_texts_max
        self._concurrency = concurrency
        self._closed = False

    @classmethod
    async def connect(
        cls,
        spec: str,
        *,
        dimensions: int | None = None,
        base_url: str | None = None,
        api_key: str | None = None,
        timeout_s: float = 30.0,
        retry: RetryPolicy | None = None,
        batch_texts_max: int | None = None,
        concurrency: int = CONCURRENCY,
    ) -> RemoteEmbedder:
        """Open a model; sends one request only if its dimension is neither given nor known.

        Args:
            spec: `provider:model`; the providers are openai, ollama, cohere, bedrock, voyageai.
            dimensions: length of the vectors wanted. A provider that shortens vectors itself is
                asked to; else longer ones are cut and renormalised, which suits models
                trained for it (Matryoshka).
            base_url: the server, for one that stands in for the provider, such as any that
                speaks OpenAI's API.
            api_key: None to let the provider's SDK find it in its usual environment variable.
            timeout_s: longest time for one request, in seconds, more than 0.
            retry: how often and when to ask again; four attempts when None.
            batch_texts_max: most texts in a request; at most, and by default, the provider's limit.
            concurrency: most requests at once, 1 to 64.

        Raises:
            SettingsError: `spec` is malformed or names an unknown provider, its packages are not
                installed, a key is missing, or the model has fewer dimensions than wanted.
            InvalidInput: a number is out of range.
            EmbedderError: the dimension had to be asked for and no usable answer came.
        """
        connection = _connection(spec, base_url, api_key, timeout_s)
        limit = PROVIDERS[connection.provider].batch_texts_max
        batch = _in_range(
            "batch_texts_max", limit if batch_texts_max is None else batch_texts_max, limit
        )
        _in_range("concurrency", concurrency, CONCURRENCY_MAX)
        known = known_model(connection.provider, connection.model)
        check_dimensions(dimensions, known, connection.name)
        # Importing an SDK and making its client takes about a second the first time.
        backend = await asyncio.to_thread(open_backend, connection)
        model = RemoteModel(backend, connection, retry or RetryPolicy(), concurrency)
        try:
            wanted = dimensions or (known and known.dimensions) or await _probed(model, connection)
            version = EmbeddingVersion(connection.name, wanted)
        except BaseException:
            await model.aclose()
            raise
        return cls(
            model,
            version,
            asks_for=asked_dimensions(wanted, known),
            lengths=answered_lengths(wanted, known, probed=dimensions is None),
            batch_texts_max=batch,
            concurrency=concurrency,
        )

    @property
    def version(self) -> EmbeddingVersion:
        """The model as `provider:model` and the dimensions; where it is served does not matter."""
        return self._version

    async def embed(self, texts: Sequence[str], *, input_type: EmbeddingInput) -> Vectors:
        """Embed `texts`; see `memoledger.ports.Embedder`.

        The first batch that fails ends the call and cancels the others; so does cancelling it.

        Raises:
            InvalidInput: a text is empty, blank, no string, or has lone surrogates.
            EmbedderError: no usable answer came; its details say whether that is `transient`.
        """
        if self._closed:
            raise EmbedderError("The remote embedder is closed.", remedy="Open a new one.")
        checked = await checked_texts(texts)
        rows = np.empty((len(checked), self._version.dimensions), dtype=np.float32)
        parts = batches(checked, texts_max=self._batch_texts_max, chars_max=BATCH_CHARS_MAX)

        async def work() -> None:
            for part in parts:  # one iterator for all workers, so each batch is taken once
                rows[part] = await self._embed_batch(checked[part], input_type)

        await _all_or_none([work() for _ in range(min(self._concurrency, len(checked)))])
        return rows

    async def aclose(self) -> None:
        """Close the connections. Safe to call twice."""
        if not self._closed:
            self._closed = True
            await self._model.aclose()

    async def _embed_batch(self, texts: Sequence[str], input_type: EmbeddingInput) -> Vectors:
        name = self._version.model
        answer = await self._model.ask(texts, input_type=input_type, dimensions=self._asks_for)
        matrix = answer_matrix(answer, texts=len(texts), model=name)
        self._check_length(len(matrix[0]))
        return unit_rows(matrix, dimensions=self._version.dimensions, model=name)

    def _check_length(self, came: int) -> None:
        """Accept the lengths known for the model; of an unknown one, what it answered first."""
        wanted = self._version.dimensions
        if not self._lengths and came >= wanted:
            self._lengths = frozenset({came})
        if came < wanted or came not in self._lengths:
            raise wrong_answer(
                self._version.model,
                f"vectors of {came} dimensions where {wanted} are expected",
                remedy="Check the model's name and base URL, or set the dimensions it really has.",
            )


def batches(texts: Sequence[str], *, texts_max: int, chars_max: int) -> Iterator[slice]:
    """Slices of `texts` of at most `texts_max` texts and `chars_max` characters, or one text."""
    start = chars = 0
    for index, text in enumerate(texts):
        full = index - start == texts_max or chars + len(text) > chars_max
        if full and index > start:
            yield slice(start, index)
            start, chars = index, 0
        chars += len(text)
    if start < len(texts):
        yield slice(start, len(texts))


def asked_dimensions(wanted: int, known: KnownModel | None) -> int | None:
    """The length to ask the provider for: None when it is the model's own, or it cannot shorten."""
    if known is None or wanted == known.dimensions or wanted not in known.offered:
        return None
    return wanted


def answered_lengths(wanted: int, known: KnownModel | None, *, probed: bool) -> frozenset[int]:
    """The lengths an answer may have; none when only the first answer will tell.

    A provider asked for shorter vectors may ignore that (stand-ins do), so of a known model its
    own length is acceptable too.
    """
    if known is not None:
        return frozenset({wanted, known.dimensions})
    return frozenset({wanted}) if probed else frozenset()


def check_dimensions(wanted: int | None, known: KnownModel | None, model: str) -> None:
    """Refuse lengths that can be known to be impossible before anything is sent.

    Raises:
        SettingsError: the model is known to have fewer dimensions.
        InvalidInput: not a possible number of dimensions at all.
    """
    if wanted is None:
        return
    EmbeddingVersion(model, wanted)
    if known and wanted > known.dimensions and wanted not in known.offered:
        raise SettingsError(
            "dimensions",
            wanted,
            f"{model} has {known.dimensions} dimensions",
            remedy=f"Choose at most {known.dimensions}, or leave it out.",
        )


async def _probed(model: RemoteModel, connection: Connection) -> int:
    answer = await model.ask([PROBE], input_type="document", dimensions=None)
    return len(answer_matrix(answer, texts=1, model=connection.name)[0])


async def _all_or_none(works: Sequence[Coroutine[object, None, None]]) -> None:
    """Run all; when one fails or the caller is cancelled, end the others before raising."""
    tasks = [asyncio.ensure_future(work) for work in works]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _connection(
    spec: str, base_url: str | None, api_key: str | None, timeout_s: float
) -> Connection:
    provider, _, model = spec.partition(":")
    if provider not in PROVIDERS or not model.strip():
        raise SettingsError(
            "embedder",
            spec,
            "no embedder of that name",
            remedy="Write minilm for the local model, or one of "
            + ", ".join(f"{name}:MODEL" for name in PROVIDERS)
            + "; for another server that speaks OpenAI's API, openai:MODEL and its base URL.",
        )
    if not 0 < timeout_s <= TIMEOUT_MAX_S:
        raise InvalidInput(
            "timeout_s", timeout_s, "more than 0 and at most 3,600 seconds", remedy="Try 30."
        )
    return Connection(provider, model.strip(), base_url, api_key, timeout_s)


def _in_range(field: str, value: int, limit: int) -> int:
    if not 1 <= value <= limit:
        raise InvalidInput(
            field, value, f"must be 1 to {limit}", remedy="Leave it out for the default."
        )
    return value
