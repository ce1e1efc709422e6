"""What callers give: taken in its stored form, or refused by name, with the value and a remedy."""

from __future__ import annotations

import contextlib
import json
import math
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from decimal import Decimal
from enum import IntEnum
from itertools import count
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from memoledger.model import limits
from memoledger.model.checks import (
    check_choice,
    check_count,
    check_fraction,
    check_instant,
    check_labels,
    check_metadata,
    check_name,
    check_optional_text,
    check_period,
    check_similarity,
    check_storable,
    check_text,
)
from memoledger.model.errors import InvalidInput

LONE_SURROGATE = "caf\ud800"
HUGE = 10**5_000
"""More digits than Python turns into text."""

anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.text(alphabet=st.characters(categories=["Cs", "Cc", "Lu"]))
    | st.binary()
    | st.datetimes(),
    lambda inner: (
        st.lists(inner) | st.dictionaries(st.text() | st.integers(), inner) | st.tuples(inner)
    ),
    max_leaves=20,
)

CHECKS: list[Callable[[object], object]] = [
    lambda value: check_text("field", value, chars_max=10),
    lambda value: check_optional_text("field", value, chars_max=10),
    lambda value: check_storable("field", value),
    lambda value: check_name("field", value),
    lambda value: check_fraction("field", value),
    lambda value: check_similarity("field", value),
    lambda value: check_choice("field", value, ("a", "b")),
    lambda value: check_count("field", value, least=1, most=10),
    lambda value: check_instant("field", value),
    lambda value: check_labels("field", value, count_max=3, chars_max=5),
    lambda value: check_metadata("field", value),
]


def refusal(check: Callable[[object], object], value: object) -> InvalidInput:
    """The refusal of a value; it names the field, says what to do and is short."""
    with pytest.raises(InvalidInput) as caught:
        check(value)
    error = caught.value
    assert error.field.startswith("field")
    assert error.remedy
    assert len(str(error)) < 600
    str(error).encode()  # it can be printed and logged whatever was given
    json.dumps(error.as_dict())
    return error


@given(anything)
def test_any_value_is_taken_or_refused(value: object) -> None:
    for check in CHECKS:
        with contextlib.suppress(InvalidInput):
            check(value)


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize(
    "value",
    [object(), HUGE, -HUGE, b"bytes", LONE_SURROGATE, "nul\x00", math.nan, float("inf")],
    ids=["object", "huge", "minus huge", "bytes", "surrogate", "nul", "nan", "infinity"],
)
def test_what_no_field_can_be(check: Callable[[object], object], value: object) -> None:
    refusal(check, value)


class TestText:
    @pytest.mark.parametrize("text", ["a", " a ", "é" * 10, "👩‍🚀", "\r\na\t"])
    def test_a_text_stays_as_it_is(self, text: str) -> None:
        assert check_text("field", text, chars_max=10) == text

    @pytest.mark.parametrize("text", ["", " ", "\n\t\u3000\u2028"])
    def test_an_empty_text_is_refused(self, text: str) -> None:
        assert "empty" in refusal(lambda v: check_text("field", v, chars_max=10), text).reason

    def test_the_limit_is_named_with_the_length(self) -> None:
        error = refusal(lambda v: check_text("field", v, chars_max=1_000), "x" * 1_001)
        assert "1,001" in error.reason
        assert "1,000" in error.reason

    def test_the_place_of_a_lone_surrogate_is_named(self) -> None:
        assert "character 3" in refusal(lambda v: check_storable("field", v), LONE_SURROGATE).reason

    def test_none_is_no_optional_text(self) -> None:
        assert check_optional_text("field", None, chars_max=10) is None
        with pytest.raises(InvalidInput):
            check_optional_text("field", "", chars_max=10)


class TestName:
    @pytest.mark.parametrize("name", ["a", "Zoë's notes", "東京", "x" * 200, "'; DROP TABLE x; --"])
    def test_printable_names_are_taken(self, name: str) -> None:
        assert check_name("field", name) == name

    @pytest.mark.parametrize(
        "name",
        [
            "",
            " ",
            " a",
            "a ",
            "a\nb",
            "a\tb",
            "a\x1bb",
            "a\u202eb",
            "x" * 201,
            "é" * 101,
            "a\u2028",
        ],
    )
    def test_others_are_not(self, name: str) -> None:
        refusal(lambda v: check_name("field", v), name)


