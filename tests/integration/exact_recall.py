"""Recall as it is defined, over a plain list in NumPy: what the ledger's answers are compared with.

Nothing here knows of SQL, hashes of terms or candidates: every memory is scored, then all sorted.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from memoledger.model.analysis import analyse
from memoledger.model.indexing import indexed_text
from memoledger.model.memory import Memory
from memoledger.model.names import named

HALF = 1e-5
"""How far sums of half-precision products may lie apart by the order of their addition."""


@dataclass(frozen=True)
class Version:
    """One version of a memory as it was written, and when it ended: superseded or forgotten."""

    memory: Memory
    vectors: Mapping[str, NDArray[np.float32]]
    ended_at: datetime | None = None

    def shown_to(self, user: str, at: datetime) -> bool:
        """Whether a user saw it at an instant."""
        memory = self.memory
        return (
            memory.recorded_at <= at
            and (self.ended_at is None or self.ended_at > at)
            and (memory.expires_at is None or memory.expires_at > at)
            and (memory.privacy == "store" or memory.created_by == user)
        )

    def words(self) -> Counter[str]:
        """Its terms, counted, of title, summary and body together."""
        memory = self.memory
        speaker = memory.metadata.get("speaker")
        body = indexed_text(memory.content, speaker=speaker, occurred_at=memory.occurred_at)
        texts = [text for text in (memory.title, memory.summary, body) if text]
        return Counter(analyse("\n".join(texts)))


@dataclass(frozen=True)
class Scored:
    """A memory with what it scores in each channel and altogether."""

    memory: Memory
    dense: float
    lexical: float
    score: float


def passes(memory: Memory, asked: Mapping[str, Any]) -> bool:
    """The filter in words: everything given must hold; empty lists and objects let all through."""
    when = memory.occurred_at or memory.recorded_at
    return (
        (not asked.get("types") or memory.type in asked["types"])
        and set(asked.get("tags", ())) <= set(memory.tags)
        and ("since" not in asked or when >= asked["since"])
        and ("until" not in asked or when < asked["until"])
        and memory.importance >= asked.get("min_importance", 0)
        and ("valid_at" not in asked or was_true(memory, asked["valid_at"]))
        and contains(memory.metadata, asked.get("metadata", {}))
    )


def was_true(memory: Memory, at: datetime) -> bool:
    """Whether what it says was true at an instant; an end that is not given is open."""
    begun = memory.valid_from is None or memory.valid_from <= at
    return begun and (memory.valid_to is None or memory.valid_to > at)


def contains(whole: object, part: object) -> bool:
    """JSON containment: an object its members, a list its items, a value itself."""
    if isinstance(part, dict):
        return isinstance(whole, dict) and all(
            name in whole and contains(whole[name], value) for name, value in part.items()
        )
    if isinstance(part, list):
        return isinstance(whole, list) and all(
            any(contains(one, wanted) for one in whole) for wanted in part
        )
    return whole == part and type(whole) is type(part)


def recall(
    shown: Sequence[Version],
    text: str,
    vector: NDArray[np.float32],
    *,
    mode: str,
    min_similarity: float | None,
    asked: Mapping[str, Any],
) -> list[Scored]:
    """Every memory that passes, best first.

    Args:
        shown: what the principal sees, at the instant asked for.
        text, vector: the query.
        asked: the filter.
    """
    passing = [version for version in shown if passes(version.memory, asked)]
    dense = [similarity(version, vector) for version in passing]
    lexical = [bm25(version, text, shown) for version in passing]
    kept = [
        place
        for place in range(len(passing))
        if (mode != "lexical" or lexical[place] > 0)
        and (min_similarity is None or dense[place] >= min_similarity)
    ]
    fused = fuse([dense[place] for place in kept], [lexical[place] for place in kept])
    names = [str(passing[place].memory.metadata.get("speaker") or "") for place in kept]
    fused = with_names(fused, names, text)
    scores = {"dense": dense, "lexical": lexical, "hybrid": dict(zip(kept, fused, strict=True))}
    found = [
        Scored(passing[place].memory, dense[place], lexical[place], scores[mode][place])
        for place in kept
    ]
    return sorted(found, key=lambda one: -one.score)


def similarity(version: Version, vector: NDArray[np.float32]) -> float:
    """The best view's cosine, of vectors rounded to half precision as they are stored."""
    asked = vector.astype(np.float16).astype(np.float64)
    return max(
        float(asked @ given.astype(np.float16).astype(np.float64))
        for given in version.vectors.values()
    )


