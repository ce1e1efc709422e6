"""What is cached, by contract: nothing of it is believed before the ledger was asked.

A cache may be down, slow, full of garbage, or lie. So every value is sealed with the secret of the
row it was made of, which a reader gets from the ledger together with the row's current version:
what does not open is as good as not there. Permission, version and erasure are thereby the
ledger's to decide at every read, and a cache saves the fetching of what is large, never the asking.
"""

from __future__ import annotations

import hashlib
from typing import Final
from urllib.parse import quote
from uuid import UUID

from memoledger.model.caching import ADJACENCY, CHUNKS, DEDUPE, DOCUMENT, Contract
from memoledger.ports import Cache
from memoledger.services.sealing import seal, unseal

PREFIX: Final = "memoledger"
"""What every key begins with: a Redis may serve other programs too."""

VALUE_BYTES_MAX: Final = 8_388_608
"""What is larger is not cached: fetching it costs the cache more than the ledger."""


class Cached:
    """The contracts, over a cache of whatever kind."""

    def __init__(self, cache: Cache) -> None:
        self._cache = cache

    @property
    def cache(self) -> Cache:
        """What is underneath."""
        return self._cache

    async def get(self, key: str, secret: bytes) -> bytes | None:
        """What was put there with the same secret; None if there is nothing, or something else."""
        [sealed] = await self._cache.get([key])
        if sealed is None:
            return None
        content = unseal(secret, key, sealed)
        if content is None:
            self._cache.statistics.refuse()
        return content

    async def put(self, contract: Contract, key: str, secret: bytes, content: bytes) -> None:
        """Keep `content` as long as the contract says, unless it is too large."""
        if len(content) <= VALUE_BYTES_MAX:
            await self._cache.set(key, seal(secret, key, content), ttl_s=contract.ttl_s)


def document_key(tenant: str, document_id: UUID) -> str:
    """Where the current version of a document is cached."""
    return _key(tenant, DOCUMENT, str(document_id))


def chunks_key(tenant: str, document_id: UUID, version: int) -> str:
    """Where the chunks of a version of a document are cached."""
    return _key(tenant, CHUNKS, f"{document_id}:v{version}")


def dedupe_key(tenant: str, store_id: UUID, source: str, source_id: str) -> str:
    """Where it is cached what was last learned from a source: under a hash of its names.

    >>> dedupe_key("acme", UUID(int=1), "mail", "7")[:34]
    'memoledger:acme:source-dedupe:0000'
    """
    names = hashlib.sha256()
    for name in (source, source_id):
        names.update(len(name.encode()).to_bytes(8, "big") + name.encode())
    return _key(tenant, DEDUPE, f"{store_id}:{names.hexdigest()}")


def adjacency_key(tenant: str, store_id: UUID, kind: str, node_id: UUID) -> str:
    """Where the neighbours of a node of the graph are cached."""
    return _key(tenant, ADJACENCY, f"{store_id}:{_quoted(kind)}:{node_id}")


def _key(tenant: str, contract: Contract, name: str) -> str:
    return f"{PREFIX}:{_quoted(tenant)}:{contract.name}:{name}"


def _quoted(name: str) -> str:
    """A name without the colons that divide keys: no two tenants share any."""
    return quote(name, safe="")