class TestNumbers:
    @pytest.mark.parametrize("value", [0, 1, 0.0, 0.5, 1.0, np.float64(0.25)])
    def test_a_fraction_is_a_float(self, value: float) -> None:
        checked = check_fraction("field", value)
        assert checked == value
        assert type(checked) is float

    @pytest.mark.parametrize(
        "value",
        [-0.001, 1.001, 2, True, "0.5", None, Decimal("0.5"), 2**2000, -(2**2000), [0.5]],
        ids=lambda value: str(value)[:9],
    )
    def test_what_is_no_fraction(self, value: object) -> None:
        refusal(lambda v: check_fraction("field", v), value)

    @pytest.mark.parametrize("value", [-1, 0, 1, -0.5, None])
    def test_a_similarity(self, value: float | None) -> None:
        assert check_similarity("field", value) == value

    @pytest.mark.parametrize("value", [-1.01, 1.01, False, "0", 2**70])
    def test_what_is_no_similarity(self, value: object) -> None:
        refusal(lambda v: check_similarity("field", v), value)

    @pytest.mark.parametrize("value", [1, 2, 10])
    def test_a_count_in_range(self, value: int) -> None:
        assert check_count("field", value, least=1, most=10) == value

    @pytest.mark.parametrize(
        "value", [0, -1, 11, 10**9, True, 1.5, 1.0, "3", None, pytest.param(HUGE, id="huge")]
    )
    def test_what_is_no_count_in_range(self, value: object) -> None:
        error = refusal(lambda v: check_count("field", v, least=1, most=10), value)
        assert "1 to 10" in error.reason


class TestChoice:
    @pytest.mark.parametrize("value", ["c", "A", "", None, ["a"], {"a"}, 1])
    def test_an_unknown_choice_names_the_known_ones(self, value: object) -> None:
        error = refusal(lambda v: check_choice("field", v, ("a", "b")), value)
        assert "a, b" in str(error)


class Stubborn(tzinfo):
    def utcoffset(self, _: datetime | None) -> timedelta | None:
        return None

    def dst(self, _: datetime | None) -> timedelta | None:
        return None

    def tzname(self, _: datetime | None) -> str | None:
        return None


class TestInstant:
    def test_it_comes_back_in_utc(self) -> None:
        given = datetime(2026, 5, 8, 15, 56, tzinfo=timezone(timedelta(hours=2)))
        checked = check_instant("field", given)
        assert checked == given
        assert checked is not None
        assert checked.utcoffset() == timedelta(0)

    @pytest.mark.parametrize(
        "text",
        ["2026-05-08T13:56:00Z", "2026-05-08 13:56:00+00:00", "20260508T155600+0200"],
    )
    def test_iso_8601_is_taken(self, text: str) -> None:
        assert check_instant("field", text) == datetime(2026, 5, 8, 13, 56, tzinfo=UTC)

    @pytest.mark.parametrize(
        "value",
        [
            datetime(2026, 5, 8),  # noqa: DTZ001 - naive on purpose
            datetime(2026, 5, 8, tzinfo=Stubborn()),
            "2026-05-08",
            "2026-05-08T13:56:00",
        ],
    )
    def test_without_a_time_zone_it_is_refused(self, value: object) -> None:
        assert "time zone" in refusal(lambda v: check_instant("field", v), value).reason

    @pytest.mark.parametrize(
        "value",
        [
            datetime(999, 12, 31, tzinfo=UTC),
            datetime(3000, 1, 2, tzinfo=UTC),
            datetime.min.replace(tzinfo=timezone(timedelta(hours=14))),
            datetime.max.replace(tzinfo=timezone(timedelta(hours=-12))),
            "0001-01-01T00:00:00+23:59",
            "9999-12-31T23:59:59-23:59",
        ],
    )
    def test_absurd_years_are_refused(self, value: object) -> None:
        assert "1000 to 3000" in refusal(lambda v: check_instant("field", v), value).reason

    @pytest.mark.parametrize(
        "value",
        [
            *["", "yesterday", "2026-13-01T00:00:00Z", "2026-02-30T00:00Z", "1778248560"],
            *[1778248560, 0.0, True, b"2026-05-08T13:56:00Z", ["2026-05-08T13:56:00Z"]],
            date(2026, 5, 8),
        ],
    )
    def test_garbage_is_refused(self, value: object) -> None:
        assert "no instant" in refusal(lambda v: check_instant("field", v), value).reason

    def test_a_period_ends_after_it_begins(self) -> None:
        first, last = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC)
        check_period("a", first, "b", last)
        check_period("a", None, "b", first)
        check_period("a", first, "b", None)
        for late, early in ((last, first), (first, first)):
            with pytest.raises(InvalidInput, match="b: it is not after a"):
                check_period("a", late, "b", early)


