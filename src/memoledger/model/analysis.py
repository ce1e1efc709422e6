"""Text analysis: a text becomes terms and their counts, which is all BM25 wants to know of it.

Every text and every query goes through here, tens of thousands of words a second, and words repeat.
So what a word comes to is worked out once and kept; the common path is one regular expression over
the text and one look-up a word.
"""

from __future__ import annotations

import re
import threading
import unicodedata
from collections.abc import Callable
from functools import cache
from typing import Final, Protocol, TypeVar

import Stemmer

from memoledger.model.errors import InvalidInput

_Value = TypeVar("_Value")

ANALYSIS_VERSION: Final = 1
"""Raised whenever the same text would give other terms: stored vectors must then be rebuilt."""

TERMS_MAX: Final = 16_000
"""Most distinct terms kept of one text: pgvector's largest number of non-zero elements."""

_WHOLE_CHARS_MAX: Final = 128
_CACHED_CHARS_MAX: Final = 64
_CACHE_ENTRIES_MAX: Final = 65_536

# Words that only hold a sentence together. The lists are short because short ones find more: idf
# takes care of the rest. `us`, `may`, `will` and `can` are missing on purpose: a country, a month,
# a man, a tin. English contractions are reduced before the list is asked.
_STOP_WORDS: Final = {
    language: frozenset(words.split())
    for language, words in {
        "english": """
            a an the this that these those such and but or nor if because than though although so
            i me my mine myself we our ours ourselves you your yours yourself yourselves
            he him his himself she her hers herself it its itself they them their theirs themselves
            who whom whose what which when where why how about as at by for from in into of on onto
            through to with until am is are was were be been being have has had having do does did
            doing could would shall should must might ought cannot all any both each few more most
            other some no not only own same too very there then also just
            im ive id dont didnt doesnt isnt wasnt cant wont youre theyre thats whats
        """,
        "german": """
            der die das den dem des ein eine einen einem einer eines ich mich mir mein meine du dich
            dir dein deine er ihn ihm sein seine sie ihr ihre ihnen es wir uns unser unsere euch man
            sich wer wen wem was welche welcher welches wann wo warum wie und oder aber denn weil
            dass daß ob wenn als in im an am auf aus bei mit nach von vom zu zum zur für über um bin
            ist sind war waren habe hat haben hatte hatten wird werden wurde nicht kein keine auch
        """,
        "french": """
            le la les l un une des du de d au aux ce cet cette ces je j me m mon ma mes tu te t ton
            ta tes il elle on se s son sa ses nous notre nos vous votre vos ils elles leur leurs y
            en qui que qu quoi dont où quand comment pourquoi quel quelle quels quelles et ou mais
            si à dans par pour sur avec es est sont été être était ai a ont avoir avait ne n pas c
        """,
        "spanish": """
            el la los las lo un una unos unas este esta estos estas ese esa eso esto yo me mi mis tú
            tu tus te él ella ellos ellas se le les su sus nos nuestro nuestra que qué quien quién
            cual cuál cuándo cuando dónde donde cómo como por para y e o u pero si no a al con de
            del en es son era fue ser ha han he hay había está están estaba
        """,
        "italian": """
            il lo la i gli le l un uno una di del dello della dei degli delle dell a al allo alla ai
            agli alle all da dal dalla in nel nella nell su sul sulla con per io mi me mio mia tu ti
            tuo tua lui lei suo sua si noi ci nostro voi vi loro che chi cui quale quando dove come
            perché e ed o ma se non sono è era erano ho ha hanno aveva avere c d
        """,
        "portuguese": """
            o a os as um uma uns umas de do da dos das em no na nos nas ao aos à às por pelo pela
            para com este esta isto isso eu me meu minha tu te teu tua você ele ela eles elas se seu
            sua seus suas lhe nós nosso que quem qual quando onde como porque e ou mas não é são era
            foi ser está estava tem têm tinha há
        """,
        "dutch": """
            de het een dit dat deze die ik mij me mijn jij je jou hij hem zijn zij ze haar wij we
            ons onze jullie u uw hun er zich wie wat welke wanneer waar waarom hoe en of maar als
            dan in op aan uit bij met naar van voor door om te is was waren heeft hebben had niet
            geen ook
        """,
    }.items()
}
_STOP_WORDS["porter"] = _STOP_WORDS["english"]

_ENGLISH: Final = frozenset({"english", "porter"})
"""Stemmers that know unaccented letters only: `résumé` must be folded before they see it."""

