"""What of a memory enters the indexes: the text that is embedded and the vector of its terms.

**Who and when.** A memory's content often says neither who spoke nor when; questions ask for both.
So a short header, made of the speaker and the time of occurrence where they are known, goes in
front of the content before it is embedded and analysed. The content itself stays as it was given.

**BM25.** A term's weight depends on its count in the memory, on the memory's length and on the
term's rarity (Robertson and Zaragoza, "The Probabilistic Relevance Framework", 2009). Only the
first is known for good when a memory is written, so the score is split:

    score(query, memory) = length_factor(length, mean length) · Σ idf(term) · weight(count)

`weight` is stored as a sparse vector (`TermVector`) and `length` beside it; all else is computed at
query time. Nothing stored depends on other memories, so nothing is rewritten as a store grows.

Two things differ from the textbook. The count saturates independently of the length: that makes the
split possible and costs nothing. And a memory shorter than the mean is not rewarded for it: in
conversations a short turn is a greeting more often than an answer.

Terms are hashed to indices. If two fall on one index, a query for one also finds the other; among
100,000 distinct terms that is expected of five pairs.
"""

from __future__ import annotations

import hashlib
import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from memoledger.model.analysis import Bounded, analyse
from memoledger.model.errors import InvalidInput

INDEXED_TEXT_VERSION: Final = 1
"""Raised whenever the same memory would give another indexed text; it belongs into the settings of
an embedding version, since vectors of different forms do not compare well."""

SPEAKER_CHARS_MAX: Final = 100
"""What of a speaker's name enters the header."""

TERM_SPACE: Final = 1_000_000_000
"""Number of term indices, 1 to this: pgvector's largest sparsevec dimension."""

SATURATION: Final = 1.2
"""BM25's k1: how soon another occurrence of the same term stops to matter."""

LENGTH_PENALTY: Final = 0.75
"""BM25's b, 0 to 1: how much a memory longer than the mean pays for its length."""

_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)


def indexed_text(
    content: str, *, speaker: str | None = None, occurred_at: datetime | None = None
) -> str:
    """The text of a memory that is embedded and analysed: its content, after who and when.

    `Caroline (on Monday 8 May 2023): Hey Mel!` with both, `Caroline: Hey Mel!` and
    `On Monday 8 May 2023: Hey Mel!` with one, the content alone with none. The day is that of UTC
    and the words are English everywhere, so that the same memory always gives the same text.
    The time of day is left out: neighbours share it, and it tells little apart.

    Args:
        content: the memory's content, unchanged.
        speaker: who said or wrote it; white space is tidied and 100 characters are used.
        occurred_at: when it happened, with a time zone. Give it only where it was given
            explicitly: the time of recording says nothing about the content.

    Raises:
        InvalidInput: `occurred_at` has no time zone.
    """
    name = " ".join(speaker.split())[:SPEAKER_CHARS_MAX].rstrip() if speaker else ""
    if occurred_at is None:
        return f"{name}: {content}" if name else content
    day = day_name(occurred_at)
    return f"{name} (on {day}): {content}" if name else f"On {day}: {content}"


def day_name(instant: datetime) -> str:
    """The day of an instant, in UTC and in English: `Monday 8 May 2023`.

    Raises:
        InvalidInput: it has no time zone.
    """
    if instant.utcoffset() is None:
        raise InvalidInput(
            "occurred_at",
            instant.isoformat(),
            "it has no time zone",
            remedy="Add one, for example datetime.now(UTC).",
        )
    day = instant.astimezone(UTC)
    return f"{_DAYS[day.weekday()]} {day.day} {_MONTHS[day.month - 1]} {day.year}"


def lexical_text(indexed: str, *, title: str | None = None, summary: str | None = None) -> str:
    """The text whose terms are indexed: title, summary and the indexed text, as one bag of words.

    (For vectors title and summary are views of their own and are embedded as they are.)
    """
    return "\n".join([part for part in (title, summary, indexed) if part])


def term_index(term: str) -> int:
    """Where a term stands in the sparse vector: 1 to 1,000,000,000, the same on every machine."""
    digest = hashlib.blake2b(term.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "big") % TERM_SPACE + 1


@dataclass(frozen=True, slots=True)
class TermVector:
    """A text as one sparse vector.

    Args:
        indices: term indices, ascending, distinct, 1 to 1,000,000,000; at most 16,000.
        weights: one finite, positive weight for each index.
        length: how many terms the text has, repetitions counted.
    """

    indices: tuple[int, ...]
    weights: tuple[float, ...]
    length: int

    def __bool__(self) -> bool:
        """Whether there is any term."""
        return bool(self.indices)

    def to_binary(self) -> bytes:
        """The vector in sparsevec's binary form, all big-endian.

        Three int32 (dimensions, elements, 0), the indices from 0 as int32, the weights as float32.
        """
        size = len(self.indices)
        zero_based = [i - 1 for i in self.indices]
        return struct.pack(f">3i{size}i{size}f", TERM_SPACE, size, 0, *zero_based, *self.weights)


def document_vector(text: str, language: str = "english") -> TermVector:
    """What is stored of a text: `term_weight` of each term's count, and the text's length.

    Raises:
        InvalidInput: the language is unknown.
    """
    counts = analyse(text, language)
    by_index: dict[int, int] = {}
    for term, count in counts.items():
        index = _INDICES[term]
        by_index[index] = by_index.get(index, 0) + count
    ordered = sorted(by_index.items())
    return TermVector(
        tuple([index for index, _ in ordered]),
        tuple([_WEIGHTS[c] if c < len(_WEIGHTS) else term_weight(c) for _, c in ordered]),
        sum(counts.values()),
    )


def query_terms(text: str, language: str = "english") -> dict[str, int]:
    """The distinct terms of a query with their indices; how often a query says a word is ignored.

    Raises:
        InvalidInput: the language is unknown.
    """
    return {term: _INDICES[term] for term in analyse(text, language)}


def query_vector(memories: int, frequencies: Mapping[int, int]) -> TermVector:
    """What stored vectors are multiplied with: the idf of each term of a query.

    Args:
        memories: how many memories the collection, or the sample of it, holds.
        frequencies: for each index of `query_terms`, in how many of them it occurs; terms that
            occur in none may be left out, they change no score.
    """
    indices = tuple(sorted(frequencies))
    weights = tuple([inverse_document_frequency(memories, frequencies[i]) for i in indices])
    return TermVector(indices, weights, len(indices))


def term_weight(count: int) -> float:
    """The stored weight of a term: 1 for one occurrence, near 2.2 for many (BM25's saturation)."""
    return count * (SATURATION + 1) / (count + SATURATION)


def inverse_document_frequency(memories: int, frequency: int) -> float:
    """How much a term that occurs in `frequency` of `memories` tells; above 0, as Lucene has it."""
    missing = max(memories - frequency, 0)
    return math.log1p((missing + 0.5) / (frequency + 0.5))


def length_factor(length: int, mean_length: float) -> float:
    """What a memory's score is multiplied with: 1 up to the mean length, then falling towards 0.

    BM25's length normalisation at one occurrence, without its reward for being short.

    Args:
        length: the memory's number of terms.
        mean_length: the collection's mean of them; below 1, as in an empty collection, 1 is used.
    """
    relative = max(1.0, length / max(1.0, mean_length))
    return (SATURATION + 1) / (1 + SATURATION * (1 - LENGTH_PENALTY + LENGTH_PENALTY * relative))


_INDICES = Bounded(term_index)
_WEIGHTS = tuple(term_weight(count) for count in range(64))
