"""The remote providers: what each can do, and how its client is opened.

Everything that needs an SDK is imported where it is used, so that a missing one is an error of the
provider that needs it and of no other.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from memoledger.model.errors import InvalidInput, SettingsError

if TYPE_CHECKING:
    from openai import AsyncOpenAI
    from pydantic_ai.embeddings import Embedder as PydanticEmbedder
    from pydantic_ai.providers import Provider as PydanticProvider

    from memoledger.adapters.embedders.openai_ordered import OrderedOpenAI

OLLAMA_URL: Final = "http://localhost:11434/v1"
"""Where Ollama listens unless told otherwise."""

PLACEHOLDER_KEY: Final = "none"
"""Sent to servers that want no key, because OpenAI's client insists on one."""


@dataclass(frozen=True, slots=True)
class Connection:
    """One model of one provider and the way to it.

    Args:
        provider: a key of `PROVIDERS`.
        model: the model's name as the provider spells it.
        base_url: the server, for providers that others can stand in for; None for the usual one.
        api_key: None to let the SDK find it in the provider's usual environment variable.
        timeout_s: longest time for one request, in seconds.
    """

    provider: str
    model: str
    base_url: str | None
    api_key: str | None
    timeout_s: float

    @property
    def name(self) -> str:
        """`provider:model`."""
        return f"{self.provider}:{self.model}"


