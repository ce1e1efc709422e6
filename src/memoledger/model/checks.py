"""Checks of what callers give: each returns the value as it is stored, or raises `InvalidInput`."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from memoledger.model import limits
from memoledger.model.errors import InvalidInput

_FLOATS_ARE_WHOLE_FROM: Final = 2.0**53


def check_text(field: str, value: object, *, chars_max: int) -> str:
    """A text with a visible character, at most `chars_max` long, that PostgreSQL can hold."""
    text = check_storable(field, value)
    if not text.strip():
        raise InvalidInput(field, value, "it is empty", remedy="Give some text.")
    if len(text) > chars_max:
        raise InvalidInput(
            field,
            value,
            f"it has {len(text):,} characters, the limit is {chars_max:,}",
            remedy="Shorten it or split it into several.",
        )
    return text


def check_optional_text(field: str, value: object, *, chars_max: int) -> str | None:
    """Like `check_text`, with None for none."""
    return None if value is None else check_text(field, value, chars_max=chars_max)


def check_storable(field: str, value: object) -> str:
    """A string without NUL, which PostgreSQL refuses, and lone surrogates, which are no text."""
    if not isinstance(value, str):
        raise InvalidInput(field, value, "it is no text", remedy="Give a string.")
    if "\x00" in value:
        raise InvalidInput(field, value, "it contains a NUL character", remedy="Remove U+0000.")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise InvalidInput(
            field,
            value,
            f"it contains a lone surrogate at character {error.start}",
            remedy="Decode the source with errors='replace', or repair it.",
        ) from None
    return value


def check_name(field: str, value: object) -> str:
    """The name of a tenant, user or store: visible characters, at most 200 bytes of UTF-8."""
    text = check_text(field, value, chars_max=limits.NAME_BYTES_MAX)
    if len(text.encode()) > limits.NAME_BYTES_MAX:
        raise InvalidInput(
            field,
            value,
            f"it is longer than {limits.NAME_BYTES_MAX} bytes",
            remedy="Use a shorter name.",
        )
    if text != text.strip() or not text.isprintable():
        raise InvalidInput(
            field,
            value,
            "it has control characters or spaces at an end",
            remedy="Use printable characters.",
        )
    return text


def check_positive(field: str, value: object, *, most: float) -> float:
    """A number above 0 and at most `most`."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InvalidInput(field, value, "it is no number", remedy=f"Give one up to {most:g}.")
    if not 0 < value <= most:  # NaN is refused too
        raise InvalidInput(
            field, value, "it is out of range", remedy=f"Give a number above 0 and up to {most:g}."
        )
    return float(value)


def check_fraction(field: str, value: object) -> float:
    """A finite number from 0 to 1."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InvalidInput(field, value, "it is no number", remedy="Give a number from 0 to 1.")
    if not 0 <= value <= 1:  # NaN is refused too
        raise InvalidInput(
            field, value, "it is outside 0 to 1", remedy="Give a number from 0 to 1."
        )
    return float(value)


def check_similarity(field: str, value: object) -> float | None:
    """A cosine similarity, -1 to 1, or None."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not -1 <= value <= 1:
        raise InvalidInput(
            field,
            value,
            "a cosine similarity lies between -1 and 1",
            remedy="Give such a number or None.",
        )
    return float(value)


def check_choice(field: str, value: object, choices: tuple[str, ...]) -> str:
    """One of `choices`."""
    if not isinstance(value, str) or value not in choices:
        raise InvalidInput(
            field, value, "that is not known", remedy=f"Choose one of: {', '.join(choices)}."
        )
    return value


def check_count(field: str, value: object, *, least: int, most: int) -> int:
    """A whole number from `least` to `most`."""
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise InvalidInput(
            field,
            value,
            f"it is no whole number from {least:,} to {most:,}",
            remedy="Give one in that range.",
        )
    return value


def check_instant(field: str, value: object) -> datetime | None:
    """An instant with a time zone, in UTC, of the years 1000 to 3000; ISO 8601 text, or None."""
    if value is None:
        return None
    instant = _parse_instant(field, value)
    if instant.tzinfo is None or instant.utcoffset() is None:
        raise InvalidInput(
            field,
            value,
            "it has no time zone",
            remedy="Add one, for example 2026-05-08T13:56:00+00:00.",
        )
    try:
        instant = instant.astimezone(UTC)
    except OverflowError:
        instant = datetime.min.replace(tzinfo=UTC)
    if not limits.INSTANT_MIN <= instant <= limits.INSTANT_MAX:
        raise InvalidInput(
            field,
            value,
            "it lies outside the years 1000 to 3000",
            remedy="Check the unit: seconds, not milliseconds.",
        )
    return instant


