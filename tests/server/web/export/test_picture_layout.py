"""Pictures before they are drawn: what is said in them, where things are, and colours of one source."""

import re
import struct
from pathlib import Path
from typing import Any

import pytest
from lxml import etree

from hopsight.model.times import TimeRange
from hopsight.server.picture_work import FONTS
from hopsight.server.web.charts import WIDTH, Chart, Series, draw_chart
from hopsight.server.web.export.page_pictures import styles_of
from hopsight.server.web.export.picture_files import DRAWN, picture_svg
from hopsight.server.web.export.pictures import MAX_PIXELS, Drawing, Mark, chart_drawing, lay_out
from hopsight.server.web.export.style_sheets import drawing_styles

SVG = "{http://www.w3.org/2000/svg}"


def chart(values: list[float | None]) -> Chart:
    """A chart of two points."""
    series = [Series(label="p95", style="line-b", values=values)]
    return draw_chart("Latency", "ms", series, [0, 60], TimeRange(0, 119), 2)


def drawn(drawing: Drawing, title: str = "Overview", *facts: str) -> Any:
    """A picture with one drawing, as a tree."""
    picture = lay_out(title, facts, [drawing])
    return etree.fromstring(picture_svg(picture, ("charts.css",), is_simulated=True).strip().encode())


def texts(tree: Any) -> list[str]:
    """All that can be read in it."""
    return [text.text for text in tree.iter(f"{SVG}text")]


def test_a_picture_says_what_it_is_about() -> None:
    """Title, facts, unit, legend and samples are in it; a name is text, however it is spelled."""
    found = texts(
        drawn(chart_drawing(chart([1.0, 2.0])), "<b> 東 & \x00", "Simulated data.", "Filters: none.")
    )
    assert found[0] == "<b> \ufffd & \ufffd"
    for text in ("Simulated data.", "Filters: none.", "Latency, ms", "p95", "2 samples, UTC"):
        assert text in found


@pytest.mark.parametrize("file", FONTS)
def test_fonts_have_what_is_drawn(file: str) -> None:
    """Every letter that pictures let through is in both fonts, and the sign that stands for the others."""
    known = letters(Path(file).read_bytes())
    wanted = {each for first, last in DRAWN for each in range(first, last + 1)} - {0x38D}
    assert wanted <= known
    assert 0xFFFD in known


def letters(font: bytes) -> set[int]:
    """What a TrueType font has a picture of: the segments of its character map (format 4)."""
    tables = {
        font[at : at + 4]: struct.unpack_from(">I", font, at + 8)[0]
        for at in range(12, 12 + 16 * struct.unpack_from(">H", font, 4)[0], 16)
    }
    start = tables[b"cmap"]
    offsets = [
        struct.unpack_from(">I", font, start + 8 + 8 * number)[0]
        for number in range(struct.unpack_from(">H", font, start + 2)[0])
    ]
    at = next(start + each for each in offsets if struct.unpack_from(">H", font, start + each)[0] == 4)
    count = struct.unpack_from(">H", font, at + 6)[0] // 2
    ends = struct.unpack_from(f">{count}H", font, at + 14)
    starts = struct.unpack_from(f">{count}H", font, at + 16 + 2 * count)
    return {each for first, last in zip(starts, ends, strict=True) for each in range(first, last + 1)}


def test_what_was_not_measured_is_said() -> None:
    """An empty chart has no line and no axis, and says why."""
    tree = drawn(chart_drawing(chart([None, None])))
    assert "Nothing was measured in this time." in texts(tree)
    assert not list(tree.iter(f"{SVG}line"))


def test_long_lines_are_broken_and_nothing_lies_on_another() -> None:
    """Facts and legends stay within the picture; each drawing begins below the one before."""
    base = chart_drawing(chart([1.0, 2.0]))
    marks = [Mark(shape="line", style="line-a", label="x" * 30)] * 9
    crowded = Drawing(kind="chart", drawn=base.drawn, title="A", samples="", marks=marks)
    picture = lay_out("T", ["word " * 60], [crowded, base])
    assert len(picture.facts) > 1
    first, second = picture.panels
    assert max(mark.x for mark in first.marks) < WIDTH
    assert len({mark.y for mark in first.marks}) > 1
    assert first.drawing_y > max(mark.y for mark in first.marks)
    assert second.y > first.drawing_y + base.height
    assert picture.height > second.drawing_y + base.height
    assert picture.panels[0].y > picture.facts_y + 17 * len(picture.facts)


def test_a_large_picture_is_drawn_at_its_own_size() -> None:
    """Twice as many pixels as a drawing has, unless that were too many."""
    base = chart_drawing(chart([1.0, 2.0]))
    large = Drawing(kind="chart", drawn=base.drawn, title="", samples="", width=8_000, height=2_000)
    assert lay_out("T", [], [base]).scale == 2
    assert lay_out("T", [], [large]).scale == 1
    assert MAX_PIXELS > 8_000 * 2_000


def test_colours_are_those_of_the_pages() -> None:
    """Variables are put in, for light ground; rules of pages, for the dark and for paper are left out."""
    styles = drawing_styles(
        [
            ":root { --a: #123456; } /* .x { fill: red; } */ @media (dark) { :root { --a: #fff; } }",
            ".a, .b::before { stroke: var(--a); display: grid; } p { fill: red; } .c { color: red; }",
            ".d text { font: 11px var(--sans); }",
        ]
    )
    assert styles == ".a{stroke:#123456}\n.d text{font-size:11px}"


@pytest.mark.parametrize(
    "names", [("charts.css", "agent.css"), ("charts.css", "paths.css"), ("session.css",)]
)
def test_style_sheets_of_pages_can_be_drawn(names: tuple[str, ...]) -> None:
    """No variable is left in them, and each has its ground."""
    styles = styles_of(names)
    assert "var(" not in styles
    assert ".ground{fill:#fcfcfa}" in styles
    assert re.search(r"\.(line|hop)\{[^}]*#0e5a6b", styles)
