"""Where a text may be cut, how good each place is, and which headings stand above it.

Places are beginnings of lines. Each has a level, the lower the better: a heading, a definition, a
paragraph, a line. Levels and headings follow from the lines themselves; nothing is parsed, so that
any text has an outline, however broken, in one pass.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final

from memoledger.model.limits import SECTION_CHARS_MAX

PARAGRAPH: Final = 10
"""Levels below are headings (1 to 6) and blocks of code (1 to 8, by depth)."""

LINE: Final = 12
SENTENCE: Final = 16

_HEADING_CHARS_MAX: Final = 120
_DEPTH_MAX: Final = 3
_TAB_WIDTH: Final = 4

_FENCE = re.compile(r" {0,3}(`{3,}(?=[^`]*$)|~{3,})")
_ATX = re.compile(r" {0,3}(#{1,6})(?:[ \t]+(.*?))??(?:[ \t]+#+)?[ \t]*$")
_SETEXT = re.compile(r" {0,3}(=+|-{2,})[ \t]*$")
_NO_TEXT_ABOVE = re.compile(r"\s*(?:$|[-*+>#|]|\d+[.)]\s)")

_MODIFIERS: Final = (
    "abstract|async|data|default|export|extern|final|inline|internal|open|override|partial|private"
    "|protected|pub(?:\\([a-z: ]*\\))?|public|sealed|static|unsafe|virtual"
)
_KEYWORDS: Final = (
    "class|def|enum|fn|func|function|impl|interface|mod|module|namespace|object|package|proc"
    "|protocol|record|struct|sub|trait|type"
)
_DEFINITION = re.compile(
    rf"\s*(?:(?:{_MODIFIERS})\s+){{0,6}}(?:{_KEYWORDS})\b\s*(?:\([^()]{{0,100}}\)\s*)?\*?\s*"
    r"([\w$.:~]*[\w$])\s*(?=[({:<\[=;]|$|extends\b|for\b|implements\b|interface\b|struct\b|where\b)"
)
_LEADS_IN: Final = ("@", "#", "//", "/*", "*", '"""', "--", "%")
"""How lines begin that belong to the definition below them."""

_CLOSES: Final = (")", "]", "}", "{")
"""How lines begin that belong to what is above them."""


@dataclass(slots=True)
class Outline:
    """The lines of a text: where each begins, its level, and the headings above it."""

    starts: list[int] = field(default_factory=list)
    levels: list[int] = field(default_factory=list)
    sections: list[str | None] = field(default_factory=list)

    def add(self, start: int, level: int, section: str | None) -> None:
        """Note the next line."""
        self.starts.append(start)
        self.levels.append(level)
        self.sections.append(section)


def outline_of(text: str, media_type: str) -> Outline:
    """The outline of a text of this media type; of an unknown one as of prose."""
    return _way_of(media_type)(text)


def _way_of(media_type: str) -> Callable[[str], Outline]:
    if media_type in {"text/markdown", "text/x-markdown"}:
        return _of_markdown
    if is_code(media_type):
        return _of_code
    return _of_prose


def is_code(media_type: str) -> bool:
    """Whether indentation and definitions tell how a text of this type is made up."""
    kind, _, name = media_type.partition("/")
    return (kind == "text" and name.startswith("x-")) or name in {
        "css",
        "javascript",
        "sql",
        "toml",
        "typescript",
        "x-sh",
        "xml",
        "yaml",
    }


class _Path:
    """The headings above a line, the outermost first, each with its depth."""

    def __init__(self) -> None:
        self._stack: list[tuple[int, str]] = []
        self.label: str | None = None

    @property
    def depth(self) -> int:
        """Of the innermost; -1 without any."""
        return self._stack[-1][0] if self._stack else -1

    def leave(self, depth: int) -> None:
        """Forget what is as deep as this, or deeper."""
        if self._stack and self._stack[-1][0] >= depth:
            while self._stack and self._stack[-1][0] >= depth:
                self._stack.pop()
            self._name()

    def enter(self, depth: int, name: str) -> None:
        """A heading of this depth."""
        self.leave(depth)
        shown = " ".join(name.split())[:_HEADING_CHARS_MAX].strip()
        if shown:
            self._stack.append((depth, shown))
            self._name()

    def _name(self) -> None:
        # The innermost says most, so what is too long loses its beginning.
        joined = " > ".join(name for _, name in self._stack)
        self.label = joined[-SECTION_CHARS_MAX:].strip() or None


def _lines(text: str) -> Iterator[tuple[int, str]]:
    """Every line with where it begins, without its line feed, which alone ends a line."""
    start = 0
    while start < len(text):
        end = text.find("\n", start)
        end = len(text) if end < 0 else end
        yield start, text[start:end]
        start = end + 1


def _of_prose(text: str) -> Outline:
    outline = Outline()
    after_blank = True
    for start, line in _lines(text):
        outline.add(start, PARAGRAPH if after_blank or line[:1] == "\f" else LINE, None)
        after_blank = not line or line.isspace()
    return outline


def _of_markdown(text: str) -> Outline:
    outline, path = Outline(), _Path()
    fence = ""
    above: str | None = None  # The line above, where it is text that an underline makes a heading.
    after_blank = True
    for start, line in _lines(text):
        blank = not line or line.isspace()
        level = PARAGRAPH if after_blank and not fence else LINE
        found = _FENCE.match(line)
        if fence:
            fence = "" if found and line.strip() == found[1] and found[1] >= fence else fence
            above = None
        elif found:
            fence, above = found[1], None
        elif heading := _ATX.match(line):
            level, above = len(heading[1]), None
            path.enter(level, heading[2] or "")
        elif above is not None and (underline := _SETEXT.match(line)):
            depth = 1 if underline[1][0] == "=" else 2
            path.enter(depth, above)
            outline.levels[-1], outline.sections[-1] = depth, path.label
            level, above = SENTENCE, None
        else:
            above = line if after_blank and not _NO_TEXT_ABOVE.match(line) else None
        outline.add(start, level, path.label)
        after_blank = blank
    return outline


def _of_code(text: str) -> Outline:
    outline, path = Outline(), _Path()
    after_blank, led_in = True, False
    for start, line in _lines(text):
        stripped = line.strip()
        if not stripped:
            outline.add(start, LINE, path.label)
            after_blank, led_in = True, False
            continue
        width = _width(line)
        depth = min(width // _TAB_WIDTH, _DEPTH_MAX)
        definition = _DEFINITION.match(line)
        leads = stripped.startswith(_LEADS_IN)
        if definition:
            path.enter(width, definition[1])
        elif not leads and not stripped.startswith(_CLOSES):
            path.leave(width)
        if after_blank or (definition and not led_in):
            level = 1 + 2 * depth + (0 if definition or leads else 1)
        else:
            level = LINE + depth
        outline.add(start, level, path.label)
        after_blank, led_in = False, leads
    return outline


def _width(line: str) -> int:
    """How far a line is indented, in columns."""
    indent = line[: len(line) - len(line.lstrip())]
    return len(indent) + (_TAB_WIDTH - 1) * indent.count("\t")
