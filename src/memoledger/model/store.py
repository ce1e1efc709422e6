"""Stores and grants."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

Visibility = Literal["private", "tenant"]
"""Who may read a store besides its owner and those granted it: nobody, or the whole tenant."""

Access = Literal["read", "write"]
"""What a grant allows; write includes read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Store:
    """A named collection of memories, owned by a user."""

    id: UUID
    name: str
    owner: str
    visibility: Visibility
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """The right of a user to read, or read and write, a store of another."""

    store_id: UUID
    grantee: str
    access: Access
    granted_by: str
    granted_at: datetime
