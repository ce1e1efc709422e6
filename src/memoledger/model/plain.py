"""Values and names of the model as JSON has them."""

from __future__ import annotations

import re
from datetime import datetime
from functools import lru_cache
from typing import Final
from uuid import UUID

_SEPARATOR: Final = re.compile(r"(?<=[a-z0-9])_([a-z0-9])")
_HUMP: Final = re.compile(r"(?<=[A-Za-z0-9])([A-Z])")


def as_plain(value: object) -> object:
    """An instant in ISO 8601, an id as text, a tuple as a list; all else as it is."""
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, UUID):
        return str(value)
    return list(value) if isinstance(value, tuple) else value


@lru_cache(maxsize=1_024)
def camel(name: str) -> str:
    """`external_id` as `externalId`; a name without underscores stays as it is."""
    return _SEPARATOR.sub(lambda found: found[1].upper(), name)


@lru_cache(maxsize=1_024)
def snake(name: str) -> str:
    """`externalId` as `external_id`."""
    return _HUMP.sub(lambda found: f"_{found[1].lower()}", name)
