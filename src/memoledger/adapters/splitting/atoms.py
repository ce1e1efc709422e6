"""The atoms of a text: lines, the sentences of long lines, and parts of what is longer still."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Final
from zlib import crc32

from memoledger.adapters.splitting.outline import SENTENCE, Outline

if TYPE_CHECKING:
    from semantic_text_splitter import TextSplitter
    from tokenizers import Tokenizer

LINE_CHARS: Final = 240
"""A longer line is taken sentence by sentence."""

ATOM_CHARS_MAX: Final = 2_000
"""No atom has more characters: a "word" of a million letters can be a single token."""

COUNTED_AT_ONCE: Final = 2_048
"""Atoms whose tokens are counted in one call, which releases the interpreter lock."""

_SENTENCE_END = re.compile(r"[.!?…][\"'”’)\]]{0,3}[ \t]+|[\u3002\uff01\uff1f]")


@dataclass(slots=True)
class Atoms:
    """A text in atoms, which follow each other without a gap.

    Args:
        starts: where each begins.
        levels: how good it is to cut before each, the lower the better.
        sections: the headings above each.
        tokens: how long each is.
        torn: those that begin inside of a word: their tokens do not add up with those before.
    """

    starts: list[int] = field(default_factory=list)
    levels: list[int] = field(default_factory=list)
    sections: list[str | None] = field(default_factory=list)
    tokens: list[int] = field(default_factory=list)
    torn: set[int] = field(default_factory=set)

    def hashes(self, text: str) -> list[int]:
        """A number for the text of each, the same on every machine."""
        ends = [*self.starts[1:], len(text)]
        return [
            crc32(text[start:end].strip().encode("utf-8", "replace"))
            for start, end in zip(self.starts, ends, strict=True)
        ]


class AtomMaker:
    """Makes atoms, none longer than a limit.

    Args:
        tokenizer_path: a file of the `tokenizers` library.
        tokens_max: the limit.
    """

    def __init__(self, tokenizer_path: Path, tokens_max: int) -> None:
        self._path = tokenizer_path
        self._tokens_max = tokens_max
        self._lock = Lock()
        self._tokenizer: Tokenizer | None = None
        self._divider: TextSplitter | None = None

    def atoms(self, text: str, outline: Outline) -> Atoms:
        """The atoms of a text with this outline."""
        self._load()
        rough = _sentences(text, outline)
        rough.tokens = self._counts(text, rough.starts)
        ends = [*rough.starts[1:], len(text)]
        if max(rough.tokens, default=0) <= self._tokens_max and all(
            end - start <= ATOM_CHARS_MAX for start, end in zip(rough.starts, ends, strict=True)
        ):
            return rough
        return self._divided(text, rough, ends)

    def _divided(self, text: str, rough: Atoms, ends: list[int]) -> Atoms:
        atoms = Atoms()
        for place, (start, end) in enumerate(zip(rough.starts, ends, strict=True)):
            level, section = rough.levels[place], rough.sections[place]
            parts = [(start, rough.tokens[place])]
            if rough.tokens[place] > self._tokens_max or end - start > ATOM_CHARS_MAX:
                parts = self._parts(text, start, end)
            for at, count in parts:
                if at > start:
                    level = SENTENCE
                    if not (text[at - 1].isspace() or text[at].isspace()):
                        atoms.torn.add(len(atoms.starts))
                atoms.starts.append(at)
                atoms.levels.append(level)
                atoms.sections.append(section)
                atoms.tokens.append(count)
        return atoms

    def _parts(self, text: str, start: int, end: int) -> list[tuple[int, int]]:
        """Where the parts of one long atom begin, and how long they are."""
        assert self._divider is not None
        starts: list[int] = []
        for first, last in _short_enough(text, start, end):
            starts += [first + at for at, _ in self._divider.chunk_indices(text[first:last])]
        parts: list[tuple[int, int]] = []
        counts = self._counts(text, starts, end)
        for first, last, count in zip(starts, [*starts[1:], end], counts, strict=True):
            parts += self._halved(text, first, last, count)
        return parts

    def _halved(self, text: str, start: int, end: int, count: int) -> list[tuple[int, int]]:
        """One character of many accents can be more than the divider counted on."""
        if count <= self._tokens_max or end - start < 2:
            return [(start, count)]
        middle = (start + end) // 2
        first, second = self._counts(text, [start, middle], end)
        return [
            *self._halved(text, start, middle, first),
            *self._halved(text, middle, end, second),
        ]

    def _counts(self, text: str, starts: list[int], end: int | None = None) -> list[int]:
        tokenizer = self._tokenizer
        assert tokenizer is not None
        ends = [*starts[1:], len(text) if end is None else end]
        counts: list[int] = []
        for at in range(0, len(starts), COUNTED_AT_ONCE):
            stop = at + COUNTED_AT_ONCE
            batch = [text[a:b] for a, b in zip(starts[at:stop], ends[at:stop], strict=True)]
            counts += map(len, tokenizer.encode_batch_fast(batch, add_special_tokens=False))
        return counts

    def _load(self) -> None:
        if self._divider is not None:
            return
        with self._lock:
            if self._divider is None:
                # Some tenths of a second, so not before a first text is there.
                from semantic_text_splitter import TextSplitter
                from tokenizers import Tokenizer

                tokenizer = Tokenizer.from_file(str(self._path))
                tokenizer.no_truncation()
                tokenizer.no_padding()
                tokenizer.encode_special_tokens = True
                self._tokenizer = tokenizer
                self._divider = TextSplitter.from_huggingface_tokenizer(
                    tokenizer, self._tokens_max, trim=False
                )


def _sentences(text: str, outline: Outline) -> Atoms:
    """The lines of an outline, long ones sentence by sentence."""
    atoms = Atoms()
    ends = [*outline.starts[1:], len(text)]
    for start, end, level, section in zip(
        outline.starts, ends, outline.levels, outline.sections, strict=True
    ):
        at, atom_level = start, level
        if end - start > LINE_CHARS:
            for found in _SENTENCE_END.finditer(text, start, end):
                if found.end() < end:
                    atoms.starts.append(at)
                    atoms.levels.append(atom_level)
                    atoms.sections.append(section)
                    at, atom_level = found.end(), SENTENCE
        atoms.starts.append(at)
        atoms.levels.append(atom_level)
        atoms.sections.append(section)
    return atoms


def _short_enough(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """A range in ranges of at most so many characters, cut after white space where there is some.

    The library that divides atoms looks for sentences and words in all it is given, which would
    take long for a line of megabytes.
    """
    while end - start > ATOM_CHARS_MAX:
        latest = start + ATOM_CHARS_MAX
        cut = max(text.rfind(space, start, latest) for space in " \n\t")
        stop = cut + 1 if cut >= start else latest
        yield start, stop
        start = stop
    yield start, end
