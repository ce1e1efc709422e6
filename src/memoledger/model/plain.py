"""Values of the model as JSON has them."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID


def as_plain(value: object) -> object:
    """An instant in ISO 8601, an id as text, a tuple as a list; all else as it is."""
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, UUID):
        return str(value)
    return list(value) if isinstance(value, tuple) else value
