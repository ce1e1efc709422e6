"""Embed what is scheduled: read a batch's texts, embed them, write the vectors.

The claim is one transaction, the write another; between them nothing is open, so that a slow model
holds up nobody. Rows of several tenants may share a call of the model: what it says about a call
that failed is then not kept, because it may quote a text.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

import numpy as np

from memoledger.ledger.scheduled import FAMILIES, Key, NewVectors, ScheduledText
from memoledger.model.embedding import Family, View
from memoledger.model.errors import EmbedderError, InvalidInput, MemoledgerError
from memoledger.model.principal import Principal
from memoledger.model.queue import Claimed, backoff_s
from memoledger.ports import Embedder, Vectors
from memoledger.services.context import Context
from memoledger.services.embedding_statistics import embed_counted
from memoledger.services.prepare import views_of

REFUSED: Final = frozenset({400, 413, 422})
"""Statuses with which a provider refuses the text itself: to ask again would not help."""

Group = tuple[str, str, UUID, Family]
"""Tenant, user, store and family: what one transaction reads or writes."""


@dataclass(frozen=True, slots=True)
class Portion:
    """Rows of one embedding version that share a call of the model.

    Args:
        claim: whose they are.
        rows: at least one.
    """

    claim: UUID
    rows: Sequence[Claimed]

    @property
    def embedding_version(self) -> int:
        """The one that all of them are of."""
        return self.rows[0].embedding_version

    @property
    def groups(self) -> Mapping[Group, list[Claimed]]:
        """The rows, by what one transaction can read."""
        found: dict[Group, list[Claimed]] = defaultdict(list)
        for row in self.rows:
            found[row.tenant, row.user, row.store_id, row.family].append(row)
        return found


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a portion failed, and when each of its rows is tried again: None is never."""

    error: str
    again_s: Sequence[float | None]

    @property
    def poisoned(self) -> int:
        """How many rows are set aside."""
        return sum(seconds is None for seconds in self.again_s)


def embedders_of(context: Context) -> dict[int, Embedder]:
    """What this process can embed with, by embedding version."""
    beside = {one.number: one.embedder for one in context.preparer.companions}
    found = {number: embedder for number, embedder in beside.items() if embedder is not None}
    return {**found, context.ledger.embedding_version: context.preparer.embedder}


async def embed_portion(context: Context, embedder: Embedder, portion: Portion) -> tuple[int, int]:
    """Embed a portion and write its vectors; what is not there any more is only settled.

    Returns:
        how many rows were embedded, and how many were settled without.

    Raises:
        InvalidInput, EmbedderError: the model failed or refused a text; nothing was written.
        LedgerError: PostgreSQL did; what was written before stays.
    """
    texts = await read_texts(context, portion)
    flat = [
        (group, text, view, said)
        for group, found in texts.items()
        for text in found
        for view, said in _views(text)
    ]
    vectors = await _embedded(context, embedder, [said for *_, said in flat])
    places: dict[Group, list[int]] = defaultdict(list)
    for place, (group, *_) in enumerate(flat):
        places[group].append(place)
    settled = 0
    for group, rows in portion.groups.items():
        mine = places[group]
        new = NewVectors(
            portion.embedding_version,
            [(flat[place][1].id, flat[place][1].version) for place in mine],
            [flat[place][2] for place in mine],
            vectors[np.asarray(mine, dtype=np.intp)],
        )
        settled += await _write(context, portion, group, rows, new)
    embedded = sum(len(found) for found in texts.values())
    return min(embedded, settled), max(settled - embedded, 0)


async def _embedded(context: Context, embedder: Embedder, texts: Sequence[str]) -> Vectors:
    if not texts:
        return np.empty((0, embedder.version.dimensions), dtype=np.float32)
    return await embed_counted(embedder, texts, "document", context.preparer.statistics)


async def read_texts(context: Context, portion: Portion) -> dict[Group, list[ScheduledText]]:
    """What is to be embedded, read as those whose it is."""
    found: dict[Group, list[ScheduledText]] = {}
    for group, rows in portion.groups.items():
        tenant, user, store_id, family = group
        if family in FAMILIES:
            found[group] = await context.ledger.scheduled.texts(
                Principal(tenant, user), store_id, family, _keys(rows)
            )
    return found


async def _write(
    context: Context, portion: Portion, group: Group, rows: Sequence[Claimed], new: NewVectors
) -> int:
    tenant, user, store_id, family = group
    return await context.ledger.scheduled.write(
        Principal(tenant, user),
        store_id,
        family,
        new,
        claim=portion.claim,
        keys=_keys(rows),
    )


def failure_of(
    error: InvalidInput | EmbedderError, rows: Sequence[Claimed], *, attempts_max: int
) -> Failure:
    """What follows from a call that failed.

    A text that the model refuses is set aside once it was tried alone; everything else is tried
    again, ever later, up to `attempts_max` times.
    """
    refused = isinstance(error, InvalidInput) or error.details.get("status") in REFUSED
    alone = len(rows) == 1
    again = [
        None if (refused and alone) or row.attempts >= attempts_max else backoff_s(row.attempts)
        for row in rows
    ]
    return Failure(_told(error, shared=len({row.tenant for row in rows}) > 1), again)


def _told(error: MemoledgerError, *, shared: bool) -> str:
    if not shared:
        return f"{error.code}: {error.message}"
    status = error.details.get("status")
    said = "" if status is None else f" (HTTP {status})"
    return f"{error.code}: the model failed{said}."


def _keys(rows: Sequence[Claimed]) -> list[Key]:
    return [(row.owner_id, row.version) for row in rows]


def _views(text: ScheduledText) -> list[tuple[View, str]]:
    return [("body", text.content)] if text.family == "chunk" else views_of(text)
