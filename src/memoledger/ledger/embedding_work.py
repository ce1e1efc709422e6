"""All that changing embedding versions takes, over one connection of the owner's."""

from __future__ import annotations

from dataclasses import dataclass

from memoledger.ledger.embedding_checks import EmbeddingChecks
from memoledger.ledger.embedding_texts import EmbeddingTexts
from memoledger.ledger.embedding_versions import EmbeddingVersions
from memoledger.ledger.round_trip import Connection
from memoledger.ledger.store_indexes import Effort, StoreIndexes


@dataclass(frozen=True, slots=True)
class EmbeddingWork:
    """What services read and write when an embedding version is filled, looked at or changed."""

    versions: EmbeddingVersions
    texts: EmbeddingTexts
    checks: EmbeddingChecks
    indexes: StoreIndexes

    @classmethod
    def over(cls, connection: Connection, effort: Effort) -> EmbeddingWork:
        """All of it over one connection, in autocommit mode, that is used for nothing else."""
        return cls(
            EmbeddingVersions(connection),
            EmbeddingTexts(connection),
            EmbeddingChecks(connection),
            StoreIndexes(connection, effort),
        )
