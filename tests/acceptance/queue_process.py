"""Writes durably, or only works, until it is killed or told to stop.

    python queue_process.py DATA_DIR write|work COUNT

Everything is derived from a memory's number, so that whoever comes after knows what must be there.
"""

from __future__ import annotations

import asyncio
import hashlib
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from memoledger import Memoledger
from memoledger.model.embedding import EmbeddingVersion
from memoledger.ports import EmbeddingInput, Vectors

DIMENSIONS = 32
TITLED_EVERY = 5
BULK = 25

SETTINGS: dict[str, Any] = {
    "sweep_interval_s": 1.0,
    "queue_lease_s": 1.0,
    "queue_poll_s": 0.2,
    "queue_batch": 16,
}


class SlowEmbedder:
    """A text's vector is drawn from its hash; a call takes a moment, so that kills fall into it."""

    version = EmbeddingVersion("queue", DIMENSIONS)

    async def embed(self, texts: Sequence[str], *, input_type: EmbeddingInput) -> Vectors:
        """One vector a text."""
        await asyncio.sleep(0.02)
        return np.stack([vector_of(text) for text in texts])

    async def aclose(self) -> None:
        """Nothing to close."""


def vector_of(text: str) -> np.ndarray[Any, np.dtype[np.float32]]:
    """A direction for each text."""
    seed = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8])
    drawn = np.random.default_rng(seed).standard_normal(DIMENSIONS)
    return (drawn / np.linalg.norm(drawn)).astype(np.float32)


def memory_of(number: int) -> dict[str, Any]:
    """The memory of a number."""
    memory: dict[str, Any] = {"content": f"Note {number}", "external_id": str(number)}
    if number % TITLED_EVERY == 0:
        memory["title"] = f"Title {number}"
    return memory


async def write(ledger: Memoledger, count: int) -> None:
    """Everything, from the beginning: what is there already is found to be."""
    notes = await (await ledger.principal(tenant="acme", user="alice")).store("notes")
    for start in range(0, count, BULK):
        batch = range(start, min(start + BULK, count))
        if start // BULK % 2:
            await notes.remember_many([memory_of(number) for number in batch], wait="durable")
        else:
            for number in batch:
                await notes.remember(**memory_of(number), wait="durable")


async def main(data_dir: Path, act: str, count: int) -> None:
    """Do it until everything is written, or until SIGTERM."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    opening = Memoledger.open(data_dir=data_dir, embedder=SlowEmbedder(), **SETTINGS)
    async with opening as ledger:
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        if act == "write":
            await write(ledger, count)
        else:
            await stop.wait()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])))
