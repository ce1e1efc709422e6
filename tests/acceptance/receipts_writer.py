"""Recalls as fast as it can, and says after each flush which receipts are durable, until killed.

python receipts_writer.py DATA_DIR
"""

from __future__ import annotations

import asyncio
import sys

import numpy as np

from memoledger import Memoledger
from memoledger.model.embedding import EmbeddingVersion
from memoledger.ports import EmbeddingInput, Vectors

USERS = 5


class OneVector:
    """Everything means the same."""

    version = EmbeddingVersion("one", 4)

    async def embed(self, texts: list[str], *, input_type: EmbeddingInput) -> Vectors:
        """One vector a text."""
        return np.full((len(texts), 4), 0.5, dtype=np.float32)

    async def aclose(self) -> None:
        """Nothing to close."""


async def recall_for_ever(data_dir: str) -> None:
    """Never returns; prints the receipts that are durable, one flush a line."""
    async with Memoledger.open(data_dir=data_dir, embedder=OneVector()) as ledger:
        stores = []
        for number in range(USERS):
            user = await ledger.principal(tenant="acme", user=f"user{number}")
            stores.append(await user.store("notes"))
            await stores[-1].remember("tea")
        while True:
            hits = [await store.recall("tea") for store in stores * 4]
            await ledger.application.context.receipts.flush()
            sys.stdout.write(" ".join(str(hit.receipt_id) for hit in hits) + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(recall_for_ever(sys.argv[1]))
