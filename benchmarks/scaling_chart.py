"""Draws what ``bench_scale --json`` found at several sizes: ``python -m benchmarks.scaling_chart FILE...``.

Bars on a scale of powers of ten, embedded and ClickHouse side by side; each says its figure.
"""

import math
import sys
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

PANELS: Final = (
    ("pages, 8 at a time", "pages a second", 10_000.0),
    ("ingest, 32 uploads at a time", "sessions stored a second", 1_000_000.0),
    ("overview, 24 h, beside ingest", "overview of a day, ms", 100_000.0),
    ("overview, 7 d, beside ingest", "overview of a week, ms", 100_000.0),
)
SIDES: Final = (("embedded", "#2a78d6"), ("ClickHouse", "#c96f16"))
COLUMNS: Final = 2
WIDTH: Final = 400
HEIGHT: Final = 210
LEGEND: Final = 30
TOP: Final = 30
BASE: Final = 175
BAR: Final = 40
GROUP: Final = 124


class Found(NamedTuple):
    """One run: how many sessions, and the medians by name."""

    sessions: str
    medians: dict[str, float]


def main(paths: list[str]) -> str:
    """The drawing."""
    runs = [_read(Path(path)) for path in paths]
    panels = "".join(_panel(number, panel, runs) for number, panel in enumerate(PANELS))
    legend = "".join(
        f'<rect x="{14 + 110 * number}" y="10" width="12" height="12" fill="{colour}"/>'
        f'<text x="{32 + 110 * number}" y="20">{name}</text>'
        for number, (name, colour) in enumerate(SIDES)
    )
    width, height = WIDTH * COLUMNS, LEGEND + HEIGHT * (len(PANELS) // COLUMNS)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img"'
        ' font-family="sans-serif" font-size="13">'
        "<title>Embedded store and ClickHouse, side by side</title>"
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>'
        f'<g fill="#222222">{legend}{panels}</g></svg>\n'
    )


def _panel(number: int, panel: tuple[str, str, float], runs: list[Found]) -> str:
    """One figure: a group of bars for each size."""
    series, title, most = panel
    left, top = 14 + WIDTH * (number % COLUMNS), LEGEND + HEIGHT * (number // COLUMNS)
    base = top + BASE
    drawn = [
        f'<text x="{left}" y="{top + 14}" font-weight="bold">{title}</text>',
        f'<line x1="{left}" y1="{base}" x2="{left + WIDTH - 28}" y2="{base}" stroke="#888888"/>',
    ]
    for place, run in enumerate(runs):
        at = left + 12 + place * GROUP
        for side, (name, colour) in enumerate(SIDES):
            value = run.medians[f"{name}: {series}"]
            drawn.append(_bar(at + side * (BAR + 8), base, value, most, colour))
        drawn.append(f'<text x="{at + BAR + 4}" y="{base + 18}" text-anchor="middle">{run.sessions}</text>')
    return "".join(drawn)


def _bar(x: float, base: float, value: float, most: float, colour: str) -> str:
    """One bar with its figure above it."""
    height = max(2.0, (BASE - TOP - 14) * math.log10(max(value, 1.0)) / math.log10(most))
    return (
        f'<rect x="{x}" y="{base - height:.1f}" width="{BAR}" height="{height:.1f}" fill="{colour}"/>'
        f'<text x="{x + BAR / 2}" y="{base - height - 4:.1f}" text-anchor="middle" font-size="12">'
        f"{_short(value)}</text>"
    )


def _read(path: Path) -> Found:
    """One JSON object, as ``--json`` prints it."""
    document = msgspec.json.decode(path.read_bytes())
    sessions = int(document["bench"].split(", ", 1)[1].split(" ")[0].replace(",", ""))
    medians = {each["name"]: each["median"] for each in document["series"]}
    return Found(f"{sessions // 1_000_000} million", medians)


def _short(value: float) -> str:
    return f"{value / 1_000:.0f}k" if value >= 10_000 else f"{value:,.0f}"


if __name__ == "__main__":
    sys.stdout.write(main(sys.argv[1:]))
