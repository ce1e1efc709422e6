"""What every Embedder has to do, run against each implementation."""

from __future__ import annotations

import asyncio
import importlib.util
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from memoledger.adapters.embedders import LocalEmbedder, RemoteEmbedder
from memoledger.model.errors import EmbedderError, InvalidInput
from memoledger.ports import Embedder, EmbeddingInput

FAKE_SERVER = Path(__file__).parents[1] / "unit/adapters/embedders/fake_server.py"

TEXTS = ["The kettle is on.", "Ada wrote the first program.", "雨 in Kyōto 🌧", "x" * 5_000]


def fake_provider() -> Any:
    """The fake server's class, by its path: the tests are no package."""
    import sys

    spec = importlib.util.spec_from_file_location("conformance_fake_server", FAKE_SERVER)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up there
    spec.loader.exec_module(module)
    return module.FakeProvider()


@pytest.fixture(params=["local", "local-128", "openai", "ollama"])
async def embedder(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Embedder]:
    if request.param.startswith("local"):
        local = LocalEmbedder(dimensions=128 if request.param.endswith("128") else None)
        yield local
        await local.aclose()
        return
    pytest.importorskip("openai", reason="the extra `openai` is not installed")
    monkeypatch.setenv("NO_PROXY", "*")
    async with fake_provider() as server:
        remote = await RemoteEmbedder.connect(f"{request.param}:own-model", base_url=server.url)
        yield remote
        await remote.aclose()


@pytest.fixture(params=["query", "document"])
def input_type(request: pytest.FixtureRequest) -> EmbeddingInput:
    kind: EmbeddingInput = request.param
    return kind


async def test_it_is_an_embedder(embedder: Embedder) -> None:
    assert isinstance(embedder, Embedder)
    assert embedder.version == embedder.version
    assert embedder.version.dimensions > 0


async def test_rows_are_finite_float32_of_length_one(
    embedder: Embedder, input_type: EmbeddingInput
) -> None:
    rows = await embedder.embed(TEXTS, input_type=input_type)
    assert rows.dtype == np.float32
    assert rows.shape == (len(TEXTS), embedder.version.dimensions)
    assert np.isfinite(rows).all()
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-6)


async def test_rows_come_in_the_order_of_the_texts(embedder: Embedder) -> None:
    rows = await embedder.embed(TEXTS, input_type="document")
    turned = await embedder.embed(TEXTS[::-1], input_type="document")
    assert np.array_equal(rows, turned[::-1])


async def test_the_same_text_has_the_same_vector_alone_and_in_company(embedder: Embedder) -> None:
    together = await embedder.embed([*TEXTS, *TEXTS], input_type="document")
    assert np.array_equal(together[: len(TEXTS)], together[len(TEXTS) :])
    for text, row in zip(TEXTS, together, strict=False):
        assert np.array_equal((await embedder.embed([text], input_type="document"))[0], row)


async def test_different_texts_have_different_vectors(embedder: Embedder) -> None:
    rows = await embedder.embed(TEXTS, input_type="document")
    assert len(np.unique(rows, axis=0)) == len(TEXTS)


async def test_many_texts_and_many_callers(embedder: Embedder) -> None:
    many = [f"Entry number {number}." for number in range(300)]
    answers = await asyncio.gather(
        embedder.embed(many, input_type="document"),
        *(embedder.embed([many[number]], input_type="document") for number in range(0, 300, 30)),
    )
    for place, number in enumerate(range(0, 300, 30), start=1):
        assert np.array_equal(answers[place][0], answers[0][number])


async def test_no_texts_give_no_rows(embedder: Embedder, input_type: EmbeddingInput) -> None:
    rows = await embedder.embed([], input_type=input_type)
    assert rows.shape == (0, embedder.version.dimensions)
    assert rows.dtype == np.float32


async def test_any_sequence_will_do(embedder: Embedder) -> None:
    rows = await embedder.embed(tuple(TEXTS), input_type="document")
    assert np.array_equal(rows, await embedder.embed(list(TEXTS), input_type="document"))


@pytest.mark.parametrize("bad", ["", "  \n", "a\udfffb", None])
async def test_a_text_that_cannot_be_embedded_is_refused_by_its_place(
    embedder: Embedder, bad: Any
) -> None:
    with pytest.raises(InvalidInput) as caught:
        await embedder.embed(["fine", bad], input_type="document")
    assert caught.value.field == "texts[1]"


async def test_a_cancelled_call_leaves_it_usable(embedder: Embedder) -> None:
    task = asyncio.create_task(embedder.embed(TEXTS * 200, input_type="document"))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (await embedder.embed(TEXTS, input_type="query")).shape[0] == len(TEXTS)


async def test_closing_twice_is_fine_and_using_it_then_is_not(embedder: Embedder) -> None:
    await embedder.embed(["once"], input_type="query")
    await embedder.aclose()
    await embedder.aclose()
    with pytest.raises(EmbedderError) as caught:
        await embedder.embed(["again"], input_type="query")
    assert "closed" in caught.value.message
    assert caught.value.remedy
