"""What tools return: data by their output schemas, and the same as a text for a model to read.

What memories say stands indented below a line of ours, so that nothing in it can pass for one.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, Literal, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from memoledger.model.context_pack import ContextPack
from memoledger.model.document import Chunk
from memoledger.model.memory import Memory, Remembered
from memoledger.model.pages import StorePage
from memoledger.model.recall import Hit, Hits
from memoledger.model.store import Store
from memoledger.surfaces.mcp.schemas import Answer

EXCERPT_CHARS: Final = 4_000
"""What of one content is in an answer with many; `get` gives it whole."""

VERSIONS_MAX: Final = 50
"""Versions in one history: the newest."""

_INDENT: Final = "    "


class MemoryAnswer(Answer):
    """A version of a memory."""

    id: str
    version: int
    store_id: str
    content: str
    truncated: bool | None = Field(
        None, description="True where the content is cut; `get` gives it whole."
    )
    type: str
    importance: float
    source: str | None = None
    tags: list[str] = Field(default_factory=list)
    subject_refs: list[str] = Field(default_factory=list)
    metadata: dict[str, Any] = Field(default_factory=dict)
    title: str | None = None
    summary: str | None = None
    external_id: str | None = None
    privacy: str
    occurred_at: datetime | None = None
    valid_from: datetime | None = None
    valid_to: datetime | None = None
    expires_at: datetime | None = None
    recorded_at: datetime
    superseded_at: datetime | None = None
    deleted_at: datetime | None = None
    erased_at: datetime | None = None
    created_by: str
    updated_by: str

    @classmethod
    def of(cls, memory: Memory, *, excerpt: bool = False) -> Self:
        """The answer for a memory; with `excerpt` its content is cut where it is long."""
        fields = {name: getattr(memory, name) for name in cls.model_fields if name != "truncated"}
        fields |= {"id": str(memory.id), "store_id": str(memory.store_id)}
        fields |= {"tags": list(memory.tags), "subject_refs": list(memory.subject_refs)}
        if excerpt and len(memory.content) > EXCERPT_CHARS:
            fields |= {"content": memory.content[:EXCERPT_CHARS], "truncated": True}
        return cls(**fields)

    def text(self) -> str:
        """A line about it, and its content below."""
        return f"{self.line()}\n{self.body()}"

    def line(self) -> str:
        """Its id and version, and what else is worth a word."""
        when = self.occurred_at or self.recorded_at
        parts = [
            f"id {self.id}",
            f"version {self.version}",
            _one_line(self.type),
            f"{'happened' if self.occurred_at else 'recorded'} {when:%Y-%m-%d %H:%M} UTC",
        ]
        speaker = self.metadata.get("speaker")
        if isinstance(speaker, str):
            parts.append(f"said by {_one_line(speaker)}")
        if self.tags:
            parts.append(f"tags {', '.join(map(_one_line, self.tags))}")
        for name in ("valid_from", "valid_to", "superseded_at", "deleted_at", "erased_at"):
            instant = getattr(self, name)
            if instant is not None:
                parts.append(f"{name} {instant:%Y-%m-%d %H:%M} UTC")
        return f"[{'; '.join(parts)}]"

    def body(self) -> str:
        """Its content, indented."""
        text = self.content + (" […]" if self.truncated else "")
        headline = "" if self.title is None else f"{_one_line(self.title)}\n"
        return _indented(headline + text)


class WrittenAnswer(Answer):
    """What remember and update answer."""

    outcome: Literal["created", "updated", "unchanged"]
    memory: MemoryAnswer

    @classmethod
    def of(cls, remembered: Remembered) -> Self:
        """The answer for what was written."""
        memory = MemoryAnswer.of(remembered, excerpt=True)
        return cls(outcome=remembered.outcome, memory=memory)

    def text(self) -> str:
        """What was done, and to what."""
        said = {
            "created": "Remembered.",
            "updated": "A new version was written; the earlier ones are in its history.",
            "unchanged": "Nothing to do: exactly that is remembered already.",
        }
        return f"{said[self.outcome]}\n{self.memory.text()}"


class ChunkAnswer(BaseModel):
    """A piece of a document; part of an answer, as it has a text of its own."""

    model_config = ConfigDict(frozen=True)

    id: str
    document_id: str
    version: int = Field(description="The document's.")
    store_id: str
    text: str
    section: str | None = Field(None, description="The headings it stands under.")
    start: int = Field(description="Where it stands in the document's text, in characters.")
    end: int
    title: str | None = Field(None, description="The document's.")
    source: str
    source_id: str
    type: str
    tags: list[str] = Field(default_factory=list)
    occurred_at: datetime | None = None
    recorded_at: datetime

    @classmethod
    def of(cls, chunk: Chunk) -> Self:
        """The answer for a chunk."""
        fields = {name: getattr(chunk, name) for name in cls.model_fields}
        ids = {name: str(fields[name]) for name in ("id", "document_id", "store_id")}
        return cls(**{**fields, **ids, "tags": list(chunk.tags)})

    def as_text(self) -> str:
        """A line about it, and what it says below."""
        parts = [f"chunk of document {self.document_id}", f"version {self.version}"]
        parts += [_one_line(part) for part in (self.title or self.source_id, self.section) if part]
        if self.occurred_at is not None:
            parts.append(f"written {self.occurred_at:%Y-%m-%d %H:%M} UTC")
        if self.tags:
            parts.append(f"tags {', '.join(map(_one_line, self.tags))}")
        return f"[{'; '.join(parts)}]\n{_indented(self.text)}"


class HitAnswer(Answer):
    """A memory, or a chunk of a document, that was found."""

    family: Literal["memory", "chunk"]
    score: float = Field(description="Higher is better; comparable within one answer.")
    memory: MemoryAnswer | None = None
    chunk: ChunkAnswer | None = None

    @classmethod
    def of(cls, hit: Hit) -> Self:
        """The answer for a hit."""
        if hit.chunk is not None:
            return cls(family="chunk", score=hit.score, chunk=ChunkAnswer.of(hit.chunk))
        memory = MemoryAnswer.of(hit.memory, excerpt=True)
        return cls(family="memory", score=hit.score, memory=memory)

    def text(self) -> str:
        """What was found, below a line about it."""
        if self.chunk is not None:
            return self.chunk.as_text()
        return "" if self.memory is None else self.memory.text()


class RecallAnswer(Answer):
    """What recall answers, best first."""

    hits: list[HitAnswer]
    complete: bool = Field(description="False if time ran out: others may be missing.")
    pending: int = Field(description="Memories not embedded yet; they are found by words only.")
    receipt_id: str | None = None

    @classmethod
    def of(cls, hits: Hits) -> Self:
        """The answer for what was found."""
        found = [HitAnswer.of(hit) for hit in hits]
        receipt = None if hits.receipt_id is None else str(hits.receipt_id)
        return cls(hits=found, complete=hits.complete, pending=hits.pending, receipt_id=receipt)

    def text(self) -> str:
        """What was found, numbered."""
        if not self.hits:
            return "Nothing was found. Other words, fewer filters or another store may help."
        shown = [
            f"{number}. score {hit.score:.3f} {hit.text()}"
            for number, hit in enumerate(self.hits, start=1)
        ]
        if not self.complete:
            shown.append("Time ran out before everything was looked at; others may be missing.")
        return "\n".join(shown)


class ItemAnswer(Answer):
    """A memory, or a chunk of a document, as it stands in a context."""

    number: int = Field(description="Its number in the text.")
    memory_id: str | None = Field(None, description="Of a memory.")
    chunk_id: str | None = Field(None, description="Of a chunk.")
    document_id: str | None = Field(None, description="The chunk's.")
    section: str | None = Field(None, description="The headings the chunk stands under.")
    version: int
    store_id: str
    score: float
    truncated: bool


class ContextAnswer(Answer):
    """What context answers."""

    context: str = Field(description="What was found as a text, grouped and dated.")
    items: list[ItemAnswer] = Field(description="What each number in the text is.")
    tokens: int
    max_tokens: int
    omitted: int = Field(description="Memories that were found and did not fit.")
    folded: int = Field(description="Near-duplicates that were left out.")
    counted_by: str
    complete: bool
    pending: int
    receipt_id: str | None = None

    @classmethod
    def of(cls, pack: ContextPack) -> Self:
        """The answer for a pack."""
        items = [
            ItemAnswer(
                number=item.number,
                memory_id=_text(item.source.memory_id),
                chunk_id=_text(item.source.chunk_id),
                document_id=_text(item.source.document_id),
                section=item.source.section,
                version=item.source.version,
                store_id=str(item.source.store_id),
                score=item.score,
                truncated=item.truncated,
            )
            for item in pack.items
        ]
        return cls(
            context=pack.text,
            items=items,
            tokens=pack.tokens,
            max_tokens=pack.max_tokens,
            omitted=pack.omitted,
            folded=pack.folded,
            counted_by=pack.counted_by,
            complete=pack.complete,
            pending=pack.pending,
            receipt_id=None if pack.receipt_id is None else str(pack.receipt_id),
        )

    def text(self) -> str:
        """The pack's own text; its numbers are explained by the data."""
        if not self.items:
            return (
                "Nothing was found that fits. Other words, fewer filters or more tokens may help."
            )
        omitted = f"\n({self.omitted} more did not fit.)" if self.omitted else ""
        ids = ", ".join(
            f"{item.number} is {item.memory_id or f'of document {item.document_id}'}"
            for item in self.items
        )
        return f"{self.context}\n\nIds: {ids}.{omitted}"


