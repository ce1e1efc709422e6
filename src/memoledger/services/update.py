"""Update: the next version of a memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any
from uuid import UUID

from memoledger.ledger.memory_rows import Prepared
from memoledger.model.checks import check_count
from memoledger.model.errors import ConflictError, Forbidden, MemoledgerError
from memoledger.model.ids import as_id
from memoledger.model.memory import (
    DRAFT_FIELDS,
    VERSION_MAX,
    CheckedDraft,
    Draft,
    Memory,
    Remembered,
    check_changes,
)
from memoledger.services.context import Context, Scope
from memoledger.services.prepare import GivenVectors, views_of
from memoledger.services.read import get, no_such_memory
from memoledger.services.remember import as_remembered, check_draft, given_vectors
from memoledger.services.stores import require_write_access


async def update(
    context: Context,
    scope: Scope,
    memory_id: UUID | str,
    changes: Mapping[str, Any],
    *,
    if_version: int | None = None,
) -> Remembered:
    """Write a memory's next version: the present one with `changes`.

    Args:
        changes: fields of a draft; those left out stay.
        if_version: the version the caller saw; another current version is a conflict.

    Returns:
        the new version, or the present one with `outcome="unchanged"` if nothing differs.

    Raises:
        NotFound: there is no such current memory.
        InvalidInput: a field is wrong or cannot be changed; nothing was written.
        ConflictError: somebody else changed it first, or its identity would be another's; nothing
            was written.
        Forbidden: the store is not the principal's to write, or the memory not theirs to make
            private.
    """
    wanted = as_id("id", memory_id)
    check_changes(changes)
    if if_version is not None:
        check_count("if_version", if_version, least=1, most=VERSION_MAX)
    context = await context.pinned()
    present = await get(context, scope, wanted)
    if if_version is not None and present.version != if_version:
        raise _changed_first(present, if_version)
    before = _draft_of(present).checked()
    checked, given = _checked(context, present, changes)
    _refuse_taking_away(scope, present, checked)
    if not given and before == checked:
        return as_remembered(present, "unchanged")
    given = {**await _kept(context, scope, present, before, checked), **given}
    [prepared] = await context.preparer.prepare([(checked, given)])
    written = await _write(context, scope, replace(prepared, memory_id=present.id), present)
    if written is None:
        raise await _why_not(context, scope, present)
    return written


def _draft_of(memory: Memory) -> Draft:
    names = {field.name for field in fields(Memory)}
    return Draft(**{name: getattr(memory, name) for name in DRAFT_FIELDS & names})


async def _write(
    context: Context, scope: Scope, prepared: Prepared, present: Memory
) -> Remembered | None:
    """Write the version after the present one; None if that is not the current one any more.

    Raises:
        ConflictError: another memory holds the identity it would get.
    """
    memories, version = context.ledger.memories, context.ledger.embedding_version
    for last in (False, True):
        try:
            return await memories.write_version(
                scope.principal,
                scope.store_id,
                prepared,
                version,
                expected_version=present.version,
            )
        except ConflictError:
            holder = await memories.holder(scope.principal, scope.store_id, prepared.draft)
            if last or holder is None or not holder.expired:
                raise
            await memories.close_expired(scope.principal, scope.store_id, holder.memory.id)
    raise AssertionError("the loop returns or raises")


def _checked(
    context: Context, present: Memory, changes: Mapping[str, Any]
) -> tuple[CheckedDraft, GivenVectors]:
    """The next version. An expiry that was there before is the clock of the database's to judge."""
    merged = replace(_draft_of(present), **changes)
    if "expires_at" in changes:
        return check_draft(context, merged)
    return merged.checked(), given_vectors(context, merged)


def _refuse_taking_away(scope: Scope, present: Memory, checked: CheckedDraft) -> None:
    if checked.privacy == "creator" and present.created_by != scope.principal.user:
        raise Forbidden(
            f"Only its creator, {present.created_by!r}, can make a memory private.",
            remedy="Leave `privacy` as it is.",
            id=str(present.id),
        )


async def _kept(
    context: Context, scope: Scope, present: Memory, before: CheckedDraft, after: CheckedDraft
) -> GivenVectors:
    """The vectors of texts that stay as they are: they cost nothing and may be the caller's own."""
    same = dict(views_of(before)).items() & dict(views_of(after)).items()
    if not same:
        return {}
    stored = await context.ledger.memories.vectors(
        scope.principal, present, context.ledger.embedding_version
    )
    return {view: stored[view] for view, _ in same if view in stored}


async def _why_not(context: Context, scope: Scope, seen: Memory) -> MemoledgerError:
    """Why the next version could not be written."""
    present = await context.ledger.memories.get(scope.principal, scope.store_id, seen.id)
    if present is None:
        return no_such_memory(seen.id)
    if present.version == seen.version:
        await require_write_access(context, scope)
    return _changed_first(present, seen.version)


def _changed_first(present: Memory, expected: int) -> ConflictError:
    return ConflictError(
        f"Memory {present.id} is not at version {expected}: it is at version {present.version}.",
        remedy="Read it again, apply the change to what it says now, and pass that version.",
        id=str(present.id),
        expected_version=expected,
        current_version=present.version,
    )
