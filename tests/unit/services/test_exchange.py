"""Reading JSON Lines: what is taken, what is rejected and why, and that memory stays bounded."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memoledger.model.errors import InvalidInput
from memoledger.model.limits import CONTENT_CHARS_MAX, METADATA_BYTES_MAX, SUMMARY_CHARS_MAX
from memoledger.services.exchange import (
    LINE_BYTES_MAX,
    Line,
    LineSplitter,
    parse_object,
    read_lines,
)


def split(data: bytes, *, block_bytes: int = 7, line_bytes_max: int = LINE_BYTES_MAX) -> list[Line]:
    splitter = LineSplitter(line_bytes_max=line_bytes_max)
    blocks = [data[start : start + block_bytes] for start in range(0, len(data), block_bytes)]
    return [line for block in blocks for line in splitter.feed(block)] + list(splitter.finish())


def reason(text: str) -> str:
    with pytest.raises(InvalidInput) as caught:
        parse_object("line", text)
    return caught.value.reason


objects = st.dictionaries(st.text(), st.one_of(st.text(), st.integers(), st.none()), max_size=4)


@given(st.lists(objects, max_size=6), st.integers(1, 50), st.sampled_from(["\n", "\r\n"]))
def test_objects_come_back_whatever_the_blocks(
    written: list[dict[str, Any]], block_bytes: int, ending: str
) -> None:
    data = "".join(json.dumps(item, ensure_ascii=False) + ending for item in written).encode(
        "utf-8", "surrogatepass"
    )
    lines = split(data, block_bytes=block_bytes)
    assert [line.value for line in lines] == written
    assert [line.number for line in lines] == list(range(1, len(written) + 1))


@given(st.binary(max_size=200), st.integers(1, 50))
def test_no_bytes_make_it_fail_and_blocks_make_no_difference(data: bytes, block_bytes: int) -> None:
    def seen(lines: list[Line]) -> list[tuple[int, int, str]]:
        return [(line.number, line.end, str(line.value)) for line in lines]

    assert seen(split(data, block_bytes=block_bytes)) == seen(split(data, block_bytes=1_000))


def test_blank_lines_are_passed_over_and_counted() -> None:
    lines = split(b'\n  \n{"content": "a"}\n\t\r\n{"content": "b"}')
    assert [(line.number, line.value) for line in lines] == [
        (3, {"content": "a"}),
        (5, {"content": "b"}),
    ]


def test_the_end_of_a_line_is_its_place_in_the_file() -> None:
    assert [line.end for line in split(b'{"a": 1}\n{"b": 2}')] == [9, 17]


def test_a_byte_order_mark_is_no_part_of_the_first_line() -> None:
    [line] = split(b'\xef\xbb\xbf{"content": "a"}')
    assert line.value == {"content": "a"}


def test_a_line_that_is_too_long_is_rejected_and_not_kept() -> None:
    splitter = LineSplitter(line_bytes_max=100)
    for _ in range(1_000):
        assert list(splitter.feed(b"x" * 1_000)) == []
        assert len(splitter._begun) <= 100
    [too_long, next_one] = splitter.feed(b'\n{"content": "a"}\n')
    assert isinstance(too_long.value, InvalidInput)
    assert too_long.value.reason == "it is longer than 100 bytes"
    assert (next_one.number, next_one.value) == (2, {"content": "a"})


def test_the_largest_memory_fits_into_a_line() -> None:
    astral = "\U0001f600"
    largest = {
        "content": astral * CONTENT_CHARS_MAX,
        "summary": astral * SUMMARY_CHARS_MAX,
        "metadata": {"x": "\u00e9" * (METADATA_BYTES_MAX // 2)},
        "embedding": [-1.2345678901234567e-100] * 3_900,
    }
    assert len(json.dumps(largest)) < LINE_BYTES_MAX / 2


def test_bytes_that_are_no_utf8_are_rejected_with_their_place() -> None:
    [line] = split(b'{"content": "\xff"}\n')
    assert isinstance(line.value, InvalidInput)
    assert line.value.reason == "it is no UTF-8 at byte 14"


def test_a_key_that_is_there_twice_is_rejected_at_every_depth() -> None:
    assert reason('{"content": "a", "content": "b"}') == "the key is there twice"
    assert reason('{"metadata": {"a": [{"b": 1, "b": 1}]}}') == "the key is there twice"


@pytest.mark.parametrize("constant", ["NaN", "Infinity", "-Infinity"])
def test_numbers_that_json_does_not_have_are_rejected(constant: str) -> None:
    assert reason(f'{{"embedding": [{constant}]}}') == "JSON has no such number"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"content": "a"', "it is no JSON: Expecting ',' delimiter at character 16"),
        ("[1, 2]", "it is no JSON object"),
        ("null", "it is no JSON object"),
        ('"text"', "it is no JSON object"),
        ("[" * 100_000, "it nests too deeply"),
        ('{"x": %s}' % ("9" * 5_000), "it has a number that is too long"),
        ('{"content": "a"} {"content": "b"}', "it is no JSON: Extra data at character 18"),
    ],
)
def test_what_is_no_object_is_rejected_with_the_reason(text: str, expected: str) -> None:
    assert reason(text) == expected


async def test_a_source_is_read_as_it_comes() -> None:
    class Trickle(io.BytesIO):
        def read1(self, size: int | None = -1, /) -> bytes:
            return super().read1(3)

    lines = [line async for line in read_lines(Trickle(b'{"content": "a"}\n{"content": "b"}\n'))]
    assert [line.value for line in lines] == [{"content": "a"}, {"content": "b"}]


async def test_a_source_that_fails_is_no_end_of_it() -> None:
    class Broken(io.BytesIO):
        def read1(self, size: int | None = -1, /) -> bytes:
            raise OSError("the disk is gone")

    with pytest.raises(OSError, match="the disk is gone"):
        [line async for line in read_lines(Broken())]
