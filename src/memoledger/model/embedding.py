"""Embedding versions: which model made a vector, and therefore which vectors may be compared."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from memoledger.model.errors import InvalidInput

DIMENSIONS_MAX = 3_900
"""Largest dimension stored: a half-precision row of it still fits one PostgreSQL page (8 kB)."""

View = Literal["body", "title", "summary"]
"""One text of a memory that is embedded."""

Family = Literal["chunk", "memory", "summary", "profile"]
"""What kind of row owns a vector."""


@dataclass(frozen=True, slots=True)
class EmbeddingVersion:
    """Model, dimensions and settings; the vectors of one version form one namespace.

    Args:
        model: the model's name as its provider spells it, for example
            `openai:text-embedding-3-small`.
        dimensions: length of a vector, 1 to 3,900.
        settings: whatever else changes the vectors: revision, prefixes, truncation, pooling.
    """

    model: str
    dimensions: int
    settings: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not 1 <= self.dimensions <= DIMENSIONS_MAX:
            raise InvalidInput(
                "dimensions",
                self.dimensions,
                f"an embedding has 1 to {DIMENSIONS_MAX} dimensions",
                remedy="Choose a smaller model, or truncate with MEMOLEDGER_EMBEDDING_DIMENSIONS.",
            )

    @property
    def name(self) -> str:
        """A short stable name, safe as part of a table's name: slug, dimensions, fingerprint."""
        slug = re.sub(r"[^a-z0-9]+", "_", self.model.lower()).strip("_")[:24].strip("_")
        return f"{slug or 'model'}_{self.dimensions}_{self.fingerprint}"

    @property
    def fingerprint(self) -> str:
        """Eight hexadecimal digits that differ when model, dimensions or settings differ."""
        canonical = json.dumps(
            [self.model, self.dimensions, sorted(self.settings.items())], ensure_ascii=True
        )
        return hashlib.sha256(canonical.encode()).hexdigest()[:8]
