"""Sealing what is cached: only who has the secret that the ledger keeps can read it or make it.

The secret of a row is its salt, which nobody gets but through the row's own policies, and which an
erasure empties. So a value of a cache is exactly what was put there for this row, or it does not
open; and once the row is erased, what a cache still holds of it is noise.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from functools import cache
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

FORM: Final = b"\x01"
"""What a sealed value begins with; another form of what is inside gets another number."""

_NONCE_BYTES: Final = 12


def seal(secret: bytes, name: str, content: bytes) -> bytes:
    """`content` encrypted and authenticated (AES-256-GCM) for one place in a cache.

    Args:
        secret: 16 bytes or more that nobody can guess.
        name: the place, for example a cache's key. What was sealed for another does not open.
    """
    nonce = secrets.token_bytes(_NONCE_BYTES)
    return FORM + nonce + _cipher(secret, name).encrypt(nonce, content, FORM)


def unseal(secret: bytes, name: str, sealed: bytes) -> bytes | None:
    """What was sealed with the same secret for the same place; None for anything else.

    >>> secret = bytes(16)
    >>> unseal(secret, "a", seal(secret, "a", b"tea"))
    b'tea'
    >>> unseal(secret, "b", seal(secret, "a", b"tea")) is None
    True
    """
    if sealed[: len(FORM)] != FORM or len(sealed) < len(FORM) + _NONCE_BYTES + 16:
        return None
    nonce, content = sealed[len(FORM) :][:_NONCE_BYTES], sealed[len(FORM) + _NONCE_BYTES :]
    try:
        return _cipher(secret, name).decrypt(nonce, content, FORM)
    except _invalid():
        return None


def _cipher(secret: bytes, name: str) -> AESGCM:
    key = hmac.new(secret, b"memoledger cache\x00" + name.encode(), hashlib.sha256).digest()
    return _aesgcm()(key)


# Imported when something is first sealed: few ledgers do, and it takes a moment.
@cache
def _aesgcm() -> type[AESGCM]:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    return AESGCM


@cache
def _invalid() -> type[Exception]:
    from cryptography.exceptions import InvalidTag

    return InvalidTag
