"""An open ledger: its aggregates over one pool of connections."""

from __future__ import annotations

from dataclasses import dataclass

from memoledger.ledger.artifacts import ArtifactRows
from memoledger.ledger.chunks import Chunks
from memoledger.ledger.documents import Documents
from memoledger.ledger.idempotency import IdempotencyKeys
from memoledger.ledger.indexed_search import DEFAULT_BOUNDS, Bounds
from memoledger.ledger.keys import Keys
from memoledger.ledger.maintenance import Maintenance
from memoledger.ledger.memories import Memories
from memoledger.ledger.neighbours import Neighbours
from memoledger.ledger.receipts import Receipts
from memoledger.ledger.scheduled import Scheduled
from memoledger.ledger.schedules import Schedules
from memoledger.ledger.search import Search
from memoledger.ledger.sessions import Sessions
from memoledger.ledger.stores import Stores


@dataclass(frozen=True, slots=True)
class Ledger:
    """What services read and write.

    Args:
        embedding_version: the number of the namespace in which this ledger embeds and searches.
    """

    sessions: Sessions
    stores: Stores
    memories: Memories
    documents: Documents
    chunks: Chunks
    search: Search
    neighbours: Neighbours
    maintenance: Maintenance
    receipts: Receipts
    keys: Keys
    idempotency: IdempotencyKeys
    artifacts: ArtifactRows
    schedules: Schedules
    scheduled: Scheduled
    embedding_version: int

    @classmethod
    def over(
        cls, sessions: Sessions, *, embedding_version: int, bounds: Bounds = DEFAULT_BOUNDS
    ) -> Ledger:
        """The aggregates over a pool."""
        return cls(
            sessions=sessions,
            stores=Stores(sessions),
            memories=Memories(sessions),
            documents=Documents(sessions),
            chunks=Chunks(sessions),
            search=Search(sessions, bounds),
            neighbours=Neighbours(sessions),
            maintenance=Maintenance(sessions),
            receipts=Receipts(sessions),
            keys=Keys(sessions),
            idempotency=IdempotencyKeys(sessions),
            artifacts=ArtifactRows(sessions),
            schedules=Schedules(sessions),
            scheduled=Scheduled(sessions),
            embedding_version=embedding_version,
        )
