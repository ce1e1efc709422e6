"""Keywords: the words that tell a chunk from the other chunks of its document."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from heapq import nsmallest

from memoledger.model import limits
from memoledger.model.analysis import analyse
from memoledger.model.indexing import term_weight

_WORDS = re.compile(r"[^\W\d_][\w'-]{2,39}")


def keywords_of(
    texts: Sequence[str], language: str = "english", *, of: Sequence[int] | None = None
) -> list[tuple[str, ...]]:
    """Of each text up to eight words that occur often in it and seldom in the others, best first.

    Words that only hold a sentence together are none. Equals follow each other alphabetically, so
    that the same texts always have the same keywords.

    Args:
        of: the places of those whose keywords are wanted, in the order of the answer; None for all.

    >>> keywords_of(["Tea is tea.", "Coffee is coffee, not tea."])
    [('tea',), ('coffee', 'tea')]
    """
    wanted = range(len(texts)) if of is None else of
    spread: Counter[str] = Counter()
    for text in texts if wanted else ():
        spread.update(set(_WORDS.findall(text.lower())))
    rarity = [0.0, *(math.log1p(len(texts) / count) for count in range(1, len(texts) + 1))]
    return [_best(texts[place], spread, rarity, language) for place in wanted]


def _best(
    text: str, spread: Counter[str], rarity: Sequence[float], language: str
) -> tuple[str, ...]:
    counts = Counter(_WORDS.findall(text.lower()))
    ranked = [(-term_weight(count) * rarity[spread[word]], word) for word, count in counts.items()]
    # Few of the best are words that say nothing, so that twice as many hold enough; or all do.
    for most in (2 * limits.KEYWORDS_MAX, len(ranked)):
        telling = [word for _, word in nsmallest(most, ranked) if analyse(word, language)]
        if len(telling) >= limits.KEYWORDS_MAX:
            break
    return tuple(telling[: limits.KEYWORDS_MAX])
