from __future__ import annotations

from typing import Any

import pytest

from memoledger.adapters.embedders import LocalEmbedder, RemoteEmbedder, open_embedder
from memoledger.adapters.embedders.providers import PROVIDERS
from memoledger.model.errors import InvalidInput, SettingsError


async def test_the_default_is_the_local_model() -> None:
    embedder = await open_embedder()
    assert isinstance(embedder, LocalEmbedder)
    assert embedder.version.dimensions == 384
    await embedder.aclose()


async def test_dimensions_reach_the_local_model() -> None:
    embedder = await open_embedder("minilm", dimensions=96)
    assert embedder.version.dimensions == 96
    await embedder.aclose()


async def test_a_provider_and_a_model_open_a_remote_one(provider: Any) -> None:
    pytest.importorskip("openai")
    embedder = await open_embedder("openai:own-model", base_url=provider.url, api_key="key")
    assert isinstance(embedder, RemoteEmbedder)
    assert embedder.version.dimensions == provider.dimensions
    await embedder.aclose()


@pytest.mark.parametrize("spec", ["", "minilm:384", "hash:384", "MiniLM", "openai", "text"])
async def test_an_unknown_spec_lists_the_forms(spec: str) -> None:
    with pytest.raises(SettingsError) as caught:
        await open_embedder(spec)
    remedy = str(caught.value.remedy)
    assert "minilm" in remedy
    assert all(f"{name}:MODEL" in remedy for name in PROVIDERS)


@pytest.mark.parametrize("setting", [{"base_url": "http://localhost:1"}, {"api_key": "sk-1234"}])
async def test_remote_settings_contradict_the_local_model(setting: dict[str, str]) -> None:
    with pytest.raises(SettingsError) as caught:
        await open_embedder("minilm", **setting)  # type: ignore[arg-type]
    assert caught.value.field == next(iter(setting))
    assert "sk-1234" not in str(caught.value)


async def test_attempts_are_checked_for_every_embedder() -> None:
    with pytest.raises(InvalidInput, match="attempts"):
        await open_embedder("minilm", attempts=0)
