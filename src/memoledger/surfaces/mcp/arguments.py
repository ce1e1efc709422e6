"""What each tool is called with. The descriptions are what a model reads before it calls."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from pydantic import Field

from memoledger.model import limits
from memoledger.surfaces.mcp.schemas import Arguments

HITS_MAX: Final = 50
"""Hits of one recall: more than fit any model's attention."""

CONTEXT_TOKENS_MAX: Final = 50_000
LEARNED_CHARS_MAX: Final = 1_000_000

Name = Annotated[str, Field(max_length=limits.NAME_BYTES_MAX)]
Id = Annotated[
    str,
    Field(description="The memory's id, a UUID, as remember, recall or context gave it."),
]
Instant = Annotated[
    str,
    Field(description="ISO 8601 with a time zone, for example 2026-05-08T13:56:00Z."),
]
Fraction = Annotated[float, Field(ge=0, le=1)]
Labels = list[str]

ModeName = Literal["hybrid", "dense", "lexical"]
PrivacyName = Literal["store", "creator"]
FamilyName = Literal["memory", "chunk"]
Emptiable = Literal[
    "source", "title", "summary", "occurred_at", "valid_from", "valid_to", "expires_at"
]


class OfStore(Arguments):
    """Which store is meant."""

    store: Name | None = Field(
        None,
        description="Name of the store; leave it out for the default one. list_stores tells which "
        "there are.",
    )
    owner: Name | None = Field(
        None, description="The user whose store it is, where another shares theirs."
    )


class Described(OfStore):
    """The fields of a memory beside its content."""

    type: str | None = Field(
        None, description="What kind of memory: fact, episode, preference, decision, task…"
    )
    importance: Fraction | None = Field(
        None, description="0 to 1; 0.5 if left out. Above 0.8 for what must never be missed."
    )
    source: str | None = Field(
        None, description="Where it comes from: chat, email, a file's name, a URL."
    )
    tags: Labels | None = Field(None, description="A few short labels to filter by later.")
    subject_refs: Labels | None = Field(
        None, description="What it is about: ids of people, files, tickets."
    )
    metadata: dict[str, Any] | None = Field(
        None,
        description="A JSON object of your own. `speaker` in it is who said it, and is searched.",
    )
    title: str | None = Field(None, description="A short headline; searched beside the content.")
    summary: str | None = Field(None, description="A shorter version; searched as well.")
    occurred_at: Instant | None = Field(
        None, description="When it happened, ISO 8601 with a time zone, if that is not now."
    )
    valid_from: Instant | None = Field(
        None, description="From when on it is true, ISO 8601 with a time zone."
    )
    valid_to: Instant | None = Field(
        None, description="Until when it is true, ISO 8601 with a time zone."
    )
    expires_at: Instant | None = Field(
        None, description="From then on it is not found any more, ISO 8601 with a time zone."
    )
    privacy: PrivacyName | None = Field(
        None,
        description='Who may read it: "store", everybody who may read the store, or "creator".',
    )


class Remember(Described):
    """To remember."""

    content: str = Field(
        description="The thing to remember, in words that will make sense alone, months from now: "
        "names instead of pronouns, dates instead of 'tomorrow'. 1 to 100,000 characters."
    )
    external_id: str | None = Field(
        None,
        description="An id of your own for it. The same id with other content makes a new version "
        "of the same memory; without an id the content itself is the identity.",
    )


class Learn(OfStore):
    """To learn a document."""

    content: str = Field(
        description="The whole text of the document, unchanged; 1 to 1,000,000 characters.",
        max_length=LEARNED_CHARS_MAX,
    )
    source_id: str = Field(
        description="What identifies it where it comes from: a path, a URL, a number. The same id "
        "with other content makes a new version of the same document."
    )
    source: Name = Field("agent", description="Where it comes from: files, wiki, web, github…")
    title: str | None = Field(None, description="What stands above it, if the text does not say.")
    media_type: str = Field(
        "text/markdown",
        description="How it is written: text/markdown, text/plain, or text/x-python and the like "
        "for source code.",
    )
    type: str | None = Field(None, description="What kind of document: report, page, issue…")
    author: str | None = Field(None, description="Who wrote it.")
    tags: Labels | None = Field(None, description="A few short labels to filter by later.")
    metadata: dict[str, Any] | None = Field(None, description="A JSON object of your own.")
    occurred_at: Instant | None = Field(
        None, description="When it was written, ISO 8601 with a time zone."
    )


class Update(Described):
    """To update."""

    id: Id
    content: str | None = Field(None, description="The new text; left out, it stays as it is.")
    empty: list[Emptiable] | None = Field(
        None, description="Fields to make empty. What is neither given nor named here stays."
    )
    if_version: int | None = Field(
        None,
        ge=1,
        description="The version you saw. If another is current by now, nothing is changed and you "
        "are told.",
    )


class Question(OfStore):
    """What recall and context have in common."""

    query: str = Field(
        description="What to look for, as a question or a few words; dates and names in it count. "
        "1 to 10,000 characters."
    )
    mode: ModeName = Field(
        "hybrid",
        description='"hybrid" by meaning and words (nearly always right), "dense" by meaning, '
        '"lexical" by words.',
    )
    types: Labels | None = Field(None, description="Only memories of one of these types.")
    tags: Labels | None = Field(None, description="Only memories that carry all of these tags.")
    since: Instant | None = Field(
        None, description="Only what happened then or later; ISO 8601 with a time zone."
    )
    until: Instant | None = Field(
        None, description="Only what happened before; ISO 8601 with a time zone."
    )
    min_importance: Fraction | None = Field(
        None, description="Only memories at least this important, 0 to 1."
    )
    metadata: dict[str, Any] | None = Field(
        None, description="Only memories whose metadata contain this JSON object."
    )
    as_of: Instant | None = Field(
        None,
        description="Answer from what was known at that instant, as if asked then; ISO 8601 with a "
        "time zone.",
    )
    valid_at: Instant | None = Field(
        None, description="Only what was true at that instant; ISO 8601 with a time zone."
    )
    recency: Fraction = Field(
        0.0, description="How much being recent counts beside fitting the question, 0 to 1."
    )
    families: list[FamilyName] | None = Field(
        None,
        description='Only "memory" (what was remembered) or only "chunk" (pieces of documents); '
        "leave it out for both.",
    )


class Recall(Question):
    """To recall."""

    limit: int = Field(10, ge=1, le=HITS_MAX, description="Memories at most.")
    min_similarity: float | None = Field(
        None, ge=-1, le=1, description='Least cosine similarity; not with mode "lexical".'
    )


class Context(Question):
    """To get a context."""

    max_tokens: int = Field(
        2_000, ge=1, le=CONTEXT_TOKENS_MAX, description="The budget of the text, in tokens."
    )


class Get(OfStore):
    """To get a memory."""

    id: Id
    as_of: Instant | None = Field(
        None, description="The version that was current then; ISO 8601 with a time zone."
    )


class Forget(OfStore):
    """To forget."""

    id: Id
    hard: bool = Field(
        False,
        description="Erase the texts of all its versions for good. Only when the user asks for "
        "that: it cannot be undone.",
    )
    if_version: int | None = Field(
        None, ge=1, description="The version you saw; if another is current, nothing is done."
    )


class History(OfStore):
    """To see a memory's versions."""

    id: Id


class ListStores(Arguments):
    """To list stores."""

    limit: int = Field(50, ge=1, le=200, description="Stores at most.")
    cursor: str | None = Field(
        None, description="`next_cursor` of the page before; left out to begin."
    )
