"""What every service works with."""

from __future__ import annotations

from dataclasses import dataclass, replace
from uuid import UUID

from memoledger.ledger.ledger import Ledger
from memoledger.model.principal import Principal
from memoledger.ports import Artifacts, Clock, Reader, Reranker, Splitter
from memoledger.services.caching import Cached
from memoledger.services.embedders import Embedders
from memoledger.services.prepare import Preparer
from memoledger.services.receipts import ReceiptWriter


@dataclass(frozen=True, slots=True)
class Context:
    """The open ledger and the adapters behind its ports.

    The embedding version that serves may change at any moment. `ledger.embedding_version` and
    `preparer` are of one version: whoever begins something takes a context with those of now from
    `pinned`, and stays with it to the end.
    """

    ledger: Ledger
    preparer: Preparer
    clock: Clock
    receipts: ReceiptWriter
    reranker: Reranker | None = None
    rerank_by_default: bool = False
    artifacts: Artifacts | None = None
    cached: Cached | None = None
    reader: Reader | None = None
    splitter: Splitter | None = None
    embedders: Embedders | None = None

    async def pinned(self) -> Context:
        """This context with the embedding version that serves now, which it keeps from then on.

        Raises:
            EmbedderError: this process has no embedder for it, nor for one that served before.
        """
        if self.embedders is None:
            return self
        live = await self.embedders.live()
        ledger = self.ledger
        if ledger.embedding_version != live.number:
            ledger = replace(ledger, embedding_version=live.number)
        return replace(self, ledger=ledger, preparer=live.preparer, embedders=None)


@dataclass(frozen=True, slots=True)
class Scope:
    """Who acts, on which store."""

    principal: Principal
    store_id: UUID
