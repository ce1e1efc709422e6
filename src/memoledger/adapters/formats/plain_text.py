"""From bytes to text: encodings, line ends, and characters that no text has."""

from __future__ import annotations

import codecs
import re
from typing import Final

from memoledger.adapters.formats.source import TEXT_BYTES_MAX, Source
from memoledger.model.document import Extracted
from memoledger.model.errors import UnreadableSource
from memoledger.model.limits import DOCUMENT_CHARS_MAX, TITLE_CHARS_MAX

_MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_LOOKED_AT: Final = 65_536
"""Bytes by which an encoding is guessed, and that there is text at all."""

_CONTROLS_MAX: Final = 0.05
"""Part of characters that may be controls: terminals' recordings have some, binaries many."""

_CONTROLS: Final = bytes(set(range(32)) - set(b"\t\n\r\f\x1b\b"))
_SURROGATES = re.compile("[\ud800-\udfff]")
_FRONT_MATTER = re.compile(r"---\n((?:[^\n]*\n){0,200}?)---[ \t]*\n")
_TITLE_LINE = re.compile(r"^title:[ \t]*[\"']?(.+?)[\"']?[ \t]*$", re.MULTILINE)
_FIRST_HEADING = re.compile(r"^#[ \t]+(.+?)[ \t#]*$", re.MULTILINE)


def decoded(source: Source, charset: str | None = None) -> str:
    """The text of a source that is text, in whatever encoding.

    Args:
        charset: what somebody said about it; believed only where it is true.

    Raises:
        UnreadableSource: it is no text, or too large.
    """
    data = source.data
    if len(data) > TEXT_BYTES_MAX:
        raise source.too_large(len(data), TEXT_BYTES_MAX)
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return tidy(data.decode(encoding, "replace"))
    if looks_binary(data):
        raise not_text(source)
    for encoding in filter(None, ("utf-8", charset)):
        try:
            return tidy(data.decode(encoding))
        except (UnicodeDecodeError, LookupError):
            continue
    return tidy(data.decode(_guessed(source), "replace"))


def looks_binary(data: bytes) -> bool:
    """Whether there is more in the beginning of this than text has."""
    head = data[:_LOOKED_AT]
    controls = len(head) - len(head.translate(None, _CONTROLS))
    return b"\x00" in head or controls > len(head) * _CONTROLS_MAX


def not_text(source: Source) -> UnreadableSource:
    """The error for what is of no format that is known."""
    return source.refused(
        "it is of no format that is known here",
        "Learn text, Markdown, HTML, PDF, DOCX, CSV, JSON, source code, mail or a chat's export.",
    )


def _guessed(source: Source) -> str:
    from charset_normalizer import from_bytes  # Rarely needed, and it takes a moment to import.

    found = from_bytes(source.data[:_LOOKED_AT]).best()
    if found is None:
        raise not_text(source)
    return found.encoding


def tidy(text: str) -> str:
    """A text with line feeds alone as line ends, and nothing in it that cannot be stored."""
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    if "\x00" in text:
        text = text.replace("\x00", "")
    if not text.isascii():
        text = _SURROGATES.sub("\ufffd", text.removeprefix("\ufeff"))
    return text


def checked_length(source: Source, extracted: Extracted) -> Extracted:
    """The same, if its text is not too long.

    Raises:
        UnreadableSource: it is.
    """
    if len(extracted.text) > DOCUMENT_CHARS_MAX:
        raise source.refused(
            f"its text has {len(extracted.text):,} characters, {DOCUMENT_CHARS_MAX:,} are learned",
            "Learn it in several parts.",
        )
    return extracted


def short_title(text: str | None) -> str | None:
    """A title in one line that can be stored; None for an empty one."""
    return " ".join(tidy(text or "").split())[:TITLE_CHARS_MAX].strip() or None


def read_text(source: Source, media_type: str) -> Extracted:
    """Plain text, and source code."""
    return Extracted(decoded(source), media_type=media_type)


def read_markdown(source: Source) -> Extracted:
    """Markdown; its title is in the front matter, or else the first heading of the first level."""
    text = decoded(source)
    front = _FRONT_MATTER.match(text)
    found = _TITLE_LINE.search(front[1]) if front else None
    found = found or _FIRST_HEADING.search(text[:_LOOKED_AT])
    title = short_title(found[1]) if found else None
    return Extracted(text, title=title, media_type="text/markdown")
