"""Network sessions as lines: a table for people, JSON or CSV for programs."""

import csv
from collections.abc import Mapping, Sequence
from typing import Any, Final, TextIO

import msgspec

from hopsight.cli.output import printable

Session = Mapping[str, Any]
Path = tuple[str, ...]

CSV_COLUMNS: Final[tuple[Path, ...]] = (
    ("userSessionId",),
    ("agentId",),
    ("roundId",),
    ("date",),
    ("destination", "target"),
    ("destination", "loss"),
    ("destination", "latency"),
    ("destination", "jitter"),
    ("destination", "avgRtt"),
    ("destination", "maxRtt"),
    ("destination", "meanDevRtt"),
    ("systemMetrics", "cpuUtilization", "mean"),
    ("systemMetrics", "physicalMemoryUsedBytes", "mean"),
    ("systemMetrics", "physicalMemoryTotalBytes"),
)

# Widths are fixed: with --follow nobody knows the longest value to come.
_TABLE: Final = "{:19}  {:15}  {:>6}  {:>10}  {:>9}  {:>5}  {}"
_HEADING: Final = ("DATE (UTC)", "TARGET", "LOSS %", "LATENCY ms", "JITTER ms", "CPU %", "AGENT")


class Printer:
    """Writes sessions to ``stream`` as ``table``, ``json`` or ``csv``; a heading comes before the first."""

    def __init__(self, stream: TextIO, chosen: str) -> None:
        self._stream = stream
        self._chosen = chosen
        self._csv = csv.writer(stream, lineterminator="\n")
        self._headed = chosen == "json"

    def write(self, sessions: Sequence[Session]) -> None:
        """Write sessions, and see that they arrive."""
        if not self._headed:
            self._headed = True
            self._write_heading()
        for session in sessions:
            self._write_one(session)
        self._stream.flush()

    def _write_heading(self) -> None:
        if self._chosen == "csv":
            self._csv.writerow([".".join(column) for column in CSV_COLUMNS])
        else:
            self._stream.write(_TABLE.format(*_HEADING) + "\n")

    def _write_one(self, session: Session) -> None:
        if self._chosen == "json":
            self._stream.write(msgspec.json.encode(session).decode() + "\n")
        elif self._chosen == "csv":
            self._csv.writerow([value_at(session, column) for column in CSV_COLUMNS])
        else:
            self._stream.write(_line(session) + "\n")


def value_at(session: Session, path: Path) -> Any:
    """The value behind a path of keys; None where it was not measured."""
    value: Any = session
    for key in path:
        if not isinstance(value, Mapping):
            return None
        value = value.get(key)
    return value


def _line(session: Session) -> str:
    cpu = value_at(session, ("systemMetrics", "cpuUtilization", "mean"))
    return _TABLE.format(
        printable(session.get("date")),
        printable(value_at(session, ("destination", "target"))),
        _rounded(value_at(session, ("destination", "loss"))),
        printable(value_at(session, ("destination", "latency"))),
        printable(value_at(session, ("destination", "jitter"))),
        _rounded(cpu * 100 if isinstance(cpu, int | float) else None),
        printable(session.get("agentId")),
    )


def _rounded(value: Any) -> str:
    return f"{value:.1f}" if isinstance(value, int | float) else "-"
