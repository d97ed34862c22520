"""What a bench found: series of measurements, targets met or not, as a table or as JSON."""

import argparse
import os
import platform
import statistics
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import apsw
import msgspec
from msgspec import Struct

from hopsight.clock import SystemClock


class Series(Struct, frozen=True, kw_only=True):
    """Measurements of one thing, one a round of the bench."""

    name: str
    unit: str
    values: list[float]

    @property
    def median(self) -> float:
        """The middle one."""
        return statistics.median(self.values)


class Target(Struct, frozen=True, kw_only=True):
    """A figure that is to be reached: at least ``bound`` when ``at_least``, else under it."""

    name: str
    value: float
    bound: float
    unit: str = "x"
    at_least: bool = False

    @property
    def met(self) -> bool:
        """Whether it was reached."""
        return self.value >= self.bound if self.at_least else self.value < self.bound


class Result(Struct, kw_only=True):
    """All that one bench found."""

    bench: str
    series: list[Series] = []
    targets: list[Target] = []
    notes: list[str] = []


class Machine(Struct, frozen=True, rename="camel"):
    """Where and when the figures were taken."""

    date: str
    processor: str
    cores: int
    python: str
    sqlite: str
    kernel: str
    load_average: float


def describe_machine() -> Machine:
    """Say where we run; the load average tells whether the machine was busy with other things."""
    return Machine(
        date=datetime.fromtimestamp(SystemClock().now(), UTC).strftime("%Y-%m-%d %H:%M"),
        processor=_processor(),
        cores=os.cpu_count() or 1,
        python=platform.python_version(),
        sqlite=apsw.sqlite_lib_version(),
        kernel=platform.release(),
        load_average=round(os.getloadavg()[0], 2),
    )


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def ratio(left: Series, right: Series) -> Series:
    """Left over right, round by round: what disturbs one round disturbs both of its sides."""
    values = [a / b for a, b in zip(left.values, right.values, strict=True)]
    return Series(name=f"{left.name} / {right.name}", unit="x", values=values)


Bench = Callable[[argparse.Namespace], Result]


def run(bench: Bench, arguments: argparse.Namespace) -> None:
    """Run one bench and print what it found."""
    before = describe_machine()
    progress(f"{before.processor}, {before.cores} cores, load {before.load_average}")
    result = bench(arguments)
    after = describe_machine()
    if arguments.json:
        print(_as_json(result, before, after), flush=True)
    else:
        print(_as_table(result, before, after), flush=True)


def progress(text: str) -> None:
    """Tell the person who waits; stdout is for results."""
    print(f"  {text}", file=sys.stderr, flush=True)


def _as_json(result: Result, before: Machine, after: Machine) -> str:
    document = {
        "bench": result.bench,
        "machine": before,
        "loadAverageAfter": after.load_average,
        "series": [
            {
                "name": series.name,
                "unit": series.unit,
                "n": len(series.values),
                "median": series.median,
                "min": min(series.values),
                "max": max(series.values),
            }
            for series in result.series
        ],
        "targets": [{**msgspec.to_builtins(target), "met": target.met} for target in result.targets],
        "notes": result.notes,
    }
    return msgspec.json.encode(document).decode()


def _as_table(result: Result, before: Machine, after: Machine) -> str:
    rows = [("", "median", "min", "max", "n", "unit")]
    rows += [
        (
            series.name,
            _number(series.median),
            _number(min(series.values)),
            _number(max(series.values)),
            str(len(series.values)),
            series.unit,
        )
        for series in result.series
    ]
    versions = f"Python {before.python}, SQLite {before.sqlite}"
    load = f"load {before.load_average} before, {after.load_average} after"
    lines = [
        f"\n## {result.bench}  ({before.date} UTC, {versions}, {load})",
        *_aligned(rows),
        "",
        *(_verdict(target) for target in result.targets),
        *(f"note: {note}" for note in result.notes),
    ]
    return "\n".join(lines)


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return [
        "  ".join(
            _pad(cell, width, i) for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def _pad(cell: str, width: int, column: int) -> str:
    return cell.rjust(width) if 0 < column < 5 else cell.ljust(width)


def _verdict(target: Target) -> str:
    sign = ">=" if target.at_least else "<"
    word = "met" if target.met else "NOT MET"
    return f"{word}: {target.name}: {_number(target.value)} {target.unit} ({sign} {_number(target.bound)})"


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
