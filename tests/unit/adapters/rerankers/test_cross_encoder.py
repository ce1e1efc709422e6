"""Cross-encoders, with a stand-in for the library that runs them."""

from __future__ import annotations

import importlib.util
import sys
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from memoledger.adapters.rerankers import CrossEncoderReranker
from memoledger.model.errors import RerankerError, SettingsError


def use(monkeypatch: pytest.MonkeyPatch, model: Any) -> None:
    """Have the library's CrossEncoder be `model`."""
    module = ModuleType("sentence_transformers")
    module.__spec__ = ModuleSpec("sentence_transformers", loader=None)
    vars(module)["CrossEncoder"] = model
    monkeypatch.setitem(sys.modules, "sentence_transformers", module)


def giving(answer: Any) -> Any:
    """A model that answers every call with the same."""

    class Model:
        def __init__(self, name: str) -> None: ...

        def predict(self, sentences: list[tuple[str, str]], **_: Any) -> Any:
            return answer

    return Model


def test_a_missing_library_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(SettingsError) as caught:
        CrossEncoderReranker("some/model")
    assert "memoledger[cross-encoder]" in caught.value.remedy


async def test_nothing_is_loaded_before_the_first_use(monkeypatch: pytest.MonkeyPatch) -> None:
    names: list[str] = []

    class Model:
        def __init__(self, name: str) -> None:
            names.append(name)

        def predict(self, sentences: list[tuple[str, str]], **_: Any) -> Any:
            assert sentences == [("query", "text")]
            return np.array([1.0])

    use(monkeypatch, Model)
    reranker = CrossEncoderReranker("some/model")
    assert names == []
    await reranker.rerank("query", ["text"])
    await reranker.rerank("query", ["text"])
    assert names == ["some/model"]
    await reranker.aclose()


async def test_a_model_that_cannot_be_loaded_is_a_reranker_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(name: str) -> Any:
        raise OSError("no such model")

    use(monkeypatch, refuse)
    reranker = CrossEncoderReranker("some/model")
    with pytest.raises(RerankerError) as caught:
        await reranker.rerank("query", ["text"])
    assert "some/model" in caught.value.message
    assert "no such model" in caught.value.message
    assert caught.value.remedy
    await reranker.aclose()


@pytest.mark.parametrize("answer", [[[0.1, 0.9]], [0.1, 0.9], [float("nan")], ["much"]])
async def test_other_than_one_number_a_pair_is_refused(
    monkeypatch: pytest.MonkeyPatch, answer: Any
) -> None:
    use(monkeypatch, giving(answer))
    reranker = CrossEncoderReranker("some/model")
    with pytest.raises(RerankerError):
        await reranker.rerank("query", ["text"])
    await reranker.aclose()
