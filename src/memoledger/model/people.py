"""Tenants and users, as the ledger has noted them at their first use."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Tenant:
    """An organisation.

    Args:
        id: its name.
        created_at: when it was first heard of.
    """

    id: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class User:
    """A person or an agent of a tenant.

    Args:
        id: the name.
        created_by: who was first to name this user: themselves, or one who shared with them.
    """

    id: str
    created_at: datetime
    created_by: str


@dataclass(frozen=True, slots=True)
class UserPage:
    """Some users in the order of their names, and where the next page begins (None at the end)."""

    users: list[User]
    next_cursor: str | None
