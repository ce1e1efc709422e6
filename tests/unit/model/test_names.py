"""Names: whom a question names, and what it quotes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memoledger.model.names import named, quoted

SPEAKERS = ["Caroline", "Melanie", "Will Smith", "user"]


@pytest.mark.parametrize(
    ("question", "found"),
    [
        ("What did Caroline research?", {"Caroline": 1.0}),
        ("What is Caroline's identity?", {"Caroline": 1.0}),
        ("what did caroline say", {"Caroline": 1.0}),
        ("Did Caroline tell Melanie?", {"Caroline": 1.0, "Melanie": 1.0}),
        ("What did Mel paint?", {"Melanie": 0.5}),
        ("What did Carolyne paint?", {"Caroline": 0.5}),
        ("What did Carolnie paint?", {"Caroline": 0.5}),
        ("When will Melanie go?", {"Melanie": 1.0}),
        ("What does Will think?", {"Will Smith": 1.0}),
        ("What does Mr Smith think?", {"Will Smith": 1.0}),
        ("what was recommended to the user", {"user": 1.0}),
        ("Where was the race held?", {}),
        ("", {}),
        ("?!", {}),
    ],
)
def test_who_is_named(question: str, found: dict[str, float]) -> None:
    assert named(question, SPEAKERS) == found


def test_short_names_are_not_guessed_at() -> None:
    assert named("What did Jon say?", ["Jan"]) == {}
    assert named("What did Jon say?", ["Jo"]) == {}


def test_names_in_other_scripts() -> None:
    assert named("Что сказала Анна?", ["Анна", "Пётр"]) == {"Анна": 1.0}


@given(st.text(max_size=50), st.lists(st.text(max_size=20), max_size=5))
def test_any_text_will_do(question: str, speakers: list[str]) -> None:
    found = named(question, speakers)
    assert set(found) <= set(speakers)
    assert set(found.values()) <= {0.5, 1.0}


@given(st.lists(st.sampled_from(SPEAKERS), max_size=6), st.randoms(use_true_random=False))
def test_the_order_of_speakers_makes_no_difference(speakers: list[str], random: object) -> None:
    assert named("Did Mel see Will?", speakers) == named("Did Mel see Will?", speakers[::-1])


@pytest.mark.parametrize(
    ("question", "found"),
    [
        ('Who read "Becoming  Nicole"?', ["becoming nicole"]),
        ("Who read “Becoming Nicole.”", ["becoming nicole"]),
        ("Wer las „Der Prozess“?", ["der prozess"]),
        ('Who said "?"', []),
        ("Who said it?", []),
        ("It's Ann's", []),
    ],
)
def test_what_is_quoted(question: str, found: list[str]) -> None:
    assert quoted(question) == found
