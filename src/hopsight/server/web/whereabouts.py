"""Where an agent was, as bands on the time axis of its charts: one lane for each kind of place. Pure.

A bucket is known to hold a value, and not when in it: one with several is shared out evenly among them.
"""

from collections.abc import Sequence
from typing import Final

from msgspec import Struct

from hopsight.model.aggregates import Group
from hopsight.model.times import TimeRange, format_utc
from hopsight.server.web.charts import place_of

PATTERNS: Final = 6
"""How many looks bands have; the seventh value of a lane looks like its first, and has its own name."""
LANE_HEIGHT: Final = 34
_CHARACTER_WIDTH: Final = 6.2
_LABEL_MARGIN: Final = 8
_FEWEST_CHARACTERS: Final = 4


class PlaceBand(Struct, frozen=True, kw_only=True):
    """A value from ``start`` to ``end`` (UTC, in words): where it lies in the drawing, and its label."""

    value: str
    look: int
    x: float
    width: float
    start: str
    end: str
    label: str


class Lane(Struct, frozen=True, kw_only=True):
    """One kind of place.

    Args:
        kind: in words.
        y: of its top in the drawing.
        bands: in order of time; between them nothing was measured, or nothing of this kind was there.
        looks: every value with its look, for the legend, by first appearance.
    """

    kind: str
    y: int
    bands: list[PlaceBand]
    looks: list[tuple[str, int]]


def lanes_of(
    attachments: Sequence[tuple[str, Sequence[Group]]], time_range: TimeRange, bucket_s: int
) -> list[Lane]:
    """A lane for each kind that has any value; groups need the trend of every bucket of the range."""
    lanes: list[Lane] = []
    for kind, groups in attachments:
        spans = _spans(groups, time_range.start_s // bucket_s * bucket_s, bucket_s)
        looks = {value: index % PATTERNS for index, value in enumerate(dict.fromkeys(s[0] for s in spans))}
        bands = [
            _band(value, looks[value], start_s, end_s, time_range)
            for value, start_s, end_s in spans
            if start_s < time_range.end_s and end_s > time_range.start_s
        ]
        if bands:
            lanes.append(Lane(kind=kind, y=len(lanes) * LANE_HEIGHT, bands=bands, looks=list(looks.items())))
    return lanes


def is_measured(group: Group, index: int) -> bool:
    """Whether a group has anything in a bucket."""
    return group.trend[index] is not None or group.trend_loss[index] is not None


def _spans(groups: Sequence[Group], first_s: int, bucket_s: int) -> list[tuple[str, float, float]]:
    """Value, start and end in epoch seconds, neighbours of one value as one."""
    known = [(group.value, group) for group in groups if group.value is not None]
    spans: list[tuple[str, float, float]] = []
    for index in range(max((len(group.trend) for _, group in known), default=0)):
        values = sorted(value for value, group in known if is_measured(group, index))
        # The one that was there before comes first, so that a change within a bucket is drawn as one change.
        values.sort(key=lambda value: not spans or value != spans[-1][0])
        for turn, value in enumerate(values):
            start_s = first_s + (index + turn / len(values)) * bucket_s
            end_s = first_s + (index + (turn + 1) / len(values)) * bucket_s
            if spans and spans[-1][0] == value and abs(spans[-1][2] - start_s) < 1:
                spans[-1] = (value, spans[-1][1], end_s)
            else:
                spans.append((value, start_s, end_s))
    return spans


def _band(value: str, look: int, start_s: float, end_s: float, time_range: TimeRange) -> PlaceBand:
    start_s, end_s = max(start_s, time_range.start_s), min(end_s, time_range.end_s)
    left, right = place_of(start_s, time_range), place_of(end_s, time_range)
    width = max(1.0, right - left)
    return PlaceBand(
        value=value,
        look=look,
        x=left,
        width=width,
        start=format_utc(start_s),
        end=format_utc(end_s),
        label=_fitting(value, width),
    )


def _fitting(text: str, width: float) -> str:
    """As much of a text as a band has room for; none when that would say nothing."""
    most = int((width - _LABEL_MARGIN) / _CHARACTER_WIDTH)
    if len(text) <= most:
        return text
    return f"{text[: most - 1]}…" if most >= _FEWEST_CHARACTERS else ""
