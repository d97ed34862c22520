"""``window``, ``from`` and ``to`` (API.md section 1)."""

import re
from typing import Final

from hopsight.errors import InvalidValueError
from hopsight.model.times import TimeRange, parse_utc
from hopsight.server.api.parameters import Parameters

_WINDOW: Final = re.compile(r"([0-9]+)([smhdw]?)", re.ASCII)
_UNIT_S: Final = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
# A longer number reaches behind 1970 in any unit, where no data is.
_MAX_DIGITS: Final = 12
_DATE: Final = "YYYY-mm-ddTHH:MM:SS, UTC"


def parse_time_range(parameters: Parameters, now_s: float) -> TimeRange | None:
    """Read the range that was asked for; None: none was.

    A window that reaches behind 1970 starts there.

    Raises:
        InvalidValueError: any rule of the three parameters is broken.
    """
    window, start, end = (parameters.one(name) for name in ("window", "from", "to"))
    if window is not None:
        if start is not None or end is not None:
            raise InvalidValueError("window", window, "either window, or from with optional to, not both")
        return _window(window, int(now_s))
    if start is not None:
        return _between(start, end, int(now_s))
    if end is not None:
        raise InvalidValueError("to", end, "only together with from")
    return None


def _window(text: str, now_s: int) -> TimeRange:
    match = _WINDOW.fullmatch(text)
    amount = int("0" + match[1].lstrip("0")[: _MAX_DIGITS + 1]) if match else 0
    if match is None or amount == 0:
        raise InvalidValueError("window", text, "a number above 0, then s, m, h, d or w (none: seconds)")
    return TimeRange(max(0, now_s - amount * _UNIT_S[match[2]]), now_s)


def _between(start: str, end: str | None, now_s: int) -> TimeRange:
    start_s = _moment("from", start)
    end_s = now_s if end is None else _moment("to", end)
    if start_s >= end_s:
        raise InvalidValueError("from", start, "a time before to (without to: before now)")
    return TimeRange(start_s, end_s)


def _moment(name: str, text: str) -> int:
    moment_s = parse_utc(text)
    if moment_s is None:
        raise InvalidValueError(name, text, _DATE)
    return moment_s
