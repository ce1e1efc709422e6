"""OpenAI's client, with the vectors of an answer put in the order of the texts.

The API numbers the vectors and promises no order; pydantic-ai takes them as they come. This module
imports the SDK, so it is itself imported only where an OpenAI-compatible model is opened.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

from openai import AsyncOpenAI
from openai.resources.embeddings import AsyncEmbeddings
from openai.types import CreateEmbeddingResponse, Embedding


class OrderedOpenAI(AsyncOpenAI):
    """`AsyncOpenAI` whose `embeddings.create` answers in the order of its input."""

    @cached_property
    def embeddings(self) -> AsyncEmbeddings:
        """The embeddings call, ordered."""
        return _OrderedEmbeddings(self)


class _OrderedEmbeddings(AsyncEmbeddings):
    async def create(self, **request: Any) -> CreateEmbeddingResponse:
        try:
            response = await super().create(**request)
        except AttributeError as error:  # the SDK takes an answer that is no JSON for a string
            raise ValueError("no JSON") from error
        response.data = in_order(response.data)
        return response


def in_order(data: list[Embedding]) -> list[Embedding]:
    """Sort by index; servers that number nothing are believed to have kept the order.

    Raises:
        ValueError: an index is missing or comes twice.
    """
    indices = [item.index for item in data]
    if all(index is None for index in indices):
        return data
    if any(index is None for index in indices) or sorted(indices) != list(range(len(data))):
        raise ValueError(f"vectors numbered {str(indices)[:60]}")
    return sorted(data, key=lambda item: item.index)
