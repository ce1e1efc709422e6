"""What waits to be embedded: rows of the schedule, and what a worker has done about them."""

from __future__ import annotations

import random
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, Final, Literal, get_args
from uuid import UUID

from memoledger.model.checks import check_choice
from memoledger.model.embedding import Family
from memoledger.model.histogram import Histogram
from memoledger.model.plain import as_plain

Wait = Literal["searchable", "durable"]
"""When remembering is done: once it can be found by its meaning, or once it cannot be lost."""


def check_wait(value: object) -> Wait:
    """`searchable` or `durable`.

    Raises:
        InvalidInput: it is neither.
    """
    chosen = check_choice("wait", value, get_args(Wait))
    return "durable" if chosen == "durable" else "searchable"


BACKOFF_BASE_S: Final = 2.0
BACKOFF_CAP_S: Final = 900.0

QueueState = Literal["waiting", "claimed", "failed", "poisoned"]


def backoff_s(attempts: int) -> float:
    """Seconds until a row that failed `attempts` times is tried again: doubling, with full jitter.

    At least half of what it doubles to, so that a provider that is down is left alone for a while.

    >>> 1.0 <= backoff_s(1) <= 2.0
    True
    >>> 450.0 <= backoff_s(30) <= 900.0
    True
    """
    whole = min(BACKOFF_CAP_S, BACKOFF_BASE_S * 2.0 ** min(attempts - 1, 20))
    return whole / 2 + random.uniform(0, whole / 2)  # noqa: S311 - no secret


def portion_size(attempts: int, whole: int) -> int:
    """How many rows go into one call of the model, after so many attempts: ever fewer.

    A text that the model refuses takes others along; in a smaller call with fewer of them, and in
    the end it fails alone.

    >>> [portion_size(attempts, 64) for attempts in (1, 2, 3, 4, 5)]
    [64, 16, 4, 1, 1]
    """
    return max(1, whole >> 2 * (attempts - 1))


@dataclass(frozen=True, slots=True)
class Claimed:
    """A row of the schedule that a worker has claimed.

    Args:
        tenant, user: as whom it is read and written.
        attempts: how often it was claimed, this time included.
        waited_s: seconds since it was scheduled.
    """

    tenant: str
    user: str
    store_id: UUID
    embedding_version: int
    family: Family
    owner_id: UUID
    version: int
    attempts: int
    waited_s: float


@dataclass(frozen=True, slots=True)
class QueueDepth:
    """How much is on the schedule.

    Args:
        waiting: due or due later, claimed by nobody.
        claimed: being embedded.
        poisoned: set aside after too many attempts.
        failed: of those that wait or are being embedded, how many failed before.
        age_s: seconds since the oldest of them was scheduled; 0 without any.
    """

    waiting: int = 0
    claimed: int = 0
    poisoned: int = 0
    failed: int = 0
    age_s: float = 0.0

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready data."""
        return {field.name: as_plain(getattr(self, field.name)) for field in fields(self)}


@dataclass(frozen=True, slots=True)
class QueueRow:
    """A row of the schedule, for people.

    Args:
        id, version: of the memory or chunk that waits to be embedded.
        due_at: when it is tried next; while it is claimed, when the claim ends.
        last_error: why it failed the last time.
    """

    tenant: str
    store_id: UUID
    owner: str
    store: str
    embedding_version: int
    family: Family
    id: UUID
    version: int
    reason: str
    urgency: int
    scheduled_at: datetime
    due_at: datetime
    attempts: int
    last_error: str | None
    claimed_until: datetime | None
    poisoned_at: datetime | None

    @property
    def state(self) -> QueueState:
        """Where it stands."""
        if self.poisoned_at is not None:
            return "poisoned"
        if self.claimed_until is not None:
            return "claimed"
        return "waiting" if self.last_error is None else "failed"

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready data."""
        plain = {field.name: as_plain(getattr(self, field.name)) for field in fields(self)}
        return {**plain, "state": self.state}


class QueueStatistics:
    """What one process's workers have done since it began, and how long the schedule was last."""

    def __init__(self) -> None:
        self.embedded = 0
        self.dropped = 0
        self.failed = 0
        self.poisoned = 0
        self.batches = 0
        self.seconds = Histogram()
        self.waited_s = Histogram()
        self.depth: QueueDepth | None = None
