"""What requests about documents may say."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from memoledger.model import limits
from memoledger.model.memory import VERSION_MAX, Draft
from memoledger.surfaces.api.requests import (
    VISIBLE,
    ExternalId,
    Given,
    Instant,
    Labels,
    Name,
    NewMemory,
    Object,
    OnePage,
    Parameters,
    Summary,
    Title,
    Type,
    bounded,
)

MediaType = Annotated[
    str,
    bounded(maxLength=100, pattern="^[!-.0-~]+/[!-~]+", description="Such as text/markdown."),
]


class DocumentFields(Given):
    """What is known of a document besides its text; what is left out, the source may tell."""

    title: Title | None = None
    summary: Summary | None = None
    type: Type | None = None
    state: Type | None = None
    author: Annotated[
        str | dict[str, Any] | None,
        bounded(description="A name, or an object with `name` and whatever else is known."),
    ] = None
    tags: Labels | None = None
    metadata: Object | None = None
    occurred_at: Instant | None = None
    media_type: MediaType | None = None
    observations: Annotated[
        list[NewMemory],
        bounded(maxItems=limits.OBSERVATIONS_MAX, description="Memories that it yields."),
    ] = []  # noqa: RUF012 - pydantic copies it
    wait: Annotated[
        Literal["searchable", "durable"],
        bounded(description="`durable`: embedding is left to a worker."),
    ] = "searchable"

    def draft(self) -> dict[str, Any]:
        """The fields of a document's draft that were sent."""
        given = {name: value for name, value in self.given().items() if name != "wait"}
        if "observations" in given:
            given["observations"] = [Draft(**one.given()) for one in self.observations]
        return given


class NewDocument(DocumentFields):
    """A text to be learned; its identity is `source` and `sourceId`."""

    source: Name
    source_id: ExternalId
    content: Annotated[
        str, bounded(minLength=1, maxLength=limits.DOCUMENT_CHARS_MAX, pattern=VISIBLE)
    ]


class UploadedDocument(DocumentFields):
    """What comes beside a file. Its identity is `source` and `sourceId`, else the file's name."""

    source: Name = "upload"
    source_id: ExternalId | None = None


class DocumentsAsked(OnePage):
    """Which documents; everything that is given must hold."""

    source: Annotated[str | None, Field(description="It comes from there.")] = None
    types: Annotated[list[str], Field(description="Its type is one of these.")] = []  # noqa: RUF012
    tags: Annotated[list[str], Field(description="It carries every one of these.")] = []  # noqa: RUF012
    since: Annotated[Instant | None, Field(description="It was written then or later.")] = None
    until: Annotated[Instant | None, Field(description="It was written before.")] = None
    metadata: Annotated[
        str | None, Field(description="A JSON object that its metadata contains.")
    ] = None
    as_of: Annotated[Instant | None, Field(description="What the ledger held then.")] = None


class VersionAsked(Parameters):
    """Which version of a document; the current one unless said otherwise."""

    as_of: Annotated[Instant | None, Field(description="The version of then.")] = None
    version: Annotated[
        int | None, Field(ge=1, le=VERSION_MAX, description="The version of this number.")
    ] = None


class ChunksAsked(VersionAsked, OnePage):
    """Which version's chunks, and which part of them."""
