"""A text's terms: what is taken away, what stays, and what no text can do to the analysis."""

from __future__ import annotations

import unicodedata
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from memoledger.model.analysis import TERMS_MAX, Bounded, analyse, check_language, languages
from memoledger.model.errors import InvalidInput


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("The painters were painting a painting", {"painter": 1, "paint": 2}),
        ("What did she do, and who was there?", {}),
        (
            "John's dog, the Smiths’ cat; don't, we've, O'Brien",
            ["john", "dog", "smith", "cat", "o'brien"],
        ),
        ("In May the US will", ["may", "us", "will"]),
        ("the 8th of May", ["8", "may"]),
        (
            "Café RÉSUMÉ naïve ﬁre \uff26\uff55\uff4c\uff4c",
            ["cafe", "resum", "naiv", "fire", "full"],
        ),
        ("co\u00adoperate", ["cooper"]),
        ("self-made state/province", ["self", "made", "state", "provinc"]),
        ("milk,eggs.Then", ["milk", "egg"]),
    ],
)
def test_words_lose_case_accents_endings_and_stop_words(
    text: str, terms: dict[str, int] | list[str]
) -> None:
    expected = terms if isinstance(terms, dict) else dict.fromkeys(terms, 1)
    assert analyse(text) == expected


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("ABC-123", {"abc", "123", "abc-123"}),
        ("snake_case", {"snake", "case", "snake_case"}),
        ("_emphasis_", {"emphasi"}),
        (
            "mail ann.lee@example.org!",
            {"mail", "ann", "lee", "exampl", "org", "ann.lee@example.org"},
        ),
        ("https://example.org/a1/", {"https", "exampl", "org", "a1", "https://example.org/a1"}),
        ("C++ and C#", {"c", "c++", "c#"}),
        ("R&D at AT&T", {"r", "d", "r&d", "t", "at&t"}),
        ("U.S. e.g. this", {"us", "eg"}),
        ("1,234,567.50 or 3.5", {"1234567.50", "3.5"}),
        ("2023-05-08", {"2023", "05", "08", "2023-05-08"}),
        ("May 8,2023", {"may", "8", "2023"}),
        ("v1.2.3", {"v1", "2", "3", "v1.2.3"}),
    ],
)
def test_names_with_parts_are_found_whole_and_by_their_parts(text: str, terms: set[str]) -> None:
    assert set(analyse(text)) == terms


def test_spelling_variants_of_a_code_share_its_parts() -> None:
    shared = set(analyse("ABC-123")) & set(analyse("abc 123")) & set(analyse("Abc_123"))
    assert shared == {"abc", "123"}


def test_scripts_without_spaces_become_pairs_and_characters_that_mean_something_alone() -> None:
    assert set(analyse("我的猫。")) == {"我的", "的猫", "我", "的", "猫"}
    assert set(analyse("猫")) == {"猫"}
    assert set(analyse("カメラ")) == {"カメ", "メラ"}
    assert {"東京", "京タ", "タワ"} <= set(analyse("東京タワー")) & set(analyse("昨日東京タワーへ"))
    assert set(analyse("한국")) == {"한국", "한", "국"}
    assert set(analyse("iPhone手机")) == {"iphon", "手机", "手", "机"}


def test_vowel_signs_stay_and_points_go() -> None:
    assert set(analyse("हिन्दी में")) == {"हिन्दी", "में"}
    assert analyse("שָׁלוֹם") == analyse("שלום")
    assert analyse("العَرَبِيَّة") == analyse("العربية")


@pytest.mark.parametrize("text", ["", " \n", "!? … —", "😀👍🏽", "___", "the of and", "don't"])
def test_a_text_may_have_no_term(text: str) -> None:
    assert analyse(text) == {}


@pytest.mark.parametrize(
    ("language", "text", "terms"),
    [
        ("french", "L'été, c'est la façon d'Anne", {"facon", "anne"}),
        ("german", "Die Häuser und das Haus in der Straße", {"haus", "strass"}),
        ("spanish", "¿Dónde está la canción?", {"cancion"}),
        ("russian", "Ёлки", {"елк"}),
        ("turkish", "İSTANBUL'da", {"istanbul", "da"}),
        ("italian", "Dell'amico", {"amic"}),
    ],
)
def test_other_languages(language: str, text: str, terms: set[str]) -> None:
    assert set(analyse(text, language)) - {"ete"} == terms


def test_an_unknown_language_is_refused_with_those_that_are_known() -> None:
    with pytest.raises(InvalidInput, match="klingon") as caught:
        analyse("text", "klingon")
    assert (caught.value.field, "english" in str(caught.value)) == ("language", True)
    with pytest.raises(InvalidInput):
        check_language("language", None)
    assert all(check_language("language", name) == name for name in languages())


def test_every_language_analyses_every_script() -> None:
    text = "Running Häuser été дома बच्चे 猫 بيت 2023"
    assert all({"2023", "猫"} <= set(analyse(text, language)) for language in languages())


def test_of_too_many_terms_the_most_frequent_stay_and_among_equals_the_earlier() -> None:
    words = [f"w{number}" for number in range(TERMS_MAX + 5)]
    terms = analyse(" ".join([*words, words[-1]]))
    assert len(terms) == TERMS_MAX
    assert terms[words[-1]] == 2
    assert words[TERMS_MAX - 2] in terms
    assert words[TERMS_MAX - 1] not in terms


@given(st.text())
@settings(deadline=None)
def test_any_text_gives_terms_with_counts(text: str) -> None:
    terms = analyse(text)
    assert all(term and count >= 1 for term, count in terms.items())
    assert analyse(text) == terms


@given(st.text())
@settings(deadline=None)
def test_composed_and_decomposed_characters_are_the_same(text: str) -> None:
    assert analyse(unicodedata.normalize("NFC", text)) == analyse(
        unicodedata.normalize("NFD", text)
    )


@given(st.text(st.characters(max_codepoint=127)), st.text(st.characters(max_codepoint=127)))
@settings(deadline=None)
def test_counts_of_two_texts_add_up(one: str, other: str) -> None:
    both = analyse(f"{one}\n{other}")
    first, second = analyse(one), analyse(other)
    assert both == {t: first.get(t, 0) + second.get(t, 0) for t in {**first, **second}}


@given(st.text(st.characters(max_codepoint=127)))
@settings(deadline=None)
def test_the_short_path_for_ascii_agrees_with_the_general_one(text: str) -> None:
    assert {**analyse(text), "猫": 1} == analyse(f"{text}\n猫")


@given(st.text(st.characters(min_codepoint=32, max_codepoint=126)))
@settings(deadline=None)
def test_case_makes_no_difference(text: str) -> None:
    assert analyse(text.upper()) == analyse(text.lower())


def test_threads_share_a_stemmer_without_harm() -> None:
    words = [
        f"{stem}{ending}"
        for stem in map("q{}tion".format, range(400))
        for ending in ("s", "ing", "ed")
    ]
    expected = [{**analyse(word)} for word in words]
    texts = [f"{word} x{word}" for word in words] * 4
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(analyse, texts))
    assert all(e.items() <= f.items() for e, f in zip(expected * 4, found, strict=True))


def test_a_bounded_dict_forgets_when_it_is_full_and_keeps_no_long_key(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("memoledger.model.analysis._CACHE_ENTRIES_MAX", 3)
    lengths = Bounded(len)
    assert [lengths["a" * size] for size in (1, 2, 3, 4, 1_000)] == [1, 2, 3, 4, 1_000]
    assert list(lengths) == ["aaaa"]
