"""One act of learning as the calls that write it: one round trip, one transaction.

The first call writes the version, if nobody was faster. All that follows belongs to that version,
and the database refuses what belongs to none that this transaction writes (or, where there is
nothing to refuse, does nothing). So either all of it counts or none, without a look at the answers
in between.
"""

from __future__ import annotations

from typing import Any, Final
from uuid import UUID

from memoledger.ledger.document_rows import (
    PreparedDocument,
    chunk_params,
    place_params,
    version_params,
)
from memoledger.ledger.memory_rows import (
    batch_params,
    field_params,
    owner_params,
    search_params,
)
from memoledger.ledger.round_trip import Call
from memoledger.ledger.schedules import ToEmbed, schedule_memories, schedule_rows
from memoledger.ledger.statements import statements
from memoledger.model.principal import Principal

_SQL = statements("documents")
_MEMORIES = statements("memories")

WRITTEN_AT_ONCE: Final = 1_000
"""Chunks written by one statement."""

REFUSED: Final = frozenset({"23001", "23503"})
"""What the ledger's triggers (restrict_violation) and foreign keys say of what belongs to no
version."""


def learning(
    principal: Principal, store_id: UUID, prepared: PreparedDocument, embedding_version: int
) -> list[Call]:
    """The calls that write a version of a document with all that belongs to it.

    The first answers with the version, or with no row if another is current than the one expected.
    """
    owner = owner_params(principal, store_id)
    expected = prepared.expected_version
    version = {**owner, **version_params(prepared.fields), "document_id": prepared.document_id}
    written = {
        **owner,
        "document_id": prepared.document_id,
        "version": 1 if expected is None else expected + 1,
    }
    if expected is None:
        calls = [(_SQL["learn_first"], version)]
    else:
        calls = [(_SQL["learn_next"], {**version, "expected_version": expected})]
    return [
        *calls,
        *_chunks(prepared, written),
        *_schedule(principal, store_id, prepared, written),
        *_observations(owner, prepared, written, embedding_version),
    ]


def _chunks(prepared: PreparedDocument, written: dict[str, Any]) -> list[Call]:
    chunks = prepared.chunks
    calls: list[Call] = []
    for first in range(0, len(prepared.gone), WRITTEN_AT_ONCE):
        gone = list(prepared.gone[first : first + WRITTEN_AT_ONCE])
        calls.append((_SQL["supersede_chunks"], {**written, "chunk_ids": gone}))
    for first in range(0, len(chunks.terms), WRITTEN_AT_ONCE):
        params = chunk_params(chunks, first, first + WRITTEN_AT_ONCE)
        calls.append((_SQL["write_chunks"], {**written, **params}))
    for place in range(0, len(chunks.chunks), WRITTEN_AT_ONCE):
        batch = chunks.chunks[place : place + WRITTEN_AT_ONCE]
        calls.append((_SQL["place_chunks"], {**written, **place_params(batch, place)}))
    return calls


def _schedule(
    principal: Principal, store_id: UUID, prepared: PreparedDocument, written: dict[str, Any]
) -> list[Call]:
    if prepared.waits_in == ():
        return []
    rows = [ToEmbed(chunk.chunk_id, written["version"]) for chunk in prepared.chunks.new]
    return schedule_rows(principal, store_id, "chunk", rows, prepared.waits_in)


def _observations(
    owner: dict[str, Any],
    prepared: PreparedDocument,
    written: dict[str, Any],
    embedding_version: int,
) -> list[Call]:
    """Memories that are new, those that change, and the links.

    A link to what was not written, since somebody took its identity or changed it, is refused.
    """
    observations = prepared.observations
    if not observations:
        return []
    calls = []
    new = [o.prepared for o in observations if o.prepared is not None and o.version == 1]
    # In one order everywhere, so that two writers of the same cannot wait for each other.
    new.sort(key=lambda p: (p.draft.external_id or "", p.draft.content_hash))
    if new:
        calls.append(
            (_MEMORIES["remember_batch"], {**owner, **batch_params(new, embedding_version)})
        )
    for observation in observations:
        if observation.prepared is not None and observation.version > 1:
            params = {
                **owner,
                **field_params(observation.prepared.draft),
                **search_params(observation.prepared, embedding_version),
                "memory_id": observation.memory_id,
                "expected_version": observation.version - 1,
                "other_than": None,
            }
            calls.append((_MEMORIES["write_version"], params))
    links = {
        "memory_ids": [o.memory_id for o in observations],
        "memory_versions": [o.version for o in observations],
        "made": [o.prepared is not None and o.version == 1 for o in observations],
    }
    calls.append((_SQL["link_memories"], {**written, **links}))
    changed = [o.prepared for o in observations if o.prepared is not None]
    waiting = [one.memory_id for one in changed if one.later or not one.is_embedded]
    return [*calls, *schedule_memories(owner["store_id"], waiting)]
