"""Embedding, counted for whoever watches from outside."""

from __future__ import annotations

import time
from collections.abc import Sequence

from memoledger.model.embedding import EmbeddingVersion
from memoledger.model.errors import EmbedderError
from memoledger.model.histogram import Histogram
from memoledger.model.spans import Attributes, span
from memoledger.ports import Embedder, EmbeddingInput, Vectors


class EmbeddingStatistics:
    """What has been embedded, queries and documents each for themselves."""

    def __init__(self) -> None:
        self.seconds: dict[EmbeddingInput, Histogram] = {
            "query": Histogram(),
            "document": Histogram(),
        }
        self.texts: dict[EmbeddingInput, int] = {"query": 0, "document": 0}
        self.failures = 0


async def embed_counted(
    embedder: Embedder,
    texts: Sequence[str],
    input_type: EmbeddingInput,
    statistics: EmbeddingStatistics,
) -> Vectors:
    """What `embedder.embed` answers; how long it took is noted, and a trace tells of it.

    Raises:
        EmbedderError: the model failed.
    """
    started = time.perf_counter()
    try:
        with span("embed", lambda: _told(embedder.version, texts, input_type)):
            vectors = await embedder.embed(texts, input_type=input_type)
    except EmbedderError:
        statistics.failures += 1
        raise
    statistics.seconds[input_type].note(time.perf_counter() - started)
    statistics.texts[input_type] += len(texts)
    return vectors


def _told(
    version: EmbeddingVersion, texts: Sequence[str], input_type: EmbeddingInput
) -> Attributes:
    return {
        "gen_ai.operation.name": "embeddings",
        "gen_ai.request.model": version.model,
        "memoledger.texts": len(texts),
        "memoledger.input_type": input_type,
    }
