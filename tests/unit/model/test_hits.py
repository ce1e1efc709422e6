"""Hits: a memory or a chunk, and which of the two is never in doubt."""

from __future__ import annotations

import json
from dataclasses import fields
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from memoledger.model.document import Chunk
from memoledger.model.errors import InvalidInput
from memoledger.model.hits import Hit
from memoledger.model.memory import Memory

NOW = datetime(2026, 5, 8, 13, 56, tzinfo=UTC)
LISTS = {"tags": (), "subject_refs": (), "keywords": ()}


def made(kind: type[Any], **given: Any) -> Any:
    empty: dict[str, Any] = {field.name: None for field in fields(kind)}
    known = {"id": UUID(int=1), "recorded_at": NOW, "metadata": {}, **LISTS, **given}
    return kind(**empty | {name: value for name, value in known.items() if name in empty})


MEMORY: Memory = made(Memory, content="said")
CHUNK: Chunk = made(Chunk, text="written")


def test_a_memory() -> None:
    hit = Hit(found=MEMORY, score=1.0)
    assert (hit.family, hit.id, hit.text) == ("memory", MEMORY.id, "said")
    assert hit.memory is MEMORY
    assert hit.chunk is None
    told = hit.as_dict()
    assert told["memory"] == MEMORY.as_dict()
    assert told["chunk"] is None


def test_a_chunk() -> None:
    hit = Hit(found=CHUNK, score=1.0, folded=(UUID(int=2),))
    assert (hit.family, hit.id, hit.text) == ("chunk", CHUNK.id, "written")
    assert hit.chunk is CHUNK
    told = json.loads(json.dumps(hit.as_dict()))
    assert (told["family"], told["id"], told["memory"]) == ("chunk", str(CHUNK.id), None)
    assert told["chunk"]["text"] == "written"
    assert told["folded"] == [str(UUID(int=2))]


def test_a_chunk_is_no_memory_and_says_what_to_do() -> None:
    with pytest.raises(InvalidInput, match="chunk of a document") as caught:
        _ = Hit(found=CHUNK, score=1.0).memory
    assert "families" in (caught.value.remedy or "")
