"""A picture of an evaluation: bars with their intervals, as an SVG that needs nothing else.

One row a category, one panel a measure, one bar a series (a mode, or a report). It follows the
reader's choice of light or dark, holds no script and loads nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from xml.sax.saxutils import escape

from memoledger.services.evaluation.summary import Breakdown, Summary

WIDTH: Final = 800
MEASURES: Final = (("recall@10", "recall@10"), ("ndcg@10", "nDCG@10"))
"""Drawn measures, with the headings of their panels."""

ROWS_MAX: Final = 25
"""All questions and 24 categories; more would be no picture any more."""

_MARGIN = 24
_LABELS = 152  # room for the names of categories
_GAP = 48  # between panels; the value at the end of a full bar stands in it
_PANEL = (WIDTH - 2 * _MARGIN - _LABELS - _GAP * len(MEASURES)) // len(MEASURES)
_TOP = 126
_BAR = 14
_BETWEEN_BARS = 3
_BETWEEN_ROWS = 18

# Light ground, then dark. Okabe and Ito's palette, toned down where the ground is dark and
# the lines over it are light.
_COLOURS: Final = (
    ("#0072b2", "#3388c4"),
    ("#e69f00", "#c4860a"),
    ("#009e73", "#1c9673"),
    ("#cc79a7", "#b8628f"),
)

_FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"


@dataclass(frozen=True, slots=True)
class Picture:
    """What is drawn.

    Args:
        title, subtitle: one line each; what does not fit is cut.
        series: a breakdown for each name, at most four, which is how many colours are told apart
            by everybody; the first is the one that is judged.
        footnote: what the thin lines are.
    """

    title: str
    subtitle: str
    series: Mapping[str, Breakdown]
    footnote: str = "Thin lines: 95 % bootstrap intervals."

    def svg(self) -> str:
        """The picture as an SVG document."""
        rows, omitted = self._rows()
        height = _height(len(rows), len(self.series))
        foot = f"{omitted} more categories are in the report. " if omitted else ""
        parts = [
            *_head(self.title, self.subtitle, height, list(self.series)),
            *_axes(height),
            *(part for place, row in enumerate(rows) for part in self._row(place, *row)),
            _text(_MARGIN, height - 16, f"{foot}{self.footnote}", "soft small"),
            "</svg>",
        ]
        return "\n".join(parts) + "\n"

    def _rows(self) -> tuple[list[tuple[str, list[Summary | None]]], int]:
        """All questions first, then the categories; and how many are left out."""
        parts = list(self.series.values())
        names = sorted({name for part in parts for name in part.by_category})
        shown = names[: ROWS_MAX - 1]
        rows: list[tuple[str, list[Summary | None]]] = [
            ("all questions", [part.overall for part in parts])
        ]
        rows += [(name, [part.by_category.get(name) for part in parts]) for name in shown]
        return rows, len(names) - len(shown)

    def _row(self, place: int, name: str, summaries: Sequence[Summary | None]) -> Iterator[str]:
        top = _TOP + place * _row_height(len(summaries))
        middle = top + _row_height(len(summaries), between=0) / 2
        count = max((s.questions for s in summaries if s is not None), default=0)
        style = "ink strong" if place == 0 else "ink"
        yield _text(_MARGIN, middle - 1, _cut(name, 19), style)
        yield _text(_MARGIN, middle + 13, f"{count:,} asked", "soft small")
        for panel, (measure, _) in enumerate(MEASURES):
            for number, summary in enumerate(summaries):
                if summary is not None:
                    y = top + number * (_BAR + _BETWEEN_BARS)
                    yield from _bar(_panel_x(panel), y, number, summary, measure)


def _head(title: str, subtitle: str, height: int, series: Sequence[str]) -> Iterator[str]:
    described = f"{subtitle}. Bars: {', '.join(series)}."
    yield (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}"'
        f' height="{height}" role="img" aria-labelledby="title described">'
    )
    yield f'<title id="title">{_xml(title)}</title>'
    yield f'<desc id="described">{_xml(described)}</desc>'
    yield f"<style>{_style(len(series))}</style>"
    yield f'<rect class="ground" width="{WIDTH}" height="{height}" rx="8"/>'
    yield _text(_MARGIN, 36, _cut(title, 64), "ink title")
    yield _text(_MARGIN, 57, _cut(subtitle, 110), "soft")
    yield from _legend(series)


def _legend(series: Sequence[str]) -> Iterator[str]:
    x = float(_MARGIN)
    for number, name in enumerate(series):
        shown = _cut(name, 28)
        yield f'<rect class="bar{number}" x="{x:g}" y="72" width="12" height="12" rx="2"/>'
        yield _text(x + 18, 82, shown, "ink")
        x += 18 + 7.4 * len(shown) + 22


def _axes(height: int) -> Iterator[str]:
    bottom = height - 58
    for panel, (_, heading) in enumerate(MEASURES):
        x = _panel_x(panel)
        yield _text(x, _TOP - 10, f"{heading}, %", "ink strong")
        for percent in (0, 25, 50, 75, 100):
            at = x + _PANEL * percent / 100
            yield f'<path class="grid" d="M{at:g} {_TOP - 4}V{bottom}"/>'
            yield _text(at, bottom + 14, str(percent), "soft small middle")


def _bar(x: float, y: float, number: int, summary: Summary, measure: str) -> Iterator[str]:
    value = _within(summary.means.get(measure, 0.0))
    low, high = map(_within, summary.intervals.get(measure, (value, value)))
    middle = y + _BAR / 2
    yield (
        f'<rect class="bar{number}" x="{x:g}" y="{y:g}" width="{_PANEL * value:.1f}"'
        f' height="{_BAR}" rx="2"/>'
    )
    yield (
        f'<path class="interval" d="M{x + _PANEL * low:.1f} {middle:g}H{x + _PANEL * high:.1f}'
        f"M{x + _PANEL * low:.1f} {middle - 3:g}v6M{x + _PANEL * high:.1f} {middle - 3:g}v6"
        '"/>'
    )
    after = x + _PANEL * max(value, high) + 6
    style = "ink small value strong" if number == 0 else "ink small value"
    yield _text(after, y + _BAR - 3, f"{100 * value:.1f}", style)


def _text(x: float, y: float, content: str, style: str) -> str:
    return f'<text class="{style}" x="{x:g}" y="{y:g}">{_xml(content)}</text>'


def _style(series: int) -> str:
    light = "".join(f".bar{n}{{fill:{_COLOURS[n][0]}}}" for n in range(series))
    dark = "".join(f".bar{n}{{fill:{_COLOURS[n][1]}}}" for n in range(series))
    return (
        f"text{{font:13px {_FONT}}}.title{{font-size:18px;font-weight:600}}"
        ".strong{font-weight:600}.small{font-size:11px}.middle{text-anchor:middle}"
        ".value{paint-order:stroke;stroke:#fff;stroke-width:4}"
        ".ground{fill:#fff}.ink{fill:#1c2430}.soft{fill:#5b6675}"
        ".grid{stroke:#e3e7ec;stroke-width:1;fill:none}"
        f".interval{{stroke:#1c2430;stroke-width:1.2;fill:none}}{light}"
        "@media (prefers-color-scheme:dark){"
        ".ground{fill:#12161c}.ink{fill:#e8ecf1}.soft{fill:#9aa6b5}"
        f".value{{stroke:#12161c}}.grid{{stroke:#2a323d}}.interval{{stroke:#e8ecf1}}{dark}}}"
    )


def _panel_x(panel: int) -> int:
    return _MARGIN + _LABELS + panel * (_PANEL + _GAP)


def _row_height(series: int, *, between: int = _BETWEEN_ROWS) -> int:
    return series * _BAR + (series - 1) * _BETWEEN_BARS + between


def _height(rows: int, series: int) -> int:
    return _TOP + rows * _row_height(series) + 58


def _within(value: float) -> float:
    return min(max(value, 0.0), 1.0)


def _cut(text: str, chars_max: int) -> str:
    return text if len(text) <= chars_max else text[: chars_max - 1] + "…"


def _xml(text: str) -> str:
    """Escaped; characters that XML cannot hold become a replacement character."""
    return escape("".join(c if _is_xml(ord(c)) else "\ufffd" for c in text), {'"': "&quot;"})


def _is_xml(code: int) -> bool:
    return (
        code in {0x9, 0xA, 0xD}
        or 0x20 <= code <= 0xD7FF
        or 0xE000 <= code <= 0xFFFD
        or (code >= 0x10000)
    )
