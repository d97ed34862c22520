"""Pictures as places: a heading, what is looked at, and drawings one below the other. Pure."""

import textwrap
from collections.abc import Sequence
from typing import Final, Literal

from msgspec import Struct

from hopsight.server.web.agent_numbers import Band
from hopsight.server.web.charts import HEIGHT, WIDTH, Chart, Tick
from hopsight.server.web.overview_numbers import Share
from hopsight.server.web.path_drawing import HEIGHT as PATH_HEIGHT
from hopsight.server.web.path_drawing import PathDrawing, shortened
from hopsight.server.web.path_graph import DELAY_LIMITS, LOSS_LIMITS, PathGraph
from hopsight.server.web.waterfall import PHASES, Waterfall

MARGIN: Final = 24
SCALE: Final = 2
MAX_PIXELS: Final = 40_000_000
ROW_HEIGHT: Final = 18
WATERFALL_ROWS: Final = 60

_CHAR_WIDTH: Final = 7.0
"""Of the font at 12 px, in the mean."""
_LINE: Final = 17
_MAX_NAME: Final = 40
_MARK_WIDTH: Final = 24
_BAR_HEIGHT: Final = 24
_BANDS_HEIGHT: Final = 40

DrawingKind = Literal["chart", "shares", "bands", "graph", "path", "waterfall"]


class Mark(Struct, frozen=True, kw_only=True):
    """A sign of a legend, and what it stands for."""

    shape: Literal["line", "edge", "dot", "box"]
    style: str
    label: str


class Drawing(Struct, frozen=True, kw_only=True):
    """One drawing.

    Args:
        kind: which macro draws it.
        drawn: what that takes.
        title: of it, with the unit.
        samples: how many measurements are behind it, in words.
        marks: its legend.
        width: of the drawing itself; ``height`` likewise.
        ticks: times below bands.
        nothing: what is said in its place when there is nothing to draw; empty: there is.
    """

    kind: DrawingKind
    drawn: Chart | Sequence[Share] | Sequence[Band] | PathGraph | PathDrawing | Waterfall
    title: str
    samples: str
    marks: Sequence[Mark] = ()
    width: float = WIDTH
    height: float = HEIGHT
    ticks: Sequence[Tick] = ()
    nothing: str = ""


class PlacedMark(Struct, frozen=True, kw_only=True):
    """A sign of a legend, and where it is."""

    mark: Mark
    x: float
    y: float


class Panel(Struct, frozen=True, kw_only=True):
    """A drawing, where it begins, and its legend; ``drawing_y`` is where it is drawn."""

    drawing: Drawing
    y: float
    drawing_y: float
    marks: Sequence[PlacedMark]


class Picture(Struct, frozen=True, kw_only=True):
    """All of it, in pixels of its own; ``scale`` more of them are in the file."""

    title: Sequence[str]
    facts: Sequence[str]
    panels: Sequence[Panel]
    width: int
    height: int
    facts_y: int
    scale: int


def lay_out(title: str, facts: Sequence[str], drawings: Sequence[Drawing]) -> Picture:
    """Place everything; long lines are broken."""
    inner = max([WIDTH, *(drawing.width for drawing in drawings)])
    headings = _broken(title, inner, 20 / 12)
    lines = [line for fact in facts for line in _broken(fact, inner)]
    facts_y = MARGIN + 26 * len(headings) + 10
    y: float = facts_y + _LINE * len(lines) + 28
    panels = []
    for drawing in drawings:
        panels.append(_panel(drawing, y, inner))
        height = _LINE if drawing.nothing else drawing.height
        y = panels[-1].drawing_y + height + 30
    width, height = int(inner + 2 * MARGIN), int(y + MARGIN - 10)
    return Picture(
        title=headings,
        facts=lines,
        panels=panels,
        width=width,
        height=height,
        facts_y=facts_y,
        scale=SCALE if width * height * SCALE**2 <= MAX_PIXELS else 1,
    )


