"""Pages of listings: memories and stores (receipts have theirs beside them)."""

from __future__ import annotations

from dataclasses import dataclass

from memoledger.model.memory import Memory
from memoledger.model.store import Store


@dataclass(frozen=True, slots=True)
class Page:
    """Some memories of a listing, and where the next page begins (None at the end)."""

    memories: list[Memory]
    next_cursor: str | None


@dataclass(frozen=True, slots=True)
class StorePage:
    """Some stores of a listing, and where the next page begins (None at the end)."""

    stores: list[Store]
    next_cursor: str | None
