"""The picture is a document that any viewer can show, whatever the names in it."""

from __future__ import annotations

from xml.etree import ElementTree as ET

from hypothesis import given, settings
from hypothesis import strategies as st

from memoledger.services.evaluation.picture import ROWS_MAX, WIDTH, Picture
from memoledger.services.evaluation.summary import Breakdown, Resampling, summarize

SVG = "{http://www.w3.org/2000/svg}"


def breakdown(mean: float, *categories: str) -> Breakdown:
    rows = [{"recall@10": mean, "ndcg@10": mean}] * max(1, len(categories))
    return summarize(rows, list(categories) or [None], Resampling(resamples=10))


def drawn(picture: Picture) -> ET.Element:
    return ET.fromstring(picture.svg())


def texts(root: ET.Element) -> list[str]:
    return [text.text or "" for text in root.iter(f"{SVG}text")]


def test_it_shows_every_mode_category_and_value() -> None:
    root = drawn(
        Picture(
            "Retrieval on notes",
            "3 memories",
            {"hybrid": breakdown(0.75, "who", "when"), "dense": breakdown(0.5, "who", "when")},
        )
    )
    shown = texts(root)
    assert {"hybrid", "dense", "all questions", "who", "when", "75.0", "50.0"} <= set(shown)
    assert shown.count("2 asked") == 1
    assert root.find(f"{SVG}title") is not None
    assert root.get("role") == "img"
    bars = [r for r in root.iter(f"{SVG}rect") if r.get("height") == "14"]
    assert len(bars) == 2 * 2 * 3  # series, measures, rows
    assert len({bar.get("width") for bar in bars}) == 2


def test_it_follows_light_and_dark_and_runs_nothing() -> None:
    text = Picture("<script>", "a & b", {"hybrid": breakdown(1.0)}).svg()
    assert "prefers-color-scheme:dark" in text
    assert "<script" not in text
    assert "href" not in text


def test_what_a_category_of_one_series_lacks_is_left_out() -> None:
    root = drawn(Picture("t", "s", {"a": breakdown(0.5, "who"), "b": breakdown(0.5)}))
    bars = [r for r in root.iter(f"{SVG}rect") if r.get("height") == "14"]
    assert len(bars) == 2 * 2 + 2


def test_more_categories_than_fit_are_counted() -> None:
    names = [f"category {n:03}" for n in range(ROWS_MAX + 5)]
    shown = texts(drawn(Picture("t", "s", {"hybrid": breakdown(0.5, *names)})))
    assert names[0] in shown
    assert names[-1] not in shown
    assert any(text.startswith("6 more categories") for text in shown)


@settings(max_examples=50, deadline=None)
@given(
    name=st.text(min_size=1, max_size=80),
    mean=st.floats(0, 1),
    series=st.integers(1, 4),
)
def test_it_is_well_formed_and_inside_its_frame(name: str, mean: float, series: int) -> None:
    parts = {f"{n}{name}": breakdown(mean, name) for n in range(series)}
    root = drawn(Picture(name, name, parts))
    assert root.get("width") == str(WIDTH)
    height = float(root.get("height") or 0)
    for rect in root.iter(f"{SVG}rect"):
        assert float(rect.get("x", "0")) + float(rect.get("width", "0")) <= WIDTH
        assert float(rect.get("y", "0")) + float(rect.get("height", "0")) <= height
