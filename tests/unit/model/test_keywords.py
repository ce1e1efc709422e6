"""Keywords: what tells a chunk from the others of its document."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from memoledger.model import limits
from memoledger.model.keywords import keywords_of

TEXTS = [
    "The kettle boils. The kettle is hot, and the kettle sings.",
    "A cup of tea, and another cup of tea.",
    "Milk and sugar go into the cup.",
]


def test_the_words_of_each_text_best_first() -> None:
    kettle, cup, milk = keywords_of(TEXTS)
    assert kettle[0] == "kettle"
    assert set(cup) == {"tea", "cup", "another"}
    assert cup[0] == "tea"  # "cup" is in another text too
    assert milk == ("milk", "sugar", "cup")


def test_words_that_only_hold_a_sentence_together_are_none() -> None:
    assert keywords_of(["the and of which"]) == [()]
    assert keywords_of(["", "42 7 !"]) == [(), ()]


def test_there_are_a_few_at_most() -> None:
    [found] = keywords_of([" ".join(f"word{chr(97 + n)}" for n in range(26))])
    assert len(found) == limits.KEYWORDS_MAX


@given(st.lists(st.text(max_size=60), max_size=5))
def test_any_texts_have_keywords_of_their_own(texts: list[str]) -> None:
    found = keywords_of(texts)
    assert len(found) == len(texts)
    for text, words in zip(texts, found, strict=True):
        assert all(word in text.lower() for word in words)
    assert keywords_of(texts) == found