def bm25(version: Version, text: str, shown: Sequence[Version]) -> float:
    """BM25 as model/indexing.py describes it, with k1 = 1.2 and b = 0.75."""
    words = version.words()
    bags = [each.words() for each in shown]
    mean_length = max(1.0, sum(bag.total() for bag in bags) / len(bags))
    longer = max(1.0, words.total() / mean_length)
    score = 0.0
    for word in analyse(text):
        frequency = sum(word in bag for bag in bags)
        rarity = math.log(1 + (len(bags) - frequency + 0.5) / (frequency + 0.5))
        score += rarity * words[word] * 2.2 / (words[word] + 1.2)
    return score * 2.2 / (1 + 1.2 * (0.25 + 0.75 * longer))


def fuse(dense: Sequence[float], lexical: Sequence[float]) -> list[float]:
    """By clarity, after cosines are placed between their least and best, and words by theirs."""
    if not dense:
        return []
    spread = max(max(dense) - min(dense), 0.05)
    near = [1 - (max(dense) - one) / spread for one in dense]
    if max(lexical) == 0:
        return near
    clear, plain = math.sqrt(clarity(dense)), math.sqrt(clarity(lexical))
    weight = clear / (clear + plain) if clear + plain else 0.5
    return [
        weight * d + (1 - weight) * s / max(lexical) for d, s in zip(near, lexical, strict=True)
    ]


def clarity(scores: Sequence[float]) -> float:
    """Standard deviations between the mean and the best."""
    deviation = float(np.std(scores))
    return (max(scores) - float(np.mean(scores))) / deviation if deviation > 1e-6 else 0.0


def with_names(scores: Sequence[float], speakers: Sequence[str], text: str) -> list[float]:
    """15 % more for those whose speaker is named, where that tells any two apart."""
    found = named(text, [name for name in speakers if name])
    shares = [found.get(name, 0.0) if name else 1.0 for name in speakers]
    if not found or len(set(shares)) < 2:
        return list(scores)
    return [(score + 0.15 * share) / 1.15 for score, share in zip(scores, shares, strict=True)]


def assert_same(hits: Sequence[Any], exact: Sequence[Scored], limit: int, *, mode: str) -> None:
    """The ledger's answer is the exact one: the same memories and scores, in order up to ties."""
    near = {"dense": HALF, "lexical": 1e-4, "hybrid": 2e-3}[mode]
    by_id: dict[UUID, Scored] = {one.memory.id: one for one in exact}
    assert len(hits) == min(limit, len(exact))
    assert len({hit.memory.id for hit in hits}) == len(hits)
    for place, (hit, best) in enumerate(zip(hits, exact, strict=False), start=1):
        one = by_id[hit.memory.id]
        assert hit.memory == one.memory
        assert math.isclose(hit.score, best.score, rel_tol=near, abs_tol=near)
        assert math.isclose(hit.score, one.score, rel_tol=near, abs_tol=near)
        if hit.parts is not None:
            assert hit.parts.rank == place
            if mode != "lexical":
                assert math.isclose(hit.parts.dense, one.dense, abs_tol=HALF)
            if mode == "hybrid":
                assert math.isclose(hit.parts.lexical or 0, one.lexical, rel_tol=1e-4, abs_tol=1e-4)
