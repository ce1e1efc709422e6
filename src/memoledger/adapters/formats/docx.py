"""DOCX (Word, and what writes the same) as Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from io import BytesIO
from typing import TYPE_CHECKING, Final

from memoledger.adapters.formats.archive import check_entry, opened
from memoledger.adapters.formats.plain_text import short_title
from memoledger.adapters.formats.source import Source
from memoledger.model.document import Extracted

if TYPE_CHECKING:
    from docx.document import Document
    from docx.table import Table
    from docx.text.paragraph import Paragraph

BODY_BYTES_MAX: Final = 40_000_000
"""The XML of the text itself, of which some tenth is text."""

_HEADING = re.compile(r"heading (\d)$", re.IGNORECASE)
_LEVEL_MOST: Final = 6


def read_docx(source: Source) -> Extracted:
    """Paragraphs, headings, lists and tables in their order, with title, author and date.

    Not read are headers, footers, notes, comments, and text that was struck out under review.

    Raises:
        UnreadableSource: it is broken, locked, or would unpack to too much.
    """
    with opened(source) as archive:
        for name in archive.namelist():
            if name.endswith((".xml", ".rels")):
                check_entry(source, archive, name, BODY_BYTES_MAX)
    import docx

    try:
        document = docx.Document(BytesIO(source.data))
        text = "\n\n".join(_blocks(document))
        told = document.core_properties
        title, author = short_title(told.title), short_title(told.author)
        occurred_at = _instant(told.modified or told.created)
    except Exception as error:  # It raises whatever the XML at hand leads to.
        raise source.broken("DOCX", error) from None
    return Extracted(
        text,
        title=title,
        author=None if author is None else {"name": author},
        occurred_at=occurred_at,
        media_type="text/markdown",
    )


def _blocks(document: Document) -> Iterator[str]:
    from docx.text.paragraph import Paragraph

    names = {style.style_id: style.name or "" for style in document.styles}
    items: list[str] = []
    for block in document.iter_inner_content():
        if isinstance(block, Paragraph):
            shown = _paragraph(block, names)
            if shown.startswith("- "):
                items.append(shown)
                continue
        else:
            shown = _table(block)
        if items:
            yield "\n".join(items)
            items = []
        if shown:
            yield shown
    if items:
        yield "\n".join(items)


def _paragraph(paragraph: Paragraph, names: dict[str, str]) -> str:
    text = paragraph.text.strip()
    style = names.get(paragraph._p.style or "", "")  # noqa: SLF001 - `.style` searches all styles
    if not text:
        return ""
    if heading := _HEADING.match(style):
        return "#" * min(int(heading[1]) or 1, _LEVEL_MOST) + " " + " ".join(text.split())
    if style.lower() == "title":
        return "# " + " ".join(text.split())
    return f"- {text}" if style.lower().startswith("list") else text


def _table(table: Table) -> str:
    rows: list[str] = []
    for row in table.rows:
        cells = list(dict.fromkeys(row.cells))  # A merged cell comes once for each it covers.
        shown = " | ".join(" ".join(cell.text.split()) for cell in cells)
        if shown.strip(" |"):
            rows.append(f"| {shown} |")
    return "\n".join(rows)


def _instant(told: datetime | None) -> datetime | None:
    """Office writes instants in UTC, and python-docx leaves the zone away."""
    if told is None:
        return None
    return told if told.tzinfo is not None else told.replace(tzinfo=UTC)
