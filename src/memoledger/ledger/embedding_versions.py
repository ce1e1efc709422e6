"""Embedding versions in the ledger: each a namespace of vectors, a partition of its own."""

from __future__ import annotations

from psycopg.types.json import Jsonb

from memoledger.ledger.failures import translated
from memoledger.ledger.round_trip import Connection
from memoledger.ledger.statements import statements
from memoledger.model.embedding import EmbeddingVersion
from memoledger.model.errors import Forbidden

_SQL = statements("embedding_versions")
_BECOME_OWNER = statements("principals")["become_owner"]


async def find_embedding_version(connection: Connection, version: EmbeddingVersion) -> int | None:
    """The ledger's number for an embedding version; None if it was never declared."""
    params = {"name": version.name}
    cursor = await connection.execute(_SQL["find_embedding_version"].sql, params)
    row = await cursor.fetchone()
    return None if row is None else int(row[0])


async def declare_embedding_version(connection: Connection, version: EmbeddingVersion) -> int:
    """Declare an embedding version and make its partition.

    Raises:
        Forbidden: the connection's login cannot become the owner.
    """
    params = {
        "name": version.name,
        "model": version.model,
        "dimensions": version.dimensions,
        "settings": Jsonb(dict(version.settings)),
    }
    try:
        with translated():
            async with connection.transaction():
                await connection.execute(_BECOME_OWNER.sql)
                cursor = await connection.execute(_SQL["declare_embedding_version"].sql, params)
                row = await cursor.fetchone()
    except Forbidden:
        raise Forbidden(
            f"The embedding version {version.name} is new here, and this login may not declare it.",
            remedy="Open the ledger once with MEMOLEDGER_ADMIN_DATABASE_URL set to a login that "
            "may migrate.",
        ) from None
    assert row is not None, "the function returns a row"
    return int(row[0])
