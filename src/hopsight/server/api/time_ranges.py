"""``window``, ``from`` and ``to`` (API.md section 1)."""

import re
from collections.abc import Callable
from typing import Final

from msgspec import Struct

from hopsight.errors import InvalidValueError
from hopsight.model.times import TimeRange, parse_instant, parse_utc
from hopsight.server.api.parameters import Parameters

_WINDOW: Final = re.compile(r"([0-9]+)([smhdw]?)", re.ASCII)
_UNIT_S: Final = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
# A longer number reaches behind 1970 in any unit, where no data is.
_MAX_DIGITS: Final = 12


class RangeSpelling(Struct, frozen=True):
    """How a dialect writes a range.

    Args:
        start: the parameter with its first moment.
        end: the parameter with its last.
        parse: reads a moment as epoch seconds; None: it is none.
        accepted: what a moment looks like.
    """

    start: str
    end: str
    parse: Callable[[str], int | None]
    accepted: str


V6_RANGE: Final = RangeSpelling("from", "to", parse_utc, "YYYY-mm-ddTHH:MM:SS, UTC")
V7_RANGE: Final = RangeSpelling("startDate", "endDate", parse_instant, "YYYY-mm-ddTHH:MM:SSZ (ISO 8601)")


def parse_time_range(
    parameters: Parameters, now_s: float, spelling: RangeSpelling = V6_RANGE
) -> TimeRange | None:
    """Read the range that was asked for; None: none was.

    A window that reaches behind 1970 starts there.

    Raises:
        InvalidValueError: any rule of the three parameters is broken.
    """
    window, start, end = (parameters.one(name) for name in ("window", spelling.start, spelling.end))
    if window is not None:
        if start is not None or end is not None:
            accepted = f"either window, or {spelling.start} with optional {spelling.end}, not both"
            raise InvalidValueError("window", window, accepted)
        return _window(window, int(now_s))
    if start is not None:
        return _between(start, end, int(now_s), spelling)
    if end is not None:
        raise InvalidValueError(spelling.end, end, f"only together with {spelling.start}")
    return None


def _window(text: str, now_s: int) -> TimeRange:
    match = _WINDOW.fullmatch(text)
    amount = int("0" + match[1].lstrip("0")[: _MAX_DIGITS + 1]) if match else 0
    if match is None or amount == 0:
        raise InvalidValueError("window", text, "a number above 0, then s, m, h, d or w (none: seconds)")
    return TimeRange(max(0, now_s - amount * _UNIT_S[match[2]]), now_s)


def _between(start: str, end: str | None, now_s: int, spelling: RangeSpelling) -> TimeRange:
    start_s = _moment(spelling.start, start, spelling)
    end_s = now_s if end is None else _moment(spelling.end, end, spelling)
    if start_s >= end_s:
        accepted = f"a time before {spelling.end} (without {spelling.end}: before now)"
        raise InvalidValueError(spelling.start, start, accepted)
    return TimeRange(start_s, end_s)


def _moment(name: str, text: str, spelling: RangeSpelling) -> int:
    moment_s = spelling.parse(text)
    if moment_s is None:
        raise InvalidValueError(name, text, spelling.accepted)
    return moment_s
