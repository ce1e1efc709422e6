"""What requests may say: fields in lowerCamelCase or snake_case; what is unknown is refused.

Only kinds are checked here. Bounds stand in the description for those who read it, and are checked
by the services, so that a value is refused with the same words at every door.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from memoledger.model import limits
from memoledger.model.context_pack import BUDGET_MAX


def bounded(**schema: Any) -> Any:  # noqa: ANN401 - what pydantic's Field gives
    """A field whose bounds are described here and checked by the services."""
    return Field(json_schema_extra=schema)


VISIBLE = r"\S"

Instant = Annotated[
    str, bounded(format="date-time", description="ISO 8601 with a time zone, of 1000 to 3000.")
]
Name = Annotated[
    str, bounded(minLength=1, maxLength=limits.NAME_BYTES_MAX, description="Up to 200 bytes.")
]
Fraction = Annotated[float, bounded(minimum=0, maximum=1)]
Vector = Annotated[
    list[float], bounded(minItems=1, description="Of the ledger's embedding model; not zero.")
]
Labels = Annotated[
    list[str],
    bounded(
        maxItems=limits.TAGS_MAX,
        items={"type": "string", "minLength": 1, "maxLength": limits.TAG_CHARS_MAX},
    ),
]
References = Annotated[
    list[str],
    bounded(
        maxItems=limits.SUBJECT_REFS_MAX,
        items={"type": "string", "minLength": 1, "maxLength": limits.SUBJECT_REF_CHARS_MAX},
    ),
]
Object = Annotated[dict[str, Any], bounded(description="At most 64 KiB and 20 levels.")]
Content = Annotated[str, bounded(minLength=1, maxLength=limits.CONTENT_CHARS_MAX, pattern=VISIBLE)]
Type = Annotated[str, bounded(minLength=1, maxLength=limits.TYPE_CHARS_MAX, pattern=VISIBLE)]
Question = Annotated[str, bounded(minLength=1, maxLength=limits.QUERY_CHARS_MAX, pattern=VISIBLE)]


Source = Annotated[str, bounded(minLength=1, maxLength=limits.SOURCE_CHARS_MAX)]
Title = Annotated[str, bounded(minLength=1, maxLength=limits.TITLE_CHARS_MAX)]
Summary = Annotated[str, bounded(minLength=1, maxLength=limits.SUMMARY_CHARS_MAX)]
ExternalId = Annotated[str, bounded(minLength=1, maxLength=limits.EXTERNAL_ID_CHARS_MAX)]
Limit = Annotated[int, bounded(minimum=1, maximum=limits.LIMIT_MAX)]


class Given(BaseModel):
    """A body. Kinds are not converted: "5" is no number."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        extra="forbid",
        frozen=True,
        strict=True,
        validate_by_alias=True,
        validate_by_name=True,
    )

    def given(self) -> dict[str, Any]:
        """The fields that were sent, null among them, by their names here."""
        return {name: getattr(self, name) for name in self.model_fields_set}


class NewMemory(Given):
    """Something to be remembered. Without an `externalId` the content is its identity."""

    content: Content
    type: Type = "fact"
    importance: Fraction = 0.5
    source: Source | None = None
    tags: Labels = []
    subject_refs: References = []
    metadata: Object | None = None
    title: Title | None = None
    summary: Summary | None = None
    external_id: ExternalId | None = None
    occurred_at: Instant | None = None
    valid_from: Instant | None = None
    valid_to: Instant | None = None
    expires_at: Instant | None = None
    privacy: Literal["store", "creator"] = "store"
    embedding: Vector | None = None


class ChangedMemory(Given):
    """Fields of a memory to be changed; what is left out stays as it is, null takes it away."""

    content: Content | None = None
    type: Type | None = None
    importance: Fraction | None = None
    source: Source | None = None
    tags: Labels | None = None
    subject_refs: References | None = None
    metadata: Object | None = None
    title: Title | None = None
    summary: Summary | None = None
    occurred_at: Instant | None = None
    valid_from: Instant | None = None
    valid_to: Instant | None = None
    expires_at: Instant | None = None
    privacy: Literal["store", "creator"] | None = None
    embedding: Vector | None = None


class Asked(Given):
    """A question, and what may count for its answer."""

    query: Question
    mode: Literal["hybrid", "dense", "lexical"] = "hybrid"
    min_similarity: Annotated[float, bounded(minimum=-1, maximum=1)] | None = None
    types: Annotated[list[str], bounded(maxItems=limits.FILTER_VALUES_MAX)] | None = None
    tags: Labels | None = None
    since: Instant | None = None
    until: Instant | None = None
    min_importance: Fraction | None = None
    metadata: Object | None = None
    as_of: Instant | None = None
    valid_at: Instant | None = None
    now: Instant | None = None
    recency: Fraction = 0.0
    importance: Fraction = 0.0
    access: Fraction = 0.0
    half_life_days: Annotated[float, bounded(exclusiveMinimum=0, maximum=36_500)] = 30.0
    diversity: Fraction = 0.0
    fold: Annotated[float, bounded(exclusiveMinimum=0, maximum=1)] | None = None
    rerank: bool | None = None
    explain: bool = False
    families: (
        Annotated[
            list[Literal["memory", "chunk"]],
            bounded(description="What may be an answer; both if left out."),
        ]
        | None
    ) = None
    embedding: Vector | None = None


