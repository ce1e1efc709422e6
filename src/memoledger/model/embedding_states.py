"""Embedding versions as the ledger keeps them: their states, and what is told of changing them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Literal

from memoledger.model.embedding import EmbeddingVersion
from memoledger.model.plain import as_plain

State = Literal["filling", "ready", "serving", "previous", "retired"]
"""What an embedding version is to its ledger.

filling: it lacks vectors of what was there before it. ready: it has them all and could serve.
serving: it is searched; exactly one is. previous: it served before, and is kept up to date so that
it can again. retired: its vectors are gone.
"""

KEPT_UP: Final[frozenset[State]] = frozenset({"filling", "ready", "serving", "previous"})
"""States in which a version gets the vectors of what is written."""

INDEXED: Final[frozenset[State]] = frozenset({"ready", "serving", "previous"})
"""States in which large stores have an index in it."""


@dataclass(frozen=True, slots=True)
class KeptVersion:
    """An embedding version of a ledger.

    Args:
        number: the ledger's own for it.
        name: a short stable name: slug, dimensions, fingerprint.
        model, dimensions, settings: as in `EmbeddingVersion`.
        opening: the words with which its embedder is opened, `embedder` and where it needs one
            `base_url`; None where that was an object of a program's own.
        created_at, filled_at, served_at, replaced_at, retired_at: when it came to be in a state
            for the last time; None where it has not.
    """

    number: int
    name: str
    model: str
    dimensions: int
    settings: Mapping[str, str]
    state: State
    opening: Mapping[str, str] | None
    created_at: datetime
    filled_at: datetime | None = None
    served_at: datetime | None = None
    replaced_at: datetime | None = None
    retired_at: datetime | None = None

    @property
    def version(self) -> EmbeddingVersion:
        """What its embedder makes."""
        return EmbeddingVersion(self.model, self.dimensions, self.settings)

    @property
    def spec(self) -> str | None:
        """What MEMOLEDGER_EMBEDDER has to say for it; None where no setting opens it."""
        return None if self.opening is None else self.opening.get("embedder")


@dataclass(frozen=True, slots=True)
class VersionStatus:
    """An embedding version and how complete it is.

    Args:
        vectors: how many it has.
        missing: texts that should have one and do not.
        bytes: what it takes on the disk, indexes included.
    """

    kept: KeptVersion
    vectors: int
    missing: int
    bytes: int

    def as_dict(self) -> dict[str, Any]:
        """As JSON-ready data."""
        kept = self.kept
        return {
            "number": kept.number,
            "name": kept.name,
            "state": kept.state,
            "model": kept.model,
            "dimensions": kept.dimensions,
            "settings": dict(kept.settings),
            "embedder": kept.spec,
            "vectors": self.vectors,
            "missing": self.missing,
            "bytes": self.bytes,
            "created_at": as_plain(kept.created_at),
            "filled_at": as_plain(kept.filled_at),
            "served_at": as_plain(kept.served_at),
            "replaced_at": as_plain(kept.replaced_at),
            "retired_at": as_plain(kept.retired_at),
        }


@dataclass(frozen=True, slots=True)
class FillProgress:
    """How far filling a version is.

    Args:
        embedded: texts that got their vector.
        total: texts that lacked one when it began; others come to it meanwhile.
        refused: texts that the model would not embed.
        done: whether nothing is left but what was refused.
    """

    embedded: int
    total: int
    refused: int = 0
    done: bool = False


@dataclass(frozen=True, slots=True)
class Refused:
    """A text that the model would not embed.

    Args:
        tenant, store_id, family, owner_id, version: whose it is.
        reason: what the model said.
    """

    tenant: str
    store_id: str
    family: str
    owner_id: str
    version: int
    reason: str


@dataclass(frozen=True, slots=True)
class Filled:
    """What filling a version did.

    Args:
        name: the version's.
        state: in which it is now.
        embedded: texts that got their vector.
        seconds: how long that took.
        refused: what the model would not embed, the first hundred.
        refused_count: how many that were.
    """

    name: str
    state: State
    embedded: int
    seconds: float
    refused: tuple[Refused, ...] = ()
    refused_count: int = 0

    def as_dict(self) -> dict[str, Any]:
        """As JSON-ready data."""
        return {
            "name": self.name,
            "state": self.state,
            "embedded": self.embedded,
            "seconds": round(self.seconds, 3),
            "refused": [as_plain_refusal(one) for one in self.refused],
            "refused_count": self.refused_count,
        }


def as_plain_refusal(one: Refused) -> dict[str, Any]:
    """A refusal as JSON-ready data."""
    return {
        "tenant": one.tenant,
        "store_id": one.store_id,
        "family": one.family,
        "id": one.owner_id,
        "version": one.version,
        "reason": one.reason,
    }


Status = Literal["ok", "warn", "fail"]


@dataclass(frozen=True, slots=True)
class Check:
    """One thing about a version that was looked at.

    Args:
        name: what it was.
        status: "ok", "warn" (worth knowing) or "fail" (it must not serve like this).
        message: what was found.
        figures: the numbers behind it.
    """

    name: str
    status: Status
    message: str
    figures: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Verification:
    """What looking at a version found."""

    name: str
    state: State
    checks: tuple[Check, ...]

    @property
    def passed(self) -> bool:
        """Whether it may serve."""
        return all(check.status != "fail" for check in self.checks)

    def as_dict(self) -> dict[str, Any]:
        """As JSON-ready data."""
        return {
            "name": self.name,
            "state": self.state,
            "passed": self.passed,
            "checks": [
                {
                    "check": check.name,
                    "status": check.status,
                    "message": check.message,
                    **check.figures,
                }
                for check in self.checks
            ],
        }


@dataclass(frozen=True, slots=True)
class Switched:
    """What changing the version that serves did.

    Args:
        serving: the name of the one that serves now.
        replaced: the name of the one that served until then.
        held_ms: for how long writes had to wait.
        missing: texts without a vector in it when it began to serve.
        embedded: of these and of those before, how many got their vector on the way.
    """

    serving: str
    replaced: str
    held_ms: float
    missing: int = 0
    embedded: int = 0

    def as_dict(self) -> dict[str, Any]:
        """As JSON-ready data."""
        return {
            "serving": self.serving,
            "replaced": self.replaced,
            "held_ms": round(self.held_ms, 3),
            "missing": self.missing,
            "embedded": self.embedded,
        }
