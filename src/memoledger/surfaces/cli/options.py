"""Options that several commands share: the fields of a memory, and the filters of recall."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

import typer

from memoledger.model.errors import InvalidInput

_FIELDS: Final = "What is remembered with it"
_FILTERS: Final = "Only memories that"
_RANKING: Final = "What else counts for the order"

# The model's own types of these, repeated: the model's modules bring numpy with them, and help
# should not wait for that. A test holds them equal.
ModeName = Literal["hybrid", "dense", "lexical"]
PrivacyName = Literal["store", "creator"]
FamilyName = Literal["memory", "chunk"]
WaitName = Literal["searchable", "durable"]

MemoryId = Annotated[str, typer.Argument(metavar="ID", help="The memory's id.", show_default=False)]
IfVersion = Annotated[
    int | None,
    typer.Option(
        "--if-version",
        metavar="N",
        help="Only if this version is the current one; otherwise nothing changes.",
    ),
]
AsOf = Annotated[
    str | None,
    typer.Option(
        "--as-of",
        metavar="TIME",
        help="Answer from what the ledger held at that instant, for example 2026-05-08T13:56:00Z.",
    ),
]
Limit = Annotated[int, typer.Option("--limit", "-n", metavar="N", help="Hits at most, 1 to 1,000.")]
MinSimilarity = Annotated[
    float | None,
    typer.Option(
        "--min-similarity",
        metavar="-1..1",
        help="Least cosine similarity; not with --mode lexical.",
    ),
]
Mode = Annotated[
    ModeName,
    typer.Option("--mode", help="By vectors and words together, by vectors, or by words."),
]
Family = Annotated[
    FamilyName | None,
    typer.Option(
        "--family",
        help="Only memories, or only chunks of documents; both if not given.",
    ),
]
Now = Annotated[
    str | None,
    typer.Option(
        "--now",
        metavar="TIME",
        help="The clock to which words like yesterday refer; the present if not given.",
    ),
]
Recency = Annotated[
    float,
    typer.Option(
        "--recency",
        metavar="0..1",
        help="How much being recent counts beside the score.",
        rich_help_panel=_RANKING,
    ),
]
ImportanceWeight = Annotated[
    float,
    typer.Option(
        "--importance",
        metavar="0..1",
        help="How much importance counts beside the score.",
        rich_help_panel=_RANKING,
    ),
]
AccessWeight = Annotated[
    float,
    typer.Option(
        "--access",
        metavar="0..1",
        help="How much having been recalled often counts beside the score.",
        rich_help_panel=_RANKING,
    ),
]
HalfLifeDays = Annotated[
    float,
    typer.Option(
        "--half-life-days",
        metavar="DAYS",
        help="The age at which --recency counts half.",
        rich_help_panel=_RANKING,
    ),
]
Diversity = Annotated[
    float,
    typer.Option(
        "--diversity",
        metavar="0..1",
        help="How much a memory is held back for resembling those before it.",
        rich_help_panel=_RANKING,
    ),
]
Fold = Annotated[
    float | None,
    typer.Option(
        "--fold",
        metavar="0..1",
        help="Cosine similarity from which near-duplicates become one, for example 0.95.",
        rich_help_panel=_RANKING,
    ),
]
Rerank = Annotated[
    bool | None,
    typer.Option(
        "--rerank/--no-rerank",
        help="Whether the best are compared word by word once more; the ledger's setting if not "
        "given.",
        rich_help_panel=_RANKING,
    ),
]

Importance = Annotated[
    float | None,
    typer.Option(
        "--importance",
        metavar="0..1",
        help="From 0 to 1; 0.5 if not given.",
        rich_help_panel=_FIELDS,
    ),
]
Type = Annotated[
    str | None,
    typer.Option(
        "--type",
        metavar="TYPE",
        help="What kind of memory it is, free: fact, episode, preference, turn; fact if not given.",
        rich_help_panel=_FIELDS,
    ),
]
Source = Annotated[
    str | None,
    typer.Option("--source", metavar="TEXT", help="Where it came from.", rich_help_panel=_FIELDS),
]
Tags = Annotated[
    list[str] | None,
    typer.Option("--tag", metavar="TAG", help="A label; may be repeated.", rich_help_panel=_FIELDS),
]
SubjectRefs = Annotated[
    list[str] | None,
    typer.Option(
        "--subject-ref",
        metavar="REF",
        help="Something it is about: an entity, a message, a file; may be repeated.",
        rich_help_panel=_FIELDS,
    ),
]
Metadata = Annotated[
    str | None,
    typer.Option(
        "--metadata",
        metavar="JSON",
        help='An object of your own, for example \'{"speaker": "Ada"}\'.',
        rich_help_panel=_FIELDS,
    ),
]
Title = Annotated[
    str | None,
    typer.Option("--title", metavar="TEXT", help="Embedded beside it.", rich_help_panel=_FIELDS),
]
Summary = Annotated[
    str | None,
    typer.Option("--summary", metavar="TEXT", help="Embedded beside it.", rich_help_panel=_FIELDS),
]
ExternalId = Annotated[
    str | None,
    typer.Option(
        "--external-id",
        metavar="ID",
        help="Its identity in the source; without one the content is the identity.",
        rich_help_panel=_FIELDS,
    ),
]
OccurredAt = Annotated[
    str | None,
    typer.Option(
        "--occurred-at", metavar="TIME", help="When it happened.", rich_help_panel=_FIELDS
    ),
]
ValidFrom = Annotated[
    str | None,
    typer.Option(
        "--valid-from", metavar="TIME", help="From when it is true.", rich_help_panel=_FIELDS
    ),
]
ValidTo = Annotated[
    str | None,
    typer.Option(
        "--valid-to", metavar="TIME", help="Until when it is true.", rich_help_panel=_FIELDS
    ),
]
ExpiresAt = Annotated[
    str | None,
    typer.Option(
        "--expires-at",
        metavar="TIME",
        help="From then on nothing returns it.",
        rich_help_panel=_FIELDS,
    ),
]
Privacy = Annotated[
    PrivacyName | None,
    typer.Option(
        "--privacy",
        help="Who may read it: everybody who may read the store (if not given), or its creator "
        "alone.",
        rich_help_panel=_FIELDS,
    ),
]
Wait = Annotated[
    WaitName,
    typer.Option(
        "--wait",
        help="Until it can be found by its meaning, or only until it cannot be lost: then a worker "
        "embeds it.",
    ),
]
Embedding = Annotated[
    str | None,
    typer.Option(
        "--embedding",
        metavar="JSON",
        help="A vector for the content, as a list of numbers; without one it is embedded.",
        rich_help_panel=_FIELDS,
    ),
]

FilterTypes = Annotated[
    list[str] | None,
    typer.Option(
        "--type",
        metavar="TYPE",
        help="are of this type; may be repeated, then any of them.",
        rich_help_panel=_FILTERS,
    ),
]
FilterTags = Annotated[
    list[str] | None,
    typer.Option(
        "--tag",
        metavar="TAG",
        help="carry this tag; may be repeated, then all of them.",
        rich_help_panel=_FILTERS,
    ),
]
Since = Annotated[
    str | None,
    typer.Option(
        "--since", metavar="TIME", help="happened then or later.", rich_help_panel=_FILTERS
    ),
]
Until = Annotated[
    str | None,
    typer.Option("--until", metavar="TIME", help="happened before.", rich_help_panel=_FILTERS),
]
MinImportance = Annotated[
    float | None,
    typer.Option(
        "--min-importance",
        metavar="0..1",
        help="are at least this important.",
        rich_help_panel=_FILTERS,
    ),
]
ValidAt = Annotated[
    str | None,
    typer.Option(
        "--valid-at",
        metavar="TIME",
        help="say what was true then, by their valid-from and valid-to.",
        rich_help_panel=_FILTERS,
    ),
]
FilterMetadata = Annotated[
    str | None,
    typer.Option(
        "--metadata",
        metavar="JSON",
        help="have metadata that contain this object.",
        rich_help_panel=_FILTERS,
    ),
]


def given_fields(**options: Any) -> dict[str, Any]:
    """The fields of a memory that options name; `metadata` and `embedding` are parsed.

    Raises:
        InvalidInput: one of the two is no JSON, or not of its kind.
    """
    fields = {name: value for name, value in options.items() if value is not None}
    if "metadata" in fields:
        fields["metadata"] = parsed_object("--metadata", fields["metadata"])
    if "embedding" in fields:
        fields["embedding"] = _parsed_list("--embedding", fields["embedding"])
    return fields


def parsed_object(option: str, text: str) -> dict[str, Any]:
    """The JSON object that an option gives.

    Raises:
        InvalidInput: it is none.
    """
    from memoledger.services.exchange import parse_json

    value = parse_json(option, text)
    if not isinstance(value, dict):
        raise InvalidInput(
            option, text, "it is no JSON object", remedy='Give one, for example {"speaker": "Ada"}.'
        )
    return value


def _parsed_list(option: str, text: str) -> list[Any]:
    from memoledger.services.exchange import parse_json

    value = parse_json(option, text)
    if not isinstance(value, list):
        raise InvalidInput(option, text, "it is no JSON list", remedy="Give a list of numbers.")
    return value
