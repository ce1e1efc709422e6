"""What the tools about documents return."""

from __future__ import annotations

from typing import Literal, Self

from memoledger.model.document import Learned
from memoledger.surfaces.mcp.schemas import Answer


class LearnedAnswer(Answer):
    """What learn answers."""

    outcome: Literal["created", "updated", "unchanged"]
    id: str
    version: int
    source: str
    source_id: str
    title: str | None = None
    chunks: int
    chunks_new: int

    @classmethod
    def of(cls, learned: Learned) -> Self:
        """The answer for what was learned."""
        document = learned.document
        return cls(
            outcome=learned.outcome,
            id=str(document.id),
            version=document.version,
            source=document.source,
            source_id=document.source_id,
            title=document.title,
            chunks=learned.chunks,
            chunks_new=learned.chunks_new,
        )

    def text(self) -> str:
        """What was done, and to what."""
        said = {
            "created": "Learned.",
            "updated": "Learned as the next version; the earlier ones are in its history.",
            "unchanged": "It was known already; nothing was changed.",
        }
        return (
            f"{said[self.outcome]}\n[document {self.id}; version {self.version};"
            f" {self.chunks} chunks, {self.chunks_new} of them new]"
        )
