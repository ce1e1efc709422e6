"""Documents: source texts with versions and lineage, and the chunks in which they are found."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Final, Literal
from uuid import UUID

from memoledger.model import limits
from memoledger.model.checks import (
    check_instant,
    check_metadata,
    check_name,
    check_optional_text,
    check_storable,
    check_text,
)
from memoledger.model.errors import InvalidInput
from memoledger.model.memory import CheckedDraft, Draft, Remembered, check_tags
from memoledger.model.plain import as_plain

LearnOutcome = Literal["created", "updated", "unchanged"]
"""What learning did: a new document, a new version of one, or nothing (it was there)."""

DOCUMENT_TYPE: Final = "document"


@dataclass(frozen=True, slots=True)
class Piece:
    """A piece of an extracted text, as a splitter cuts it: `text[start:end]` of the whole.

    Args:
        text: the piece, with a visible character.
        start, end: where it stands in the whole text, in characters, half-open.
        section: the headings above it, outermost first (`Guide > Install`); None without any.
        token_count: its length in the tokens the splitter counts with.
    """

    text: str
    start: int
    end: int
    section: str | None
    token_count: int


@dataclass(frozen=True, slots=True)
class Extracted:
    """What a reader found in a source.

    Args:
        text: all that can be read, in reading order; offsets of chunks are into this text.
        title, author, occurred_at: what the source says of itself; None where it says nothing.
            The author is a JSON object, with `name` where there is one.
        media_type: of the text as a splitter shall see it, `text/markdown` for example.
        source_type: the media type of the source itself, `application/pdf` for example, where it
            is known.
    """

    text: str
    title: str | None = None
    author: Mapping[str, Any] | None = None
    occurred_at: datetime | None = None
    media_type: str = "text/plain"
    source_type: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentDraft:
    """A document to be learned, from exactly one of `content`, `data` and `file`.

    Args:
        source: where documents of this kind come from: files, github, wiki; a name of up to 200
            bytes.
        source_id: the document's identity there, up to 500 characters: a path, a number, a URL.
        content: its text, if it is at hand; 1 to 20,000,000 characters.
        data: its bytes, to be read by their media type.
        file: its file, likewise.
        title, summary: what stands above it; what is not given, the source may tell.
        type: what kind of document it is, free, up to 50 characters.
        state: how it stands with it in its source, up to 50 characters: open, merged, draft…
        author: who wrote it: a name, or a JSON object of up to 64 KiB.
        tags: up to 64 labels of up to 100 characters.
        metadata: a JSON object of up to 64 KiB.
        occurred_at: when it was written, with a time zone.
        media_type: what it is; None to find out from the file's name and its first bytes.
        observations: memories that it yields, up to 1,000; written with it and linked to it.
    """

    source: str
    source_id: str
    content: str | None = None
    data: bytes | None = None
    file: Path | str | None = None
    title: str | None = None
    summary: str | None = None
    type: str | None = None
    state: str | None = None
    author: Mapping[str, Any] | str | None = None
    tags: Sequence[str] | None = None
    metadata: Mapping[str, Any] | None = None
    occurred_at: datetime | str | None = None
    media_type: str | None = None
    observations: Sequence[Draft | Mapping[str, Any]] = ()

    def checked(self) -> CheckedDocument:
        """Every field checked and in its stored form; what was not given stays None.

        Raises:
            InvalidInput: naming the first field that is wrong, with its value and the remedy.
        """
        self.check_origin()
        described = {
            "title": check_optional_text("title", self.title, chars_max=limits.TITLE_CHARS_MAX),
            "summary": check_optional_text(
                "summary", self.summary, chars_max=limits.SUMMARY_CHARS_MAX
            ),
            "type": check_optional_text("type", self.type, chars_max=limits.TYPE_CHARS_MAX),
            "state": check_optional_text("state", self.state, chars_max=limits.TYPE_CHARS_MAX),
            "author": check_author(self.author),
            "tags": None if self.tags is None else check_tags("tags", self.tags),
            "metadata": (
                None if self.metadata is None else check_metadata("metadata", self.metadata)
            ),
            "occurred_at": check_instant("occurred_at", self.occurred_at),
            "media_type": check_media_type(self.media_type),
        }
        return CheckedDocument(
            source=check_name("source", self.source),
            source_id=check_text(
                "source_id", self.source_id, chars_max=limits.EXTERNAL_ID_CHARS_MAX
            ),
            described={name: value for name, value in described.items() if value is not None},
            observations=self._checked_observations(),
        )

    def check_origin(self) -> None:
        """See that there is exactly one thing to learn from, and of the right type.

        Raises:
            InvalidInput: there is none or several, or it is of another type.
        """
        given = [n for n in ("content", "data", "file") if getattr(self, n) is not None]
        if len(given) != 1:
            raise InvalidInput(
                given[1] if given else "content",
                ", ".join(given),
                "a document is learned from one thing",
                remedy="Give either content, data or file.",
            )
        if self.content is not None:
            check_text("content", self.content, chars_max=limits.DOCUMENT_CHARS_MAX)
        if self.data is not None and not isinstance(self.data, bytes | bytearray | memoryview):
            raise InvalidInput("data", self.data, "they are no bytes", remedy="Give bytes.")
        if self.file is not None and not isinstance(self.file, str | Path):
            raise InvalidInput("file", self.file, "that is no path", remedy="Give a path.")

    def _checked_observations(self) -> tuple[Draft, ...]:
        if isinstance(self.observations, str | bytes | Mapping) or not isinstance(
            self.observations, Sequence
        ):
            raise InvalidInput(
                "observations", self.observations, "it is no list", remedy="Give a list of drafts."
            )
        if len(self.observations) > limits.OBSERVATIONS_MAX:
            raise InvalidInput(
                "observations",
                len(self.observations),
                f"there are more than {limits.OBSERVATIONS_MAX:,}",
                remedy="Learn the document in parts, or remember the rest yourself.",
            )
        return tuple(Draft.of(observation) for observation in self.observations)


@dataclass(frozen=True, slots=True)
class CheckedDocument:
    """A draft whose every field is in its stored form; only `DocumentDraft.checked` makes one.

    Args:
        described: the fields that were given, by name; those that were not are missing.
        observations: not yet checked, as they are about the document, whose id is not known yet.
    """

    source: str
    source_id: str
    described: Mapping[str, Any]
    observations: tuple[Draft, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """One version of a document, as the ledger holds it.

    `recorded_at` is when this version was written, `superseded_at` when the next one was,
    `deleted_at` when it was forgotten. After an erasure (`erased_at`) everything in words is empty.
    `chunk_count` and `char_count` tell of the text of this version; `lineage` of where it came from
    (`learned_from`, `name`, `parent_version`, `chunks_new`). `artifact_key` and `artifact_hash`
    (SHA-256, in hex) lead to the raw source in the object store, where it is kept.
    """

    id: UUID
    version: int
    store_id: UUID
    source: str
    source_id: str
    type: str
    title: str | None
    summary: str | None
    state: str | None
    author: dict[str, Any]
    tags: tuple[str, ...]
    metadata: dict[str, Any]
    media_type: str | None
    content_hash: str
    artifact_key: str | None
    artifact_hash: str | None
    lineage: dict[str, Any]
    chunk_count: int
    char_count: int
    occurred_at: datetime | None
    recorded_at: datetime
    superseded_at: datetime | None
    deleted_at: datetime | None
    erased_at: datetime | None
    created_by: str
    updated_by: str

    def as_dict(self) -> dict[str, Any]:
        """Every field as JSON-ready data: ids as text, instants in ISO 8601."""
        return {f.name: as_plain(getattr(self, f.name)) for f in fields(Document)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """A searchable piece of a document, where it stands in one version of it.

    Its id, text, section and vectors stay from version to version as long as the piece does;
    `place`, `start` and `end` are those of `version`.

    Args:
        document_id, version: the document, and the version of it in which the chunk stands here.
        first_version: the version that first had it; its vectors carry this number.
        place: its number in the version, from 0.
        section: the headings above it, outermost first; None without any.
        start, end: where it stands in the extracted text, in characters, half-open.
        keywords: the words that tell it from its document's other chunks, best first.
        source, source_id, title, type, tags, occurred_at: the document's, of `version`.
        recorded_at: when the chunk was first written; superseded_at when it ceased to be part of
            the current version.
    """

    id: UUID
    document_id: UUID
    version: int
    first_version: int
    store_id: UUID
    place: int
    text: str
    section: str | None
    start: int
    end: int
    token_count: int
    keywords: tuple[str, ...]
    source: str
    source_id: str
    title: str | None
    type: str
    tags: tuple[str, ...]
    occurred_at: datetime | None
    recorded_at: datetime
    superseded_at: datetime | None

    def as_dict(self) -> dict[str, Any]:
        """Every field as JSON-ready data: ids as text, instants in ISO 8601."""
        return {f.name: as_plain(getattr(self, f.name)) for f in fields(Chunk)}


@dataclass(frozen=True, slots=True)
class ChunkDraft:
    """A piece of a version that is to be written, and which chunk it is.

    Args:
        chunk_id: of the chunk it already is, or of the one it becomes.
        is_new: whether that is still to be written.
    """

    chunk_id: UUID
    piece: Piece
    is_new: bool
    keywords: tuple[str, ...] = ()

    @property
    def indexed(self) -> str:
        """What is embedded of it."""
        return indexed_chunk(self.piece.text, self.piece.section)

    @property
    def hash(self) -> bytes:
        """What makes it the same chunk as another of its document."""
        return chunk_hash(self.piece.text, self.piece.section)


@dataclass(frozen=True, slots=True)
class Learned:
    """What learning a document did.

    Args:
        document: the version that is current now.
        outcome: "created", "updated" or "unchanged".
        chunks: how many the version has; `chunks_new` of them were written (and embedded) now,
            `chunks_kept` were there already.
        observations: the memories it yielded, each with its own outcome.
    """

    document: Document
    outcome: LearnOutcome
    chunks: int
    chunks_new: int = 0
    chunks_kept: int = 0
    observations: tuple[Remembered, ...] = field(default=())


@dataclass(frozen=True, slots=True)
class DocumentPage:
    """Some documents of a listing, and where the next page begins (None at the end)."""

    documents: list[Document]
    next_cursor: str | None


@dataclass(frozen=True, slots=True)
class ChunkPage:
    """Some chunks of a document, in its order, and where the next page begins (None at the end)."""

    chunks: list[Chunk]
    next_cursor: str | None


def indexed_chunk(text: str, section: str | None) -> str:
    """The text of a chunk that is embedded: the piece, after the headings it stands under."""
    return text if section is None else f"{section}: {text}"


def chunk_hash(text: str, section: str | None) -> bytes:
    """SHA-256 of what is embedded: the same hash in the same document is the same chunk."""
    return hashlib.sha256(f"{section or ''}\x00{text}".encode()).digest()


def check_author(value: object) -> dict[str, Any] | None:
    """Who wrote a document: a name becomes `{"name": …}`, a JSON object stays."""
    if value is None:
        return None
    if isinstance(value, str):
        return {"name": check_text("author", value, chars_max=limits.TITLE_CHARS_MAX)}
    if not isinstance(value, Mapping):
        raise InvalidInput("author", value, "it is no name", remedy="Give a name or an object.")
    return check_metadata("author", value)


def check_media_type(value: object) -> str | None:
    """A media type without parameters, in lower case, such as text/markdown; None for none."""
    if value is None:
        return None
    text = check_storable("media_type", value).partition(";")[0].strip().lower()
    kind, slash, name = text.partition("/")
    if not (kind and slash and name and text.isascii() and text.isprintable()) or len(text) > 100:
        raise InvalidInput(
            "media_type", value, "that is no media type", remedy="Give one like text/markdown."
        )
    return text


def checked_observation(document_id: UUID, draft: Draft, checked: CheckedDraft) -> CheckedDraft:
    """An observation with a reference to the document it comes from."""
    reference = document_ref(document_id)
    if reference in checked.subject_refs:
        return checked
    if len(checked.subject_refs) >= limits.SUBJECT_REFS_MAX:
        raise InvalidInput(
            "subject_refs",
            draft.subject_refs,
            f"the document's own reference makes more than {limits.SUBJECT_REFS_MAX}",
            remedy="Give fewer.",
        )
    return replace(checked, subject_refs=(*checked.subject_refs, reference))


def document_ref(document_id: UUID) -> str:
    """How memories refer to a document in `subject_refs`."""
    return f"document:{document_id}"
