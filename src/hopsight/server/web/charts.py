"""Lines over time as inline SVG: gaps are gaps, the axis starts at zero, times are UTC. Pure.

A chart is made once, as numbers for a template: the SVG that everybody sees, the table for whoever listens,
and the data that ``static/charts.js`` draws anew to zoom in.
"""

import math
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

import msgspec
from msgspec import Struct

from hopsight.model.times import TimeRange

WIDTH: Final = 720
HEIGHT: Final = 170
LEFT: Final = 44
RIGHT: Final = 8
TOP: Final = 8
BOTTOM: Final = 22
TICKS: Final = 4
MAX_TIME_TICKS: Final = 7
SPARK_WIDTH: Final = 120
SPARK_HEIGHT: Final = 24

_STEPS_S: Final = (
    60, 300, 600, 900, 1_800, 3_600, 7_200, 10_800, 21_600, 43_200,
    86_400, 172_800, 604_800, 1_209_600, 2_592_000, 7_776_000,
)  # fmt: skip
_DAY_S: Final = 86_400


class Series(Struct, frozen=True, kw_only=True):
    """One line.

    Args:
        label: what it shows.
        style: a class of ``charts.css``.
        values: one for each bucket, in order; None: a gap.
        is_mark: nothing that was measured, such as a threshold; in no table.
    """

    label: str
    style: str
    values: Sequence[float | None]
    is_mark: bool = False


class Tick(Struct, frozen=True):
    """A mark on an axis: where, and what it says."""

    place: float
    label: str


class Line(Struct, frozen=True, kw_only=True):
    """One line, drawn."""

    label: str
    style: str
    path: str
    is_mark: bool = False


class Chart(Struct, frozen=True, kw_only=True):
    """A chart for the macro ``chart``.

    Args:
        title: what it shows.
        unit: of its values.
        samples: how many measurements are behind it.
        lines: drawn, in order.
        value_ticks: on the left.
        time_ticks: below.
        rows: the same as numbers: time, then a value of each line that was measured.
        data: for the script, JSON.
    """

    title: str
    unit: str
    samples: int
    lines: list[Line]
    value_ticks: list[Tick]
    time_ticks: list[Tick]
    rows: list[tuple[str, list[str | None]]]
    data: str

    @property
    def is_empty(self) -> bool:
        """Nothing was measured in the whole range."""
        return not any(line.path for line in self.lines if not line.is_mark)


def draw_chart(
    title: str,
    unit: str,
    series: Sequence[Series],
    starts: Sequence[int],
    time_range: TimeRange,
    samples: int,
) -> Chart:
    """Draw lines over a range.

    Args:
        title: what it shows.
        unit: of its values.
        series: the lines.
        starts: epoch seconds at which each bucket starts.
        time_range: the whole axis.
        samples: how many measurements are behind it.
    """
    known = [value for each in series for value in each.values if value is not None]
    step = _step(max(known, default=1.0))
    top = step * max(1, math.ceil(max(known, default=1.0) / step))
    return Chart(
        title=title,
        unit=unit,
        samples=samples,
        lines=[
            Line(
                label=each.label,
                style=each.style,
                path=path_of(
                    [place_of(start_s, time_range) for start_s in starts],
                    [None if value is None else _y(value, top) for value in each.values],
                ),
                is_mark=each.is_mark,
            )
            for each in series
        ],
        value_ticks=[Tick(_y(step * n, top), f"{step * n:g}") for n in range(round(top / step) + 1)],
        time_ticks=time_ticks(time_range),
        rows=_rows([each for each in series if not each.is_mark], starts),
        data=_data(unit, series, starts, time_range),
    )


def path_of(places: Sequence[float], heights: Sequence[float | None]) -> str:
    """A line through what is known, broken where nothing is; a point alone is a dot."""
    parts = []
    is_drawing = False
    for index, (x, y) in enumerate(zip(places, heights, strict=True)):
        if y is None:
            is_drawing = False
            continue
        parts.append(f"{'L' if is_drawing else 'M'}{x:.1f} {y:.1f}")
        alone = not is_drawing and (index + 1 == len(heights) or heights[index + 1] is None)
        if alone:
            parts.append("h0.1")
        is_drawing = True
    return "".join(parts)


def spark_path(values: Sequence[float | None]) -> str:
    """A small line without axes, from zero to its own largest value."""
    top = max((value for value in values if value is not None), default=0.0) or 1.0
    step = SPARK_WIDTH / max(1, len(values) - 1)
    return path_of(
        [index * step for index in range(len(values))],
        [None if value is None else SPARK_HEIGHT - 2 - (SPARK_HEIGHT - 4) * value / top for value in values],
    )


def time_ticks(time_range: TimeRange) -> list[Tick]:
    """Marks at round times, at most a few."""
    length_s = max(1, time_range.end_s - time_range.start_s)
    step_s = next((each for each in _STEPS_S if length_s / each <= MAX_TIME_TICKS), _STEPS_S[-1])
    first_s = -(-time_range.start_s // step_s) * step_s
    return [
        Tick(place_of(at_s, time_range), _moment(at_s, step_s))
        for at_s in range(first_s, time_range.end_s + 1, step_s)
    ]


def _moment(at_s: int, step_s: int) -> str:
    at = datetime.fromtimestamp(at_s, UTC)
    return f"{at:%b} {at.day}" if step_s >= _DAY_S or at_s % _DAY_S == 0 else f"{at:%H:%M}"


def _step(largest: float) -> float:
    """A distance of ticks that people count in: 1, 2 or 5 times a power of ten."""
    rough = max(largest, 1e-3) / TICKS
    power = 10.0 ** math.floor(math.log10(rough))
    return next(power * each for each in (1, 2, 5, 10) if power * each >= rough)


def place_of(at_s: float, time_range: TimeRange) -> float:
    """Where a moment (epoch seconds) lies on the axis; what is outside the range lies at its end."""
    length_s = max(1, time_range.end_s - time_range.start_s)
    share = min(1.0, max(0.0, (at_s - time_range.start_s) / length_s))
    return LEFT + share * (WIDTH - LEFT - RIGHT)


def _y(value: float, top: float) -> float:
    return HEIGHT - BOTTOM - value / top * (HEIGHT - TOP - BOTTOM)


def _rows(series: Sequence[Series], starts: Sequence[int]) -> list[tuple[str, list[str | None]]]:
    return [
        (
            f"{datetime.fromtimestamp(start_s, UTC):%Y-%m-%d %H:%M}",
            [None if each.values[index] is None else f"{each.values[index]:.4g}" for each in series],
        )
        for index, start_s in enumerate(starts)
        if any(each.values[index] is not None for each in series)
    ]


def _data(unit: str, series: Sequence[Series], starts: Sequence[int], time_range: TimeRange) -> str:
    document = {
        "unit": unit,
        "from": time_range.start_s,
        "to": time_range.end_s,
        "times": list(starts),
        "series": [
            {"label": each.label, "style": each.style, "values": list(each.values)} for each in series
        ],
    }
    # In a script element nothing is unescaped but its own end.
    return msgspec.json.encode(document).decode().replace("<", "\\u003c")
