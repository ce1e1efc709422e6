"""Remembers as fast as it can, and writes down what was acknowledged, until it is killed.

    python crash_writer.py DATA_DIR ACKNOWLEDGED COUNT

Everything is derived from a memory's number, so that whoever comes after knows what must be there.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from memoledger import Memoledger
from memoledger.model.embedding import EmbeddingVersion
from memoledger.ports import EmbeddingInput, Vectors
from memoledger.surfaces.python.store import StoreHandle

DIMENSIONS = 32
SINGLE_WRITERS = 8
BULK_WRITERS = 2
TITLED_EVERY = 7
SHARED_IDS = 20
"""External ids whose content changes again and again."""

WORDS = ("tea", "milk", "sugar", "water", "roadmap", "meeting", "kettle")


class NoEmbedder:
    """Every vector is given; a title's is drawn from its length."""

    version = EmbeddingVersion("crash", DIMENSIONS)

    async def embed(self, texts: Sequence[str], *, input_type: EmbeddingInput) -> Vectors:
        """One vector a text."""
        return np.stack([title_vector(text) for text in texts])

    async def aclose(self) -> None:
        """Nothing to close."""


def vector_of(number: int) -> np.ndarray[Any, np.dtype[np.float32]]:
    """A direction for each number."""
    drawn = np.random.default_rng(number).standard_normal(DIMENSIONS)
    return (drawn / np.linalg.norm(drawn)).astype(np.float32)


def title_vector(title: str) -> np.ndarray[Any, np.dtype[np.float32]]:
    """A direction for each title's length, which no memory has."""
    return vector_of(10**6 + len(title))


def memory_of(number: int) -> dict[str, Any]:
    """The memory of a number: its fields."""
    memory: dict[str, Any] = {
        "content": f"{number} {WORDS[number % 7]} and {WORDS[number % 5]}",
        "importance": number % 11 / 10,
        "tags": [f"tag {number % 3}"],
        "metadata": {"number": number},
        "embedding": vector_of(number),
    }
    if number % TITLED_EVERY == 0:
        memory["title"] = f"Title of {number}"
    if is_shared(number):
        memory["external_id"] = f"shared {number // 10 % SHARED_IDS}"
    return memory


def is_shared(number: int) -> bool:
    """Whether it is a version of something that others change too; only single writers do that."""
    return number % 10 == 3


async def write(
    data_dir: str | Path,
    acknowledged: str | Path,
    count: int,
    ready: Callable[[], None] = lambda: None,
) -> None:
    """Remember everything from 0 to `count`: half of it singly, half of it in bulk."""
    out = os.open(acknowledged, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)

    def acknowledge(number: int, memory: Any) -> None:
        line = {"number": number, "id": str(memory.id), "version": memory.version}
        # One system call a line: what the kernel has, survives the process.
        os.write(out, json.dumps(line).encode() + b"\n")

    opening = Memoledger.open(data_dir=data_dir, embedder=NoEmbedder(), pool_max=SINGLE_WRITERS)
    async with opening as ledger:
        store = await (await ledger.principal(tenant="acme", user="alice")).store("notes")
        alone = (n for n in range(count) if n % 4 < 2 or is_shared(n))
        rest = [n for n in range(count) if n % 4 >= 2 and not is_shared(n)]
        ready()
        await asyncio.gather(
            *(singly(store, alone, acknowledge) for _ in range(SINGLE_WRITERS)),
            *(in_bulk(store, rest[i::BULK_WRITERS], acknowledge) for i in range(BULK_WRITERS)),
        )
    os.close(out)


async def singly(store: StoreHandle, numbers: Iterator[int], acknowledge: Any) -> None:
    """One after the other, beside the other writers."""
    for number in numbers:
        memory = await store.remember(**memory_of(number))
        acknowledge(number, memory)


async def in_bulk(store: StoreHandle, numbers: Sequence[int], acknowledge: Any) -> None:
    """In batches."""

    def note(items: Sequence[Any]) -> None:
        for item in items:
            assert item.error is None
            acknowledge(numbers[item.position - 1], item)

    given = (memory_of(number) for number in numbers)
    await store.remember_many(given, batch_size=50, on_items=note)


def say_ready() -> None:
    """Tell who started this that the writing begins."""
    sys.stdout.write("ready\n")
    sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(write(sys.argv[1], sys.argv[2], int(sys.argv[3]), say_ready))