class AskedForHits(Asked):
    """A question whose answer is memories and chunks of documents, best first."""

    limit: Limit = 10


class AskedForContext(Asked):
    """A question whose answer is a text of at most `maxTokens`, for a model."""

    max_tokens: Annotated[int, bounded(minimum=1, maximum=BUDGET_MAX)]
    limit: Limit | None = None


class AskedForAccesses(Given):
    """Memories whose access counts are asked for."""

    memory_ids: Annotated[
        list[str],
        bounded(maxItems=limits.LIMIT_MAX, items={"type": "string", "format": "uuid"}),
    ]


class NewStore(Given):
    """A store to be found, or made where there is none of that name."""

    name: Name
    visibility: Literal["private", "tenant"] = "private"


class ChangedStore(Given):
    """What to change about a store."""

    visibility: Literal["private", "tenant"]


class NewGrant(Given):
    """The right to read a store, or to read and write it."""

    access: Literal["read", "write"] = "read"


class NewKey(Given):
    """An API key to be made."""

    name: Name
    scopes: Annotated[list[Literal["read", "write", "admin"]], bounded(minItems=1)] = [
        "read",
        "write",
    ]
    user: Name | None = None
    expires_at: Instant | None = None


class Parameters(BaseModel):
    """Parameters of a query; in a URL everything is text, so it is converted."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        extra="forbid",
        frozen=True,
        validate_by_alias=True,
        validate_by_name=True,
    )


Page = Annotated[
    int | None, Field(ge=1, le=limits.LIMIT_MAX, description="Items of a page; 100 unless given.")
]
Cursor = Annotated[
    str | None, Field(description="The `nextCursor` of the page before; leave it out to begin.")
]


Waits = Annotated[
    Literal["searchable", "durable"],
    Field(
        description="When the answer comes: once it can be found by its meaning, or once it cannot "
        "be lost; it is embedded later then, and found by its words until that."
    ),
]


class WriteAsked(Parameters):
    """How something is written."""

    wait: Waits = "searchable"


class QueueAsked(Parameters):
    """Which rows of the queue."""

    poisoned: Annotated[bool, Field(description="Only what was set aside.")] = False
    limit: Annotated[
        int, Field(ge=1, le=limits.LIMIT_MAX, description="Rows at most; those first that need it.")
    ] = 100


class QueueIds(Given):
    """Which rows of the queue are meant."""

    ids: Annotated[
        list[Annotated[str, Field(json_schema_extra={"format": "uuid"})]] | None,
        bounded(
            maxItems=limits.BATCH_MAX,
            description="Ids of the memories or chunks; leave it out for all of them.",
        ),
    ] = None


class OnePage(Parameters):
    """Which part of a listing."""

    limit: Page = None
    cursor: Cursor = None


class StoresAsked(OnePage):
    """Which stores."""

    name: Annotated[str | None, Field(description="Only the store of this name.")] = None
    owner: Annotated[
        str | None, Field(description="Whose store of that name; without it one's own.")
    ] = None


class Chosen(Parameters):
    """Which memories; everything that is given must hold."""

    types: Annotated[list[str], Field(description="Its type is one of these.")] = []
    tags: Annotated[list[str], Field(description="It carries every one of these.")] = []
    since: Annotated[Instant | None, Field(description="It happened then or later.")] = None
    until: Annotated[Instant | None, Field(description="It happened before.")] = None
    min_importance: Annotated[
        float | None, Field(ge=0, le=1, description="It is at least this important.")
    ] = None
    metadata: Annotated[
        str | None, Field(description="A JSON object that its metadata contains.")
    ] = None
    as_of: Annotated[Instant | None, Field(description="What the ledger held then.")] = None
    valid_at: Annotated[Instant | None, Field(description="What was true then.")] = None


class MemoriesAsked(Chosen):
    """Which memories, and which part of them."""

    limit: Page = None
    cursor: Cursor = None


class ReceiptsAsked(OnePage):
    """Which receipts."""

    store_id: Annotated[
        str | None,
        Field(description="Of recalls in this store.", json_schema_extra={"format": "uuid"}),
    ] = None
    memory_id: Annotated[
        str | None,
        Field(
            description="Of recalls that returned this memory.",
            json_schema_extra={"format": "uuid"},
        ),
    ] = None
    since: Annotated[Instant | None, Field(description="Answered then or later.")] = None
    until: Annotated[Instant | None, Field(description="Answered before.")] = None


class KeysAsked(OnePage):
    """Whose keys: one's own unless said otherwise; others' take the scope admin."""

    user: Annotated[str | None, Field(description="Whose.")] = None
    everybody: Annotated[bool, Field(description="Those of the whole tenant.")] = False


class BulkAsked(Parameters):
    """How a stream is written."""

    batch_size: Annotated[
        int | None,
        Field(ge=1, le=limits.BATCH_MAX, description="Memories in one transaction."),
    ] = None
    wait: Waits = "searchable"
