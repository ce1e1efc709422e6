"""What answers hold, as the OpenAPI document describes it. `render.py` writes them."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from memoledger.model.memory import Outcome, Privacy
from memoledger.model.recall import Mode
from memoledger.model.store import Access, Visibility
from memoledger.model.why import Reason


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


class Parts(Told):
    """What a hit's score is made of; null where that took no part."""

    dense: float | None
    lexical: float | None
    dense_scaled: float | None
    lexical_scaled: float | None
    rank: int
    dense_around: float | None
    lexical_around: float | None
    named: float | None
    timely: float | None
    quoted: float | None
    telling: float | None
    reranked: float | None


class Hit(Told):
    """A memory that was found; scores of one answer compare."""

    memory: Memory
    score: float
    parts: Parts | None
    folded: list[UUID]


class Hits(Told):
    """The memories that were found, best first."""

    hits: list[Hit]
    receipt_id: UUID | None
    complete: bool = Field(description="False where time ran out: others may be missing.")
    pending: int = Field(description="Memories of the store that wait to be embedded.")
    searched_by: str
    timings_ms: dict[str, float]


class Source(Told):
    """Where an item of a context comes from."""

    store: str
    store_id: UUID
    memory_id: UUID
    version: int
    speaker: str | None
    occurred_at: datetime | None
    recorded_at: datetime


class ContextItem(Told):
    """A memory as it stands in a context."""

    number: int
    text: str
    truncated: bool
    score: float
    group: str | None
    source: Source
    folded: list[UUID]


class Context(Told):
    """The best memories for a question, as a text of at most `maxTokens`."""

    query: str
    text: str
    items: list[ContextItem]
    tokens: int
    max_tokens: int
    omitted: int
    folded: int
    counted_by: str
    receipt_id: UUID | None
    complete: bool
    pending: int


class Why(Told):
    """Why a question returns a memory, or does not."""

    memory_id: UUID
    recalled: bool
    reason: Reason
    text: str
    limit: int
    version: int | None
    rank: int | None
    score: float | None
    parts: Parts | None
    similarity: float | None
    filters: list[str]
    searched_by: str | None


class AccessCount(Told):
    """How often a memory was recalled, and when last."""

    memory_id: UUID
    count: int
    last_accessed: datetime


class Accesses(Told):
    """Access counts; a memory that was never recalled is left out."""

    accesses: list[AccessCount]


class ReceiptHit(Told):
    """A memory that a recall returned; the score is null once it was erased."""

    memory_id: UUID
    version: int
    score: float | None


class Receipt(Told):
    """The durable record of one recall."""

    id: UUID
    user: str
    store_id: UUID
    recorded_at: datetime
    asked_at: datetime
    struck_at: datetime | None
    embedding_version: str | None
    limit: int
    pending: int
    complete: bool
    mode: Mode
    searched_by: str
    query: str | None
    query_hash: str | None
    filters: dict[str, Any]
    hits: list[ReceiptHit]
    timings_ms: dict[str, float]


class Receipts(Told):
    """A page of receipts, newest first."""

    receipts: list[Receipt]
    next_cursor: str | None


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