class TestLabels:
    def test_they_keep_their_order_and_lose_repetitions(self) -> None:
        checked = check_labels("field", ["b", "a", "b"], count_max=3, chars_max=5)
        assert checked == ("b", "a")

    def test_any_iterable_is_taken_and_none_is_read_for_ever(self) -> None:
        assert check_labels("field", iter("ab"), count_max=3, chars_max=5) == ("a", "b")
        refusal(lambda v: check_labels("field", v, count_max=3, chars_max=5), map(str, count()))

    @pytest.mark.parametrize(
        "value", ["abc", b"abc", {"a": 1}, 5, None, ["a", 1], ["a", None], [""], ["x" * 6]]
    )
    def test_what_is_no_list_of_labels(self, value: object) -> None:
        refusal(lambda v: check_labels("field", v, count_max=3, chars_max=5), value)

    def test_a_list_of_ten_thousand_is_refused_with_the_limit(self) -> None:
        many = [f"tag {i}" for i in range(10_000)]
        error = refusal(lambda v: check_labels("field", v, count_max=64, chars_max=100), many)
        assert "64" in error.reason

    def test_the_label_that_is_wrong_is_named(self) -> None:
        error = refusal(lambda v: check_labels("field", v, count_max=3, chars_max=5), ["a", "\x00"])
        assert error.field == "field[1]"


class Weight(IntEnum):
    LIGHT = 1


def nested(depth: int) -> dict[str, Any]:
    value: dict[str, Any] = {}
    for _ in range(depth):
        value = {"a": value}
    return value


class TestMetadata:
    def test_it_comes_back_as_plain_json(self) -> None:
        given = MappingProxyType(
            {"t": ("a", {"b": MappingProxyType({"c": (1,)})}), "n": Weight.LIGHT, "z": None}
        )
        checked = check_metadata("field", given)
        assert checked == {"t": ["a", {"b": {"c": [1]}}], "n": 1, "z": None}
        assert json.loads(json.dumps(checked)) == checked

    def test_it_is_a_copy(self) -> None:
        given: dict[str, Any] = {"a": {"b": [1]}}
        checked = check_metadata("field", given)
        given["a"]["b"].append(2)
        assert checked == {"a": {"b": [1]}}

    @pytest.mark.parametrize("number", [1e16, 1e23, 1.7976931348623157e308, -1e300, 2.0**60])
    def test_a_large_float_keeps_its_value_in_decimal_notation(self, number: float) -> None:
        # PostgreSQL's jsonb writes 1e23 out as a one with 23 zeros, which is not the float 1e23.
        [stored] = check_metadata("field", {"n": number}).values()
        assert stored == number
        assert isinstance(stored, int)

    @pytest.mark.parametrize(
        "value",
        [
            {"a": {1, 2}},
            {"a": object()},
            {"a": b"x"},
            {"a": datetime(2026, 1, 1, tzinfo=UTC)},
            {"a": Decimal(1)},
            {"a": np.int64(1)},
            {"a": math.nan},
            {"a": [math.inf]},
            {"a": 1j},
            {1: "a"},
            {None: "a"},
            {("a",): 1},
            {"a": {2: 3}},
            {"a": "\x00"},
            {"\x00": 1},
            {"a": LONE_SURROGATE},
            {LONE_SURROGATE: 1},
            {"a": HUGE},
            {"a": 2**1024},
            [],
            "{}",
            None,
            5,
            [("a", 1)],
        ],
    )
    def test_what_is_no_json_object(self, value: object) -> None:
        refusal(lambda v: check_metadata("field", v), value)

    def test_the_path_of_the_wrong_value_is_named(self) -> None:
        error = refusal(lambda v: check_metadata("field", v), {"a": [0, {"b": {1}}]})
        assert error.field == "field.a[1].b"

    @pytest.mark.parametrize("depth", [limits.METADATA_DEPTH_MAX + 1, 900, 5_000, 100_000])
    def test_too_deep_is_refused_however_deep(self, depth: int) -> None:
        error = refusal(lambda v: check_metadata("field", v), nested(depth))
        assert str(limits.METADATA_DEPTH_MAX) in error.reason

    def test_the_deepest_allowed_is_taken(self) -> None:
        deep = nested(limits.METADATA_DEPTH_MAX)
        assert check_metadata("field", deep) == deep

    def test_what_contains_itself_is_too_deep(self) -> None:
        round_and_round: dict[str, Any] = {}
        round_and_round["a"] = [round_and_round, round_and_round]
        refusal(lambda v: check_metadata("field", v), round_and_round)

    @pytest.mark.parametrize("value", [{"a": "x" * 2**20}, {"é" * 40_000: 1}, {"k" * 70_000: {1}}])
    def test_too_large_is_refused(self, value: object) -> None:
        refusal(lambda v: check_metadata("field", v), value)

    def test_the_size_counts_bytes_not_characters(self) -> None:
        check_metadata("field", {"a": "x" * 40_000})
        error = refusal(lambda v: check_metadata("field", v), {"a": "é" * 40_000})
        assert f"{limits.METADATA_BYTES_MAX:,}" in error.reason