def _parse_instant(field: str, value: object) -> datetime:
    if isinstance(value, datetime):
        return value
    try:
        if isinstance(value, str):
            return datetime.fromisoformat(value)
    except ValueError:
        pass
    raise InvalidInput(
        field,
        value,
        "that is no instant",
        remedy="Give a datetime or ISO 8601, for example 2026-05-08T13:56:00Z.",
    )


def check_period(
    first_field: str, first: datetime | None, last_field: str, last: datetime | None
) -> None:
    """Refuse a period that ends before it begins."""
    if first is not None and last is not None and last <= first:
        raise InvalidInput(
            last_field,
            last.isoformat(),
            f"it is not after {first_field}",
            remedy="Swap the two or widen the period.",
        )


def check_labels(field: str, value: object, *, count_max: int, chars_max: int) -> tuple[str, ...]:
    """A list of short texts without repetition, in the order given."""
    if isinstance(value, tuple) and not value:
        return ()
    if isinstance(value, str | bytes | Mapping) or not isinstance(value, Iterable):
        raise InvalidInput(field, value, "it is no list", remedy="Give a list of strings.")
    labels: dict[str, None] = {}
    for position, label in enumerate(value):
        if position >= count_max:
            raise InvalidInput(
                field, value, f"it has more than {count_max} items", remedy="Give fewer."
            )
        labels[check_text(f"{field}[{position}]", label, chars_max=chars_max)] = None
    return tuple(labels)


def check_metadata(field: str, value: object) -> dict[str, Any]:
    """A JSON object of at most 64 KiB and 20 levels, without NaN, infinities or NUL characters.

    It is copied into plain dicts and lists, so that what is returned is what will be read back.
    """
    if not isinstance(value, Mapping):
        raise InvalidInput(
            field, value, "it is no object", remedy="Give a mapping with string keys."
        )
    if not value:
        return {}
    plain = _as_object(field, value, depth=0)
    size_bytes = len(json.dumps(plain, ensure_ascii=False).encode())
    if size_bytes > limits.METADATA_BYTES_MAX:
        raise InvalidInput(
            field,
            value,
            f"it takes {size_bytes:,} bytes, the limit is {limits.METADATA_BYTES_MAX:,}",
            remedy="Keep large values elsewhere and refer to them.",
        )
    return plain


def _as_json(field: str, value: object, *, depth: int) -> object:
    """A JSON value in plain Python types; the depth is bounded, so is the recursion."""
    if depth > limits.METADATA_DEPTH_MAX:
        raise InvalidInput(
            field, value, f"it nests deeper than {limits.METADATA_DEPTH_MAX}", remedy="Flatten it."
        )
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return check_storable(field, value)
    if isinstance(value, int | float):
        return _as_number(field, value)
    if isinstance(value, Mapping):
        return _as_object(field, value, depth=depth)
    if isinstance(value, list | tuple):
        return [_as_json(f"{field}[{i}]", item, depth=depth + 1) for i, item in enumerate(value)]
    raise InvalidInput(
        field,
        value,
        f"a {type(value).__name__} is no JSON value",
        remedy="Use text, numbers, booleans, null, lists and objects.",
    )


def _as_object(field: str, value: Mapping[Any, object], *, depth: int) -> dict[str, Any]:
    plain: dict[str, Any] = {}
    for key, item in value.items():
        name = check_storable(f"{field} key", key)
        plain[name] = _as_json(f"{field}.{name}", item, depth=depth + 1)
    return plain


def _as_number(field: str, value: float) -> float:
    if isinstance(value, int):
        if value.bit_length() > limits.METADATA_INTEGER_BITS_MAX:
            raise InvalidInput(field, value, "it is larger than any float", remedy="Use text.")
        return int(value)
    if not math.isfinite(value):
        raise InvalidInput(field, value, "JSON has no such number", remedy="Use null.")
    # PostgreSQL writes 1e23 out as a one with 23 zeros, and that is another number than the float;
    # as an integer it keeps its value.
    whole = abs(value) >= _FLOATS_ARE_WHOLE_FROM
    return int(value) if whole else float(value)
