"""What answers hold, as the OpenAPI document describes it. `render.py` writes them."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from memoledger.model import embedding
from memoledger.model.memory import Outcome, Privacy
from memoledger.model.queue import QueueState
from memoledger.model.store import Access, Visibility


class Told(BaseModel):
    """An answer."""

    model_config = ConfigDict(
        alias_generator=to_camel, extra="forbid", validate_by_alias=True, validate_by_name=True
    )


class FieldError(Told):
    """A field that was refused, and why."""

    field: str
    reason: str


class Problem(BaseModel):
    """What went wrong (RFC 9457). There may be more members, such as `id` or `currentVersion`."""

    model_config = ConfigDict(
        alias_generator=to_camel, extra="allow", validate_by_alias=True, validate_by_name=True
    )

    type: str = Field(description="Stable for each kind of problem; ends with `code`.")
    title: str
    status: int
    code: str = Field(description="The stable name of this kind of problem.")
    detail: str | None = Field(None, description="What is wrong, with which value.")
    remedy: str | None = Field(None, description="What to do about it.")
    request_id: str = Field(description="What to look for in the service's log.")
    field: str | None = Field(None, description="The field that was refused.")
    value: str | None = Field(None, description="What was there, cut at 80 characters.")
    errors: list[FieldError] | None = Field(None, description="Where several fields are wrong.")


class Me(Told):
    """Who calls."""

    tenant: str
    user: str
    scopes: list[Literal["read", "write", "admin"]]
    method: Literal["key", "token", "development"]
    key_id: UUID | None


class Tenant(Told):
    """An organisation."""

    id: str
    created_at: datetime


class Tenants(Told):
    """The tenants a caller may see: their own."""

    tenants: list[Tenant]
    next_cursor: str | None


class User(Told):
    """A user of the tenant."""

    id: str
    created_at: datetime
    created_by: str


class Users(Told):
    """A page of users, in the order of their names."""

    users: list[User]
    next_cursor: str | None


class Key(Told):
    """An API key. Its secret is shown once, when it is made."""

    id: UUID
    name: str
    tenant: str
    user: str
    scopes: list[Literal["read", "write", "admin"]]
    created_at: datetime
    created_by: str
    created_with: UUID | None
    expires_at: datetime | None
    last_used_at: datetime | None
    revoked_at: datetime | None


class FreshKey(Key):
    """A key just made. `secret` is null where the answer is given again."""

    secret: str | None


class Keys(Told):
    """A page of keys, newest first."""

    keys: list[Key]
    next_cursor: str | None


class Store(Told):
    """A named collection of memories."""

    id: UUID
    name: str
    owner: str
    visibility: Visibility
    created_at: datetime
    updated_at: datetime


class Stores(Told):
    """A page of stores, in the order of their making."""

    stores: list[Store]
    next_cursor: str | None


class Grant(Told):
    """The right of a user to read, or read and write, a store of another."""

    store_id: UUID
    grantee: str
    access: Access
    granted_by: str
    granted_at: datetime


class Grants(Told):
    """The grants on a store that the caller gave or holds."""

    grants: list[Grant]


class Memory(Told):
    """One version of a memory."""

    id: UUID
    version: int
    store_id: UUID
    content: str
    type: str
    importance: float
    source: str | None
    tags: list[str]
    subject_refs: list[str]
    metadata: dict[str, Any]
    title: str | None
    summary: str | None
    external_id: str | None
    privacy: Privacy
    occurred_at: datetime | None
    valid_from: datetime | None
    valid_to: datetime | None
    expires_at: datetime | None
    recorded_at: datetime
    superseded_at: datetime | None
    deleted_at: datetime | None
    erased_at: datetime | None
    created_by: str
    updated_by: str


class Remembered(Memory):
    """A memory, and what remembering did."""

    outcome: Outcome


class Memories(Told):
    """A page of memories, in the order of their making."""

    memories: list[Memory]
    next_cursor: str | None


class Count(Told):
    """How many there are."""

    count: int


class Versions(Told):
    """Every version of a memory, oldest first."""

    versions: list[Memory]


class Chunk(Told):
    """A piece of a document, where it stands in one version of it."""

    id: UUID
    document_id: UUID
    version: int = Field(description="The document's.")
    first_version: int
    store_id: UUID
    place: int
    text: str
    section: str | None
    start: int
    end: int
    token_count: int
    keywords: list[str]
    source: str
    source_id: str
    title: str | None
    type: str
    tags: list[str]
    occurred_at: datetime | None
    recorded_at: datetime
    superseded_at: datetime | None


class QueueRow(Told):
    """Something that waits to be embedded."""

    store_id: UUID
    owner: str
    store: str
    embedding_version: int
    family: embedding.Family
    id: UUID = Field(description="Of the memory or chunk.")
    version: int
    reason: Literal["written", "backfill", "refresh"]
    urgency: int = Field(description="0 is taken first.")
    state: QueueState
    scheduled_at: datetime
    due_at: datetime = Field(description="When it is tried next, or its claim ends.")
    attempts: int
    last_error: str | None = Field(description="The kind of error that it failed with last.")
    claimed_until: datetime | None
    poisoned_at: datetime | None


class Queue(Told):
    """How much of the tenant waits to be embedded, and the rows that need attention first."""

    waiting: int
    claimed: int = Field(description="Being embedded now.")
    poisoned: int = Field(description="Set aside after too many attempts.")
    failed: int = Field(description="Of what waits, how many rows failed before.")
    age_s: float = Field(description="Seconds since the oldest that waits was scheduled.")
    rows: list[QueueRow]


class Health(Told):
    """Whether the service can be used."""

    status: Literal["ok", "failing", "closing"]


class Part(Told):
    """One thing that was looked at."""

    check: str
    status: Literal["ok", "warn", "fail"]
    message: str
    remedy: str | None


class FullHealth(Health):
    """The same with every part."""

    checks: list[Part]


class Version(Told):
    """Which program answers, and which form of the API."""

    version: str
    api: str


class BulkOutcome(Told):
    """One line of the answer to a bulk write: what became of one line."""

    position: int = Field(description="Of the line among those that are not blank, from 1.")
    outcome: Literal["created", "unchanged", "updated", "rejected"]
    id: UUID | None = None
    version: int | None = None
    problem: Problem | None = None
