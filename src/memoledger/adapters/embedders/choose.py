"""From a setting's text to an open embedder."""

from __future__ import annotations

from typing import Final

from memoledger.adapters.embedders.local import LocalEmbedder
from memoledger.adapters.embedders.remote import RemoteEmbedder
from memoledger.adapters.embedders.retry import RetryPolicy
from memoledger.model.errors import SettingsError
from memoledger.ports import Embedder

LOCAL: Final = "minilm"
"""The spec of the local model, and the default."""


async def open_embedder(
    spec: str = LOCAL,
    *,
    dimensions: int | None = None,
    base_url: str | None = None,
    api_key: str | None = None,
    timeout_s: float = 30.0,
    attempts: int = 4,
) -> Embedder:
    """Open the embedder that `spec` names.

    Args:
        spec: `minilm` for the local model, or `provider:model`, for example
            `openai:text-embedding-3-small`, `cohere:embed-v4.0`,
            `bedrock:amazon.titan-embed-text-v2:0`, `voyageai:voyage-4`, `ollama:bge-m3`.
        dimensions: shorten vectors to this length; None for the model's own.
        base_url: the server of a remote model, when it is not the provider's usual one.
        api_key: the remote model's key; None to use the provider's usual environment variable.
        timeout_s: longest time for one remote request, in seconds, more than 0 and at most 3,600.
        attempts: tries of a remote request that failed for a passing reason, 1 to 20.

    Raises:
        SettingsError: `spec` is none of these, the packages it needs are not installed, or
            settings contradict each other.
        InvalidInput: a number is out of range.
        EmbedderError: a remote model's dimension had to be asked for and no usable answer came.
    """
    policy = RetryPolicy(attempts=attempts)
    if spec == LOCAL:
        _refuse_remote_settings(base_url, api_key)
        return LocalEmbedder(dimensions=dimensions)
    return await RemoteEmbedder.connect(
        spec,
        dimensions=dimensions,
        base_url=base_url,
        api_key=api_key,
        timeout_s=timeout_s,
        retry=policy,
    )


def _refuse_remote_settings(base_url: str | None, api_key: str | None) -> None:
    if base_url is not None or api_key is not None:
        field = "base_url" if base_url is not None else "api_key"
        raise SettingsError(
            field,
            base_url if base_url is not None else "(hidden)",
            f"the embedder {LOCAL} runs in this process and takes none",
            remedy="Leave it out, or name a remote embedder such as openai:text-embedding-3-small.",
        )
