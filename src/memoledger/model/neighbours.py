"""Neighbours: a memory is found by what was said around it as well.

In a conversation a turn often says little alone: "Yes, last Tuesday" answers a question that
stands in the turn before. So a candidate borrows from the two turns on either side of it, in both
channels:

- **words**: for each term of the query its own weight counts, or a neighbour's times their
  closeness if that is more. Taking the larger, term by term, completes what a turn leaves unsaid;
  adding scores up, which was measured too, rewards saying the same again.
- **vectors**: the mean of its own cosine, which counts three times, and its neighbours', each
  times its closeness.

Closeness is 0.6 for the next turn and 0.36 for the one after it; and 1 for what a question says to
the turn that follows: an answer takes over what it was asked. Neighbours that are unknown (the ends
of a conversation, a memory that belongs to none) take no part, so that a note alone scores as it
does without all this.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

REACH: Final = 2
"""Neighbours on either side that are looked at."""

CLOSENESS: Final = 0.6
"""What the next turn counts, 0 to 1; the square of it at two turns' distance."""

OWN_WEIGHT: Final = 3.0
"""What a memory's own cosine counts beside its neighbours'."""

Numbers = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Links:
    """Who borrows from whom: three arrays of one length.

    Args:
        borrower, lender: rows; no pair twice, and none with itself.
        closeness: 0 to 1.
    """

    borrower: NDArray[np.intp]
    lender: NDArray[np.intp]
    closeness: Numbers


def links(stretches: NDArray[np.intp], asks: Numbers) -> Links:
    """The links between memories that stand near each other.

    Args:
        stretches: pieces of a conversation, one a row, each with the numbers of its memories in
            their order and -1 where there is none. Memories are linked where one piece has both.
        asks: which share of each memory's text is questions, 0 to 1.
    """
    width = stretches.shape[1]
    found = []
    for step in range(1, min(REACH, width - 1) + 1):
        former, latter = stretches[:, :-step].ravel(), stretches[:, step:].ravel()
        both = (former >= 0) & (latter >= 0)
        found.append((former[both], latter[both], CLOSENESS**step, step == 1))
    borrower = np.concatenate([np.concatenate((after, before)) for before, after, _, _ in found])
    lender = np.concatenate([np.concatenate((before, after)) for before, after, _, _ in found])
    closeness = np.concatenate(
        [
            np.concatenate((_inherited(near, asks[before], next_to), np.full(len(after), near)))
            for before, after, near, next_to in found
        ]
    )
    _, distinct = np.unique(borrower * len(asks) + lender, return_index=True)
    return Links(borrower[distinct], lender[distinct], closeness[distinct])


def _inherited(near: float, asks: Numbers, next_to: bool) -> Numbers:
    """What a turn takes from one before it: all of a question right before it."""
    return near + (1.0 - near) * asks if next_to else np.full(len(asks), near)


def cosines_in_context(cosines: Numbers, around: Links) -> Numbers:
    """The weighted mean of each cosine and its neighbours'.

    Args:
        cosines: NaN where a memory has no vector; it stays so, and lends nothing.
    """
    present = ~np.isnan(cosines[around.lender])
    borrower, share = around.borrower[present], around.closeness[present]
    beyond = cosines[around.lender][present] - cosines[borrower]
    size = len(cosines)
    # As a correction of its own, so that who has no neighbours keeps it to the last bit.
    correction: Numbers = np.bincount(borrower, share * beyond, size) / (
        OWN_WEIGHT + np.bincount(borrower, share, size)
    )
    return cosines + correction


def term_scores_in_context(scores: Numbers, around: Links) -> Numbers:
    """What each term of the query adds to each memory's score: its own, or more by a neighbour.

    Args:
        scores: shape (memories, terms): idf x weight x length factor, 0 or more.
    """
    best = scores.copy()
    np.maximum.at(best, around.borrower, scores[around.lender] * around.closeness[:, np.newaxis])
    return best
