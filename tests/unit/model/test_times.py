"""Times: what a question's words say of days, and how near a memory lies."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from memoledger.model.times import Period, periods, timeliness

NOW = datetime(2023, 8, 16, 15, 30, tzinfo=UTC)  # a Wednesday


def day(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("question", "start", "end", "yearly"),
    [
        ("on 8 May 2023", "2023-05-08", "2023-05-09", False),
        ("on the 8th of May, 2023", "2023-05-08", "2023-05-09", False),
        ("On May 8, 2023?", "2023-05-08", "2023-05-09", False),
        ("on May 8th", "2023-05-08", "2023-05-09", True),
        ("2023-05-08", "2023-05-08", "2023-05-09", False),
        ("in May", "2023-05-01", "2023-06-01", True),
        ("in December 2022", "2022-12-01", "2023-01-01", False),
        ("in early Sept", "2023-09-01", "2023-10-01", True),
        ("in 2022", "2022-01-01", "2023-01-01", False),
        ("summer 2022", "2022-06-01", "2022-09-01", False),
        ("last summer", "2022-06-01", "2022-09-01", False),
        ("last winter", "2022-12-01", "2023-03-01", False),
        ("this summer", "2023-06-01", "2023-09-01", False),
        ("today", "2023-08-16", "2023-08-17", False),
        ("Yesterday", "2023-08-15", "2023-08-16", False),
        ("last week", "2023-08-07", "2023-08-14", False),
        ("this week", "2023-08-14", "2023-08-21", False),
        ("last weekend", "2023-08-12", "2023-08-14", False),
        ("last month", "2023-07-01", "2023-08-01", False),
        ("last year", "2022-01-01", "2023-01-01", False),
        ("last Friday", "2023-08-11", "2023-08-12", False),
        ("last Wednesday", "2023-08-09", "2023-08-10", False),
        ("three days ago", "2023-08-13", "2023-08-14", False),
        ("a couple of weeks ago", "2023-07-30", "2023-08-06", False),
    ],
)
def test_what_words_say(question: str, start: str, end: str, yearly: bool) -> None:
    expected = Period(day(start), day(end), yearly)
    assert periods(f"What happened {question}?", NOW) == [expected]


@pytest.mark.parametrize(
    "question",
    ["May I ask?", "He may go", "Who will march?", "on 31 June 2023", "0000-01-01", "99 years", ""],
)
def test_what_is_no_time(question: str) -> None:
    assert periods(question, NOW) == []


def test_several_times_come_in_the_order_of_the_words() -> None:
    found = periods("Between May 2023 and 3 June 2023, or yesterday", NOW)
    assert [period.start for period in found] == [
        day("2023-05-01"),
        day("2023-06-03"),
        day("2023-08-15"),
    ]


def test_the_asker_s_clock_counts_in_utc() -> None:
    late = datetime(2023, 8, 16, 23, 30, tzinfo=UTC).astimezone()
    assert periods("yesterday", late) == periods("yesterday", NOW)


def test_nearness_halves_with_each_length() -> None:
    week = [Period(day("2023-08-07"), day("2023-08-14"))]
    assert timeliness(day("2023-08-10"), week) == 1.0
    assert timeliness(day("2023-08-21"), week) == pytest.approx(0.5)
    assert timeliness(day("2023-07-31"), week) == pytest.approx(0.5)
    assert timeliness(day("2023-08-28"), week) == pytest.approx(0.25)
    assert timeliness(day("2023-08-10"), []) == 0.0


def test_a_month_without_a_year_is_that_of_any() -> None:
    may = periods("in May", NOW)
    for year in (2015, 2020, 2023, 2031):
        assert timeliness(day(f"{year}-05-15"), may) == 1.0
    assert timeliness(day("2020-12-15"), may) < 0.05
    new_year = periods("on 1 January", NOW)
    assert timeliness(day("2020-12-31"), new_year) >= 0.5
    assert timeliness(day("2021-01-02"), new_year) >= 0.5


instants = st.datetimes(timezones=st.just(UTC))
"""Of every year that there is."""

expressions = st.sampled_from(
    ["last week", "in May", "3 days ago", "12 years ago", "last winter", "on 29 February", "today"]
)


@example("in May", datetime(9999, 12, 31, tzinfo=UTC), datetime(1, 1, 1, tzinfo=UTC))
@example("in May", datetime(2, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, tzinfo=UTC))
@given(expressions, instants, instants)
def test_nearness_lies_between_0_and_1(question: str, now: datetime, instant: datetime) -> None:
    for period in periods(question, now):
        assert period.start < period.end
        assert 0.0 <= timeliness(instant, [period]) <= 1.0
        assert timeliness(period.start, [period]) == 1.0


@given(st.text(max_size=60), instants)
def test_any_text_will_do(question: str, now: datetime) -> None:
    assert all(isinstance(period, Period) for period in periods(question, now))


@given(st.integers(0, 400), st.integers(0, 400))
def test_what_lies_further_is_never_nearer(one: int, other: int) -> None:
    near, far = sorted((one, other))
    period = [Period(day("2023-05-08"), day("2023-05-09"))]
    after = day("2023-05-09")
    assert timeliness(after + timedelta(days=far), period) <= timeliness(
        after + timedelta(days=near), period
    )
