"""CSV, JSON and JSON Lines: every record a paragraph of `name: value` lines, which can be found."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator
from typing import Any, Final

from memoledger.adapters.formats.plain_text import decoded
from memoledger.adapters.formats.source import Source
from memoledger.model.document import Extracted
from memoledger.model.limits import DOCUMENT_CHARS_MAX

JSON_BYTES_MAX: Final = 20_000_000
"""As Python's objects it takes some ten times as much memory."""

DEPTH_MAX: Final = 64
_DELIMITERS: Final = ",;\t|"
_INLINE_CHARS_MAX: Final = 80


def read_csv(source: Source) -> Extracted:
    """A table: every row with the names of its columns, where the first row has them.

    Raises:
        UnreadableSource: it is no text, or no table.
    """
    text = decoded(source)
    head = text[: text.find("\n") if "\n" in text else len(text)]
    delimiter = max(_DELIMITERS, key=head.count)
    rows = csv.reader(io.StringIO(text), delimiter=delimiter, strict=False)
    try:
        joined = _joined(source, _row_texts(rows))
    except csv.Error as error:
        raise source.broken("CSV", error) from None
    return Extracted(joined, media_type="text/plain")


def _row_texts(rows: Iterable[list[str]]) -> Iterator[str]:
    names: list[str] | None = None
    for number, row in enumerate(rows):
        cells = [" ".join(cell.split()) for cell in row]
        if number == 0 and _is_header(cells):
            names = cells
        elif names is None:
            yield " | ".join(cells)
        else:
            padded = [*names, *(f"column {at + 1}" for at in range(len(names), len(cells)))]
            yield "\n".join(
                f"{name}: {cell}" for name, cell in zip(padded, cells, strict=False) if cell
            )


def _is_header(cells: list[str]) -> bool:
    distinct = len(set(cells)) == len(cells)
    return distinct and all(cell and not _is_number(cell) for cell in cells)


def _is_number(text: str) -> bool:
    try:
        float(text.replace(",", "."))
    except ValueError:
        return False
    return True


def parsed(source: Source) -> object:
    """The value that a source in JSON holds.

    Raises:
        UnreadableSource: it is no JSON, too large, or nested too deeply.
    """
    if len(source.data) > JSON_BYTES_MAX:
        raise source.too_large(len(source.data), JSON_BYTES_MAX)
    try:
        return json.loads(decoded(source))
    except (ValueError, RecursionError) as error:
        raise source.broken("JSON", error) from None


def json_text(source: Source, value: object) -> Extracted:
    """A value of JSON as text; of a list every item by itself.

    Raises:
        UnreadableSource: it is nested too deeply.
    """
    items = value if isinstance(value, list) else [value]
    texts = ("\n".join(_lines(source, item)) for item in items)
    return Extracted(_joined(source, texts), media_type="text/plain")


def read_json_lines(source: Source) -> Extracted:
    """JSON Lines: every line a value; empty lines are passed over.

    Raises:
        UnreadableSource: a line is no JSON; the error has its number.
    """
    return Extracted(_joined(source, _line_texts(source)), media_type="text/plain")


def _line_texts(source: Source) -> Iterator[str]:
    for number, line in enumerate(decoded(source).split("\n"), start=1):
        if line.strip():
            try:
                value = json.loads(line)
            except (ValueError, RecursionError) as error:
                raise source.broken(f"JSON in line {number:,}", error) from None
            yield "\n".join(_lines(source, value))


def _lines(source: Source, value: object) -> Iterator[str]:
    """`path.to.it: value` for every scalar in a value, without recursion."""
    waiting: list[tuple[str, Any, int]] = [("", value, 0)]
    while waiting:
        path, found, depth = waiting.pop()
        if depth > DEPTH_MAX:
            raise source.refused(
                f"it is nested more than {DEPTH_MAX} deep", "Learn it in several parts."
            )
        inline = _inline(found)
        if inline is not None:
            if inline:
                yield f"{path}: {inline}" if path else inline
            continue
        pairs = found.items() if isinstance(found, dict) else enumerate(found, start=1)
        below = [(f"{path}.{name}" if path else str(name), item) for name, item in pairs]
        waiting += [(name, item, depth + 1) for name, item in reversed(below)]


def _inline(value: object) -> str | None:
    """A scalar, or a short list of scalars, in one line; None for anything else."""
    if isinstance(value, list):
        if not all(item is None or isinstance(item, str | int | float) for item in value):
            return None
        joined = ", ".join(_scalar(item) for item in value)
        return joined if len(joined) <= _INLINE_CHARS_MAX else None
    return None if isinstance(value, dict) else _scalar(value)


def _scalar(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value).strip()


def _joined(source: Source, texts: Iterable[str]) -> str:
    """Records with an empty line between, given up as soon as they are too many."""
    kept: list[str] = []
    room = DOCUMENT_CHARS_MAX
    for text in texts:
        room -= len(text) + 2
        if room < 0:
            raise source.refused(
                f"its text has more than {DOCUMENT_CHARS_MAX:,} characters",
                "Learn it in several parts.",
            )
        if text:
            kept.append(text)
    return "\n\n".join(kept)
