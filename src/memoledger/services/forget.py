"""Forget: take a memory out of every present read, or erase what it said."""

from __future__ import annotations

from uuid import UUID

from memoledger.model.checks import check_count
from memoledger.model.errors import ConflictError, Forbidden
from memoledger.model.ids import as_id
from memoledger.model.memory import VERSION_MAX
from memoledger.services.context import Context, Scope
from memoledger.services.read import no_such_memory
from memoledger.services.remember import ATTEMPTS_MAX
from memoledger.services.stores import require_write_access


async def forget(
    context: Context,
    scope: Scope,
    memory_id: UUID | str,
    *,
    hard: bool = False,
    if_version: int | None = None,
) -> None:
    """Forget a memory.

    Args:
        hard: also remove the texts and vectors of every version, so that neither history nor
            `as_of` can show them; this also works on one already forgotten. The audit keeps that it
            existed.
        if_version: the version the caller saw; another current version is a conflict.

    Raises:
        NotFound: there is no such memory to forget.
        ConflictError: it is at another version.
        Forbidden: the store is not the principal's to write, or versions that they cannot see would
            be left.
    """
    wanted = as_id("id", memory_id)
    if if_version is not None:
        check_count("if_version", if_version, least=1, most=VERSION_MAX)
    act = _erase if hard else _close
    for _ in range(ATTEMPTS_MAX):
        if await act(context, scope, wanted, if_version):
            return
        await _refuse(context, scope, wanted, if_version, hard=hard)
        # Nothing stands against it: an update was faster, and the next attempt meets its version.
    raise ConflictError(
        f"Other writers changed memory {wanted} {ATTEMPTS_MAX} times while it was being forgotten.",
        remedy="Try again.",
        id=str(wanted),
    )


async def _close(context: Context, scope: Scope, memory_id: UUID, if_version: int | None) -> bool:
    memories = context.ledger.memories
    return await memories.forget(scope.principal, scope.store_id, memory_id, if_version)


async def _erase(context: Context, scope: Scope, memory_id: UUID, if_version: int | None) -> bool:
    memories = context.ledger.memories
    try:
        return await memories.erase(scope.principal, scope.store_id, memory_id, if_version)
    except Forbidden:  # The database lets nobody erase only the versions that they can see.
        await require_write_access(context, scope)
        raise Forbidden(
            f"Memory {memory_id} has earlier versions that are private to its creator.",
            remedy="Ask its creator to erase it, or forget it without erasing.",
            id=str(memory_id),
        ) from None


async def _refuse(
    context: Context, scope: Scope, memory_id: UUID, if_version: int | None, *, hard: bool
) -> None:
    """Raise the reason why a memory cannot be forgotten, if there is one."""
    version = await _version_to_forget(context, scope, memory_id, hard=hard)
    if version is None:
        raise no_such_memory(memory_id)
    await require_write_access(context, scope)
    if if_version is not None and version != if_version:
        raise ConflictError(
            f"Memory {memory_id} is at version {version}, not {if_version}.",
            remedy="Read it again, then forget the version you saw.",
            id=str(memory_id),
            current_version=version,
        )


async def _version_to_forget(
    context: Context, scope: Scope, memory_id: UUID, *, hard: bool
) -> int | None:
    """The current version; for an erasure also the last one of a memory forgotten or expired."""
    memories = context.ledger.memories
    if hard:
        versions = await memories.history(scope.principal, scope.store_id, memory_id)
        return versions[-1].version if versions and versions[-1].erased_at is None else None
    present = await memories.get(scope.principal, scope.store_id, memory_id)
    return None if present is None else present.version
