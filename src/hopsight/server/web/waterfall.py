"""A HTTP Archive as a waterfall: when each exchange began, and how long each of its phases took. Pure."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from msgspec import Struct

from hopsight.model.har import HarEntry, HarLog, HarTimings

WIDTH: Final = 1000
"""Of the drawing's own coordinates: the whole page, first start to last end."""
MAX_ROWS: Final = 150

PHASES: Final = (
    ("blocked", "blocked"),
    ("dns", "DNS"),
    ("connect", "connect"),
    ("tls", "TLS"),
    ("send", "send"),
    ("wait", "wait"),
    ("receive", "receive"),
)
"""Style and name of each, in the order in which they happen."""


class Phase(Struct, frozen=True, kw_only=True):
    """A bar: which phase, how long it took (ms), and where it lies."""

    style: str
    name: str
    length_ms: float
    x: float
    width: float


class WaterfallRow(Struct, frozen=True, kw_only=True):
    """One exchange.

    Args:
        method: of the request.
        url: in full.
        status: of the answer; None: there was none.
        mime_type: of the answer.
        size_bytes: of its body; None: not known.
        start_ms: from the first start of the page; None: not known.
        total_ms: from start to end.
        lengths_ms: of each phase, in the order of ``PHASES``; None: did not happen, or was not measured.
        phases: the bars.
    """

    method: str
    url: str
    status: int | None
    mime_type: str
    size_bytes: int | None
    start_ms: float | None
    total_ms: float
    lengths_ms: list[float | None]
    phases: list[Phase]


class Waterfall(Struct, frozen=True, kw_only=True):
    """A page: its first exchanges, how many there are, and how long all of it took (ms)."""

    rows: list[WaterfallRow]
    entries: int
    total_ms: float


def draw_waterfall(log: HarLog) -> Waterfall:
    """Lay the exchanges of a page out, those that began first on top."""
    starts = [_epoch_ms(entry.started_date_time) for entry in log.entries]
    known = [start for start in starts if start is not None]
    zero_ms = min(known, default=0.0)
    timed = [
        (None if start is None else start - zero_ms, entry)
        for start, entry in zip(starts, log.entries, strict=True)
    ]
    timed.sort(key=lambda pair: (pair[0] is None, pair[0] or 0.0))
    end_ms = max(
        ((start or 0.0) + _total_ms(entry) for start, entry in timed),
        default=0.0,
    )
    return Waterfall(
        rows=[_row(start, entry, end_ms) for start, entry in timed[:MAX_ROWS]],
        entries=len(timed),
        total_ms=end_ms,
    )


def lengths_of(timings: HarTimings) -> list[float | None]:
    """Each phase's length, ms. ``connect`` is without TLS, which a HAR counts in it as well."""
    tls, connect = _known(timings.ssl), _known(timings.connect)
    if tls is not None and connect is not None:
        connect = max(0.0, connect - tls)
    return [
        _known(timings.blocked),
        _known(timings.dns),
        connect,
        tls,
        _known(timings.send),
        _known(timings.wait),
        _known(timings.receive),
    ]


def _row(start_ms: float | None, entry: HarEntry, end_ms: float) -> WaterfallRow:
    lengths = lengths_of(entry.timings)
    size = entry.response.content.size
    return WaterfallRow(
        method=entry.request.method,
        url=entry.request.url,
        status=entry.response.status or None,
        mime_type=entry.response.content.mime_type,
        size_bytes=size if size >= 0 else None,
        start_ms=start_ms,
        total_ms=_total_ms(entry),
        lengths_ms=lengths,
        phases=[] if start_ms is None else _bars(start_ms, lengths, end_ms),
    )


def _bars(start_ms: float, lengths: Sequence[float | None], end_ms: float) -> list[Phase]:
    bars, at_ms = [], start_ms
    scale = WIDTH / end_ms if end_ms > 0 else 0.0
    for (style, name), length_ms in zip(PHASES, lengths, strict=True):
        if length_ms:
            # What is there is seen, however short.
            width = max(2.0, length_ms * scale)
            x = min(at_ms * scale, WIDTH - 2.0)
            bars.append(Phase(style=style, name=name, length_ms=length_ms, x=x, width=min(width, WIDTH - x)))
            at_ms += length_ms
    return bars


def _total_ms(entry: HarEntry) -> float:
    phases = sum(length for length in lengths_of(entry.timings) if length is not None)
    return max(entry.time, phases)


def _known(length_ms: float | None) -> float | None:
    return None if length_ms is None or length_ms < 0 else length_ms


def _epoch_ms(text: str) -> float | None:
    """A moment as agents write it; None: it is none."""
    try:
        moment = datetime.fromisoformat(text)
        aware = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
        return aware.timestamp() * 1_000
    except (ValueError, OverflowError):
        return None
