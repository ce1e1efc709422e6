"""Identifiers: UUIDs of version 7 (RFC 9562), which sort by the time they were made."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final
from uuid import UUID

from uuid_utils.compat import uuid7

from memoledger.model.errors import InvalidInput

# UUID() itself also takes "0x1", "1_000" and digits of other scripts.
_UUID: Final = re.compile(r"[0-9a-fA-F]{8}(-?[0-9a-fA-F]{4}){3}-?[0-9a-fA-F]{12}")


def new_id() -> UUID:
    """A new identifier; later ones sort after earlier ones to the millisecond."""
    return uuid7()


def as_ids(field: str, values: Iterable[UUID | str], *, most: int) -> list[UUID]:
    """Some identifiers, at most so many.

    Raises:
        InvalidInput: one is none, or there are too many.
    """
    wanted = [as_id(field, value) for value in values]
    if len(wanted) > most:
        raise InvalidInput(
            field, len(wanted), f"there are more than {most:,}", remedy="Ask in several parts."
        )
    return wanted


def as_id(
    field: str, value: object, *, remedy: str = "Give the UUID that remember or recall returned."
) -> UUID:
    """`value` as a UUID; a UUID or its text is taken.

    Raises:
        InvalidInput: it is neither.
    """
    if isinstance(value, UUID):
        return value
    if isinstance(value, str) and _UUID.fullmatch(value):
        return UUID(value)
    raise InvalidInput(field, value, "that is no id", remedy=remedy)
