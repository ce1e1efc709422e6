"""Asking a remote model for the vectors of one batch: timeout, retries, and errors made one."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from memoledger.adapters.embedders.providers import Backend, Connection
from memoledger.adapters.embedders.retry import RetryPolicy
from memoledger.model.errors import EmbedderError, MemoledgerError
from memoledger.ports import EmbeddingInput

if TYPE_CHECKING:
    from pydantic_ai.embeddings import EmbeddingSettings
    from pydantic_ai.exceptions import ModelHTTPError

TRANSIENT_STATUSES = frozenset({408, 425, 429, *range(500, 600)})
"""HTTP statuses after which the same request may succeed: the moment was wrong, not the request."""

REASON_CHARS_MAX = 300
"""How much of a provider's own words an error repeats."""


KEY_CHARS_MIN = 8
"""Keys shorter than this are placeholders, and would turn up in ordinary words."""


@dataclass(frozen=True, slots=True)
class Failure:
    """Why an attempt failed.

    Args:
        reason: a clause for the error's message.
        remedy: what to do when it does not go away.
        transient: whether asking again may help.
        status: the HTTP status, if one came.
        retry_after_s: the wait the server asked for, in seconds, if it did.
    """

    reason: str
    remedy: str
    transient: bool
    status: int | None = None
    retry_after_s: float | None = None


class RemoteModel:
    """One remote model: `ask` either returns an answer's vectors, unchecked, or one EmbedderError.

    Args:
        concurrency: most requests under way at once, over all callers.
    """

    def __init__(
        self, backend: Backend, connection: Connection, policy: RetryPolicy, concurrency: int
    ) -> None:
        self._backend = backend
        self._connection = connection
        self._policy = policy
        self._slots = asyncio.Semaphore(concurrency)

    async def ask(
        self, texts: Sequence[str], *, input_type: EmbeddingInput, dimensions: int | None
    ) -> Sequence[Sequence[float]]:
        """The vectors as the provider gave them.

        Args:
            texts: one batch, not empty.
            input_type: what they are to the model.
            dimensions: the length to ask the provider for; None for the model's own.

        Raises:
            EmbedderError: no answer after all attempts, or a refusal that repeating cannot change.
        """
        attempt = 0
        while True:
            attempt += 1
            try:
                return await self._attempt(texts, input_type, dimensions)
            except MemoledgerError:
                raise
            except Exception as error:  # the SDKs' errors, and what they raise on odd answers
                failure = self._failure(error)
                wait_s = self._policy.wait_s(attempt, failure.retry_after_s)
                if not failure.transient or wait_s is None:
                    raise self._gave_up(failure, attempt) from error
            await asyncio.sleep(wait_s)

    async def aclose(self) -> None:
        """Close the client's connections."""
        await self._backend.close()

    async def _attempt(
        self, texts: Sequence[str], input_type: EmbeddingInput, dimensions: int | None
    ) -> Sequence[Sequence[float]]:
        settings: EmbeddingSettings | None = (
            None if dimensions is None else {"dimensions": dimensions}
        )
        embedder = self._backend.embedder
        async with self._slots, asyncio.timeout(self._connection.timeout_s):
            if input_type == "query":
                result = await embedder.embed_query(texts, settings=settings)
            else:
                result = await embedder.embed_documents(texts, settings=settings)
        return result.embeddings

    def _failure(self, error: Exception) -> Failure:
        from pydantic_ai.exceptions import (
            ModelAPIError,
            ModelConnectionError,
            ModelHTTPError,
            ModelTimeoutError,
        )

        reach = f"Check that {self._connection.base_url or 'the provider'} can be reached"
        if isinstance(error, TimeoutError | ModelTimeoutError):
            reason = f"gave no answer within {self._connection.timeout_s:g} s"
            return Failure(reason, f"{reach}, or allow more time.", transient=True)
        if isinstance(error, ModelHTTPError):
            return self._refusal(error)
        if isinstance(error, ModelConnectionError):
            said = self._quoted(_root_cause(error))
            return Failure(f"refused or lost the connection: {said}", f"{reach}.", transient=True)
        said = error.message if isinstance(error, ModelAPIError) else str(error) or repr(error)
        return Failure(
            f"answered with something that is no list of embeddings: {self._quoted(said)}",
            "Check that the model is an embedding model and the base URL its server.",
            transient=False,
        )

    def _refusal(self, error: ModelHTTPError) -> Failure:
        from pydantic_ai.exceptions import ModelQuotaExceededError

        status = error.status_code
        quota = isinstance(error, ModelQuotaExceededError)
        transient = status in TRANSIENT_STATUSES and not quota
        reason = f"refused with HTTP {status}: {self._quoted(_provider_words(error.body))}"
        if error.retry_after is not None and error.retry_after > self._policy.patience_s:
            reason += f"; it asks to wait {error.retry_after:,.0f} s"
        remedy = _remedy(status, quota)
        return Failure(reason, remedy, transient, status, error.retry_after)

    def _quoted(self, said: object) -> str:
        """The provider's words, shortened, without the key that some repeat."""
        text = str(said)
        key = self._connection.api_key
        if key and len(key) >= KEY_CHARS_MIN:
            text = text.replace(key, "[key]")
        return text if len(text) <= REASON_CHARS_MAX else text[:REASON_CHARS_MAX] + "…"

    def _gave_up(self, failure: Failure, attempts: int) -> EmbedderError:
        tries = "1 attempt" if attempts == 1 else f"{attempts} attempts"
        return EmbedderError(
            f"The embedding model {self._connection.name} {failure.reason} ({tries}).",
            remedy=failure.remedy,
            model=self._connection.name,
            attempts=attempts,
            status=failure.status,
            transient=failure.transient,
        )


def _provider_words(body: object) -> object:
    """The sentence in an error's body, wherever this provider keeps it; else the whole body."""
    if not isinstance(body, Mapping):
        return body
    for key in ("error", "Error", "message", "Message", "detail"):
        if found := body.get(key):
            return _provider_words(found)
    return body


def _root_cause(error: BaseException) -> str:
    """What lies under the SDK's and pydantic-ai's errors: usually the socket's own complaint."""
    root = error
    while root.__cause__ is not None:
        root = root.__cause__
    return f"{type(root).__name__}: {root}"


def _remedy(status: int, quota: bool) -> str:
    if quota:
        return "Check the account's quota and billing."
    if status in (401, 403):
        return "Check the API key and that it may use this model."
    if status == 404:
        return "Check the model's name and the base URL."
    if status in TRANSIENT_STATUSES:
        return "Try again later."
    return "The provider refused these texts or settings; see its reason."
