"""Remember: one memory, written once under its identity."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Final

from memoledger.ledger.memories import Holder
from memoledger.ledger.memory_rows import Prepared
from memoledger.model.errors import ConflictError, InvalidInput
from memoledger.model.memory import CheckedDraft, Draft, Memory, Outcome, Remembered
from memoledger.model.queue import Wait, check_wait
from memoledger.model.vectors import as_unit_vector
from memoledger.services.context import Context, Scope
from memoledger.services.prepare import GivenVectors

ATTEMPTS_MAX: Final = 8
"""How often a write is tried again when another was first; each time one of them succeeds."""


async def remember(
    context: Context, scope: Scope, draft: Draft, *, wait: Wait = "searchable"
) -> Remembered:
    """Write a memory, or find that it is there.

    The identity is the external id or else the content. The same content again is a no-op that says
    so (`outcome="unchanged"`); an external id with changed content gets its next version
    (`"updated"`); everything else is `"created"`.

    Args:
        wait: "searchable" to embed it first; "durable" to leave that to the workers: it is written
            with its words, by which it is found until it is embedded.

    Raises:
        InvalidInput: a field is wrong; nothing was written.
        EmbedderError: the model failed; nothing was written.
        Forbidden: the store is not the principal's to write.
        ConflictError: other writers kept changing the same external id.
    """
    asked = check_wait(wait)
    context = await context.pinned()
    [prepared] = await context.preparer.prepare([check_draft(context, draft)], wait=asked)
    return await write(context, scope, prepared)


def check_draft(context: Context, draft: Draft) -> tuple[CheckedDraft, GivenVectors]:
    """A draft in its stored form, and the vector it brought for its body, of length 1.

    Raises:
        InvalidInput: a field is wrong, or it would have expired already.
    """
    checked = draft.checked()
    if checked.expires_at is not None and checked.expires_at <= context.clock.now():
        raise InvalidInput(
            "expires_at",
            checked.expires_at.isoformat(),
            "it has passed: the memory could never be recalled",
            remedy="Give an instant in the future, or None.",
        )
    return checked, given_vectors(context, draft)


def given_vectors(context: Context, draft: Draft) -> GivenVectors:
    """The vector a draft brought for its body, of length 1.

    Raises:
        InvalidInput: it has a wrong length or is not finite.
    """
    if draft.embedding is None:
        return {}
    return {"body": as_unit_vector("embedding", draft.embedding, context.preparer.dimensions)}


async def write_unless_there(
    context: Context,
    scope: Scope,
    checked: CheckedDraft,
    given: GivenVectors,
    *,
    wait: Wait = "searchable",
) -> Remembered:
    """Write what is probably there already: it is embedded only if it is not."""
    holder = await context.ledger.memories.holder(scope.principal, scope.store_id, checked)
    if holder is not None and not holder.expired and holder.content_hash == checked.content_hash:
        return as_remembered(holder.memory, "unchanged")
    [prepared] = await context.preparer.prepare([(checked, given)], wait=wait)
    return await write(context, scope, prepared)


async def write(context: Context, scope: Scope, prepared: Prepared) -> Remembered:
    """Write what is prepared under its identity, whoever else writes the same at the same time."""
    memories, version = context.ledger.memories, context.ledger.embedding_version
    for _ in range(ATTEMPTS_MAX):
        written = await memories.write_first(scope.principal, scope.store_id, prepared, version)
        if written is not None:
            note_scheduled(context, scope, prepared)
            return written
        holder = await memories.holder(scope.principal, scope.store_id, prepared.draft)
        if holder is None:
            continue  # It was forgotten between the two statements: the identity is free again.
        settled = await _settle(context, scope, prepared, holder)
        if settled is not None:
            return settled
    raise ConflictError(
        f"Other writers changed this memory {ATTEMPTS_MAX} times while it was being written.",
        remedy="Try again.",
    )


async def _settle(
    context: Context, scope: Scope, prepared: Prepared, holder: Holder
) -> Remembered | None:
    """What follows from the memory that holds the identity; None to try again."""
    memories = context.ledger.memories
    if holder.expired:
        await memories.close_expired(scope.principal, scope.store_id, holder.memory.id)
        return None
    if holder.content_hash == prepared.draft.content_hash:
        return as_remembered(holder.memory, "unchanged")
    written = await memories.write_next(
        scope.principal,
        scope.store_id,
        replace(prepared, memory_id=holder.memory.id),
        context.ledger.embedding_version,
    )
    note_scheduled(context, scope, prepared)
    return written


def note_scheduled(context: Context, scope: Scope, *prepared: Prepared) -> None:
    """Have the next recall count what waits in the store, if any of these does."""
    if not all(one.is_embedded for one in prepared):
        context.ledger.schedules.written(scope.store_id)


def as_remembered(memory: Memory, outcome: Outcome) -> Remembered:
    """A memory with what remembering did."""
    return Remembered(
        **{field.name: getattr(memory, field.name) for field in fields(Memory)}, outcome=outcome
    )
