"""Idempotency keys: what a sender gives a write, so that sending it again does it once.

(The HTTP header is described in draft-ietf-httpapi-idempotency-key-header.) A key is its sender's
choice, best a random UUID. What is kept of it is a hash, and of the request a hash under the key.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from memoledger.model.errors import InvalidInput
from memoledger.model.principal import Principal

KEY_CHARS_MAX: Final = 255
KEPT_S: Final = 24 * 3_600.0
"""How long an answer is kept."""

ANSWER_ITEMS_MAX: Final = 1_000
ANSWER_CHARS_MAX: Final = 200
"""Of one text in an answer: room for an id, an instant or an outcome, and not for a memory."""

Scalar = str | int | float | bool | None
Answer = Mapping[str, Scalar | list[Scalar]]
"""What an answer is made again from: ids, versions, outcomes. Never content."""


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to do a write, until it is finished, abandoned, or its time is over.

    Args:
        key_hash: SHA-256 of the sender's key.
        claim_id: this claim's own; another that takes over has another.
    """

    principal: Principal
    key_hash: bytes
    claim_id: UUID


@dataclass(frozen=True, slots=True)
class KeptAnswer:
    """What the first request with that key was answered.

    Args:
        status: its HTTP status, or any number of the surface's own.
    """

    status: int
    answer: Mapping[str, object]


def check_idempotency_key(value: object) -> str:
    """A key of 1 to 255 visible ASCII characters.

    Raises:
        InvalidInput: it is anything else.
    """
    good = isinstance(value, str) and 0 < len(value) <= KEY_CHARS_MAX and value.isascii()
    if not isinstance(value, str) or not good or not value.isprintable() or not value.strip():
        raise InvalidInput(
            "idempotency-key",
            value,
            f"it is not 1 to {KEY_CHARS_MAX} visible ASCII characters",
            remedy="Use a random UUID for each write, and the same one when sending it again.",
        )
    return value


def key_hash(key: str) -> bytes:
    """What is kept of a key."""
    return hashlib.sha256(key.encode()).digest()


def request_hash(key: str, method: str, path: str, body: bytes) -> bytes:
    """What is kept of a request: under its key, so that nobody without the key can test guesses."""
    told = f"{len(method)} {method} {len(path)} {path} ".encode("utf-8", "surrogatepass")
    return hmac.digest(key.encode(), told + body, "sha256")


def check_answer(value: Answer) -> None:
    """Refuse an answer that could carry content: long texts, or anything nested.

    Raises:
        InvalidInput: a programming error of the surface; the answer must not be kept.
    """
    for name, item in value.items():
        items = item if isinstance(item, list) else [item]
        if len(items) > ANSWER_ITEMS_MAX or not all(_is_small(one) for one in items):
            raise InvalidInput(
                f"answer.{name}",
                type(item).__name__,
                "it is no id, number or outcome",
                remedy="Keep what the answer can be made again from, not the answer.",
            )


def _is_small(item: object) -> bool:
    if isinstance(item, str):
        return len(item) <= ANSWER_CHARS_MAX
    return item is None or isinstance(item, int | float)
