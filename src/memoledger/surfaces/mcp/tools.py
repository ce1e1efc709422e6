"""The tools: for each verb its words, its schemas, and the call it makes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from mcp import types

from memoledger.model.errors import InvalidInput
from memoledger.model.keys import Scope
from memoledger.surfaces.mcp import arguments as given
from memoledger.surfaces.mcp.acting import Acting
from memoledger.surfaces.mcp.answers import (
    ContextAnswer,
    ForgottenAnswer,
    GotAnswer,
    HistoryAnswer,
    RecallAnswer,
    StoresAnswer,
    WrittenAnswer,
)
from memoledger.surfaces.mcp.document_answers import LearnedAnswer
from memoledger.surfaces.mcp.schemas import Answer, Arguments, schema_of

A = TypeVar("A", bound=Arguments)

_READS: Final = types.ToolAnnotations(
    readOnlyHint=True, destructiveHint=False, idempotentHint=True, openWorldHint=False
)
_ADDS: Final = types.ToolAnnotations(
    readOnlyHint=False, destructiveHint=False, idempotentHint=True, openWorldHint=False
)
_REMOVES: Final = types.ToolAnnotations(
    readOnlyHint=False, destructiveHint=True, idempotentHint=False, openWorldHint=False
)


@dataclass(frozen=True, slots=True)
class Tool:
    """A verb of the ledger, as an agent may call it.

    Args:
        definition: what the agent is told of it.
        scope: what its caller must hold.
        read: reads the arguments; what it returns does it.
    """

    definition: types.Tool
    scope: Scope
    read: Callable[[Mapping[str, Any]], Callable[[Acting], Awaitable[Answer]]]


def _tool(
    name: str,
    act: Callable[[Acting, A], Awaitable[Answer]],
    *,
    title: str,
    takes: type[A],
    gives: type[Answer],
    scope: Scope = "read",
    annotations: types.ToolAnnotations = _READS,
) -> Tool:
    def read(arguments: Mapping[str, Any]) -> Callable[[Acting], Awaitable[Answer]]:
        asked = takes.read(arguments)
        return lambda acting: act(acting, asked)

    definition = types.Tool(
        name=name,
        title=title,
        description=_as_told(act.__doc__ or ""),
        inputSchema=schema_of(takes),
        outputSchema=schema_of(gives, "serialization"),
        annotations=annotations,
    )
    return Tool(definition, scope, read)


async def _remember(acting: Acting, asked: given.Remember) -> WrittenAnswer:
    """Keep something for later conversations.

    Call it when the user asks you to remember something, and by yourself when you learn what will
    matter later: a preference, a decision and its reason, a fact about a person, a project or an
    appointment. One call for one fact; do not keep what is only of use right now, or secrets such
    as passwords. Remembering the same again does no harm: the answer says "unchanged". If it
    corrects something you know to be remembered, use update instead. A store of the user's own
    that is not there yet is made.
    """
    store = await acting.make(asked.store, asked.owner)
    fields = _fields(asked, {"store", "owner"})
    return WrittenAnswer.of(await store.remember(**fields))


async def _learn(acting: Acting, asked: given.Learn) -> LearnedAnswer:
    """Learn a whole document, so that its passages are found by later questions.

    Call it when the user gives you a text to keep as it is: a report, a page, notes, source code.
    It is cut into passages, which recall and context find beside memories. For a single fact or
    decision use remember. Learning the same again does no harm; the same source and source_id with
    a changed text becomes a new version, and only what changed is worked on.
    """
    store = await acting.make(asked.store, asked.owner)
    fields = _fields(asked, {"store", "owner"})
    whole = {"source": asked.source, "media_type": asked.media_type, **fields}
    return LearnedAnswer.of(await store.learn(**whole))


async def _recall(acting: Acting, asked: given.Recall) -> RecallAnswer:
    """Search what is remembered, and the documents learned; the best first, each with its id.

    Call it before you answer anything that earlier conversations may bear on: the user's
    preferences, people, plans, decisions, "as I told you", "last time". Also before you update or
    forget something, to learn its id. Ask in the words of the matter rather than "what do you know
    about me". If the answer is not among the first, ask again in other words, or with filters.
    To fill your context for a larger task, use context instead.
    """
    store = await acting.find(asked.store, asked.owner)
    fields = _fields(asked, {"store", "owner", "query"})
    return RecallAnswer.of(await store.recall(asked.query, **fields))


async def _context(acting: Acting, asked: given.Context) -> ContextAnswer:
    """Everything remembered that bears on a question or task, as one text within a budget.

    Call it at the beginning of a larger task, or where many memories may matter at once: it groups
    them by conversation and topic, puts them in the order of time and leaves out duplicates. For
    one fact, or for the whole fields of a memory, recall is better. The numbers in the text lead
    to the ids.
    """
    store = await acting.find(asked.store, asked.owner)
    fields = _fields(asked, {"store", "owner", "query", "max_tokens"})
    return ContextAnswer.of(await store.context(asked.query, max_tokens=asked.max_tokens, **fields))


async def _get(acting: Acting, asked: given.Get) -> GotAnswer:
    """One memory by its id, whole: all its fields and its text uncut.

    Call it when an answer of recall was truncated, or to see which version is current, or with
    as_of to see what it said at some time. You need an id; to look for something use recall.
    """
    store = await acting.find(asked.store, asked.owner)
    return GotAnswer.of(await store.get(asked.id, as_of=asked.as_of))


async def _update(acting: Acting, asked: given.Update) -> WrittenAnswer:
    """Correct or complete a memory: writes its next version; the earlier ones stay in its history.

    Call it when something remembered is no longer true or was wrong, after recall gave you its id.
    Give only the fields that change. With if_version nothing is lost when somebody else changes it
    at the same time. For something that is true beside it, use remember; for something that should
    not be remembered at all, use forget.
    """
    store = await acting.find(asked.store, asked.owner)
    changes = _fields(asked, {"store", "owner", "id", "empty", "if_version"})
    changes |= dict.fromkeys(asked.empty or ())
    return WrittenAnswer.of(await store.update(asked.id, if_version=asked.if_version, **changes))


async def _forget(acting: Acting, asked: given.Forget) -> ForgottenAnswer:
    """Forget a memory, so that nothing finds it any more.

    Call it when the user asks for that, after recall gave you the id; never on your own account
    because something seems old. Its history still shows it, unless hard is true: then the texts of
    all its versions are erased for good, which only the user can decide.
    """
    store = await acting.find(asked.store, asked.owner)
    await store.forget(asked.id, hard=asked.hard, if_version=asked.if_version)
    return ForgottenAnswer(id=asked.id, outcome="erased" if asked.hard else "forgotten")


async def _history(acting: Acting, asked: given.History) -> HistoryAnswer:
    """All versions of a memory, oldest first: what it said when, and who changed it.

    Call it when the user asks what was known before, when something changed or by whom. It also
    shows a memory that was forgotten. You need its id.
    """
    store = await acting.find(asked.store, asked.owner)
    return HistoryAnswer.of(await store.history(asked.id))


async def _list_stores(acting: Acting, asked: given.ListStores) -> StoresAnswer:
    """The stores that can be read: the user's own, and those that others share.

    Call it when you do not know which store to name, or when recall says that there is none. The
    other tools use the default store when you name none.
    """
    page = await acting.principal.stores(limit=asked.limit, cursor=asked.cursor)
    return StoresAnswer.of(page, acting.principal.principal.user)


def _fields(asked: Arguments, without: set[str]) -> dict[str, Any]:
    """The arguments that were given; null is not: some models send every argument there is."""
    chosen = asked.model_fields_set - without
    found = {name: getattr(asked, name) for name in sorted(chosen)}
    return {name: value for name, value in found.items() if value is not None}


def _as_told(docstring: str) -> str:
    """A docstring with each paragraph on one line."""
    paragraphs = docstring.strip().split("\n\n")
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)


_ALL: Final = (
    _tool("recall", _recall, title="Search memories", takes=given.Recall, gives=RecallAnswer),
    _tool(
        "remember",
        _remember,
        title="Remember something",
        takes=given.Remember,
        gives=WrittenAnswer,
        scope="write",
        annotations=_ADDS,
    ),
    _tool(
        "learn",
        _learn,
        title="Learn a document",
        takes=given.Learn,
        gives=LearnedAnswer,
        scope="write",
        annotations=_ADDS,
    ),
    _tool(
        "context",
        _context,
        title="Gather what bears on a task",
        takes=given.Context,
        gives=ContextAnswer,
    ),
    _tool("get", _get, title="Read one memory", takes=given.Get, gives=GotAnswer),
    _tool(
        "update",
        _update,
        title="Correct a memory",
        takes=given.Update,
        gives=WrittenAnswer,
        scope="write",
        annotations=_ADDS,
    ),
    _tool(
        "forget",
        _forget,
        title="Forget a memory",
        takes=given.Forget,
        gives=ForgottenAnswer,
        scope="write",
        annotations=_REMOVES,
    ),
    _tool(
        "history",
        _history,
        title="See a memory's versions",
        takes=given.History,
        gives=HistoryAnswer,
    ),
    _tool(
        "list_stores", _list_stores, title="List stores", takes=given.ListStores, gives=StoresAnswer
    ),
)

TOOLS: Final[Mapping[str, Tool]] = {tool.definition.name: tool for tool in _ALL}
"""Every tool, by its name, in the order in which they are listed."""


def tool_named(name: str) -> Tool:
    """A tool by its name.

    Raises:
        InvalidInput: there is none.
    """
    if name not in TOOLS:
        raise InvalidInput(
            "name", name, "there is no such tool", remedy=f"There are: {', '.join(TOOLS)}."
        )
    return TOOLS[name]
