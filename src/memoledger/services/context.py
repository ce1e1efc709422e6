"""What every service works with."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from memoledger.ledger.ledger import Ledger
from memoledger.model.principal import Principal
from memoledger.ports import Clock, Reranker
from memoledger.services.prepare import Preparer
from memoledger.services.receipts import ReceiptWriter


@dataclass(frozen=True, slots=True)
class Context:
    """The open ledger and the adapters behind its ports."""

    ledger: Ledger
    preparer: Preparer
    clock: Clock
    receipts: ReceiptWriter
    reranker: Reranker | None = None
    rerank_by_default: bool = False


@dataclass(frozen=True, slots=True)
class Scope:
    """Who acts, on which store."""

    principal: Principal
    store_id: UUID
