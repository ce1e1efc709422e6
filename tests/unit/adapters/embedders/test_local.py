from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
from collections.abc import Generator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import memoledger_minilm
from memoledger.adapters.embedders.local import LocalEmbedder, packaged_weights
from memoledger.adapters.embedders.onnx_model import WINDOWS_MAX, OnnxModel
from memoledger.model.errors import EmbedderError, InvalidInput, SettingsError
from memoledger.ports import Embedder

SENTENCE = "The ferry to the island leaves at half past seven."
LONG = " ".join(f"On day {day} the crew wrote down the wind and the waves." for day in range(60))


@pytest.fixture(scope="module")
def embedder() -> Iterator[LocalEmbedder]:
    embedder = LocalEmbedder()
    yield embedder
    asyncio.run(embedder.aclose())


@pytest.fixture(scope="module")
def bare() -> Any:
    """The model run as its card says, with nothing of ours: what our vectors have to equal."""
    import onnxruntime
    from tokenizers import Tokenizer

    session = onnxruntime.InferenceSession(str(memoledger_minilm.MODEL_PATH))
    tokenizer = Tokenizer.from_file(str(memoledger_minilm.TOKENIZER_PATH))
    tokenizer.no_truncation()
    tokenizer.no_padding()

    def hidden_states(tokens: list[int]) -> Any:
        ids = np.array([tokens])
        feed = {"input_ids": ids, "attention_mask": np.ones_like(ids)}
        return session.run(None, {**feed, "token_type_ids": np.zeros_like(ids)})[0][0]

    return hidden_states, lambda text: tokenizer.encode(text).ids


async def one(embedder: LocalEmbedder, text: str) -> Any:
    return (await embedder.embed([text], input_type="document"))[0]


def unit(vector: Any) -> Any:
    return vector / np.linalg.norm(vector)


def test_it_is_an_embedder(embedder: LocalEmbedder) -> None:
    port: Embedder = embedder
    assert isinstance(port, Embedder)
    assert port.version.model == "minilm:all-MiniLM-L6-v2-int8"
    assert port.version.dimensions == 384
    assert port.version.settings["window_tokens"] == "256"


async def test_vectors_are_those_of_the_bare_model(embedder: LocalEmbedder, bare: Any) -> None:
    hidden_states, tokens_of = bare
    for text in (SENTENCE, "Hi", "Straße, naïve, 東京 🚢", "UPPER lower 12.5 %"):
        expected = unit(hidden_states(tokens_of(text)).mean(axis=0))
        np.testing.assert_allclose(await one(embedder, text), expected, atol=1e-5)


async def test_a_long_text_is_the_mean_over_all_its_windows(
    embedder: LocalEmbedder, bare: Any
) -> None:
    hidden_states, tokens_of = bare
    first, *content, last = tokens_of(LONG)
    assert len(content) > 600
    states = [
        hidden_states([first, *content[start : start + 254], last])
        for start in range(0, len(content) - 32, 222)
    ]
    expected = unit(np.concatenate(states).mean(axis=0))
    np.testing.assert_allclose(await one(embedder, LONG), expected, atol=1e-5)


async def test_the_end_of_a_long_text_counts(embedder: LocalEmbedder) -> None:
    log = LONG[: len(LONG) // 2]
    assert await embedder.token_count(log) > 254  # cut off there, the bees would not be seen
    bees = " Honeybees dance to tell their sisters where the flowers are." * 10
    query = await one(embedder, "How do honeybees tell each other where flowers are?")
    without, with_bees = await embedder.embed([log, log + bees], input_type="document")
    assert float(query @ with_bees) > float(query @ without) + 0.1


async def test_the_windows_of_one_text_are_bounded(
    embedder: LocalEmbedder, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs: list[int] = []
    run = OnnxModel._run

    def counted(model: OnnxModel, tokens: list[int]) -> Any:
        runs.append(len(tokens))
        return run(model, tokens)

    monkeypatch.setattr(OnnxModel, "_run", counted)
    text = "tide " * 10_000
    assert await embedder.token_count(text) == 10_000
    vector = await one(embedder, text)
    assert len(runs) == WINDOWS_MAX
    assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-6)


async def test_text_without_spaces_or_letters_has_a_vector(embedder: LocalEmbedder) -> None:
    for text in ("x" * 20_000, "漢" * 3_000, "\x07", "\u200b", "!!!", "[CLS][SEP][MASK]"):
        vector = await one(embedder, text)
        assert np.isfinite(vector).all()
        assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-6)


