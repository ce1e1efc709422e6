"""Observations: memories that a document yields, written in its transaction and linked to it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from memoledger.ledger.document_rows import Observation
from memoledger.ledger.memories import Known, identity_of
from memoledger.model.document import checked_observation
from memoledger.model.errors import InvalidInput
from memoledger.model.memory import CheckedDraft, Draft, Outcome, Remembered
from memoledger.model.queue import Wait
from memoledger.services.context import Context, Scope
from memoledger.services.prepare import GivenVectors
from memoledger.services.remember import as_remembered, check_draft


@dataclass(slots=True)
class _Item:
    """An observation, and the memory that holds its identity."""

    checked: CheckedDraft
    given: GivenVectors
    known: Known | None

    @property
    def outcome(self) -> Outcome:
        if self.known is None:
            return "created"
        same = self.known.content_hash == self.checked.content_hash
        return "unchanged" if same else "updated"


@dataclass(slots=True)
class ObservationPlan:
    """What has to be done for a document's observations, as the ledger stands."""

    scope: Scope
    items: list[_Item]
    wait: Wait
    written: tuple[Observation, ...] = ()

    @property
    def is_known(self) -> bool:
        """Whether all of them are there as they are."""
        return all(item.outcome == "unchanged" for item in self.items)

    async def prepare(self, context: Context) -> tuple[Observation, ...]:
        """Embed those that are to be written.

        Raises:
            EmbedderError: the model failed.
        """
        changed = [item for item in self.items if item.outcome != "unchanged"]
        prepared = iter(
            await context.preparer.prepare(
                [(item.checked, item.given) for item in changed], wait=self.wait
            )
        )
        found = []
        for item in self.items:
            known = item.known
            ready = None if item.outcome == "unchanged" else next(prepared)
            if known is None:
                assert ready is not None
                found.append(Observation(ready.memory_id, 1, ready))
            elif ready is None:
                found.append(Observation(known.memory_id, known.version, None))
            else:
                ready = replace(ready, memory_id=known.memory_id)
                found.append(Observation(known.memory_id, known.version + 1, ready))
        self.written = tuple(found)
        return self.written

    async def close_expired(self, context: Context) -> None:
        """Close memories that expired and hold the identity of one that is to be written."""
        memories = context.ledger.memories
        scope = self.scope
        for item in self.items:
            if item.known is None:
                holder = await memories.holder(scope.principal, scope.store_id, item.checked)
                if holder is not None and holder.expired:
                    await memories.close_expired(scope.principal, scope.store_id, holder.memory.id)


async def plan_observations(
    context: Context,
    scope: Scope,
    document_id: UUID,
    drafts: Sequence[Draft],
    wait: Wait,
) -> ObservationPlan:
    """Check a document's observations and find out which are there.

    Raises:
        InvalidInput: a field of one is wrong, or two are the same.
    """
    checked = []
    for draft in drafts:
        plain, given = check_draft(context, draft)
        checked.append((checked_observation(document_id, draft, plain), given))
    if not checked:
        return ObservationPlan(scope, [], wait)
    user = scope.principal.user
    known = await context.ledger.memories.known(
        scope.principal, scope.store_id, [plain for plain, _ in checked]
    )
    items, seen = [], set()
    for plain, given in checked:
        identity = identity_of(plain, user)
        if identity in seen:
            raise InvalidInput(
                "observations",
                plain.external_id or plain.content,
                "two of them are the same memory",
                remedy="Give each its own content or external_id.",
            )
        seen.add(identity)
        items.append(_Item(plain, given, known.get(identity)))
    return ObservationPlan(scope, items, wait)


async def remembered(
    context: Context, scope: Scope, plan: ObservationPlan
) -> tuple[Remembered, ...]:
    """The observations as they are now, in the order in which they were given."""
    if not plan.written:
        return ()
    wanted = [(one.memory_id, one.version) for one in plan.written]
    found = await context.ledger.memories.get_versions(
        scope.principal, scope.store_id, wanted, None
    )
    return tuple(
        as_remembered(found[one.memory_id], item.outcome)
        for one, item in zip(plan.written, plan.items, strict=True)
        if one.memory_id in found
    )
