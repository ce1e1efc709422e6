"""What of a memory enters the indexes: header, terms, weights, and the formula they serve."""

from __future__ import annotations

import math
import struct
from collections import Counter
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from memoledger.model.errors import InvalidInput
from memoledger.model.indexing import (
    LENGTH_PENALTY,
    SATURATION,
    TERM_SPACE,
    TermVector,
    document_vector,
    indexed_text,
    inverse_document_frequency,
    length_factor,
    lexical_text,
    query_terms,
    query_vector,
    term_index,
    term_weight,
)

MONDAY = datetime(2023, 5, 8, 13, 56, tzinfo=UTC)


@pytest.mark.parametrize(
    ("speaker", "occurred_at", "expected"),
    [
        ("Caroline", MONDAY, "Caroline (on Monday 8 May 2023): Hey!"),
        ("Caroline", None, "Caroline: Hey!"),
        (None, MONDAY, "On Monday 8 May 2023: Hey!"),
        (None, None, "Hey!"),
        ("  Ann \n Lee ", None, "Ann Lee: Hey!"),
        (" \t", None, "Hey!"),
        ("x" * 500, None, "x" * 100 + ": Hey!"),
    ],
)
def test_who_and_when_stand_before_the_content(
    speaker: str | None, occurred_at: datetime | None, expected: str
) -> None:
    assert indexed_text("Hey!", speaker=speaker, occurred_at=occurred_at) == expected


def test_one_instant_gives_one_text_in_every_time_zone() -> None:
    elsewhere = MONDAY.astimezone(timezone(timedelta(hours=12)))
    assert elsewhere.day != MONDAY.day
    assert indexed_text("Hey!", occurred_at=elsewhere) == indexed_text("Hey!", occurred_at=MONDAY)


def test_a_naive_instant_is_refused() -> None:
    with pytest.raises(InvalidInput, match="time zone"):
        indexed_text("Hey!", occurred_at=datetime(2023, 5, 8))  # noqa: DTZ001


@given(st.text(min_size=1), st.text(), st.datetimes(timezones=st.just(UTC)))
@settings(deadline=None)
def test_the_content_is_unchanged_at_the_end(content: str, speaker: str, when: datetime) -> None:
    assert indexed_text(content, speaker=speaker, occurred_at=when).endswith(content)
    assert indexed_text(content) == content


def test_the_header_can_be_asked_for() -> None:
    text = indexed_text("We met.", speaker="Caroline", occurred_at=MONDAY)
    indexed = set(document_vector(text).indices)
    for query in ("Caroline", "May 2023", "on May 8th", "was it on a Monday?"):
        assert set(query_terms(query).values()) <= indexed, query


def test_title_summary_and_body_are_one_bag() -> None:
    text = lexical_text("roadmap talk", title="Roadmap", summary="A plan")
    assert document_vector(text).length == 4
    assert document_vector(text) == document_vector("roadmap talk roadmap plan")
    assert lexical_text("body") == "body"


def test_term_indices_are_the_same_for_ever() -> None:
    found = [term_index(term) for term in ("carolin", "roadmap", "猫")]
    assert found == [10535030, 354207332, 208379450]


@given(st.text())
@settings(deadline=None)
def test_term_indices_lie_in_the_space(term: str) -> None:
    assert 1 <= term_index(term) <= TERM_SPACE


@given(st.text(max_size=300))
@settings(deadline=None)
def test_a_document_vector_is_what_sparsevec_wants(text: str) -> None:
    vector = document_vector(text)
    assert list(vector.indices) == sorted(set(vector.indices))
    assert all(1 <= weight < SATURATION + 1 for weight in vector.weights)
    assert len(vector.indices) == len(vector.weights) <= vector.length or not vector
    size = len(vector.indices)
    dimensions, elements, unused, *rest = struct.unpack(f">3i{size}i{size}f", vector.to_binary())
    assert (dimensions, elements, unused) == (TERM_SPACE, size, 0)
    assert rest[:size] == [index - 1 for index in vector.indices]
    assert rest[size:] == pytest.approx(list(vector.weights), rel=1e-6)


def test_a_text_without_terms_is_an_empty_vector() -> None:
    vector = document_vector("!?")
    assert vector == TermVector((), (), 0)
    assert not vector


def test_terms_on_one_index_are_counted_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("memoledger.model.indexing._INDICES", {"cat": 7, "dog": 7})
    vector = document_vector("cat dog dog")
    assert vector == TermVector((7,), (term_weight(3),), 3)


def test_weights_of_very_frequent_terms_go_on_saturating() -> None:
    vector = document_vector("cat " * 1_000)
    assert vector.weights == (term_weight(1_000),)
    assert term_weight(63) < term_weight(64) < term_weight(1_000) < SATURATION + 1


def test_a_query_says_each_term_once() -> None:
    assert query_terms("Painting, painted: what did Caroline paint?") == {
        "paint": term_index("paint"),
        "carolin": term_index("carolin"),
    }
    assert query_terms("Who are they?") == {}


def test_rarer_terms_weigh_more_and_none_weighs_nothing() -> None:
    weights = [inverse_document_frequency(1_000, found) for found in (0, 1, 10, 500, 1_000)]
    assert weights == sorted(weights, reverse=True)
    assert weights[-1] > 0
    assert weights[1] == pytest.approx(math.log(1 + 999.5 / 1.5))
    assert inverse_document_frequency(10, 20) > 0  # a count that is ahead of the total


def test_a_query_vector_holds_the_idf_of_its_terms() -> None:
    vector = query_vector(100, {9: 50, 3: 1})
    assert vector.indices == (3, 9)
    assert vector.weights == (
        inverse_document_frequency(100, 1),
        inverse_document_frequency(100, 50),
    )


def test_length_costs_only_beyond_the_mean() -> None:
    assert length_factor(1, 20) == length_factor(20, 20) == 1
    assert length_factor(40, 20) == pytest.approx(2.2 / (1 + 1.2 * (0.25 + 0.75 * 2)))
    assert length_factor(0, 0) == 1


@given(st.integers(0, 100_000), st.integers(0, 100_000), st.just(0.0) | st.floats(1, 10_000))
@settings(deadline=None)
def test_a_longer_text_never_gains(one: int, other: int, mean: float) -> None:
    shorter, longer = sorted((one, other))
    assert 0 < length_factor(longer, mean) <= length_factor(shorter, mean) <= 1


def test_the_parts_make_bm25_where_a_term_occurs_once_in_a_text_of_at_least_mean_length() -> None:
    """Against the textbook's formula, written out."""
    texts = ["cat sat mat", "dog ran far away home today", "cat dog bird fish cow horse goat pig"]
    vectors = [document_vector(text) for text in texts]
    mean = sum(v.length for v in vectors) / len(vectors)
    frequencies = Counter(index for v in vectors for index in v.indices)
    asked = query_vector(3, {i: frequencies[i] for i in query_terms("dog and cat").values()})
    longest = vectors[2]
    stored = dict(zip(longest.indices, longest.weights, strict=True))
    product = sum(w * stored.get(i, 0) for i, w in zip(asked.indices, asked.weights, strict=True))
    norm = 1 - LENGTH_PENALTY + LENGTH_PENALTY * longest.length / mean
    textbook = sum(
        math.log(1 + (3 - 2 + 0.5) / (2 + 0.5)) * 1 * (SATURATION + 1) / (1 + SATURATION * norm)
        for _ in ("dog", "cat")
    )
    assert length_factor(longest.length, mean) * product == pytest.approx(textbook)