class GotAnswer(Answer):
    """What get answers."""

    memory: MemoryAnswer

    @classmethod
    def of(cls, memory: Memory) -> Self:
        """The answer for a memory, whole."""
        return cls(memory=MemoryAnswer.of(memory))

    def text(self) -> str:
        """The memory."""
        return self.memory.text()


class ForgottenAnswer(Answer):
    """What forget answers."""

    id: str
    outcome: Literal["forgotten", "erased"]

    def text(self) -> str:
        """What was done."""
        if self.outcome == "erased":
            return f"Erased {self.id}: the texts of all its versions are gone."
        return f"Forgot {self.id}. It is not found any more; its history still shows it."


class HistoryAnswer(Answer):
    """What history answers."""

    versions: list[MemoryAnswer] = Field(description="Oldest first; the newest 50 of them.")
    total: int = Field(description="How many versions there are in all.")

    @classmethod
    def of(cls, versions: Sequence[Memory]) -> Self:
        """The answer for all versions of a memory."""
        newest = versions[-VERSIONS_MAX:]
        return cls(
            versions=[MemoryAnswer.of(version, excerpt=True) for version in newest],
            total=len(versions),
        )

    def text(self) -> str:
        """The versions, oldest first."""
        left_out = self.total - len(self.versions)
        first = [f"({left_out} older versions are left out.)"] if left_out else []
        return "\n".join([*first, *(version.text() for version in self.versions)])


