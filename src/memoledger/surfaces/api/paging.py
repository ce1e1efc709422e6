"""Cursors: where a page ends, as a text that says nothing to whoever holds it.

A page begins after an id, and ids sort by the time they were made: rows that are added meanwhile
neither repeat nor push out any other. A cursor names the listing it belongs to.
"""

from __future__ import annotations

import base64
import binascii
from typing import Final

from memoledger.model.errors import InvalidInput

CURSOR_CHARS_MAX: Final = 1_024


def sealed(listing: str, cursor: str | None) -> str | None:
    """A service's cursor as clients are given it; None stays None: there is no next page."""
    if cursor is None:
        return None
    return base64.urlsafe_b64encode(f"{listing}:{cursor}".encode()).decode().rstrip("=")


def opened(listing: str, cursor: str | None) -> str | None:
    """The service's cursor in what a client sends back.

    Raises:
        InvalidInput: it is none, or one of another listing.
    """
    if cursor is None:
        return None
    try:
        padded = cursor[:CURSOR_CHARS_MAX] + "=" * (-len(cursor) % 4)
        plain = base64.b64decode(padded, altchars=b"-_", validate=True).decode()
        kind, _, inner = plain.partition(":")
    except (binascii.Error, UnicodeError, ValueError):
        kind, inner = "", ""
    if kind != listing or not inner or len(cursor) > CURSOR_CHARS_MAX:
        raise InvalidInput(
            "cursor",
            cursor,
            "it is no cursor of this listing",
            remedy="Give the `nextCursor` of the page before, or leave it out to begin.",
        )
    return inner
