"""Artifacts: raw sources of documents, kept in the object store under a key, hash in the ledger.

    (none) --put--> writing --a document's row refers to it--> kept --erasure--> dropped
                        |                                                          |
                        +--nobody came for it in time, or its writer gave up------>+--> collected

Collected means that the object is gone; what told its content (key, hash, media type) is emptied.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Final, Literal
from uuid import UUID

from memoledger.model.errors import InvalidInput

ArtifactState = Literal["writing", "kept", "dropped", "collected"]

Source = bytes | Path | AsyncIterable[bytes]
"""What can be stored: bytes, a file, or pieces that come one after the other."""

ROOT: Final = "workspaces/"
"""What every key begins with."""

MEDIA_TYPE_CHARS_MAX: Final = 200


@dataclass(frozen=True, slots=True)
class Artifact:
    """A raw source as the ledger knows it.

    Args:
        key: where its bytes are in the object store.
        hash: SHA-256 of the bytes, in hexadecimal.
        bytes: how many they are.
        media_type: as its writer told it; None if they did not.
    """

    id: UUID
    store_id: UUID
    document_id: UUID
    key: str
    hash: str
    bytes: int
    media_type: str | None
    state: ArtifactState
    recorded_at: datetime


@dataclass(frozen=True, slots=True)
class StoredObject:
    """An object as the object store lists it."""

    key: str
    bytes: int
    modified_at: datetime


StoreAct = Literal["put", "read", "size", "delete", "list"]
"""What an object store can be asked to do."""

STORE_ACTS: Final[tuple[StoreAct, ...]] = ("put", "read", "size", "delete", "list")


@dataclass(slots=True)
class StoreStatistics:
    """What an object store was asked to do since it was opened.

    Args:
        asked, failed: how often, and how often it failed; that there is no object is no failure.
        bytes_put, bytes_read: how many bytes went there and came back.
    """

    asked: dict[StoreAct, int] = field(default_factory=lambda: dict.fromkeys(STORE_ACTS, 0))
    failed: dict[StoreAct, int] = field(default_factory=lambda: dict.fromkeys(STORE_ACTS, 0))
    bytes_put: int = 0
    bytes_read: int = 0


def artifact_key(store_id: UUID, document_id: UUID, digest: str, artifact_id: UUID) -> str:
    """Where the bytes of an artifact are. The ledger makes the same text of the same columns.

    With the hash in it, a bucket can be checked without the ledger. With the id in it, no two
    writers ever write, and no collection ever deletes, what is another's.

    >>> no = UUID(int=0)
    >>> artifact_key(no, no, "ab", no).removeprefix(f"workspaces/{no}/knowledge/{no}/")
    'ab/00000000-0000-0000-0000-000000000000'
    """
    return f"{ROOT}{store_id}/knowledge/{document_id}/{digest}/{artifact_id}"


def check_media_type(value: str | None) -> str | None:
    """A media type as it may be stored: printable ASCII, at most 200 characters.

    Raises:
        InvalidInput: it is anything else.
    """
    if value is None:
        return None
    if not 1 <= len(value) <= MEDIA_TYPE_CHARS_MAX:
        reason = f"it has to have 1 to {MEDIA_TYPE_CHARS_MAX} characters"
    elif not (value.isascii() and value.isprintable()):
        reason = "it has to be printable ASCII"
    else:
        return value
    raise InvalidInput("media_type", value, reason, remedy="Give one such as text/markdown.")


class Digest:
    """SHA-256 and length of bytes that come in pieces.

    >>> digest = Digest()
    >>> digest.add(b"ab")
    >>> digest.add(b"c")
    >>> digest.bytes, digest.hash[:8]
    (3, 'ba7816bf')
    """

    def __init__(self) -> None:
        self._sha256 = hashlib.sha256()
        self.bytes = 0

    def add(self, piece: bytes) -> None:
        """Take the next piece in."""
        self._sha256.update(piece)
        self.bytes += len(piece)

    @property
    def hash(self) -> str:
        """The SHA-256 of all pieces, in hexadecimal."""
        return self._sha256.hexdigest()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Digest) and (self.bytes, self.hash) == (other.bytes, other.hash)

    __hash__ = None  # type: ignore[assignment]  # it changes with every piece
