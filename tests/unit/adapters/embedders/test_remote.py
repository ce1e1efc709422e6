"""RemoteEmbedder against the fake provider: real sockets, the real SDKs, scripted misbehaviour."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

import numpy as np
import pytest

from memoledger.adapters.embedders.providers import PROVIDERS
from memoledger.adapters.embedders.remote import RemoteEmbedder, batches
from memoledger.adapters.embedders.retry import RetryPolicy
from memoledger.model.errors import EmbedderError, InvalidInput, SettingsError

pytest.importorskip("openai", reason="the extra `openai` is not installed")

QUICK = RetryPolicy(attempts=3, base_s=0.001)

Open = Callable[..., Coroutine[Any, Any, RemoteEmbedder]]


@pytest.fixture
async def connect(provider: Any) -> AsyncIterator[Open]:
    """Opens embedders on the fake provider and closes them at the end of the test."""
    opened: list[RemoteEmbedder] = []

    async def connect(spec: str = "openai:own-model", **options: Any) -> RemoteEmbedder:
        options = {"base_url": provider.url, "retry": QUICK, "timeout_s": 20.0} | options
        embedder = await RemoteEmbedder.connect(spec, **options)
        opened.append(embedder)
        return embedder

    yield connect
    for embedder in opened:
        await embedder.aclose()


def unit(vector: Any) -> Any:
    return np.asarray(vector) / np.linalg.norm(vector)


async def one(embedder: RemoteEmbedder, text: str = "a") -> Any:
    return (await embedder.embed([text], input_type="document"))[0]


# What comes back.


@pytest.mark.parametrize("base64", [True, False])
async def test_rows_are_the_models_vectors_at_length_one(
    provider: Any, connect: Open, base64: bool
) -> None:
    provider.honours_base64 = base64
    embedder = await connect(dimensions=8)
    rows = await embedder.embed(["one", "two"], input_type="document")
    assert rows.dtype == np.float32
    np.testing.assert_allclose(rows[0], unit(provider.vector("one")), atol=1e-6)
    np.testing.assert_allclose(rows[1], unit(provider.vector("two")), atol=1e-6)


async def test_vectors_in_another_order_are_put_in_order(provider: Any, connect: Open) -> None:
    embedder = await connect(dimensions=8)
    provider.will_answer(order=lambda data: data[::-1])
    rows = await embedder.embed(["one", "two", "three"], input_type="document")
    assert np.array_equal(rows[0], await one(embedder, "one"))
    assert np.array_equal(rows[2], await one(embedder, "three"))


async def test_a_server_that_numbers_nothing_is_taken_at_its_order(
    provider: Any, connect: Open
) -> None:
    embedder = await connect(dimensions=8)
    provider.will_answer(index=lambda _: None)
    rows = await embedder.embed(["one", "two"], input_type="document")
    assert np.array_equal(rows[1], await one(embedder, "two"))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"vectors": [[1.0] * 8]}, "1 instead of 2 vectors"),
        ({"vectors": [[1.0] * 8] * 3}, "3 instead of 2 vectors"),
        ({"vectors": [[1.0] * 5] * 2}, "5 dimensions where 8 are expected"),
        ({"vectors": [[1.0] * 9] * 2}, "9 dimensions where 8 are expected"),
        ({"vectors": [[1.0] * 8, [1.0] * 7]}, "7 and 8 dimensions"),
        ({"vectors": [[1.0] * 7 + [float("nan")]] * 2}, "not finite"),
        ({"vectors": [[0.0] * 8] * 2}, "zeros"),
        ({"vectors": []}, "no list of embeddings"),
        ({"index": lambda _: 0}, "no list of embeddings: vectors numbered"),
    ],
)
async def test_a_wrong_answer_is_one_clear_error_and_is_not_repeated(
    provider: Any, connect: Open, changes: dict[str, Any], said: str
) -> None:
    embedder = await connect()
    assert embedder.version.dimensions == 8
    asked = len(provider.requests)
    provider.will_answer(**changes)
    with pytest.raises(EmbedderError, match=said) as caught:
        await embedder.embed(["one", "two"], input_type="document")
    assert caught.value.details["model"] == "openai:own-model"
    assert caught.value.details["transient"] is False
    assert caught.value.remedy
    assert len(provider.requests) == asked + 1


@pytest.mark.parametrize("body", ["<html>Please log in</html>", {"object": "list"}, {"data": None}])
async def test_an_answer_that_is_none_is_said(provider: Any, connect: Open, body: Any) -> None:
    embedder = await connect(dimensions=8)
    provider.will_reply(200, body)
    with pytest.raises(EmbedderError, match="no list of embeddings"):
        await one(embedder)


# Failures that pass, and failures that do not.


async def test_a_busy_server_is_asked_again(provider: Any, connect: Open) -> None:
    embedder = await connect(dimensions=8)
    provider.will_reply(429, {"error": {"message": "slow down"}}, {"Retry-After": "0"})
    provider.will_reply(500, "oops")
    np.testing.assert_allclose(await one(embedder), unit(provider.vector("a")), atol=1e-6)
    assert len(provider.requests) == 3


async def test_retry_after_is_read(provider: Any, connect: Open) -> None:
    embedder = await connect(dimensions=8)
    provider.will_reply(429, {"error": {"message": "slow down"}}, {"Retry-After": "3600"})
    with pytest.raises(EmbedderError, match=r"slow down; it asks to wait 3,600 s \(1 attempt\)"):
        await one(embedder)
    assert len(provider.requests) == 1


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504, 529])
async def test_attempts_are_bounded(provider: Any, connect: Open, status: int) -> None:
    embedder = await connect(dimensions=8)
    for _ in range(3):
        provider.will_reply(status, {"error": {"message": "not now"}})
    with pytest.raises(EmbedderError, match=f"HTTP {status}: not now") as caught:
        await one(embedder)
    assert len(provider.requests) == 3
    assert caught.value.details | {"status": status, "attempts": 3, "transient": True} == (
        caught.value.details
    )


@pytest.mark.parametrize(
    ("status", "remedy"),
    [(400, "refused these texts"), (401, "API key"), (403, "API key"), (404, "model's name")],
)
async def test_a_refusal_is_not_repeated(
    provider: Any, connect: Open, status: int, remedy: str
) -> None:
    embedder = await connect(dimensions=8, api_key="sk-very-secret")
    provider.will_reply(status, {"error": {"message": "not so: sk-very-secret"}})
    with pytest.raises(EmbedderError, match=f"HTTP {status}: not so") as caught:
        await one(embedder)
    assert len(provider.requests) == 1
    assert remedy in str(caught.value.remedy)
    assert caught.value.details["transient"] is False
    assert "sk-very-secret" not in str(caught.value)


async def test_an_exhausted_quota_is_not_waited_for(provider: Any, connect: Open) -> None:
    embedder = await connect(dimensions=8)
    provider.will_reply(429, {"error": {"message": "pay first", "code": "insufficient_quota"}})
    with pytest.raises(EmbedderError, match="quota and billing"):
        await one(embedder)
    assert len(provider.requests) == 1


async def test_a_slow_answer_is_given_up_and_asked_again(provider: Any, connect: Open) -> None:
    embedder = await connect(dimensions=8, timeout_s=1.0)
    provider.will_hang()
    assert (await one(embedder)).shape == (8,)
    assert len(provider.requests) == 2


async def test_no_answer_at_all_is_one_error(provider: Any, connect: Open) -> None:
    embedder = await connect(dimensions=8, timeout_s=0.05)
    for _ in range(3):
        provider.will_hang()
    with pytest.raises(EmbedderError, match=r"no answer within 0\.05 s \(3 attempts\)") as caught:
        await one(embedder)
    assert provider.url in str(caught.value.remedy)


async def test_a_lost_connection_is_asked_again(provider: Any, connect: Open) -> None:
    embedder = await connect(dimensions=8)
    provider.will_drop()
    assert (await one(embedder)).shape == (8,)
    assert len(provider.requests) == 2


async def test_an_unreachable_server_is_one_error(connect: Open, free_port: int) -> None:
    embedder = await connect(dimensions=8, base_url=f"http://127.0.0.1:{free_port}/v1")
    with pytest.raises(EmbedderError, match=r"refused or lost the connection.*\(3 attempts\)"):
        await one(embedder)


@pytest.fixture
async def free_port() -> int:
    server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    port = int(server.sockets[0].getsockname()[1])
    server.close()
    await server.wait_closed()
    return port


async def test_one_failed_batch_fails_the_call_and_stops_it(provider: Any, connect: Open) -> None:
    embedder = await connect(dimensions=8, batch_texts_max=1, concurrency=2)
    provider.will_reply(401, {"error": {"message": "no"}})
    with pytest.raises(EmbedderError, match="401"):
        await embedder.embed([f"text {i}" for i in range(100)], input_type="document")
    asked = len(provider.requests)
    assert asked < 10
    assert (await one(embedder)).shape == (8,)  # and nothing of the failed call is still sent
    assert len(provider.requests) == asked + 1


async def test_cancelling_stops_the_call(provider: Any, connect: Open) -> None:
    embedder = await connect(dimensions=8, batch_texts_max=1, concurrency=2)
    provider.will_hang()
    provider.will_hang()
    task = asyncio.create_task(embedder.embed([str(i) for i in range(50)], input_type="document"))
    await provider.asked(2)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (await one(embedder)).shape == (8,)
    assert len(provider.requests) == 3


# Batches.


async def test_requests_are_bounded_in_size_and_number(provider: Any, connect: Open) -> None:
    embedder = await connect(dimensions=8, batch_texts_max=7, concurrency=3)
    texts = [f"text {i}" for i in range(100)]
    rows = await embedder.embed(texts, input_type="document")
    assert [len(request.texts) for request in provider.requests].count(7) == 14
    assert max(len(request.texts) for request in provider.requests) == 7
    assert 1 < provider.under_way_max <= 3
    expected = np.array([unit(provider.vector(text)) for text in texts])
    np.testing.assert_allclose(rows, expected, atol=1e-6)


async def test_several_callers_share_the_bound(provider: Any, connect: Open) -> None:
    embedder = await connect(dimensions=8, concurrency=2)
    await asyncio.gather(*(one(embedder, str(i)) for i in range(20)))
    assert provider.under_way_max <= 2


def test_batches_are_bounded_by_texts_and_by_characters() -> None:
    texts = ["a" * 30, "b" * 30, "c" * 30, "d" * 200, "e", "f", "g", "h"]
    cut = [texts[part] for part in batches(texts, texts_max=3, chars_max=70)]
    assert [len(batch) for batch in cut] == [2, 1, 1, 3, 1]
    assert [text for batch in cut for text in batch] == texts


def test_no_texts_make_no_batches() -> None:
    assert list(batches([], texts_max=3, chars_max=70)) == []


async def test_no_texts_send_nothing(provider: Any, connect: Open) -> None:
    embedder = await connect(dimensions=8)
    assert (await embedder.embed([], input_type="document")).shape == (0, 8)
    assert provider.requests == []


# Dimensions.


async def test_an_unknown_model_is_asked_once_for_its_dimensions(
    provider: Any, connect: Open
) -> None:
    embedder = await connect()
    assert embedder.version.dimensions == 8
    assert embedder.version.model == "openai:own-model"
    assert len(provider.requests) == 1


async def test_a_model_that_is_not_there_fails_at_once(provider: Any, connect: Open) -> None:
    provider.will_reply(404, {"error": {"message": "model 'own-model' not found"}})
    with pytest.raises(EmbedderError, match="model 'own-model' not found"):
        await connect()


async def test_a_known_or_given_dimension_sends_nothing(provider: Any, connect: Open) -> None:
    assert (await connect("openai:text-embedding-3-small")).version.dimensions == 1536
    assert (await connect(dimensions=5)).version.dimensions == 5
    assert provider.requests == []


async def test_a_provider_that_can_shorten_is_asked_to(provider: Any, connect: Open) -> None:
    embedder = await connect("openai:text-embedding-3-small", dimensions=16)
    expected = unit(provider.vector("a", None, 16))
    np.testing.assert_allclose(await one(embedder), expected, atol=1e-6)
    assert provider.requests[0].body["dimensions"] == 16


async def test_a_stand_in_that_ignores_the_wish_is_shortened_here(
    provider: Any, connect: Open
) -> None:
    provider.dimensions, provider.honours_dimensions = 1536, False
    embedder = await connect("openai:text-embedding-3-small", dimensions=16)
    np.testing.assert_allclose(await one(embedder), unit(provider.vector("a")[:16]), atol=1e-6)


async def test_an_unknown_model_is_shortened_here(provider: Any, connect: Open) -> None:
    embedder = await connect(dimensions=3)
    np.testing.assert_allclose(await one(embedder), unit(provider.vector("a")[:3]), atol=1e-6)
    assert "dimensions" not in provider.requests[0].body
    provider.will_answer(vectors=[[1.0] * 6])
    with pytest.raises(EmbedderError, match="6 dimensions where 3"):
        await one(embedder)


async def test_more_dimensions_than_a_model_has_are_refused(provider: Any, connect: Open) -> None:
    with pytest.raises(SettingsError, match="has 1536 dimensions"):
        await connect("openai:text-embedding-ada-002", dimensions=1537)
    with pytest.raises(InvalidInput, match="3900"):
        await connect(dimensions=4_000)
    with pytest.raises(InvalidInput, match="dimensions"):
        await connect(dimensions=0)


# Settings.


async def test_a_server_of_ones_own_needs_no_key(provider: Any, connect: Open) -> None:
    await connect()
    await connect("ollama:nomic-embed-text:latest", base_url=provider.root, api_key=None)
    assert [request.path for request in provider.requests] == ["/v1/embeddings"] * 2
    assert provider.requests[1].body["model"] == "nomic-embed-text:latest"


async def test_the_key_is_sent(provider: Any, connect: Open) -> None:
    await one(await connect(dimensions=8, api_key="sk-mine"))
    assert provider.requests[0].headers["authorization"] == "Bearer sk-mine"


async def test_a_missing_key_is_said_at_once(provider: Any, connect: Open) -> None:
    with pytest.raises(SettingsError, match="OPENAI_API_KEY"):
        await connect("openai:text-embedding-3-small", base_url=None)


@pytest.mark.parametrize(
    "base_url", ["localhost:11434", "ftp://host/v1", "http://", "http://host:port/v1", ""]
)
async def test_a_base_url_that_is_none_is_refused(connect: Open, base_url: str) -> None:
    with pytest.raises(SettingsError, match="base_url"):
        await connect(base_url=base_url)


@pytest.mark.parametrize("spec", ["", "openai", "openai:", "openai: ", ":model", "acme:model"])
async def test_a_spec_that_is_none_lists_what_can_be_said(connect: Open, spec: str) -> None:
    with pytest.raises(SettingsError, match="no embedder of that name") as caught:
        await connect(spec)
    assert all(f"{name}:MODEL" in str(caught.value.remedy) for name in PROVIDERS)


@pytest.mark.parametrize(
    "wrong",
    [
        {"timeout_s": 0},
        {"timeout_s": float("nan")},
        {"timeout_s": 3_601},
        {"concurrency": 0},
        {"concurrency": 65},
        {"batch_texts_max": 0},
        {"batch_texts_max": 10_000},
    ],
)
async def test_numbers_out_of_range_are_named(connect: Open, wrong: dict[str, float]) -> None:
    with pytest.raises(InvalidInput, match=next(iter(wrong))):
        await connect(dimensions=8, **wrong)


WITHOUT_PACKAGES = """
import asyncio, sys
for module in ("pydantic_ai", "openai", "cohere", "boto3", "voyageai"):
    sys.modules[module] = None
from memoledger.adapters.embedders import LocalEmbedder, RemoteEmbedder
from memoledger.model.errors import SettingsError
LocalEmbedder()
for name in sys.argv[1:]:
    try:
        asyncio.run(RemoteEmbedder.connect(f"{name}:some-model", api_key="k"))
    except SettingsError as error:
        print(error.remedy)
"""


def test_missing_packages_say_what_to_install() -> None:
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_PACKAGES, *PROVIDERS],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
        env={"PYTHONPATH": ":".join(sys.path)},
    )
    said = done.stdout.splitlines()
    assert len(said) == len(PROVIDERS)
    for line, provider in zip(said, PROVIDERS.values(), strict=True):
        assert line.startswith(f"Run: pip install 'memoledger[{provider.extra}]'")


async def test_a_closed_embedder_says_so(connect: Open) -> None:
    embedder = await connect(dimensions=8)
    await embedder.aclose()
    await embedder.aclose()
    with pytest.raises(EmbedderError, match="closed"):
        await one(embedder)
