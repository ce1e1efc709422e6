"""Names: whose words a question asks for, and what it quotes.

"What did Caroline say about the race?" is answered by Caroline more often than by those who talk to
her, although they say her name and she does not. So the speaker of a memory is compared with the
names in the question, and a memory that holds what the question quotes counts more than one that
has the same words elsewhere.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from memoledger.model.analysis import analyse

NICKNAME_CHARS_MIN: Final = 3
"""The shortest beginning of a name that is taken for it: Mel for Melanie."""

SPELLING_CHARS_MIN: Final = 5
"""The shortest name that may be misspelt: among shorter ones a letter makes another name."""

QUOTES_MAX: Final = 5
"""Quotations of one question that are looked for."""

_WORD = re.compile(r"[^\W\d_]+(?:-[^\W\d_]+)*")
_QUOTED = re.compile(r"\"([^\"]{2,200})\"|“([^”]{2,200})”|«([^»]{2,200})»|„([^“”]{2,200})[“”]")


def named(question: str, speakers: Iterable[str]) -> dict[str, float]:
    """The speakers whom a question names: 1 where the name stands there, 1/2 where it is near.

    Near is a beginning of three letters or more (Mel for Melanie), and, from five letters on, one
    that is a letter off (Carolyne). It counts only if no speaker's name stands there itself. A
    question written with capitals names nobody in small letters: "will" is not Will.
    """
    words = _names_in(question)
    distinct = {speaker: _words(speaker) for speaker in set(speakers)}
    exact = {speaker: 1.0 for speaker, parts in distinct.items() if not words.isdisjoint(parts)}
    if exact or not words:
        return exact
    return {
        speaker: 0.5
        for speaker, parts in distinct.items()
        if any(_is_near(word, part) for word in words for part in parts)
    }


def quoted(question: str) -> list[str]:
    """What stands between quotation marks in a question, tidied, in small letters; at most five."""
    found = ["".join(groups).strip(" .,!?") for groups in _QUOTED.findall(question)]
    return [" ".join(text.lower().split()) for text in found if text][:QUOTES_MAX]


def _names_in(question: str) -> set[str]:
    """Words of a question that may be a name, in small letters."""
    found = _WORD.findall(question)
    if any(word[0].isupper() for word in found[1:]):
        found = [word for word in found if word[0].isupper()]
    return {word.casefold() for word in found if analyse(word)}  # stop words are no names


def _words(name: str) -> set[str]:
    return {word.casefold() for word in _WORD.findall(name)}


def _is_near(word: str, name: str) -> bool:
    shorter, longer = sorted((word, name), key=len)
    if len(shorter) >= NICKNAME_CHARS_MIN and longer.startswith(shorter):
        return True
    return len(shorter) >= SPELLING_CHARS_MIN and _one_edit_apart(shorter, longer)


def _one_edit_apart(shorter: str, longer: str) -> bool:
    """Whether one letter was added, left out, changed or swapped with the next."""
    if len(longer) - len(shorter) > 1:
        return False
    start = 0
    while start < len(shorter) and shorter[start] == longer[start]:
        start += 1
    if len(shorter) < len(longer):
        return shorter[start:] == longer[start + 1 :]
    swapped = shorter[start : start + 2] == longer[start : start + 2][::-1]
    return shorter[start + 1 :] == longer[start + 1 :] or (
        swapped and shorter[start + 2 :] == longer[start + 2 :]
    )
