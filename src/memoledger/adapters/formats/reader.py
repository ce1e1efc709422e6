"""The reader: one door for all formats."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

from memoledger.adapters.formats import chats, media_types
from memoledger.adapters.formats.archive import opened
from memoledger.adapters.formats.docx import read_docx
from memoledger.adapters.formats.html import read_html
from memoledger.adapters.formats.mail import read_mail
from memoledger.adapters.formats.media_types import media_type_of
from memoledger.adapters.formats.pdf import read_pdf
from memoledger.adapters.formats.plain_text import (
    checked_length,
    decoded,
    not_text,
    read_markdown,
    read_text,
    tidy,
)
from memoledger.adapters.formats.records import json_text, parsed, read_csv, read_json_lines
from memoledger.adapters.formats.source import Source
from memoledger.model.document import Extracted

_NO_TEXT: Final = ("image/", "audio/", "video/", "font/")


class SourceReader:
    """Reads text, Markdown, HTML, PDF, DOCX, CSV, JSON, JSON Lines, mail, chats and source code.

    Libraries are imported when their format first comes. Safe to use from several threads.
    """

    def read(
        self, source: bytes | Path, media_type: str | None = None, name: str | None = None
    ) -> Extracted:
        """What can be read in `source`; see `memoledger.ports.Reader`.

        Raises:
            UnreadableSource: its format is not known, or it is broken, hostile or too large.
        """
        found = Source.of(source, name)
        return checked_length(found, _read(found, media_type))


def _read(source: Source, said: str | None) -> Extracted:
    media_type = media_type_of(source, said) or media_types.PLAIN
    if media_type.startswith(_NO_TEXT):
        raise not_text(source)
    read = _READERS.get(media_type)
    found = read_text(source, media_type) if read is None else read(source)
    return replace(found, text=tidy(found.text), source_type=media_type)


def _read_json(source: Source) -> Extracted:
    value = parsed(source)
    talks = chats.of_json(value)
    return chats.rendered(talks) if talks is not None else json_text(source, value)


def _read_plain(source: Source) -> Extracted:
    text = decoded(source)
    talks = chats.of_whatsapp(text)
    return chats.rendered(talks) if talks is not None else Extracted(text)


def _read_zip(source: Source) -> Extracted:
    with opened(source) as archive:
        if "word/document.xml" in archive.namelist():
            return read_docx(source)
        talks = chats.of_archive(source, archive)
    if talks is None:
        raise source.refused(
            "it is an archive, and no chat's export that is known",
            "Unpack it, and learn the files in it.",
        )
    return chats.rendered(talks)


def _read_mail(source: Source) -> Extracted:
    return read_mail(source, _read)


_READERS: Final[Mapping[str, Callable[[Source], Extracted]]] = {
    media_types.PLAIN: _read_plain,
    media_types.MARKDOWN: read_markdown,
    media_types.HTML: read_html,
    media_types.PDF: read_pdf,
    media_types.DOCX: read_docx,
    media_types.CSV: read_csv,
    media_types.JSON: _read_json,
    media_types.JSON_LINES: read_json_lines,
    media_types.MAIL: _read_mail,
    media_types.ZIP: _read_zip,
}
