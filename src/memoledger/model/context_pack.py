"""Context packs: memories and chunks packed into a budget of tokens, as a text for a model.

The text has one line for each memory, `[3] Caroline: I went hiking.`; its number leads to the item
with the whole source. Memories of one conversation, or else of one topic, stand together, the group
with the best memory first; inside a group they are in the order of time, below the days on which
they happened. Chunks of one document stand together below its title, in its order, each after the
headings it stands under: `[4] Guide > Install: Run the installer.`

    ## trip to the lake
    Monday 8 May 2023
    [1] Melanie: How was it?
    [2] Caroline: Cold, and worth it.

A memory's own line breaks are indented, so that none can pass for a line of the pack.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from memoledger.model.document import Chunk
from memoledger.model.indexing import day_name
from memoledger.model.memory import Memory
from memoledger.model.plain import as_plain
from memoledger.model.recall import Family

MARK: Final = " […]"
"""Stands where a memory was cut."""

LABEL_CHARS_MAX: Final = 100
"""What of a speaker's name or a conversation's enters the text."""

CONVERSATION_KEYS: Final = (
    *("conversation_id", "conversation", "thread_id", "thread", "chat_id", "document_id"),
    *("session_id", "session"),
)
"""Names of the metadata that say which conversation a memory is part of, as for neighbours."""

NEWEST_NUMBER: Final = 999
"""A number as long as any in the text, to count the tokens of a line before it has its own."""

BUDGET_MAX: Final = 1_000_000
"""Tokens in a pack at most."""

FOLD: Final = 0.95
"""Cosine from which two memories count as one in a pack, unless the caller says otherwise."""

_SENTENCE_END: Final = re.compile(r"[.!?…。！？]+[\"'”’)\]]*(?=\s)|[。！？](?=\S)|\n+")  # noqa: RUF001
_WORD_END: Final = re.compile(r"(?<=\S)(?=\s)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where an item comes from: a version of a memory, or a chunk of a version of a document.

    Args:
        store, store_id: the store it is in.
        memory_id, version: which version of which memory; of a chunk there is no `memory_id`, and
            `version` is the document's.
        speaker: who said it, where that is known.
        occurred_at: when it happened, where that is known.
        recorded_at: when this version, or the chunk, was written.
        chunk_id, document_id: which chunk of which document.
        section: the headings the chunk stands under, outermost first.
        start, end: where the chunk stands in the document's text, in characters, half-open.
    """

    store: str
    store_id: UUID
    memory_id: UUID | None
    version: int
    speaker: str | None
    occurred_at: datetime | None
    recorded_at: datetime
    chunk_id: UUID | None = None
    document_id: UUID | None = None
    section: str | None = None
    start: int | None = None
    end: int | None = None

    @property
    def family(self) -> Family:
        """What it is."""
        return "memory" if self.chunk_id is None else "chunk"

    @property
    def id(self) -> UUID:
        """The id of the memory or chunk."""
        found = self.memory_id or self.chunk_id
        assert found is not None, "it is either of the two"
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class ContextItem:
    """A memory or chunk as it stands in a pack.

    Args:
        number: its number in the text, from 1.
        text: its content, or as much of it as fitted.
        truncated: whether it was cut: it alone is larger than the budget.
        score: recall's; higher is better.
        group: the conversation or document it belongs to, where that is known.
        folded: ids of the near-duplicates that were left out for it.
    """

    number: int
    text: str
    truncated: bool
    score: float
    group: str | None
    source: Source
    folded: tuple[UUID, ...]

    def as_dict(self) -> dict[str, Any]:
        """The item as JSON-ready data."""
        plain = {field.name: getattr(self, field.name) for field in fields(self)}
        source = {
            field.name: as_plain(getattr(self.source, field.name)) for field in fields(Source)
        }
        return {**plain, "source": source, "folded": [str(one) for one in self.folded]}


