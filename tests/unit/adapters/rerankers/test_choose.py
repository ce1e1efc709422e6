"""From a setting to a reranker."""

from __future__ import annotations

import pytest

from memoledger.adapters.embedders import LocalEmbedder
from memoledger.adapters.rerankers import (
    CrossEncoderReranker,
    LateInteractionReranker,
    open_reranker,
)
from memoledger.model.errors import SettingsError


async def test_the_default_shares_the_ledgers_local_model() -> None:
    embedder = LocalEmbedder()
    reranker = open_reranker(embedder=embedder)
    assert isinstance(reranker, LateInteractionReranker)
    await reranker.aclose()
    assert len(await embedder.embed(["still there"], input_type="query")) == 1
    await embedder.aclose()


async def test_without_the_local_embedder_it_brings_its_own() -> None:
    reranker = open_reranker("late-interaction")
    assert isinstance(reranker, LateInteractionReranker)
    assert len(await reranker.rerank("query", ["text"])) == 1
    await reranker.aclose()


def test_off_is_none() -> None:
    assert open_reranker("off") is None


async def test_a_cross_encoder_takes_the_rest_as_its_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: object())
    reranker = open_reranker("cross-encoder:maker/model:v2")
    assert isinstance(reranker, CrossEncoderReranker)
    assert reranker.name == "cross-encoder:maker/model:v2"
    await reranker.aclose()


@pytest.mark.parametrize("spec", ["", "on", "cross-encoder", "cross-encoder: ", "Off"])
def test_an_unknown_spec_lists_the_forms(spec: str) -> None:
    with pytest.raises(SettingsError) as caught:
        open_reranker(spec)
    assert "cross-encoder:MODEL" in caught.value.remedy