def _panel(drawing: Drawing, y: float, inner: float) -> Panel:
    marks, x, row = [], 0.0, 0
    for mark in drawing.marks:
        width = _MARK_WIDTH + _CHAR_WIDTH * len(mark.label) + 14
        if x and x + width > inner:
            x, row = 0.0, row + 1
        marks.append(PlacedMark(mark=mark, x=x, y=y + 22 + _LINE * row))
        x += width
    rows = row + 1 if marks else 0
    return Panel(drawing=drawing, y=y, drawing_y=y + 12 + _LINE * rows, marks=marks)


def _broken(text: str, width: float, size: float = 1.0) -> list[str]:
    return textwrap.wrap(text, int(width / (_CHAR_WIDTH * size))) or [""]


def chart_drawing(chart: Chart) -> Drawing:
    """Lines over time."""
    marks = [Mark(shape="line", style=line.style, label=line.label) for line in chart.lines]
    return Drawing(
        kind="chart",
        drawn=chart,
        title=f"{chart.title}, {chart.unit}",
        samples=f"{chart.samples:,} samples, UTC",
        marks=marks,
        nothing="Nothing was measured in this time." if chart.is_empty else "",
    )


def shares_drawing(shares: Sequence[Share]) -> Drawing:
    """Whose fault it was."""
    return Drawing(
        kind="shares",
        drawn=shares,
        title="Whose fault, share of sessions",
        samples=f"{sum(share.count for share in shares):,} sessions",
        marks=[
            Mark(
                shape="box",
                style=f"fill-{each.name}",
                label=f"{each.name} {each.percent:.1f} % ({each.count:,})",
            )
            for each in shares
        ],
        height=_BAR_HEIGHT,
        nothing="" if shares else "No session has a verdict in this time.",
    )


def bands_drawing(bands: Sequence[Band], ticks: Sequence[Tick]) -> Drawing:
    """States of an agent."""
    names = dict.fromkeys(band.state for band in bands)
    return Drawing(
        kind="bands",
        drawn=bands,
        title="States",
        samples=f"{len(bands)} spans, UTC",
        marks=[Mark(shape="box", style=f"state-{name}", label=name) for name in names],
        height=_BANDS_HEIGHT,
        ticks=ticks,
    )


def graph_drawing(graph: PathGraph, looked_at: int) -> Drawing:
    """Paths to a site."""
    loss, delay = LOSS_LIMITS, DELAY_LIMITS
    dots = (
        ("good", f"loss under {loss[0]:g} %"),
        ("degraded", f"from {loss[0]:g} %"),
        ("bad", f"from {loss[1]:g} %"),
    )
    lines = (
        ("good", f"adds under {delay[0]:g} ms"), ("degraded", f"from {delay[0]:g} ms"),
        ("bad", f"from {delay[1]:g} ms"), ("unknown", "not known"),
    )  # fmt: skip
    return Drawing(
        kind="graph",
        drawn=graph,
        title="Paths, hop by hop from left to right",
        samples=f"{graph.traces:,} paths of {graph.agents:,} agents, newest {looked_at:,} sessions",
        marks=[
            *(Mark(shape="dot", style=f"node level-{level}", label=label) for level, label in dots),
            *(Mark(shape="edge", style=f"edge level-{level}", label=label) for level, label in lines),
        ],
        width=graph.width,
        height=graph.height,
    )


def path_drawing(path: PathDrawing) -> Drawing:
    """One path."""
    return Drawing(
        kind="path",
        drawn=path,
        title="Path, lowest round trip of each hop, ms",
        samples=f"{len(path.hops)} hops, {path.silent} silent",
        width=path.width,
        height=PATH_HEIGHT,
    )


def waterfall_drawing(title: str, waterfall: Waterfall) -> Drawing:
    """One page; of its exchanges the first."""
    shown = min(len(waterfall.rows), WATERFALL_ROWS)
    of_them = "all" if shown == waterfall.entries else f"the first {shown} of"
    return Drawing(
        kind="waterfall",
        drawn=waterfall,
        title=f"{shortened(title, _MAX_NAME)}: {waterfall.total_ms:.0f} ms from first to last",
        samples=f"{of_them} {waterfall.entries} exchanges",
        marks=[Mark(shape="box", style=f"phase-{style}", label=name) for style, name in PHASES],
        height=ROW_HEIGHT * shown,
    )