class StoreAnswer(Answer):
    """A store."""

    id: str
    name: str
    owner: str
    yours: bool
    visibility: str
    created_at: datetime

    @classmethod
    def of(cls, store: Store, user: str) -> Self:
        """The answer for a store, as `user` sees it."""
        return cls(
            id=str(store.id),
            name=store.name,
            owner=store.owner,
            yours=store.owner == user,
            visibility=store.visibility,
            created_at=store.created_at,
        )

    def text(self) -> str:
        """Its name, and how to name it in a call."""
        if self.yours:
            return f"- {_one_line(self.name)} (yours)"
        owner = _one_line(self.owner)
        return f'- {_one_line(self.name)} (shared by {owner}: give owner="{owner}" with it)'


class StoresAnswer(Answer):
    """What list_stores answers."""

    stores: list[StoreAnswer]
    next_cursor: str | None = None

    @classmethod
    def of(cls, page: StorePage, user: str) -> Self:
        """The answer for a page."""
        stores = [StoreAnswer.of(store, user) for store in page.stores]
        return cls(stores=stores, next_cursor=page.next_cursor)

    def text(self) -> str:
        """The stores, a line each."""
        if not self.stores:
            return "There are none yet. The first remember makes one."
        more = "" if self.next_cursor is None else f"\nMore follow: cursor {self.next_cursor}"
        return "\n".join(store.text() for store in self.stores) + more


def _text(value: UUID | None) -> str | None:
    return None if value is None else str(value)


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _indented(text: str) -> str:
    # splitlines also breaks at what some programs show as a new line, such as U+2028.
    return "\n".join(_INDENT + line for line in text.splitlines()) or _INDENT