TEXTS = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cs"]), min_size=1, max_size=80
).filter(str.strip)


@settings(max_examples=25, deadline=None)
@given(st.lists(TEXTS, min_size=1, max_size=6), st.sampled_from([SENTENCE, LONG, "Yes!"]))
async def test_a_texts_vector_does_not_depend_on_its_company(
    embedder: LocalEmbedder, company: list[str], text: str
) -> None:
    alone = await one(embedder, text)
    together = await embedder.embed([*company, text, *company], input_type="document")
    assert np.array_equal(together[len(company)], alone)
    assert np.array_equal(together[: len(company)], together[len(company) + 1 :])


async def test_concurrent_calls_get_their_own_rows(embedder: LocalEmbedder) -> None:
    calls = [[f"note {call} {line}" for line in range(5)] for call in range(8)]
    answers = await asyncio.gather(
        *(embedder.embed(texts, input_type="document") for texts in calls)
    )
    for texts, rows in zip(calls, answers, strict=True):
        assert np.array_equal(rows[3], await one(embedder, texts[3]))


async def test_queries_and_documents_are_embedded_alike(embedder: LocalEmbedder) -> None:
    query = await embedder.embed([SENTENCE], input_type="query")
    assert np.array_equal(query[0], await one(embedder, SENTENCE))


@pytest.mark.parametrize(
    ("query", "near", "far"),
    [
        ("When does the boat leave?", SENTENCE, "Sourdough needs a warm kitchen to rise."),
        ("baking bread", "Sourdough needs a warm kitchen to rise.", SENTENCE),
        (
            "Who is allergic to peanuts?",
            "Mira cannot eat nuts, she would need the hospital.",
            "Mira repaired the bicycle chain on Sunday.",
        ),
    ],
)
async def test_what_belongs_together_lies_closer(
    embedder: LocalEmbedder, query: str, near: str, far: str
) -> None:
    wanted = await one(embedder, query)
    assert wanted @ await one(embedder, near) > wanted @ await one(embedder, far) + 0.1


async def test_fewer_dimensions_are_the_first_ones_renormalised(embedder: LocalEmbedder) -> None:
    short = LocalEmbedder(dimensions=64)
    try:
        expected = unit((await one(embedder, SENTENCE))[:64])
        np.testing.assert_allclose(await one(short, SENTENCE), expected, atol=1e-6)
        assert short.version.dimensions == 64
        assert short.version.name != embedder.version.name
    finally:
        await short.aclose()


@pytest.mark.parametrize("dimensions", [0, -1, 385])
def test_impossible_dimensions_are_refused(dimensions: int) -> None:
    with pytest.raises(InvalidInput, match="dimensions"):
        LocalEmbedder(dimensions=dimensions)


@pytest.mark.parametrize("threads", [0, 33])
def test_impossible_numbers_of_threads_are_refused(threads: int) -> None:
    with pytest.raises(InvalidInput, match="threads"):
        LocalEmbedder(threads=threads)


async def test_no_texts_give_no_rows_and_load_nothing() -> None:
    embedder = LocalEmbedder()
    assert (await embedder.embed([], input_type="document")).shape == (0, 384)
    assert embedder._model is None
    await embedder.aclose()


async def test_concurrent_first_calls_load_once(monkeypatch: pytest.MonkeyPatch) -> None:
    loads: list[object] = []
    load = OnnxModel.load

    def counted(weights: Any) -> OnnxModel:
        loads.append(weights)
        return load(weights)

    monkeypatch.setattr(OnnxModel, "load", counted)
    embedder = LocalEmbedder(threads=4)
    rows = await asyncio.gather(*(one(embedder, SENTENCE) for _ in range(8)))
    assert len(loads) == 1
    assert all(np.array_equal(row, rows[0]) for row in rows)
    await embedder.aclose()


