"""HTML as Markdown: headings, paragraphs, lists, tables and code, without what is not read."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from memoledger.adapters.formats.plain_text import decoded, short_title
from memoledger.adapters.formats.source import Source
from memoledger.model.document import Extracted

Element = Any
"""lxml ships no types."""

_UNSEEN: Final = frozenset(
    {
        "head",
        "script",
        "style",
        "template",
        "noscript",
        "svg",
        "math",
        "iframe",
        "object",
        "canvas",
        "select",
        "datalist",
    }
)
_HEADINGS: Final = {f"h{level}": level for level in range(1, 7)}
_BLOCKS: Final = frozenset(
    {
        "address",
        "article",
        "aside",
        "blockquote",
        "body",
        "caption",
        "center",
        "dd",
        "details",
        "dialog",
        "div",
        "dl",
        "dt",
        "fieldset",
        "figcaption",
        "figure",
        "footer",
        "form",
        "header",
        "hgroup",
        "hr",
        "html",
        "legend",
        "li",
        "main",
        "menu",
        "nav",
        "ol",
        "p",
        "pre",
        "section",
        "summary",
        "table",
        "tbody",
        "tfoot",
        "thead",
        "tr",
        "ul",
    }
)
_ONE_LINE_APART: Final = frozenset({"li", "tr", "dt", "dd", "br", "summary", "caption"})
_CHARSET = re.compile(rb"<meta[^>]{0,200}charset\s*=\s*[\"']?([\w.:-]{1,40})", re.IGNORECASE)
_DATES: Final = (
    "article:published_time",
    "dcterms.date",
    "dc.date",
    "date",
    "article:modified_time",
)
_SPACE = re.compile(r"[ \t\n\r\f\v\u00a0]+")
_GAPS = re.compile(r"\n{3,}")


def read_html(source: Source) -> Extracted:
    """A page's text as Markdown, with its title, author and date.

    Raises:
        UnreadableSource: it is no text, or no HTML.
    """
    found = _CHARSET.search(source.data[:4_096])
    return html_text(source, decoded(source, found[1].decode("ascii") if found else None))


def html_text(source: Source, html: str) -> Extracted:
    """The same of HTML that is decoded already.

    Raises:
        UnreadableSource: it is no HTML.
    """
    from lxml import etree

    # As bytes: a text with a declaration of its encoding in it is refused. Limits on depth and
    # size are the parser's own; entities of documents' making do not exist in HTML.
    parser = etree.HTMLParser(
        encoding="utf-8", no_network=True, huge_tree=False, remove_comments=True, remove_pis=True
    )
    try:
        root = etree.fromstring(html.encode(), parser)
    except (etree.LxmlError, ValueError) as error:
        raise source.broken("HTML", error) from None
    if root is None:
        raise source.broken("HTML")
    meta = _meta(root)
    author = short_title(meta.get("author") or meta.get("article:author"))
    return Extracted(
        _Writer().written(root),
        title=short_title(root.findtext(".//title") or meta.get("og:title")),
        author=None if author is None else {"name": author},
        occurred_at=next(filter(None, (_instant(meta.get(name)) for name in _DATES)), None),
        media_type="text/markdown",
    )


def _meta(root: Element) -> dict[str, str]:
    found: dict[str, str] = {}
    for element in root.iterfind(".//meta"):
        name = element.get("name") or element.get("property") or ""
        found.setdefault(name.lower(), element.get("content") or "")
    return found


def _instant(text: str | None) -> datetime | None:
    """An instant that was given with its time zone; anything else is not certain enough."""
    try:
        found = datetime.fromisoformat((text or "").strip())
    except ValueError:
        return None
    return found if found.tzinfo is not None else None


@dataclass(slots=True)
class _Writer:
    """Walks a tree without recursion, however deep, and writes what is read."""

    out: list[str] = field(default_factory=list)
    unseen: int = 0
    verbatim: int = 0

    def written(self, root: Element) -> str:
        from lxml import etree

        for event, element in etree.iterwalk(root, events=("start", "end")):
            tag = element.tag if isinstance(element.tag, str) else ""
            if event == "start":
                self._begin(tag)
                self._text(element.text)
            else:
                self._end(tag)
                self._text(element.tail)
        lines = [
            line if fenced else line.strip(" ")
            for line, fenced in _with_fences("".join(self.out).split("\n"))
        ]
        return _GAPS.sub("\n\n", "\n".join(lines)).strip()

    def _begin(self, tag: str) -> None:
        self.unseen += tag in _UNSEEN
        if self.unseen:
            return
        if tag in _HEADINGS:
            self.out.append("\n\n" + "#" * _HEADINGS[tag] + " ")
        elif tag == "pre":
            self.out.append("\n\n```\n")
            self.verbatim += 1
        elif tag == "li":
            self.out.append("\n- ")
        elif tag in {"td", "th"}:
            self.out.append(" | ")
        elif tag in _BLOCKS or tag == "br":
            self.out.append("\n" if tag in _ONE_LINE_APART else "\n\n")

    def _end(self, tag: str) -> None:
        if tag in _UNSEEN:
            self.unseen -= 1
        elif self.unseen:
            return
        elif tag == "pre":
            self.verbatim -= 1
            self.out.append("\n```\n\n")
        elif (tag in _BLOCKS or tag in _HEADINGS) and tag not in _ONE_LINE_APART:
            self.out.append("\n\n")

    def _text(self, text: str | None) -> None:
        if text and not self.unseen:
            self.out.append(text if self.verbatim else _SPACE.sub(" ", text))


def _with_fences(lines: list[str]) -> list[tuple[str, bool]]:
    """Each line, and whether it stands between fences, where blanks mean something."""
    fenced = False
    found: list[tuple[str, bool]] = []
    for line in lines:
        if line == "```":
            fenced = not fenced
        found.append((line, fenced))
    return found
