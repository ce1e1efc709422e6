"""API keys: what lets a program act as a user, and with which scopes.

A key's text is `mlk_<id>_<secret>`: the id, 32 hexadecimal digits, tells which key it is and is no
secret; the rest is 43 letters and digits drawn at random, 256 bits. Only the SHA-256 of the whole
text is kept. A slow hash would protect a secret that can be guessed; nobody guesses 256 bits.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import string
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Literal, get_args
from uuid import UUID

from memoledger.model.errors import InvalidInput

Scope = Literal["read", "write", "admin"]
"""What one may do: read memories, write them, manage users and keys of the tenant.

None includes another: `admin` alone reads nothing.
"""

SCOPES: Final[tuple[Scope, ...]] = get_args(Scope)
NO_SCOPES: Final[frozenset[Scope]] = frozenset()

KEY_PREFIX: Final = "mlk_"
"""With what every key begins, so that a scanner for leaked secrets knows it."""

SECRET_CHARS: Final = 43
"""Letters and digits of the secret part: 62 to the power of 43 is a little above 2 to the 256."""

_ALPHABET: Final = string.ascii_letters + string.digits
_KEY: Final = re.compile(rf"mlk_([0-9a-f]{{32}})_[A-Za-z0-9]{{{SECRET_CHARS}}}", re.ASCII)


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key as it may be shown; its secret is not in it.

    Args:
        name: what its maker calls it.
        tenant, user: as whom it acts.
        created_by: the user of the tenant who made it.
        created_with: the key they used for that; None where it was none.
        expires_at: from when on it is refused; None for never.
        last_used_at: to the minute, and a few seconds late; None before the first use.
        revoked_at: since when it is refused.
    """

    id: UUID
    name: str
    tenant: str
    user: str
    scopes: frozenset[Scope]
    created_at: datetime
    created_by: str
    created_with: UUID | None = None
    expires_at: datetime | None = None
    last_used_at: datetime | None = None
    revoked_at: datetime | None = None

    def is_good_at(self, instant: datetime) -> bool:
        """Whether it is neither revoked nor expired."""
        return self.revoked_at is None and (self.expires_at is None or instant < self.expires_at)


@dataclass(frozen=True, slots=True, kw_only=True)
class FreshKey(ApiKey):
    """A key just made, with its text, which is shown this once and kept nowhere.

    Args:
        secret: the whole text, to be sent as `Authorization: Bearer <secret>`.
    """

    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class KeyPage:
    """Some keys, newest first.

    Args:
        next_cursor: where the next page begins; None if this is the last.
    """

    keys: tuple[ApiKey, ...]
    next_cursor: str | None


def key_text(key_id: UUID) -> str:
    """The text of a new key, with a secret from the system's random numbers."""
    secret = "".join(secrets.choice(_ALPHABET) for _ in range(SECRET_CHARS))
    return f"{KEY_PREFIX}{key_id.hex}_{secret}"


def key_id_of(text: str) -> UUID | None:
    """The id in a key's text; None if it is not written like a key."""
    match = _KEY.fullmatch(text)
    return None if match is None else UUID(hex=match[1])


def digest_of(text: str) -> bytes:
    """What is kept of a key's text: its SHA-256, 32 bytes."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


def check_scopes(field_name: str, value: object) -> frozenset[Scope]:
    """Scopes by their names: a list of at least one, repetitions allowed.

    Raises:
        InvalidInput: it is no list, empty, or one is unknown.
    """
    if isinstance(value, str | bytes | Mapping) or not isinstance(value, Iterable):
        raise InvalidInput(
            field_name, value, "it is no list", remedy=f"Give some of: {', '.join(SCOPES)}."
        )
    found: set[Scope] = set()
    for item in value:
        known: dict[object, Scope] = {scope: scope for scope in SCOPES}
        if not isinstance(item, str) or item not in known:
            raise InvalidInput(
                field_name,
                item,
                "there is no such scope",
                remedy=f"Choose of: {', '.join(SCOPES)}.",
            )
        found.add(known[item])
    if not found:
        raise InvalidInput(
            field_name, value, "it is empty", remedy=f"Give some of: {', '.join(SCOPES)}."
        )
    return frozenset(found)


def ordered(scopes: Iterable[Scope]) -> tuple[Scope, ...]:
    """Scopes in the order in which they are always shown: read, write, admin."""
    return tuple(sorted(set(scopes), key=SCOPES.index))
