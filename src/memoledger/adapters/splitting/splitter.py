"""The splitter: pieces of about the length that a small embedding model sees at once."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Final

from memoledger.adapters.splitting.atoms import AtomMaker, Atoms
from memoledger.adapters.splitting.cuts import Cuts
from memoledger.adapters.splitting.outline import PARAGRAPH, outline_of
from memoledger.model.checks import check_count
from memoledger.model.document import Piece

TOKENS_MAX: Final = 224
"""What a piece may have: of the 254 that the local model sees at once, 30 are left for headings."""

OVERLAP_TOKENS: Final = 32
"""What a piece may repeat of the one before: a sentence or two."""

_TOKENS_LEAST: Final = 16
_TOKENS_MOST: Final = 8_192

_FORM: Final = "1"
"""Goes up whenever the same text is cut at other places."""


class TextPieces:
    """Cuts texts where headings, definitions, paragraphs, lines and sentences begin, in this order.

    A piece has no more than `tokens_max` tokens, and about half of that at least where the text has
    as many. Where a cut leaves something out of sight that belongs together (between paragraphs,
    lines or sentences, but not before a heading or a definition), the piece behind it begins with
    the last lines or sentences of the one before, up to `overlap_tokens`. A cut depends on what is
    within about a piece's length of it and on nothing else; so does a change.

    Safe to use from several threads.

    Args:
        tokenizer_path: a file of the `tokenizers` library.
        tokenizer_name: what it is called in lineages.
        tokens_max: 16 to 8,192.
        overlap_tokens: 0 to half of `tokens_max`.

    Raises:
        InvalidInput: a number is out of range.
    """

    def __init__(
        self,
        tokenizer_path: Path,
        tokenizer_name: str,
        *,
        tokens_max: int = TOKENS_MAX,
        overlap_tokens: int = OVERLAP_TOKENS,
    ) -> None:
        self._tokens_max = check_count(
            "tokens_max", tokens_max, least=_TOKENS_LEAST, most=_TOKENS_MOST
        )
        self._overlap = check_count(
            "overlap_tokens", overlap_tokens, least=0, most=self._tokens_max // 2
        )
        self._own = self._tokens_max - self._overlap
        self._maker = AtomMaker(tokenizer_path, self._own)
        self._name = f"local-cuts-{_FORM}:{tokenizer_name}:{tokens_max}:{overlap_tokens}"

    @property
    def name(self) -> str:
        """The method, whose tokens it counts, the longest piece and overlap."""
        return self._name

    def split(self, text: str, media_type: str) -> list[Piece]:
        """The pieces of `text`; see `memoledger.ports.Splitter`.

        Args:
            media_type: Markdown is cut at its headings, code at its definitions; everything else is
                taken as paragraphs and lines.
        """
        if not text or text.isspace():
            return []
        atoms = self._maker.atoms(text, outline_of(text, media_type))
        hashes = atoms.hashes(text)
        pieces: list[Piece] = []
        # Tokens of the two halves of a word do not add up to those of the word: nothing may join
        # them, so that what is before and what is behind are split as if they were two texts.
        for first, stop in pairwise([0, *sorted(atoms.torn), len(atoms.starts)]):
            cuts = Cuts(
                atoms.tokens[first:stop], atoms.levels[first:stop], hashes[first:stop], self._own
            )
            own = [(first + begin, first + end) for begin, end in cuts.pieces()]
            pieces += self._pieces(text, atoms, own)
        return pieces

    def _pieces(self, text: str, atoms: Atoms, own: list[tuple[int, int]]) -> Iterator[Piece]:
        """Ranges of atoms as pieces, but for those in which there is nothing to be seen."""
        least = own[0][0]
        for begin, stop in own:
            first = begin
            while first < stop and _blank(text, atoms, first):
                first += 1
            if first < stop:
                yield _piece(text, atoms, (self._with_overlap(atoms, least, first), first, stop))
                least = first + 1  # So that no piece is part of the next one.

    def _with_overlap(self, atoms: Atoms, least: int, first: int) -> int:
        """From which atom on a piece shows what is before it."""
        room, begin = self._overlap, first
        while begin > least and atoms.levels[begin] >= PARAGRAPH:
            room -= atoms.tokens[begin - 1]
            if room < 0:
                break
            begin -= 1
        return begin


def _piece(text: str, atoms: Atoms, span: tuple[int, int, int]) -> Piece:
    """The atoms from `begin` to `stop`, the first of its own being `first`."""
    begin, first, stop = span
    start = atoms.starts[begin]
    shown = text[start : _end(text, atoms, stop - 1)]
    start += len(shown) - len(shown.lstrip())
    shown = shown.strip()
    tokens = sum(atoms.tokens[begin:stop])
    return Piece(shown, start, start + len(shown), atoms.sections[first], tokens)


def _end(text: str, atoms: Atoms, place: int) -> int:
    return atoms.starts[place + 1] if place + 1 < len(atoms.starts) else len(text)


def _blank(text: str, atoms: Atoms, place: int) -> bool:
    return text[atoms.starts[place] : _end(text, atoms, place)].isspace()
