"""Dimensions of well-known remote models, so that opening one need not ask it."""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class KnownModel:
    """What a provider documents about a model.

    Args:
        dimensions: length of its vectors when nothing is asked for.
        offered: the lengths the provider itself shortens to when asked.
    """

    dimensions: int
    offered: Container[int] = ()


_COHERE_V4 = KnownModel(1536, frozenset({256, 512, 1024, 1536}))
_VOYAGE = KnownModel(1024, frozenset({256, 512, 1024, 2048}))

KNOWN_MODELS: Final[Mapping[str, KnownModel]] = {
    "openai:text-embedding-3-small": KnownModel(1536, range(1, 1537)),
    "openai:text-embedding-3-large": KnownModel(3072, range(1, 3073)),
    "openai:text-embedding-ada-002": KnownModel(1536),
    "cohere:embed-v4.0": _COHERE_V4,
    "cohere:embed-english-v3.0": KnownModel(1024),
    "cohere:embed-multilingual-v3.0": KnownModel(1024),
    "cohere:embed-english-light-v3.0": KnownModel(384),
    "cohere:embed-multilingual-light-v3.0": KnownModel(384),
    "bedrock:amazon.titan-embed-text-v1": KnownModel(1536),
    "bedrock:amazon.titan-embed-text-v2:0": KnownModel(1024, frozenset({256, 512, 1024})),
    "bedrock:amazon.nova-2-multimodal-embeddings-v1:0": KnownModel(
        3072, frozenset({256, 384, 1024, 3072})
    ),
    "bedrock:cohere.embed-v4:0": _COHERE_V4,
    "bedrock:cohere.embed-english-v3": KnownModel(1024),
    "bedrock:cohere.embed-multilingual-v3": KnownModel(1024),
    "voyageai:voyage-4-large": _VOYAGE,
    "voyageai:voyage-4": _VOYAGE,
    "voyageai:voyage-4-lite": _VOYAGE,
    "voyageai:voyage-3-large": _VOYAGE,
    "voyageai:voyage-3.5": _VOYAGE,
    "voyageai:voyage-3.5-lite": _VOYAGE,
    "voyageai:voyage-code-3": _VOYAGE,
    "voyageai:voyage-finance-2": KnownModel(1024),
    "voyageai:voyage-law-2": KnownModel(1024),
}
"""By `provider:model`. Sources: the providers' model pages, as pydantic-ai's adapters cite them."""

_BEDROCK_REGIONS = ("us.", "us-gov.", "eu.", "apac.", "jp.", "au.", "ca.", "global.")


def known_model(provider: str, model: str) -> KnownModel | None:
    """What is known of a model; None when nothing is. Bedrock's cross-region prefix is ignored."""
    if provider == "bedrock":
        for region in _BEDROCK_REGIONS:
            model = model.removeprefix(region)
    return KNOWN_MODELS.get(f"{provider}:{model}")
