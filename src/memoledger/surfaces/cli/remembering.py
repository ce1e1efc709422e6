"""`remember`, `update`, `forget`: the commands that write one memory."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from memoledger.model.errors import InvalidInput
from memoledger.surfaces.cli import options, standard_input
from memoledger.surfaces.cli.failures import FAILED
from memoledger.surfaces.cli.invocation import Invocation, command
from memoledger.surfaces.cli.output import say, tell, write_json

if TYPE_CHECKING:
    from memoledger.model.memory import Remembered

PANEL: Final = "Memories"

STDIN_BYTES_MAX: Final = 1_000_000
"""More than a content can have, so that one too long is told how long it is, and little is read."""

_UNSET: Final[dict[str, Any]] = {
    "source": None,
    "tags": (),
    "subject_refs": (),
    "metadata": None,
    "title": None,
    "summary": None,
    "occurred_at": None,
    "valid_from": None,
    "valid_to": None,
    "expires_at": None,
}
"""Fields that can be emptied, and what they are then."""

_SAID: Final = {
    "created": "Remembered",
    "unchanged": "It was remembered already:",
    "updated": "Remembered as the next version:",
}


def register(app: typer.Typer) -> None:
    """Add the commands."""
    command(app, "remember", takes="shared store", panel=PANEL)(remember)
    command(app, "update", takes="shared store", panel=PANEL)(update)
    command(app, "forget", takes="shared store", panel=PANEL)(forget)


def remember(
    given: Invocation,
    content: Annotated[
        str,
        typer.Argument(metavar="CONTENT", help="The text, or - to read it from standard input."),
    ],
    *,
    type_: options.Type = None,
    importance: options.Importance = None,
    source: options.Source = None,
    tag: options.Tags = None,
    subject_ref: options.SubjectRefs = None,
    metadata: options.Metadata = None,
    title: options.Title = None,
    summary: options.Summary = None,
    external_id: options.ExternalId = None,
    occurred_at: options.OccurredAt = None,
    valid_from: options.ValidFrom = None,
    valid_to: options.ValidTo = None,
    expires_at: options.ExpiresAt = None,
    privacy: options.Privacy = None,
    embedding: options.Embedding = None,
    wait: options.Wait = "searchable",
) -> None:
    """Remember a text.

    The same text again (or the same external id with the same text) changes nothing and says so; an
    external id with another text gets its next version. The store is made if it is not there.
    """
    fields = options.given_fields(
        type=type_,
        importance=importance,
        source=source,
        tags=tag,
        subject_refs=subject_ref,
        metadata=metadata,
        title=title,
        summary=summary,
        external_id=external_id,
        occurred_at=occurred_at,
        valid_from=valid_from,
        valid_to=valid_to,
        expires_at=expires_at,
        privacy=privacy,
        embedding=embedding,
    )
    text = _from_standard_input() if content == "-" else content

    async def run() -> Remembered:
        async with given.opened(create=True) as store:
            return await store.remember(text, **fields, wait=wait)

    _tell(given, asyncio.run(run()))


def update(
    given: Invocation,
    memory_id: options.MemoryId,
    *,
    content: Annotated[
        str | None,
        typer.Option("--content", metavar="TEXT", help="The new text; - for standard input."),
    ] = None,
    type_: options.Type = None,
    importance: options.Importance = None,
    source: options.Source = None,
    tag: options.Tags = None,
    subject_ref: options.SubjectRefs = None,
    metadata: options.Metadata = None,
    title: options.Title = None,
    summary: options.Summary = None,
    occurred_at: options.OccurredAt = None,
    valid_from: options.ValidFrom = None,
    valid_to: options.ValidTo = None,
    expires_at: options.ExpiresAt = None,
    privacy: options.Privacy = None,
    unset: Annotated[
        list[str] | None,
        typer.Option(
            "--unset",
            metavar="FIELD",
            help="Empty this field; may be repeated.",
        ),
    ] = None,
    if_version: options.IfVersion = None,
) -> None:
    """Write the next version of a memory: what is not named stays as it is.

    The version before stays in the history, and --as-of finds it.
    """
    changes = options.given_fields(
        content=_from_standard_input() if content == "-" else content,
        type=type_,
        importance=importance,
        source=source,
        tags=tag,
        subject_refs=subject_ref,
        metadata=metadata,
        title=title,
        summary=summary,
        occurred_at=occurred_at,
        valid_from=valid_from,
        valid_to=valid_to,
        expires_at=expires_at,
        privacy=privacy,
    )
    changes |= _emptied(unset or [])

    async def run() -> Remembered:
        async with given.opened() as store:
            return await store.update(memory_id, if_version=if_version, **changes)

    _tell(given, asyncio.run(run()))


def forget(
    given: Invocation,
    memory_id: options.MemoryId,
    hard: Annotated[
        bool,
        typer.Option("--hard", help="Erase the texts and vectors of all its versions, for good."),
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Erase without asking.")] = False,
    if_version: options.IfVersion = None,
) -> None:
    """Forget a memory: no read shows it any more, except its history and --as-of before that.

    With --hard not even these: its texts and vectors are gone. The audit keeps that it existed.
    """
    if hard and not yes:
        _confirm_erasure(memory_id)

    async def run() -> None:
        async with given.opened() as store:
            await store.forget(memory_id, hard=hard, if_version=if_version)

    asyncio.run(run())
    if given.as_json:
        write_json({"id": memory_id, "outcome": "erased" if hard else "forgotten"})
    else:
        say(f"{'Erased' if hard else 'Forgotten'}: {memory_id}")


def _confirm_erasure(memory_id: str) -> None:
    if not standard_input.is_terminal():
        raise InvalidInput(
            "--hard",
            memory_id,
            "an erasure cannot be undone, and there is nobody here to ask",
            remedy="Add --yes.",
        )
    if not typer.confirm(f"Erase {memory_id}? This cannot be undone.", err=True):
        tell("Nothing was erased.")
        raise typer.Exit(FAILED)


def _emptied(names: list[str]) -> dict[str, Any]:
    for name in names:
        if name not in _UNSET:
            raise InvalidInput(
                "--unset",
                name,
                "that is no field that can be empty",
                remedy=f"Those that can: {', '.join(_UNSET)}.",
            )
    return {name: _UNSET[name] for name in names}


def _from_standard_input() -> str:
    """The text on standard input, without the line feed at its end.

    Raises:
        InvalidInput: it is no UTF-8.
    """
    with standard_input.open_bytes() as source:
        raw = source.read(STDIN_BYTES_MAX)
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        raise InvalidInput(
            "CONTENT", raw, f"it is no UTF-8 at byte {error.start + 1}", remedy="Convert it first."
        ) from None
    return text.removesuffix("\n").removesuffix("\r")


def _tell(given: Invocation, memory: Remembered) -> None:
    if given.as_json:
        write_json({**memory.as_dict(), "outcome": memory.outcome})
    else:
        say(f"{_SAID[memory.outcome]} {memory.id} (version {memory.version})")
