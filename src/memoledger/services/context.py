"""What every service works with."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from memoledger.ledger.ledger import Ledger
from memoledger.model.principal import Principal
from memoledger.ports import Clock
from memoledger.services.prepare import Preparer


@dataclass(frozen=True, slots=True)
class Context:
    """The open ledger and the adapters behind its ports."""

    ledger: Ledger
    preparer: Preparer
    clock: Clock


@dataclass(frozen=True, slots=True)
class Scope:
    """Who acts, on which store."""

    principal: Principal
    store_id: UUID
