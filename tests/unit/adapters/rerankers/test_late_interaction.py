"""The local reranker: tokens against tokens."""

from __future__ import annotations

from collections.abc import AsyncIterator

import numpy as np
import pytest

from memoledger.adapters.embedders import LocalEmbedder
from memoledger.adapters.rerankers import LateInteractionReranker
from memoledger.adapters.rerankers.late_interaction import WINDOWS_MAX


@pytest.fixture
async def reranker(embedder: LocalEmbedder) -> AsyncIterator[LateInteractionReranker]:
    opened = LateInteractionReranker(embedder)
    yield opened
    await opened.aclose()


async def test_tokens_are_unit_vectors_without_the_special_ones(embedder: LocalEmbedder) -> None:
    text = "The kettle is on."
    [tokens] = await embedder.token_vectors([text], windows_max=2)
    assert len(tokens.ids) == await embedder.token_count(text)
    assert tokens.vectors.shape == (len(tokens.ids), 384)
    np.testing.assert_allclose(np.linalg.norm(tokens.vectors, axis=1), 1, atol=1e-5)


async def test_a_long_text_is_seen_in_a_bounded_number_of_windows(embedder: LocalEmbedder) -> None:
    [tokens] = await embedder.token_vectors(["word " * 20_000], windows_max=3)
    assert 2 * 254 < len(tokens.ids) <= 3 * 254


async def test_scores_are_weighted_means_of_the_nearest_tokens(
    reranker: LateInteractionReranker, embedder: LocalEmbedder
) -> None:
    query, texts = "red boat", ["a red boat", "a green house by the sea"]
    [asked] = await embedder.token_vectors([query], windows_max=WINDOWS_MAX)
    found = await embedder.token_vectors(texts, windows_max=WINDOWS_MAX)
    nearest = np.array([(asked.vectors @ text.vectors.T).max(axis=1) for text in found])
    # Each of the query's words is in one of the two texts, so they weigh the same.
    scores = await reranker.rerank(query, texts)
    np.testing.assert_allclose(scores, nearest.mean(axis=1), atol=1e-6)


async def test_a_word_that_all_texts_have_counts_less(reranker: LateInteractionReranker) -> None:
    texts = ["the boat of Ada", "the boat of Grace", "the boat of Joan", "the boat of Mary"]
    scores = await reranker.rerank("the boat of Joan", texts)
    assert int(scores.argmax()) == 2


async def test_an_identical_text_scores_one(reranker: LateInteractionReranker) -> None:
    scores = await reranker.rerank("red boat", ["red boat", "green house"])
    assert scores[0] == pytest.approx(1, abs=1e-5)
    assert scores[1] < 0.9


async def test_the_ledgers_embedder_stays_open(embedder: LocalEmbedder) -> None:
    await LateInteractionReranker(embedder).aclose()
    assert len(await embedder.embed(["still there"], input_type="query")) == 1


async def test_its_name_says_method_and_model(reranker: LateInteractionReranker) -> None:
    assert reranker.name == "late-interaction:all-MiniLM-L6-v2-int8"
