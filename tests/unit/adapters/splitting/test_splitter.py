"""What every splitting keeps to, whatever the text."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer

import memoledger_minilm as minilm
from memoledger.adapters.splitting import TextPieces
from memoledger.model.document import Piece
from memoledger.model.errors import InvalidInput
from memoledger.model.limits import SECTION_CHARS_MAX
from memoledger.ports import Splitter

TYPES = ["text/plain", "text/markdown", "text/x-python", "application/json", "no such type"]

WORDS = st.sampled_from(
    [
        *[
            "the",
            "quick",
            "roadmap",
            "of",
            "Q4",
            "was",
            "discussed,",
            "and",
            "budget",
            "changed.",
            "Nobody",
            "knew",
            "why!",
            "3.14",
        ],
        *[
            "#",
            "##",
            "```",
            "===",
            "---",
            "def",
            "class",
            "(",
            "{",
            ":",
            "-",
            "*",
            "|",
            "本文。",
            "naïve",
            "\u200b",
            "[SEP]",
        ],
        "\x0c",
        "\t",
    ]
)
LINES = st.lists(WORDS, max_size=40).map(" ".join)
TEXTS = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=400),
    st.lists(LINES, max_size=60).map("\n".join),
    st.lists(LINES, max_size=20).map("\n\n".join),
    st.builds(
        lambda word, times: word * times, st.text("ab क\u093eé漢\n .", min_size=1), st.just(900)
    ),
)


@cache
def splitter(tokens_max: int = 224, overlap_tokens: int = 32) -> TextPieces:
    return TextPieces(
        minilm.TOKENIZER_PATH, "minilm", tokens_max=tokens_max, overlap_tokens=overlap_tokens
    )


@cache
def tokenizer() -> Tokenizer:
    made = Tokenizer.from_file(str(minilm.TOKENIZER_PATH))
    made.no_truncation()
    made.no_padding()
    made.encode_special_tokens = True
    return made


def paragraphs(count: int) -> list[str]:
    """Distinct paragraphs of three sentences each, about 60 tokens."""
    return [
        f"Paragraph {n} tells what happened on day {n * 7}. "
        f"The {n * 31 % 97} delegates of group {n * 13 % 89} met in room {n * 17 % 83} and talked "
        f"about item {n * 7919 % 1000}. Nothing but report {n * 104_729 % 9973} was decided."
        for n in range(count)
    ]


def changed(before: list[Piece], after: list[Piece]) -> list[Piece]:
    """Pieces of `after` that are not among those of `before`."""
    known = {(piece.text, piece.section) for piece in before}
    return [piece for piece in after if (piece.text, piece.section) not in known]


def test_it_is_a_splitter() -> None:
    assert isinstance(splitter(), Splitter)
    assert splitter().name == "local-cuts-1:minilm:224:32"


@settings(max_examples=60, deadline=None)
@given(TEXTS, st.sampled_from(TYPES), st.sampled_from([(224, 32), (32, 8), (16, 0)]))
def test_every_text_is_split_as_the_port_says(
    text: str, media_type: str, sizes: tuple[int, int]
) -> None:
    pieces = splitter(*sizes).split(text, media_type)
    assert pieces == splitter(*sizes).split(text, media_type)
    covered = [False] * len(text)
    for piece in pieces:
        assert text[piece.start : piece.end] == piece.text
        assert piece.text == piece.text.strip() != ""
        assert piece.token_count == len(tokenizer().encode(piece.text, add_special_tokens=False))
        assert piece.token_count <= sizes[0]
        assert len(piece.text) <= 40_000
        assert piece.section is None or 0 < len(piece.section) <= SECTION_CHARS_MAX
        covered[piece.start : piece.end] = [True] * len(piece.text)
    assert all(seen or char.isspace() for seen, char in zip(covered, text, strict=True))
    for one, other in pairwise(pieces):
        assert one.start < other.start
        assert one.end < other.end


@pytest.mark.parametrize("text", ["", " ", "\n\n\t \x0c \u2003"])
def test_a_blank_text_has_no_pieces(text: str) -> None:
    assert splitter().split(text, "text/plain") == []


def test_a_short_text_is_one_piece() -> None:
    text = "\n# Title\n\nSome words.\n\n## Next\n\nMore.\n"
    [piece] = splitter().split(text, "text/markdown")
    assert piece == Piece(text.strip(), 1, len(text) - 1, "Title", piece.token_count)


@pytest.mark.parametrize("change", ["replace", "remove", "insert", "grow"])
@pytest.mark.parametrize("joint", ["\n\n", "\n", " "])
def test_a_changed_paragraph_changes_only_the_pieces_near_it(change: str, joint: str) -> None:
    told = paragraphs(120)
    before = splitter().split(joint.join(told), "text/plain")
    most = 0
    for place in range(5, 115, 10):
        edited = list(told)
        if change == "replace":
            edited[place] = "Something else was said that day."
        elif change == "remove":
            del edited[place]
        elif change == "insert":
            edited.insert(place, "A note that was not there before.")
        else:
            edited[place] += " It went on for hours. " * 12
        after = splitter().split(joint.join(edited), "text/plain")
        most = max(most, len(changed(before, after)))
    assert len(before) > 25
    assert 1 <= most <= 5


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 119), st.text("abc d.\n", max_size=400))
def test_any_edit_stays_local(place: int, put: str) -> None:
    told = paragraphs(120)
    before = splitter().split("\n\n".join(told), "text/plain")
    told[place] = put
    assert len(changed(before, splitter().split("\n\n".join(told), "text/plain"))) <= 7


def test_the_same_paragraph_over_and_over_is_split_in_bounds() -> None:
    text = "\n\n".join(["All work and no play makes Jack a dull boy."] * 5_000)
    pieces = splitter().split(text, "text/plain")
    assert max(piece.token_count for piece in pieces) <= 224
    longer = splitter().split(text + "\n\nThe end.", "text/plain")
    assert len(changed(pieces, longer)) <= 3


def test_headings_are_where_a_text_is_cut_and_what_stands_above() -> None:
    body = " ".join(paragraphs(3))
    text = (
        f"# Guide\n\n{body}\n\n## Install\n\n{body}\n\nLinux\n-----\n\n{body}\n\n# Other\n\n{body}"
    )
    pieces = splitter().split(text, "text/markdown")
    assert [piece.section for piece in pieces if piece.text.startswith(("#", "Linux"))] == [
        "Guide",
        "Guide > Install",
        "Guide > Linux",
        "Other",
    ]
    assert {piece.section for piece in pieces} <= {
        "Guide",
        "Guide > Install",
        "Guide > Linux",
        "Other",
    }


def test_what_looks_like_a_heading_in_a_fence_is_none() -> None:
    body = " ".join(paragraphs(4))
    text = f"# Real\n\n{body}\n\n```sh\n# {body}\n```\n\n~~~\n# also no heading\n```\n~~~\n\n{body}"
    assert {piece.section for piece in splitter().split(text, "text/markdown")} == {"Real"}


def test_rules_lists_and_tables_are_no_headings() -> None:
    body = " ".join(paragraphs(4))
    text = f"- item\n---\n\n| a | b |\n|---|---|\n\n---\n\n{body}\n\n#hashtag\n\n{body}"
    assert {piece.section for piece in splitter().split(text, "text/markdown")} == {None}


def test_code_is_cut_before_definitions_and_named_after_them() -> None:
    bodies = "\n".join(f"        total_{n} = compute(total_{n - 1}, {n})" for n in range(1, 15))
    methods = [
        f"    @cached\n    def method_{n}(self) -> int:\n{bodies}\n        return {n}"
        for n in range(4)
    ]
    top = f"def top(argument):\n{bodies}\n    return argument"
    text = "import this\n\n\nclass Thing:\n" + "\n\n".join(methods) + f"\n\n\n{top}\n"
    pieces = splitter().split(text, "text/x-python")
    sections = [piece.section for piece in pieces]
    assert "top" in sections
    assert len([section for section in sections if section and "Thing" in section]) >= 3
    starts = [piece.text.splitlines()[0].strip() for piece in pieces]
    assert starts.count("@cached") >= 2
    assert "def top(argument):" in starts


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("pub(crate) async fn run<T>(x: T) {", "run"),
        ("func (s *Server) Serve(l net.Listener) error {", "Serve"),
        ("export default class Widget extends Base {", "Widget"),
        ("public static final class Inner implements Runnable {", "Inner"),
        ("impl Display for Point {", "Display"),
        ("type Config struct {", "Config"),
        ("namespace std::chrono {", "std::chrono"),
        ("CREATE things of class beauty are a joy", None),
        ("class of errors that nobody expects", None),
    ],
)
def test_definitions_of_many_languages_are_known(line: str, name: str | None) -> None:
    text = f"{line}\n" + "\n".join(f"    call_{n}({n});" for n in range(5))
    [piece] = splitter().split(text, "text/x-source")
    assert piece.section == name


def test_overlap_repeats_the_end_of_the_piece_before_but_not_across_headings() -> None:
    told = "\n\n".join(paragraphs(30))
    pieces = splitter().split(f"# One\n\n{told}\n\n# Two\n\n{told}", "text/markdown")
    overlapping = [one.end > other.start for one, other in pairwise(pieces)]
    assert any(overlapping)
    before_two = next(n for n, piece in enumerate(pieces) if piece.text.startswith("# Two"))
    assert not overlapping[before_two - 1]
    bare = splitter(224, 0).split(told, "text/plain")
    assert all(one.end <= other.start for one, other in pairwise(bare))


@pytest.mark.parametrize(
    "text",
    [
        "x" * 200_000,
        "x " * 30_000,
        "漢字" * 10_000,
        "\u0301" * 8_000,
        "क" + "\u093e" * 5_000,
        "# " * 10_000,
        "\n" * 50_000 + "x",
        "```\n" * 8_000,
        "".join("#" * (n % 7) + f" h{n}\n" for n in range(8_000)),
        "def f(:\n" * 8_000,
        "(" * 8_000,
        "class " * 8_000,
        "pub " * 30_000 + "fn",
        "word.\t" * 10_000,
    ],
    ids=range(14),
)
@pytest.mark.parametrize("media_type", ["text/markdown", "text/x-python"])
def test_texts_made_to_be_a_burden_are_split_all_the_same(text: str, media_type: str) -> None:
    pieces = splitter().split(text, media_type)
    assert max((piece.token_count for piece in pieces), default=0) <= 224
    assert sum(len(piece.text) for piece in pieces) >= len("".join(text.split())) * 0.9


def test_several_threads_share_one() -> None:
    fresh = TextPieces(minilm.TOKENIZER_PATH, "minilm")
    text = "\n\n".join(paragraphs(50))
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda _: fresh.split(text, "text/plain"), range(8)))
    assert all(result == results[0] for result in results)


@pytest.mark.parametrize(("tokens", "overlap"), [(8, 0), (10_000, 0), (64, 33), (64, -1)])
def test_sizes_out_of_range_are_refused(tokens: int, overlap: int) -> None:
    with pytest.raises(InvalidInput):
        TextPieces(minilm.TOKENIZER_PATH, "minilm", tokens_max=tokens, overlap_tokens=overlap)
