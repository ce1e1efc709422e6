"""The providers other than OpenAI, through their own SDKs, against the fake provider."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from memoledger.adapters.embedders.known_models import KNOWN_MODELS, known_model
from memoledger.adapters.embedders.providers import PROVIDERS
from memoledger.adapters.embedders.remote import RemoteEmbedder
from memoledger.adapters.embedders.retry import RetryPolicy
from memoledger.model.errors import EmbedderError, SettingsError

CASES = {
    "cohere": ("cohere", "cohere:embed-v4.0", "search_query", "search_document"),
    "voyageai": ("voyageai", "voyageai:voyage-4", "query", "document"),
    "bedrock": ("boto3", "bedrock:cohere.embed-v4:0", "search_query", "search_document"),
}


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Name of the provider, spec, and what it calls a query and a document."""
    module, *rest = CASES[request.param]
    pytest.importorskip(module, reason=f"the extra `{request.param}` is not installed")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "id")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    return request.param, *rest


async def connect(provider: Any, name: str, spec: str, **options: Any) -> RemoteEmbedder:
    url = provider.url if name == "voyageai" else provider.root
    key = None if name == "bedrock" else "key-for-tests"
    return await RemoteEmbedder.connect(
        spec,
        **{
            "base_url": url,
            "api_key": key,
            "dimensions": 256,
            "timeout_s": 20.0,
            "retry": RetryPolicy(attempts=3, base_s=0.001),
            **options,
        },
    )


async def test_queries_and_documents_are_announced_as_such(provider: Any, case: Any) -> None:
    name, spec, as_query, as_document = case
    embedder = await connect(provider, name, spec)
    query = await embedder.embed(["same text"], input_type="query")
    document = await embedder.embed(["same text"], input_type="document")
    assert [request.input_type for request in provider.requests] == [as_query, as_document]
    expected = np.array(provider.vector("same text", as_query, 256))
    np.testing.assert_allclose(query[0], expected / np.linalg.norm(expected), atol=1e-6)
    assert not np.allclose(query, document)
    await embedder.aclose()


async def test_the_provider_is_asked_to_shorten(provider: Any, case: Any) -> None:
    name, spec, *_ = case
    embedder = await connect(provider, name, spec)
    await embedder.embed(["a"], input_type="document")
    assert provider.requests[0].body["output_dimension"] == 256
    await embedder.aclose()


async def test_lengths_it_does_not_offer_are_cut_here(provider: Any, case: Any) -> None:
    name, spec, *_ = case
    provider.dimensions = KNOWN_MODELS[spec].dimensions
    embedder = await connect(provider, name, spec, dimensions=300)
    rows = await embedder.embed(["a"], input_type="document")
    assert rows.shape == (1, 300)
    assert provider.requests[0].body.get("output_dimension") is None
    await embedder.aclose()


async def test_retries_are_ours_alone(provider: Any, case: Any) -> None:
    name, spec, *_ = case
    embedder = await connect(provider, name, spec)
    for _ in range(3):
        provider.will_reply(500, {"message": "broken", "detail": "broken"})
    with pytest.raises(EmbedderError, match=r"HTTP 500: .*\(3 attempts\)"):
        await embedder.embed(["a"], input_type="document")
    assert len(provider.requests) == 3
    await embedder.aclose()


async def test_a_wrong_key_is_not_tried_again(provider: Any, case: Any) -> None:
    name, spec, *_ = case
    embedder = await connect(provider, name, spec)
    provider.will_reply(401, {"message": "who are you?", "detail": "who are you?"})
    with pytest.raises(EmbedderError, match=r"HTTP 401: who are you\?.*API key"):
        await embedder.embed(["a"], input_type="document")
    assert len(provider.requests) == 1
    await embedder.aclose()


async def test_a_slow_answer_is_given_up(provider: Any, case: Any) -> None:
    name, spec, *_ = case
    embedder = await connect(provider, name, spec, timeout_s=0.2, retry=RetryPolicy(attempts=1))
    provider.will_hang()
    with pytest.raises(EmbedderError, match=r"no answer within 0\.2 s"):
        await embedder.embed(["a"], input_type="document")
    await embedder.aclose()


@pytest.mark.parametrize(
    ("module", "spec", "said"),
    [
        ("cohere", "cohere:embed-v4.0", "CO_API_KEY"),
        ("voyageai", "voyageai:voyage-4", "VOYAGE_API_KEY"),
        ("boto3", "bedrock:amazon.titan-embed-text-v2:0", "region"),
        ("boto3", "bedrock:unheard.of", "Unsupported"),
    ],
)
async def test_missing_settings_are_said_before_anything_is_sent(
    provider: Any, monkeypatch: pytest.MonkeyPatch, module: str, spec: str, said: str
) -> None:
    pytest.importorskip(module)
    for variable in ("AWS_DEFAULT_REGION", "AWS_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    if said == "Unsupported":
        monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    with pytest.raises(SettingsError, match=said):
        await RemoteEmbedder.connect(spec, dimensions=256, base_url=provider.root)
    assert provider.requests == []


def test_every_known_model_is_of_a_provider_there_is() -> None:
    for spec, known in KNOWN_MODELS.items():
        assert spec.partition(":")[0] in PROVIDERS
        assert 1 <= known.dimensions <= 3_900


def test_bedrocks_region_prefixes_are_seen_through() -> None:
    assert (
        known_model("bedrock", "us.cohere.embed-v4:0") is KNOWN_MODELS["bedrock:cohere.embed-v4:0"]
    )
    assert known_model("openai", "us.text-embedding-3-small") is None