async def test_a_failed_load_reaches_every_caller_and_is_tried_again(tmp_path: Path) -> None:
    weights = packaged_weights()
    path = tmp_path / "tokenizer.json"
    path.write_bytes(b"{}")
    embedder = LocalEmbedder(weights=replace(weights, tokenizer_path=path))
    results = await asyncio.gather(
        *(one(embedder, SENTENCE) for _ in range(3)), return_exceptions=True
    )
    assert [type(result) for result in results] == [EmbedderError] * 3
    path.write_bytes(weights.tokenizer_path.read_bytes())
    assert np.linalg.norm(await one(embedder, SENTENCE)) == pytest.approx(1, abs=1e-6)
    await embedder.aclose()


async def test_the_event_loop_runs_on_while_texts_are_embedded(embedder: LocalEmbedder) -> None:
    task = asyncio.create_task(embedder.embed([SENTENCE, LONG] * 20, input_type="document"))
    turns = 0
    while not task.done():
        await asyncio.sleep(0)
        turns += 1
    assert (await task).shape == (40, 384)
    assert turns > 40


async def test_a_query_does_not_wait_for_an_import_to_end(embedder: LocalEmbedder) -> None:
    many = asyncio.create_task(embedder.embed([SENTENCE] * 2_000, input_type="document"))
    await asyncio.sleep(0)
    await embedder.embed(["When does it leave?"], input_type="query")
    assert not many.done()
    many.cancel()


async def test_cancelling_stops_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[str] = []
    first = threading.Event()
    steps = OnnxModel.embed_steps

    def counted(model: OnnxModel, text: str) -> Generator[None, None, Any]:
        begun.append(text)
        first.set()
        return steps(model, text)

    monkeypatch.setattr(OnnxModel, "embed_steps", counted)
    embedder = LocalEmbedder()
    task = asyncio.create_task(embedder.embed([SENTENCE] * 5_000, input_type="document"))
    await asyncio.to_thread(first.wait)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    rows = await embedder.embed([SENTENCE], input_type="query")
    await embedder.aclose()
    assert np.linalg.norm(rows[0]) == pytest.approx(1, abs=1e-6)
    assert len(begun) < 5_000


async def test_closing_ends_calls_under_way_and_refuses_new_ones() -> None:
    embedder = LocalEmbedder()
    task = asyncio.create_task(embedder.embed([SENTENCE] * 5_000, input_type="document"))
    await embedder.embed([SENTENCE], input_type="query")
    await embedder.aclose()
    await embedder.aclose()
    with pytest.raises(EmbedderError, match="closed"):
        await task
    with pytest.raises(EmbedderError, match="closed"):
        await one(embedder, SENTENCE)


async def test_a_model_that_fails_is_an_embedder_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(model: OnnxModel, text: str) -> Generator[None, None, Any]:
        raise ValueError("Non-zero status code")

    monkeypatch.setattr(OnnxModel, "embed_steps", failing)
    embedder = LocalEmbedder()
    with pytest.raises(EmbedderError, match="Non-zero status code"):
        await one(embedder, SENTENCE)
    await embedder.aclose()


async def test_tokens_are_counted_without_the_special_ones(embedder: LocalEmbedder) -> None:
    assert await embedder.token_count("hello world") == 2
    with pytest.raises(InvalidInput):
        await embedder.token_count(" ")
    assert await embedder.token_counts(["hello world", "hello"]) == [2, 1]
    assert await embedder.token_counts([]) == []


def test_a_missing_package_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "memoledger_minilm", None)
    with pytest.raises(SettingsError, match="pip install memoledger-minilm"):
        LocalEmbedder()


FORK = """
import asyncio, os
from memoledger.adapters.embedders.local import LocalEmbedder
embedder = LocalEmbedder()
embed = lambda: asyncio.run(embedder.embed(["before and after"], input_type="query"))
before = embed()
child = os.fork()
if child == 0:
    os._exit(0 if (embed() == before).all() else 1)
print("child", os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_it_works_in_a_forked_process() -> None:
    done = subprocess.run(
        [sys.executable, "-c", FORK],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
        env={"PYTHONPATH": ":".join(sys.path)},
    )
    assert done.stdout == "child 0\n"
    assert "TOKENIZERS_PARALLELISM" not in done.stderr
