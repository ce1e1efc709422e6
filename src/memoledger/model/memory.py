"""Memories: what is given to be remembered, and what comes back."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, Literal, get_args
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from memoledger.model import limits
from memoledger.model.checks import (
    check_choice,
    check_fraction,
    check_instant,
    check_labels,
    check_metadata,
    check_optional_text,
    check_period,
    check_text,
)
from memoledger.model.errors import InvalidInput
from memoledger.model.plain import as_plain

Privacy = Literal["store", "creator"]
"""Who may read a memory: everybody who may read its store, or only its creator."""

Outcome = Literal["created", "unchanged", "updated"]
"""What remembering did: a new memory, nothing (it was there), or a new version of one."""

_WHITESPACE = re.compile(r"\s+")


def content_hash(content: str) -> bytes:
    """SHA-256 of the content in Unicode NFC with runs of white space as one space: its identity."""
    normal = content if content.isascii() else unicodedata.normalize("NFC", content)
    return hashlib.sha256(_WHITESPACE.sub(" ", normal).strip().encode()).digest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """Something to be remembered; `checked()` brings every field to its stored form.

    Args:
        content: the text, 1 to 100,000 characters.
        type: what kind of memory it is, free, up to 50 characters: fact, episode, preference, turn…
        importance: 0 to 1.
        source: where it came from, up to 500 characters.
        tags: up to 64 labels of up to 100 characters.
        subject_refs: up to 64 references to what it is about: entities, messages, files.
        metadata: a JSON object of up to 64 KiB. `speaker` in it is indexed with the text.
        title, summary: further views of the memory, embedded beside its content.
        external_id: its identity in the source; without one the content is the identity.
        occurred_at: when it happened (not when it was recorded), with a time zone.
        valid_from, valid_to: when what it says is true.
        expires_at: from then on no read returns it.
        privacy: "store" or "creator" (only its creator may read it).
        embedding: a vector for the content of the ledger's embedding version; None to embed it.
    """

    content: str
    type: str = "fact"
    importance: float = 0.5
    source: str | None = None
    tags: Sequence[str] | None = ()
    subject_refs: Sequence[str] | None = ()
    metadata: Mapping[str, Any] | None = None
    title: str | None = None
    summary: str | None = None
    external_id: str | None = None
    occurred_at: datetime | str | None = None
    valid_from: datetime | str | None = None
    valid_to: datetime | str | None = None
    expires_at: datetime | str | None = None
    privacy: Privacy = "store"
    embedding: Sequence[float] | NDArray[np.floating] | None = None

    @classmethod
    def of(cls, value: Draft | Mapping[str, Any]) -> Draft:
        """A draft from itself or from a mapping; `id` is taken for `external_id`.

        Raises:
            InvalidInput: the mapping has no content or a field that is not known.
        """
        if isinstance(value, Draft):
            return value
        if not isinstance(value, Mapping):
            raise InvalidInput(
                "memory", value, "it is no object", remedy="Give an object with at least `content`."
            )
        given = _with_external_id(dict(value))
        unknown = sorted(str(name) for name in given.keys() - DRAFT_FIELDS)
        if unknown:
            raise InvalidInput(
                unknown[0],
                given.get(unknown[0]),
                "that field is not known",
                remedy=f"Known: {', '.join(sorted(DRAFT_FIELDS))}. Put your own into metadata.",
            )
        if "content" not in given:
            raise InvalidInput("content", None, "it is missing", remedy="Give some text.")
        return cls(**given)

    def checked(self) -> CheckedDraft:
        """Every field checked and in its stored form.

        Raises:
            InvalidInput: naming the first field that is wrong, with its value and the remedy.
        """
        valid_from = check_instant("valid_from", self.valid_from)
        valid_to = check_instant("valid_to", self.valid_to)
        check_period("valid_from", valid_from, "valid_to", valid_to)
        content = check_text("content", self.content, chars_max=limits.CONTENT_CHARS_MAX)
        return CheckedDraft(
            content=content,
            content_hash=content_hash(content),
            type=check_text("type", self.type, chars_max=limits.TYPE_CHARS_MAX),
            importance=check_fraction("importance", self.importance),
            source=check_optional_text("source", self.source, chars_max=limits.SOURCE_CHARS_MAX),
            tags=check_tags("tags", self.tags),
            subject_refs=check_labels(
                "subject_refs",
                () if self.subject_refs is None else self.subject_refs,
                count_max=limits.SUBJECT_REFS_MAX,
                chars_max=limits.SUBJECT_REF_CHARS_MAX,
            ),
            metadata=check_metadata("metadata", {} if self.metadata is None else self.metadata),
            title=check_optional_text("title", self.title, chars_max=limits.TITLE_CHARS_MAX),
            summary=check_optional_text(
                "summary", self.summary, chars_max=limits.SUMMARY_CHARS_MAX
            ),
            external_id=check_optional_text(
                "external_id", self.external_id, chars_max=limits.EXTERNAL_ID_CHARS_MAX
            ),
            occurred_at=check_instant("occurred_at", self.occurred_at),
            valid_from=valid_from,
            valid_to=valid_to,
            expires_at=check_instant("expires_at", self.expires_at),
            privacy=check_privacy(self.privacy),
        )


def _with_external_id(given: dict[str, Any]) -> dict[str, Any]:
    """The fields with `id` taken for `external_id`, as exports of other systems have it."""
    own = given.pop("id", None)
    if given.get("external_id") is None:
        return given if own is None else {**given, "external_id": own}
    if own is None or (isinstance(own, str) and own == given["external_id"]):
        return given
    raise InvalidInput(
        "id", own, "it differs from external_id", remedy="Give one of the two, or both the same."
    )


DRAFT_FIELDS = frozenset(field.name for field in fields(Draft))

CHANGEABLE = DRAFT_FIELDS - {"external_id"}
"""What an update may change: everything but the identity."""

VERSION_MAX = 2**31 - 2
"""The last version that a memory can be said to be at."""


def check_changes(changes: Mapping[str, Any]) -> None:
    """See that an update names fields, and only such as can be changed.

    Raises:
        InvalidInput: a field is not known or cannot be changed, or there is none.
    """
    unknown = sorted(changes.keys() - CHANGEABLE)
    if unknown:
        raise InvalidInput(
            unknown[0],
            changes[unknown[0]],
            "that field is not known or cannot be changed",
            remedy=f"Fields that can: {', '.join(sorted(CHANGEABLE))}.",
        )
    if not changes:
        raise InvalidInput("changes", {}, "nothing is to be changed", remedy="Name a field.")


def check_tags(name: str, value: object) -> tuple[str, ...]:
    """Up to 64 tags of up to 100 characters; None is none."""
    return check_labels(
        name,
        () if value is None else value,
        count_max=limits.TAGS_MAX,
        chars_max=limits.TAG_CHARS_MAX,
    )


def check_privacy(value: object) -> Privacy:
    """`store` or `creator`."""
    return "creator" if check_choice("privacy", value, get_args(Privacy)) == "creator" else "store"


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedDraft:
    """A draft whose every field is in its stored form; only `Draft.checked` makes one."""

    content: str
    content_hash: bytes
    type: str
    importance: float
    source: str | None
    tags: tuple[str, ...]
    subject_refs: tuple[str, ...]
    metadata: dict[str, Any]
    title: str | None
    summary: str | None
    external_id: str | None
    occurred_at: datetime | None
    valid_from: datetime | None
    valid_to: datetime | None
    expires_at: datetime | None
    privacy: Privacy

    @property
    def speaker(self) -> str | None:
        """Who said it: `metadata["speaker"]`, where that is a text."""
        return _speaker(self.metadata)


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """One version of a memory, as the ledger holds it.

    `recorded_at` is when this version was written, `superseded_at` when the next one was,
    `deleted_at` when it was forgotten. After an erasure (`erased_at`) the texts are empty.
    """

    id: UUID
    version: int
    store_id: UUID
    content: str
    type: str
    importance: float
    source: str | None
    tags: tuple[str, ...]
    subject_refs: tuple[str, ...]
    metadata: dict[str, Any]
    title: str | None
    summary: str | None
    external_id: str | None
    privacy: Privacy
    occurred_at: datetime | None
    valid_from: datetime | None
    valid_to: datetime | None
    expires_at: datetime | None
    recorded_at: datetime
    superseded_at: datetime | None
    deleted_at: datetime | None
    erased_at: datetime | None
    created_by: str
    updated_by: str

    @property
    def speaker(self) -> str | None:
        """Who said it: `metadata["speaker"]`, where that is a text."""
        return _speaker(self.metadata)

    def as_dict(self) -> dict[str, Any]:
        """Every field as JSON-ready data: ids as text, instants in ISO 8601."""
        return {field.name: as_plain(getattr(self, field.name)) for field in fields(Memory)}


_PUT_FIELDS = tuple(getattr(Memory, field.name).__set__ for field in fields(Memory))


def memory_of(values: Iterable[Any]) -> Memory:
    """A memory from the values of all its fields, in their order.

    The constructor of a frozen class of so many fields takes twice as long, ten times a recall.
    """
    memory = object.__new__(Memory)
    for put, value in zip(_PUT_FIELDS, values, strict=True):
        put(memory, value)
    return memory


@dataclass(frozen=True, slots=True, kw_only=True)
class Remembered(Memory):
    """A memory as `remember` returns it, with what remembering did."""

    outcome: Outcome


def _speaker(metadata: Mapping[str, Any]) -> str | None:
    speaker = metadata.get("speaker")
    return speaker if isinstance(speaker, str) else None