@dataclass(frozen=True, slots=True)
class Backend:
    """An opened client: pydantic-ai's embedder, and how to close what it holds."""

    embedder: PydanticEmbedder
    close: Callable[[], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Provider:
    """What is known of a provider.

    Args:
        extra: the optional dependency of Memoledger that brings its SDK.
        batch_texts_max: most texts in one request: the provider's own limit, or fewer, so that
            reading an answer does not hold up the event loop for long.
        open: makes the client; may block for a second, so it is called in a thread.
        note: added to the remedy when the SDK is missing.
    """

    extra: str
    batch_texts_max: int
    open: Callable[[Connection], Backend]
    note: str = ""


def open_backend(connection: Connection) -> Backend:
    """Import the provider's SDK and make its client; sends nothing. Blocks: call it in a thread.

    Raises:
        SettingsError: the SDK is not installed, the base URL is no address, or a key or a
            region is missing.
    """
    provider = PROVIDERS[connection.provider]
    _check_base_url(connection.base_url)
    try:
        return provider.open(connection)
    except ImportError as error:
        raise SettingsError(
            "embedder",
            connection.name,
            f"the packages for this provider are not installed ({error.name or error})",
            remedy=f"Run: pip install 'memoledger[{provider.extra}]'{provider.note}",
        ) from error
    except InvalidInput:
        raise
    except Exception as error:  # every SDK complains about its settings in a class of its own
        raise SettingsError(
            "embedder",
            connection.name,
            f"the provider's client refused its settings: {error}",
            remedy="Check the model's name, key, region and base URL.",
        ) from error


def _open_openai(connection: Connection) -> Backend:
    from openai import OpenAIError
    from pydantic_ai.providers.openai import OpenAIProvider

    try:
        client = _openai_client(connection, connection.base_url, connection.api_key)
    except OpenAIError as error:  # no key: fine for a server of one's own, not for OpenAI's
        if connection.base_url is None:
            raise _missing_key(connection, "OPENAI_API_KEY") from error
        client = _openai_client(connection, connection.base_url, PLACEHOLDER_KEY)
    return _openai_backend(connection, client, OpenAIProvider(openai_client=client))


def _open_ollama(connection: Connection) -> Backend:
    from pydantic_ai.providers.ollama import OllamaProvider

    url = connection.base_url or OLLAMA_URL
    if urlsplit(url).path in (
        "",
        "/",
    ):  # the address Ollama prints at start; its OpenAI door is /v1
        url = url.rstrip("/") + "/v1"
    client = _openai_client(connection, url, connection.api_key or PLACEHOLDER_KEY)
    return _openai_backend(connection, client, OllamaProvider(openai_client=client))


def _openai_client(
    connection: Connection, base_url: str | None, api_key: str | None
) -> OrderedOpenAI:
    from memoledger.adapters.embedders.openai_ordered import OrderedOpenAI

    # No retries in the SDK: they would multiply ours and hide what happened.
    return OrderedOpenAI(
        base_url=base_url, api_key=api_key, timeout=connection.timeout_s, max_retries=0
    )


def _openai_backend(
    connection: Connection, client: AsyncOpenAI, provider: PydanticProvider[AsyncOpenAI]
) -> Backend:
    from pydantic_ai.embeddings import Embedder
    from pydantic_ai.embeddings.openai import OpenAIEmbeddingModel

    model = OpenAIEmbeddingModel(connection.model, provider=provider)
    return Backend(Embedder(model), client.close)


def _open_cohere(connection: Connection) -> Backend:
    import cohere
    import httpx
    from pydantic_ai.embeddings import Embedder
    from pydantic_ai.embeddings.cohere import CohereEmbeddingModel
    from pydantic_ai.providers.cohere import CohereProvider

    if connection.api_key is None and not os.environ.get("CO_API_KEY"):
        raise _missing_key(connection, "CO_API_KEY")
    http = httpx.AsyncClient(timeout=connection.timeout_s)
    client = cohere.AsyncClientV2(
        connection.api_key,
        base_url=connection.base_url,
        timeout=connection.timeout_s,
        max_retries=0,
        httpx_client=http,
    )
    model = CohereEmbeddingModel(connection.model, provider=CohereProvider(cohere_client=client))
    return Backend(Embedder(model), http.aclose)


def _open_bedrock(connection: Connection) -> Backend:
    from pydantic_ai.embeddings import Embedder
    from pydantic_ai.embeddings.bedrock import BedrockEmbeddingModel
    from pydantic_ai.providers.bedrock import BedrockProvider

    timeouts: dict[str, Any] = {
        "aws_read_timeout": connection.timeout_s,
        "aws_connect_timeout": connection.timeout_s,
    }
    provider = BedrockProvider(
        base_url=connection.base_url, **({"api_key": connection.api_key} | timeouts)
    )
    client = provider.client
    # botocore's own retries would multiply ours; it has no switch that the provider passes on.
    client.meta.events.unregister(
        "needs-retry.bedrock-runtime", unique_id="retry-config-bedrock-runtime"
    )

    async def close() -> None:
        await asyncio.to_thread(client.close)

    return Backend(Embedder(BedrockEmbeddingModel(connection.model, provider=provider)), close)


def _open_voyageai(connection: Connection) -> Backend:
    from pydantic_ai.embeddings import Embedder
    from pydantic_ai.embeddings.voyageai import VoyageAIEmbeddingModel
    from pydantic_ai.providers.voyageai import VoyageAIProvider
    from voyageai.client_async import AsyncClient

    client = AsyncClient(
        connection.api_key, timeout=connection.timeout_s, base_url=connection.base_url
    )
    if not client.api_key:
        raise _missing_key(connection, "VOYAGE_API_KEY")

    async def close() -> None:
        """Nothing to close: this client opens a connection for each request."""

    provider = VoyageAIProvider(voyageai_client=client)
    return Backend(Embedder(VoyageAIEmbeddingModel(connection.model, provider=provider)), close)


def _missing_key(connection: Connection, variable: str) -> SettingsError:
    return SettingsError(
        "embedder",
        connection.name,
        "this provider needs an API key and there is none",
        remedy=f"Set {variable} or MEMOLEDGER_EMBEDDER_API_KEY.",
    )


def _check_base_url(base_url: str | None) -> None:
    if base_url is None:
        return
    try:
        parts = urlsplit(base_url)
        sound = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        sound = False
    if not sound:
        raise SettingsError(
            "base_url",
            base_url,
            "not the address of an HTTP server",
            remedy="Write MEMOLEDGER_EMBEDDER_URL like http://localhost:11434/v1.",
        )


PROVIDERS: Final[Mapping[str, Provider]] = {
    "openai": Provider("openai", 64, _open_openai),
    "ollama": Provider("openai", 64, _open_ollama),
    "cohere": Provider("cohere", 96, _open_cohere),
    "bedrock": Provider("bedrock", 96, _open_bedrock),
    "voyageai": Provider(
        "voyageai", 128, _open_voyageai, note=" (its SDK needs Python 3.13 or older)"
    ),
}
"""Every provider by the name it has in `provider:model`."""
