"""Identifiers: UUIDs of version 7 (RFC 9562), which sort by the time they were made."""

from __future__ import annotations

from uuid import UUID

from uuid_utils.compat import uuid7

from memoledger.model.errors import InvalidInput


def new_id() -> UUID:
    """A new identifier; later ones sort after earlier ones to the millisecond."""
    return uuid7()


def as_id(field: str, value: object) -> UUID:
    """`value` as a UUID; a UUID or its text is taken.

    Raises:
        InvalidInput: it is neither.
    """
    if isinstance(value, UUID):
        return value
    try:
        if isinstance(value, str):
            return UUID(value)
    except ValueError:
        pass
    raise InvalidInput(
        field, value, "that is no id", remedy="Give the UUID that remember or recall returned."
    )
