"""Times: the days a question speaks of, and how near to them a memory lies.

English expressions are read: dates (8 May 2023, May 8th, 2023-05-08), months and years (in May, May
2023, in 2023), seasons (last summer, summer 2023), and what counts from the asker's present
(yesterday, last week, three days ago, last Tuesday). A month or a day without a year is that of any
year. Days are those of UTC. "May" alone is a month only behind a word such as "in".

What happened is often told a little later. So a memory counts fully within the period, and half as
much at each further length of it that lies between; for a single day, that length is a day.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

_DAY: Final = timedelta(days=1)

_MONTH_NAMES: Final = (
    *("january", "february", "march", "april", "may", "june"),
    *("july", "august", "september", "october", "november", "december"),
)
_MONTHS: Final = (
    {name: number for number, name in enumerate(_MONTH_NAMES, 1)}
    | {name[:3]: number for number, name in enumerate(_MONTH_NAMES, 1)}
    | {"sept": 9}
)
_WEEKDAYS: Final = {
    name: number
    for number, name in enumerate(
        ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
    )
}
_SEASONS: Final = {"spring": 3, "summer": 6, "autumn": 9, "fall": 9, "winter": 12}
"""The month with which each begins, in the north."""

_NUMBERS: Final = (
    *("one", "two", "three", "four", "five", "six"),
    *("seven", "eight", "nine", "ten", "eleven", "twelve"),
)
_COUNTS: Final = {word: number for number, word in enumerate(_NUMBERS, start=1)} | {
    "a": 1,
    "an": 1,
    "couple of": 2,
    "a couple of": 2,
    "few": 3,
    "a few": 3,
}
_UNIT_DAYS: Final = {"day": 1, "week": 7, "month": 30, "year": 365}

_month = "|".join(sorted(_MONTHS, key=len, reverse=True))
_season = "|".join(_SEASONS)
_weekday = "|".join(_WEEKDAYS)
_count = "|".join(sorted(_COUNTS, key=len, reverse=True)).replace(" ", r"\s+")
_behind = "in|during|of|since|until|before|after|by"
_PATTERN: Final = re.compile(
    rf"""
    \b(?P<iso>\d{{4}}-\d{{2}}-\d{{2}})\b
    | \b(?P<day1>\d{{1,2}})(?:st|nd|rd|th)?\s+(?:of\s+)?(?P<month1>{_month})\b\.?
      (?:,?\s+(?P<year1>\d{{4}}))?
    | \b(?P<month2>{_month})\b\.?\s+(?P<day2>\d{{1,2}})(?:st|nd|rd|th)?\b
      (?:,?\s+(?P<year2>\d{{4}}))?
    | \b(?P<month3>{_month})\b\.?,?\s+(?:of\s+)?(?P<year3>\d{{4}})\b
    | \b(?:{_behind}|last|this|early|late|mid)[\s-]+(?P<month4>{_month})\b(?!\.?,?\s+(?:of\s+)?\d)
    | \b(?P<season1>{_season})\s+(?:of\s+)?(?P<year5>\d{{4}})\b
    | \b(?P<which6>last|this)\s+(?P<season2>{_season})\b
    | \b(?:{_behind}|year)\s+(?P<year7>(?:19|20)\d{{2}})\b
    | \b(?P<which8>last|past|this)\s+(?P<unit8>week|month|year|weekend)\b
    | \b(?P<which9>last|this)\s+(?P<weekday>{_weekday})\b
    | \b(?P<count>\d{{1,3}}|{_count})\s+(?P<unit10>day|week|month|year)s?\s+ago\b
    | \b(?P<near>today|yesterday|tonight)\b
    """,
    re.IGNORECASE | re.VERBOSE,
)


@dataclass(frozen=True, slots=True)
class Period:
    """A stretch of time: from `start`, before `end`.

    Args:
        yearly: it is meant in any year; `start` and `end` are those of one.
    """

    start: datetime
    end: datetime
    yearly: bool = False


def periods(question: str, now: datetime) -> list[Period]:
    """The stretches of time that a question speaks of, in the order of its words.

    Args:
        now: the asker's present, with a time zone, to which "yesterday" refers.
    """
    today = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    found: list[Period] = []
    for match in _PATTERN.finditer(question):
        said = {name: text.lower() for name, text in match.groupdict().items() if text}
        try:
            found.append(_period(said, today))
        except (ValueError, OverflowError):  # 31 June, or a year before the calendar
            continue
    return found


def timeliness(instant: datetime, spoken_of: Sequence[Period]) -> float:
    """How near an instant lies to one of the periods: 1 within, towards 0 far away."""
    return max((_nearness(instant, period) for period in spoken_of), default=0.0)


def _nearness(instant: datetime, period: Period) -> float:
    # In differences throughout: an instant near the ends of the calendar cannot be moved.
    length = period.end - period.start
    since = instant - period.start
    gap = _gap(since, length)
    if period.yearly:
        offset = (instant.astimezone(UTC).year - period.start.year) * timedelta(days=365.25)
        shifts = (offset - timedelta(days=366), offset, offset + timedelta(days=366))
        gap = min(_gap(since - shift, length) for shift in shifts)
        gap = max(gap - _DAY, timedelta(0)) if gap < 2 * _DAY else gap  # leap years
    return float(0.5 ** min(gap / length, 60.0))


def _gap(since: timedelta, length: timedelta) -> timedelta:
    """How far outside a period lies what is so long after its start."""
    return -since if since < timedelta(0) else max(since - length, timedelta(0))


def _period(said: dict[str, str], today: datetime) -> Period:
    """The period of one expression, by the groups of the pattern that matched."""
    group = _plain(said)
    if "iso" in group:
        return _day(datetime.fromisoformat(group["iso"]).replace(tzinfo=UTC))
    if "season" in group:
        return _season_of(group, today)
    if "month" in group:
        return _calendar(group, today)
    if "year" in group:
        year = int(group["year"])
        return Period(datetime(year, 1, 1, tzinfo=UTC), datetime(year + 1, 1, 1, tzinfo=UTC))
    return _relative(group, today)


def _plain(said: dict[str, str]) -> dict[str, str]:
    """The groups without the numbers that tell the alternatives apart."""
    return {name.rstrip("0123456789"): text for name, text in said.items()}


def _calendar(group: dict[str, str], today: datetime) -> Period:
    month, yearly = _MONTHS[group["month"]], "year" not in group
    year = today.year if yearly else int(group["year"])
    if "day" in group:
        day = _day(datetime(year, month, int(group["day"]), tzinfo=UTC))
        return Period(day.start, day.end, yearly)
    return Period(_month_start(year, month), _month_start(year, month + 1), yearly)


def _season_of(group: dict[str, str], today: datetime) -> Period:
    first = _SEASONS[group["season"]]
    if "year" in group:
        year = int(group["year"])
    else:
        year = today.year if _month_start(today.year, first) <= today else today.year - 1
        if group["which"] == "last" and today < _month_start(year, first + 3):
            year -= 1  # the present one is not the last
    return Period(_month_start(year, first), _month_start(year, first + 3))


def _relative(group: dict[str, str], today: datetime) -> Period:
    if "near" in group:
        return _day(today - (_DAY if group["near"] == "yesterday" else timedelta(0)))
    if "weekday" in group:
        back = (today.weekday() - _WEEKDAYS[group["weekday"]]) % 7
        return _day(today - (back or (7 if group["which"] == "last" else 0)) * _DAY)
    if "count" in group:
        spoken, unit = group["count"], _UNIT_DAYS[group["unit"]]
        count = int(spoken) if spoken.isdecimal() else _COUNTS[" ".join(spoken.split())]
        middle = today - count * unit * _DAY
        return Period(middle - unit // 2 * _DAY, middle + (unit // 2 + 1) * _DAY)
    return _unit(group["unit"], today, previous=group["which"] != "this")


def _unit(unit: str, today: datetime, *, previous: bool) -> Period:
    monday = today - today.weekday() * _DAY
    if unit == "week":
        start = monday - previous * 7 * _DAY
        return Period(start, start + 7 * _DAY)
    if unit == "weekend":
        start = monday + (5 - 7 * previous) * _DAY
        return Period(start, start + 2 * _DAY)
    if unit == "month":
        month = today.month - previous
        return Period(_month_start(today.year, month), _month_start(today.year, month + 1))
    return Period(
        _month_start(today.year - previous, 1), _month_start(today.year - previous + 1, 1)
    )


def _day(start: datetime) -> Period:
    return Period(start, start + _DAY)


def _month_start(year: int, month: int) -> datetime:
    """The first of a month; months beyond 1 to 12 are those of the years around."""
    return datetime(year + (month - 1) // 12, (month - 1) % 12 + 1, 1, tzinfo=UTC)