_SPELLINGS: Final = (
    ("\u2019", "'"),
    ("\u2018", "'"),
    ("\u02bc", "'"),
    ("\u2010", "-"),
    ("\u00ad", ""),  # soft hyphen
    ("\u200d", ""),  # zero-width joiner
    ("i\u0307", "i"),  # what lower() makes of a Turkish capital
)

_UNDECOMPOSED: Final = str.maketrans(
    {"ß": "ss", "æ": "ae", "œ": "oe", "þ": "th"} | dict(zip("øłđð\u0131", "olddi", strict=True))
)


def _combining_marks() -> str:
    """Combining marks as a character class: word characters lack them, which cuts Hindi up."""
    marks = (c for c in map(chr, range(0x300, 0x2000)) if unicodedata.category(c)[0] == "M")
    ranges: list[list[str]] = []
    for mark in marks:
        if ranges and ord(mark) == ord(ranges[-1][1]) + 1:
            ranges[-1][1] = mark
        else:
            ranges.append([mark, mark])
    return "".join(f"{first}-{last}" for first, last in ranges)


_WORD = rf"\w{_combining_marks()}"
# A chunk has no space in it and no punctuation at its ends: don't, john@example.org, ABC-123, 3.5,
# https://example.org/a/b, c++. ASCII text, the common case, has a pattern of its own: it is faster.
_CHUNK_ASCII = re.compile(r"[a-z0-9_]+(?:[-'.,@/:+&]+[a-z0-9_]+)*(?:\+\+|#)?")
_CHUNK = re.compile(rf"[{_WORD}]+(?:[-'.,@/:+&]+[{_WORD}]+)*(?:\+\+|#)?")
_PART = re.compile(rf"(?:(?!_)[{_WORD}])+")
_PART_WITH_APOSTROPHES = re.compile(rf"(?:(?!_)[{_WORD}])+(?:'(?:(?!_)[{_WORD}])+)*")
_NUMBER = re.compile(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+\.\d+")
_ORDINAL = re.compile(r"(\d+)(?:st|nd|rd|th)")
_INITIALS = re.compile(r"[^\W\d_](?:\.[^\W\d_])+")
_NAMES_SOMETHING = re.compile(r"[\d@_#&]|://|\+\+")
_SUFFIXES = frozenset({"s", "m", "re", "ve", "ll", "d"})

# Scripts written without spaces, and Hangul, whose particles have none before them.
_ALONE = "\u3005\u3400-\u9fff\uac00-\ud7af\U00020000-\U0003ffff"
_SPACELESS = re.compile(
    rf"([{_ALONE}\u3040-\u30ff\u31f0-\u31ff\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff]+)"
)
_MEANS_ALONE = re.compile(f"[{_ALONE}]")
_FOLDED_MARKS = re.compile("[\u0300-\u036f\u0591-\u05c7\u064b-\u065f\u0670]")


class _SnowballStemmer(Protocol):
    def stemWord(self, word: str) -> str: ...  # noqa: N802 - PyStemmer's name


def languages() -> tuple[str, ...]:
    """Names of the languages a text can be analysed in: Snowball's stemmers, in order."""
    return tuple(sorted(Stemmer.algorithms()))


def check_language(field: str, value: object) -> str:
    """The name of a language `analyse` knows.

    Raises:
        InvalidInput: there is no stemmer of that name.
    """
    if not isinstance(value, str) or value not in languages():
        raise InvalidInput(
            field,
            value,
            "there is no stemmer for that language",
            remedy=f"Choose one of: {', '.join(languages())}.",
        )
    return value


def analyse(text: str, language: str = "english") -> dict[str, int]:
    """The terms of a text and how often each occurs, in order of first appearance.

    Case, accents and, in the language given, inflection and stop words are taken away. Numbers
    stay. What names something and has parts, such as `ABC-123` or an e-mail address, is a term as
    a whole and in its parts. Text in scripts without spaces becomes pairs of neighbouring
    characters, and single ones where they mean something alone. Emoji and punctuation are no terms.

    Of more than 16,000 distinct terms the most frequent stay; among equals, the earlier.

    Args:
        text: any text; one without a term, such as "!?", gives an empty result.
        language: a Snowball stemmer's name, see `languages`.

    Raises:
        InvalidInput: the language is unknown.
    """
    return _analyser(language).counts(text)


class Bounded(dict[str, _Value]):
    """A dict that computes what it lacks and forgets everything when it is full.

    Long keys are not kept, so that hostile input cannot fill the memory.
    """

    def __init__(self, compute: Callable[[str], _Value]) -> None:
        super().__init__()
        self._compute = compute

    def __missing__(self, key: str) -> _Value:
        value = self._compute(key)
        if len(key) <= _CACHED_CHARS_MAX:
            if len(self) >= _CACHE_ENTRIES_MAX:
                self.clear()
            self[key] = value
        return value


class _Analyser:
    """The analysis of one language; may be used by several threads at once."""

    def __init__(self, language: str) -> None:
        # PyStemmer's own cache is off: ours holds finished terms and saves the call as well.
        self._stemmer: _SnowballStemmer = Stemmer.Stemmer(language, 0)
        self._stemming = threading.Lock()  # a stemmer has state and must not be shared unguarded
        self._stop_words = _STOP_WORDS.get(language, frozenset())
        self._english = language in _ENGLISH
        self._terms = Bounded(self._terms_of_chunk)

    def counts(self, text: str) -> dict[str, int]:
        """Terms and their counts, see `analyse`."""
        counts: dict[str, int] = {}
        terms = self._terms
        for chunk in _chunks(text):
            for term in terms[chunk]:
                counts[term] = counts.get(term, 0) + 1
        if len(counts) <= TERMS_MAX:
            return counts
        most_frequent = sorted(counts.items(), key=lambda item: -item[1])  # stable
        return dict(most_frequent[:TERMS_MAX])

    def _terms_of_chunk(self, chunk: str) -> tuple[str, ...]:
        if chunk.isascii() and chunk.isalnum():
            return self._terms_of_word(chunk)
        if _NUMBER.fullmatch(chunk):
            return (chunk.replace(",", ""),)
        if _INITIALS.fullmatch(chunk):
            return (_fold(chunk.replace(".", "")),)
        chunk = chunk.strip("_")
        parts: list[str] = (_PART_WITH_APOSTROPHES if self._english else _PART).findall(chunk)
        terms = [term for part in parts for term in self._terms_of_part(part)]
        if parts != [chunk] and len(chunk) <= _WHOLE_CHARS_MAX and _is_name(chunk):
            terms.append(_fold(chunk))
        return tuple(terms)

    def _terms_of_part(self, part: str) -> list[str]:
        """Terms of a part that may change between scripts with and without spaces."""
        terms: list[str] = []
        for position, run in enumerate(_SPACELESS.split(part)):
            if position % 2:
                terms += _neighbours(run)
            elif run:
                terms += self._terms_of_word(run)
        return terms

    def _terms_of_word(self, word: str) -> tuple[str, ...]:
        if self._english:
            word = _reduced(_fold(word))
        if not word or word in self._stop_words:
            return ()
        with self._stemming:
            stem = self._stemmer.stemWord(word)
        return (_fold(stem) or word,)


@cache
def _analyser(language: str) -> _Analyser:
    return _Analyser(check_language("language", language))


def _chunks(text: str) -> list[str]:
    """What stands between spaces and outer punctuation, in lower case."""
    if text.isascii():
        return _CHUNK_ASCII.findall(text.lower())
    text = unicodedata.normalize("NFKC", text).lower()
    for seen, meant in _SPELLINGS:
        text = text.replace(seen, meant)
    return _CHUNK.findall(text)


def _is_name(chunk: str) -> bool:
    """Whether a chunk of several parts is known as a whole: a code, an address, a path, C++."""
    return "," not in chunk and _NAMES_SOMETHING.search(chunk) is not None


def _neighbours(run: str) -> list[str]:
    """Pairs of neighbouring characters, and those that mean something alone."""
    pairs = [run[i : i + 2] for i in range(len(run) - 1)]
    return pairs + (_MEANS_ALONE.findall(run) if pairs else [run])


def _fold(word: str) -> str:
    """The word without accents; vowel signs of Indian scripts are no accents and stay."""
    if word.isascii():
        return word
    plain = _FOLDED_MARKS.sub("", unicodedata.normalize("NFKD", word.translate(_UNDECOMPOSED)))
    return unicodedata.normalize("NFC", plain)


def _reduced(word: str) -> str:
    """An English word without what an apostrophe adds to it, and `8` for `8th`.

    Empty for `don't` and its like, which are stop words whatever they begin with.
    """
    if "'" in word:
        base, _, suffix = word.rpartition("'")
        if suffix == "t" and base.endswith("n"):
            return ""
        return base if suffix in _SUFFIXES else word
    ordinal = _ORDINAL.fullmatch(word)
    return ordinal[1] if ordinal else word
