"""Made-up memories whose vectors and words are spread as real ones are.

**Vectors.** Noise that is alike in all 384 dimensions would be unlike anything: no index can order
it, because all of it is equally far away. Here a vector is the sum of a direction that all texts
share, one of 64 topics, one of 1,024 subtopics, one of 16,384 themes and noise of its own, brought
to length 1; and all but the first falls off along the dimensions as the local model's vectors do.
Compared with 39,500 sentences out of documentation and conversations that it embedded: 59 % of the
variance is in the first 50 directions and 90 % in the first 200 (theirs: 54 and 92), two strangers'
cosine is 0.10 ± 0.09 (0.09 ± 0.10), the tenth of 10,000 is at 0.49 (0.47) and of 39,500 at 0.56
(0.54), and a graph (HNSW) searched at width 100 finds 99.2 % (99.3 %) of the ten nearest. Topics
are shared by all users and their sizes follow Zipf's law, so that a query's nearest neighbours in
the whole table are other users' memories.

**Words.** Drawn by Zipf's law from the local model's vocabulary, which lists some 20,000 English
words, the frequent ones first; 6 to 40 words a memory, 20 in the mean, about 120 characters. It is
no English, but its words are as often stop words, as long, and as rare as those of English.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

DIMENSIONS: Final = 384
GROUPS: Final = (64, 1_024, 16_384)
"""Topics, subtopics, themes."""

_SHARED, _OWN = 0.3, 0.64
_IN_GROUPS: Final = (0.4, 0.35, 0.44)  # all squares together are about 1

_FALL_OFF, _PLATEAU = 1.2, 15.0
"""A dimension's variance is as (its number + the plateau) to the minus fall-off."""

TAGS: Final = {"1 %": 100, "0.1 %": 1_000}
"""Tags, and every how many memories carry each."""

STOP_WORDS: Final = 150
"""So many of the most frequent words are left out of questions."""


@dataclass(frozen=True, slots=True)
class Sample:
    """Memories to be written and the vectors they are given.

    Args:
        texts: distinct contents.
        vectors: unit vectors, float32 of shape (len(texts), 384).
    """

    texts: list[str]
    vectors: NDArray[np.float32]

    def drafts(
        self, start: int = 0, stop: int | None = None, *, first_id: int = 0
    ) -> Iterator[dict[str, Any]]:
        """What `remember_many` takes; external ids count the sample's places from `first_id`.

        Every hundredth and every thousandth carry the tags "1 %" and "0.1 %".
        """
        for place in range(start, len(self.texts) if stop is None else stop):
            yield {
                "content": self.texts[place],
                "external_id": str(first_id + place),
                "embedding": self.vectors[place],
                "tags": [tag for tag, every in TAGS.items() if place % every == 0],
            }


class Sampler:
    """Draws memories and questions from one world of topics and words.

    Args:
        seed: the same seed draws the same.
    """

    def __init__(self, seed: int = 7) -> None:
        self._random = np.random.default_rng(seed)
        spread = (np.arange(DIMENSIONS) + _PLATEAU) ** -_FALL_OFF
        self._spread = np.sqrt(spread / spread.sum()).astype(np.float32)
        square = self._random.standard_normal((DIMENSIONS, DIMENSIONS))
        self._turn = np.linalg.qr(square)[0].astype(np.float32)
        self._shared = _unit(self._random.standard_normal((1, DIMENSIONS), np.float32))
        self._groups = [self._noise(count) for count in GROUPS]
        self._words = np.array(_vocabulary())
        self._word_chances = _zipf(len(self._words))
        self._theme_chances = _zipf(GROUPS[-1])

    def memories(self, count: int) -> Sample:
        """`count` memories; their texts are distinct."""
        return Sample(self.texts(count), self.vectors(count))

    def vectors(self, count: int) -> NDArray[np.float32]:
        """Unit vectors of shape (count, 384); questions' are drawn like memories'."""
        themes = self._random.choice(GROUPS[-1], count, p=self._theme_chances)
        vectors = _OWN * self._noise(count)
        for part, group in zip(_IN_GROUPS, self._groups, strict=True):
            vectors += part * group[themes % len(group)]
        return _unit(vectors @ self._turn + _SHARED * self._shared)

    def _noise(self, count: int) -> NDArray[np.float32]:
        """Vectors of about length 1, most of it in few dimensions; not yet turned."""
        noise: NDArray[np.float32] = self._random.standard_normal((count, DIMENSIONS), np.float32)
        noise *= self._spread
        return noise

    def texts(self, count: int) -> list[str]:
        """`count` distinct contents of 6 to 40 words."""
        lengths = np.clip(self._random.gamma(4.0, 5.0, count).astype(int), 6, 40)
        drawn = self._random.choice(self._words, int(lengths.sum()), p=self._word_chances)
        ends = np.cumsum(lengths).tolist()
        starts = [0, *ends[:-1]]
        words = drawn.tolist()
        # A number at the end keeps two short ones from being the same.
        return [
            f"{' '.join(words[start:end]).capitalize()} {place}."
            for place, (start, end) in enumerate(zip(starts, ends, strict=True))
        ]

    def questions(self, count: int) -> list[str]:
        """Questions of four words, rare ones as likely as in texts but without the commonest."""
        chances = self._word_chances[STOP_WORDS:] / self._word_chances[STOP_WORDS:].sum()
        drawn = self._random.choice(self._words[STOP_WORDS:], (count, 4), p=chances)
        return [" ".join(row) for row in drawn.tolist()]


def _vocabulary() -> list[str]:
    """English words, the most frequent first."""
    from tokenizers import Tokenizer

    import memoledger_minilm as minilm

    numbers = Tokenizer.from_file(str(minilm.TOKENIZER_PATH)).get_vocab()
    words = sorted(numbers, key=numbers.__getitem__)
    return [word for word in words if len(word) > 1 and word.isascii() and word.isalpha()]


def _zipf(count: int) -> NDArray[np.float64]:
    """Chances of ranks 1 to `count` by Zipf's law with Mandelbrot's shift."""
    weights = 1 / (np.arange(count, dtype=np.float64) + 2.7)
    chances: NDArray[np.float64] = weights / weights.sum()
    return chances


def _unit(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit: NDArray[np.float32] = (vectors / lengths).astype(np.float32)
    return unit
