"""Points and ranges in time as the API writes them (API.md section 1). UTC throughout."""

import re
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final

from msgspec import Struct

DATE_PATTERN: Final = r"^[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}$(?!\n)"

_WRITTEN: Final = re.compile(
    r"(\d{4})-(\d{2})-(\d{2})[T +](\d{2}):(\d{2}):(\d{2})(?:\.\d{1,9})?Z?",
    re.ASCII,
)
_OFFSET: Final = re.compile(r"([+ -])([0-9]{2}):?([0-9]{2})$", re.ASCII)
_DAY_S: Final = 86_400
_MAX_OFFSET_HOURS: Final = 23
_MAX_MINUTES: Final = 59


class TimeRange(Struct, frozen=True):
    """Epoch seconds, inclusive at both ends."""

    start_s: int
    end_s: int


def format_utc(time_s: float) -> str:
    """Write epoch seconds as ``YYYY-mm-dd HH:MM:SS``."""
    days, left_s = divmod(int(time_s), _DAY_S)
    hours, left_s = divmod(left_s, 3600)
    minutes, seconds = divmod(left_s, 60)
    return f"{_date(days)} {hours:02}:{minutes:02}:{seconds:02}"


@lru_cache(maxsize=1_024)
def _date(days: int) -> str:
    # Not strftime: it writes years before 1000 with fewer digits.
    return datetime.fromtimestamp(days * _DAY_S, UTC).date().isoformat()


def parse_utc(text: str) -> int | None:
    """Read ``YYYY-mm-ddTHH:MM:SS`` (``T``, space or ``+``; fraction and ``Z`` allowed) as epoch seconds.

    Returns:
        None when the text is not a date that exists; a fraction is dropped.
    """
    match = _WRITTEN.fullmatch(text)
    if match is None:
        return None
    try:
        moment = datetime(*(int(part) for part in match.groups()), tzinfo=UTC)  # type: ignore[misc,arg-type]
    except ValueError:
        return None
    return int(moment.timestamp())


def format_instant(time_s: float) -> str:
    """Write epoch seconds as ``YYYY-mm-ddTHH:MM:SSZ``."""
    return format_utc(time_s).replace(" ", "T") + "Z"


def parse_instant(text: str) -> int | None:
    """Read an ISO 8601 date-time as epoch seconds: as ``parse_utc``, or with an offset (``+0200``).

    A ``+`` that came out of a URL as a space is taken for what it was.

    Returns:
        None when the text is not a date that exists.
    """
    offset = _OFFSET.search(text) if "T" in text else None
    if offset is None:
        return parse_utc(text)
    local_s = None if text[: offset.start()].endswith("Z") else parse_utc(text[: offset.start()])
    hours, minutes = int(offset[2]), int(offset[3])
    if local_s is None or hours > _MAX_OFFSET_HOURS or minutes > _MAX_MINUTES:
        return None
    ahead_s = hours * 3600 + minutes * 60
    return local_s + ahead_s if offset[1] == "-" else local_s - ahead_s