@dataclass(frozen=True, slots=True, kw_only=True)
class ContextPack:
    """The best memories and chunks for a question, as a text of at most so many tokens.

    Args:
        text: everything, ready to be given to a model; empty if nothing was found or fitted.
        items: the memories and chunks in the order of the text.
        tokens: tokens of `text`, as `counted_by` counts them.
        max_tokens: the budget.
        omitted: how many memories and chunks were found and did not fit.
        folded: how many near-duplicates were left out.
        counted_by: "tokenizer" (the embedder's), "estimate" or "caller".
        receipt_id: the receipt of the recall behind it; None where receipts are switched off.
        complete, pending: as of `Hits`.
    """

    query: str
    text: str
    items: tuple[ContextItem, ...]
    tokens: int
    max_tokens: int
    omitted: int
    folded: int
    counted_by: str
    receipt_id: UUID | None = None
    complete: bool = True
    pending: int = 0

    def as_dict(self) -> dict[str, Any]:
        """The pack as JSON-ready data."""
        plain = {field.name: as_plain(getattr(self, field.name)) for field in fields(self)}
        return {**plain, "items": [item.as_dict() for item in self.items]}


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """A memory or chunk that may enter a pack; pieces come best first.

    Args:
        found: the memory or chunk.
        score: recall's.
        group: what is equal for memories that stand together.
        label: the group's heading; None for none.
        folded: the near-duplicates that it stands for.
        text: what of its content is shown; None for all.
    """

    found: Memory | Chunk
    score: float
    group: str
    label: str | None
    folded: tuple[UUID, ...] = ()
    text: str | None = None

    def shortened(self, text: str) -> Piece:
        """The same with only the beginning of its content."""
        return replace(self, text=text)

    @property
    def shown(self) -> str:
        """Its content as it stands in the text, without the line's beginning."""
        whole = self.whole
        return whole if self.text is None else self.text + MARK

    @property
    def whole(self) -> str:
        """All that it says."""
        text = self.found.text if isinstance(self.found, Chunk) else self.found.content
        return text.strip()

    @property
    def day(self) -> str:
        """The line above it that says when it happened, or else when it was recorded."""
        occurred_at = self.found.occurred_at
        if occurred_at is not None:
            return day_name(occurred_at)
        return f"Recorded on {day_name(self.found.recorded_at)}"

    @property
    def heading(self) -> str | None:
        """The line above its group."""
        return None if self.label is None else f"## {_tidy(self.label)}"

    def line(self, number: int) -> str:
        """Its own line, with more lines below it where its content has more."""
        above = self.found.section if isinstance(self.found, Chunk) else speaker_of(self.found)
        said = "\n    ".join(self.shown.splitlines())
        return f"[{number}] {_tidy(above)}: {said}" if above else f"[{number}] {said}"

    def frame(self) -> list[str]:
        """The lines that it needs above itself, unless others of its group have them already."""
        return [self.day] if self.heading is None else [self.heading, self.day]


def speaker_of(memory: Memory) -> str | None:
    """Who said it: `metadata["speaker"]`, where that is a text."""
    speaker = memory.speaker
    return speaker if speaker and speaker.strip() else None


def conversation_of(memory: Memory | Chunk) -> str | None:
    """What a memory or chunk is part of, for people: a conversation, a document, a session."""
    if isinstance(memory, Chunk):
        return memory.title or memory.source_id
    for key in CONVERSATION_KEYS:
        name = memory.metadata.get(key)
        if isinstance(name, str | int) and str(name).strip():
            return f"session {name}" if key.startswith("session") else str(name)
    return None


