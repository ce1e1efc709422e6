"""What every Reranker has to do, run against each implementation."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from memoledger.adapters.embedders import LocalEmbedder
from memoledger.adapters.rerankers import CrossEncoderReranker, LateInteractionReranker
from memoledger.model.errors import EmbedderError, InvalidInput, RerankerError
from memoledger.ports import Reranker

QUERY = "Who wrote the first program?"

TEXTS = [
    "The kettle is on.",
    "Ada wrote the first program.",
    "雨 in Kyōto 🌧",
    "x" * 5_000,
    "?",
    "The harbour is quiet in winter. " * 1_000,
]


class WordsInCommon:
    """Stands for sentence-transformers' CrossEncoder: the share of the query's words in a text."""

    def __init__(self, name: str) -> None:
        self.name = name

    def predict(self, sentences: list[tuple[str, str]], **_: Any) -> Any:
        return np.array([self._share(*pair) for pair in sentences], dtype=np.float32)

    @staticmethod
    def _share(query: str, text: str) -> float:
        asked = set(query.lower().strip("?").split())
        return len(asked & set(text.lower().strip(".").split())) / max(len(asked), 1)


@pytest.fixture
def sentence_transformers(monkeypatch: pytest.MonkeyPatch) -> None:
    """The library in name: its models are downloaded, which a test does not do."""
    module = ModuleType("sentence_transformers")
    module.__spec__ = ModuleSpec("sentence_transformers", loader=None)
    vars(module)["CrossEncoder"] = WordsInCommon
    monkeypatch.setitem(sys.modules, "sentence_transformers", module)


@pytest.fixture(params=["late-interaction", "cross-encoder"])
async def reranker(
    request: pytest.FixtureRequest, sentence_transformers: None
) -> AsyncIterator[Reranker]:
    opened: Reranker = (
        LateInteractionReranker(LocalEmbedder(), owned=True)
        if request.param == "late-interaction"
        else CrossEncoderReranker("words/in-common")
    )
    yield opened
    await opened.aclose()


async def test_it_is_a_reranker(reranker: Reranker) -> None:
    assert isinstance(reranker, Reranker)
    assert ":" in reranker.name
    assert 1 <= reranker.depth <= 200
    assert 0 < reranker.weight <= 1


async def test_scores_are_finite_float32_one_a_text(reranker: Reranker) -> None:
    scores = await reranker.rerank(QUERY, TEXTS)
    assert scores.dtype == np.float32
    assert scores.shape == (len(TEXTS),)
    assert np.isfinite(scores).all()


async def test_what_answers_the_query_comes_first(reranker: Reranker) -> None:
    scores = await reranker.rerank(QUERY, TEXTS)
    assert int(scores.argmax()) == TEXTS.index("Ada wrote the first program.")


async def test_the_order_of_the_texts_makes_no_difference(reranker: Reranker) -> None:
    scores = await reranker.rerank(QUERY, TEXTS)
    turned = await reranker.rerank(QUERY, TEXTS[::-1])
    np.testing.assert_allclose(scores, turned[::-1], atol=1e-6)


async def test_equal_texts_score_alike(reranker: Reranker) -> None:
    scores = await reranker.rerank(QUERY, [*TEXTS, *TEXTS])
    np.testing.assert_allclose(scores[: len(TEXTS)], scores[len(TEXTS) :], atol=1e-6)


async def test_the_same_call_gives_the_same_scores(reranker: Reranker) -> None:
    first = await reranker.rerank(QUERY, TEXTS)
    assert np.array_equal(first, await reranker.rerank(QUERY, tuple(TEXTS)))


async def test_no_texts_give_no_scores(reranker: Reranker) -> None:
    scores = await reranker.rerank(QUERY, [])
    assert scores.shape == (0,)
    assert scores.dtype == np.float32


async def test_one_text_has_a_score(reranker: Reranker) -> None:
    assert (await reranker.rerank(QUERY, TEXTS[:1])).shape == (1,)


@pytest.mark.parametrize("query", ["?", "雨", "why " * 3_000])
async def test_any_query_will_do(reranker: Reranker, query: str) -> None:
    assert np.isfinite(await reranker.rerank(query, TEXTS)).all()


async def test_callers_at_the_same_time_get_their_own_scores(reranker: Reranker) -> None:
    alone = await reranker.rerank(QUERY, TEXTS)
    together = await asyncio.gather(*(reranker.rerank(QUERY, TEXTS[:n]) for n in (1, 2, 3)))
    assert [len(scores) for scores in together] == [1, 2, 3]
    assert np.array_equal(alone, await reranker.rerank(QUERY, TEXTS))


@pytest.mark.parametrize("bad", ["", "  \n", "a\udfffb", None])
async def test_a_text_that_cannot_be_read_is_refused_by_its_place(
    reranker: Reranker, bad: Any
) -> None:
    with pytest.raises(InvalidInput) as caught:
        await reranker.rerank(QUERY, ["fine", bad])
    assert caught.value.field == "texts[1]"


async def test_a_query_that_cannot_be_read_is_refused(reranker: Reranker) -> None:
    with pytest.raises(InvalidInput):
        await reranker.rerank(" ", ["fine"])


async def test_closing_twice_is_fine_and_using_it_then_is_not(reranker: Reranker) -> None:
    await reranker.rerank(QUERY, TEXTS[:1])
    await reranker.aclose()
    await reranker.aclose()
    with pytest.raises((EmbedderError, RerankerError)) as caught:
        await reranker.rerank(QUERY, TEXTS[:1])
    assert "closed" in caught.value.message
    assert caught.value.remedy