def choose(pieces: Sequence[Piece], tokens: Mapping[str, int], max_tokens: int) -> list[int]:
    """The places of the pieces that fit together: the best first, passing over what is too large.

    In the order of relevance, and not of relevance per token: in a conversation what says most per
    token is a greeting. It is measured in docs/explanation/decisions.md.

    Args:
        pieces: best first.
        tokens: how many tokens each line has, of `line(NEWEST_NUMBER)` and of the frames.
        max_tokens: the budget.
    """
    left = max_tokens
    framed: set[tuple[str, str]] = set()
    chosen: list[int] = []
    for place, piece in enumerate(pieces):
        needed = [line for line in piece.frame() if (piece.group, line) not in framed]
        cost = tokens[piece.line(NEWEST_NUMBER)] + sum(tokens[line] for line in needed)
        if cost <= left:
            left -= cost
            framed.update((piece.group, line) for line in needed)
            chosen.append(place)
    return chosen


def arranged(pieces: Sequence[Piece]) -> list[Piece]:
    """Pieces in the order of the text: the group with the best piece first, inside it by time."""
    first: dict[str, int] = {}
    for place, piece in enumerate(pieces):
        first.setdefault(piece.group, place)
    return sorted(pieces, key=lambda piece: (first[piece.group], *_when(piece.found)))


def render(pieces: Sequence[Piece]) -> str:
    """The text of arranged pieces."""
    lines: list[str] = []
    above: tuple[str | None, str | None] = (None, None)
    for number, piece in enumerate(pieces, start=1):
        if piece.group != above[0]:
            lines += [""] if lines else []
            lines += piece.frame()
        elif piece.day != above[1]:
            lines.append(piece.day)
        lines.append(piece.line(number))
        above = piece.group, piece.day
    return "\n".join(lines)


def items_of(pieces: Sequence[Piece], store: str) -> tuple[ContextItem, ...]:
    """The items of arranged pieces."""
    return tuple(
        ContextItem(
            number=number,
            text=piece.shown,
            truncated=piece.text is not None,
            score=piece.score,
            group=piece.label,
            source=_source(piece.found, store),
            folded=piece.folded,
        )
        for number, piece in enumerate(pieces, start=1)
    )


def ends_of(text: str) -> tuple[list[int], list[int]]:
    """Where a text may be cut: after its sentences, and, less well, after its words."""
    return (
        [match.end() for match in _SENTENCE_END.finditer(text)],
        [match.end() for match in _WORD_END.finditer(text)],
    )


def estimated_tokens(text: str) -> int:
    """Tokens of a text where no tokenizer is at hand: a guess on the large side.

    One for every 3.5 ASCII characters and one for every other character; English prose has one for
    every 4 to 4.5 with the tokenizers in use.
    """
    others = sum(not character.isascii() for character in text)
    return -(-2 * (len(text) - others) // 7) + others


CountTokens = Callable[[str], int]
"""Counts the tokens of a text; called often, so it should be fast."""


def _when(found: Memory | Chunk) -> tuple[str, bool, datetime, int, UUID]:
    """By day, on a day what happened before what was only recorded, then by time and making.

    Chunks are in the order of their document, which alone makes up their group.
    """
    if isinstance(found, Chunk):
        return "", False, datetime.min.replace(tzinfo=UTC), found.place, found.id
    instant = found.occurred_at or found.recorded_at
    day = instant.astimezone(UTC).date().isoformat()
    return day, found.occurred_at is None, instant, 0, found.id


def _source(found: Memory | Chunk, store: str) -> Source:
    if isinstance(found, Chunk):
        return Source(
            store=store,
            store_id=found.store_id,
            memory_id=None,
            version=found.version,
            speaker=None,
            occurred_at=found.occurred_at,
            recorded_at=found.recorded_at,
            chunk_id=found.id,
            document_id=found.document_id,
            section=found.section,
            start=found.start,
            end=found.end,
        )
    return Source(
        store=store,
        store_id=found.store_id,
        memory_id=found.id,
        version=found.version,
        speaker=speaker_of(found),
        occurred_at=found.occurred_at,
        recorded_at=found.recorded_at,
    )


def _tidy(label: str) -> str:
    return " ".join(label.split())[:LABEL_CHARS_MAX].rstrip()
