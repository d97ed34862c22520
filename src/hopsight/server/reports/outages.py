"""Outages: runs of buckets whose mean loss is at a limit or over. Pure.

A bucket in which nothing was measured says nothing: it is part of no outage, and ends the one before it.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from msgspec import Struct

from hopsight.model.times import TimeRange

DAY_S: Final = 86_400
SHORT_BUCKET_S: Final = 60
LONG_BUCKET_S: Final = 300
MAX_SLICE_BUCKETS: Final = 1_440
"""Buckets that a store is asked for at once."""


class Run(Struct, frozen=True, kw_only=True):
    """A site's loss was at the limit or over from ``start_s`` to before ``end_s``, epoch seconds."""

    site: str
    start_s: int
    end_s: int


def outage_bucket_s(time_range: TimeRange) -> int:
    """How finely outages are told: to the minute in a day, to five minutes in more."""
    return SHORT_BUCKET_S if time_range.end_s - time_range.start_s <= DAY_S else LONG_BUCKET_S


def slices_of(time_range: TimeRange, bucket_s: int) -> Iterator[TimeRange]:
    """The range in pieces of at most ``MAX_SLICE_BUCKETS`` buckets, cut where buckets meet."""
    start_s = time_range.start_s
    while start_s <= time_range.end_s:
        next_s = (start_s // bucket_s + MAX_SLICE_BUCKETS) * bucket_s
        yield TimeRange(start_s, min(next_s - 1, time_range.end_s))
        start_s = next_s


def runs_of(
    site: str, losses: Mapping[int, float | None], *, limit_percent: float, bucket_s: int
) -> list[Run]:
    """The runs of one site, in order.

    Args:
        site: whose.
        losses: mean loss of buckets, percent, by their start in epoch seconds; None, or not there: a gap.
        limit_percent: from this on a bucket is over.
        bucket_s: their length.
    """
    runs: list[Run] = []
    for start_s in sorted(losses):
        loss = losses[start_s]
        if loss is None or loss < limit_percent:
            continue
        if runs and runs[-1].end_s == start_s:
            runs[-1] = Run(site=site, start_s=runs[-1].start_s, end_s=start_s + bucket_s)
        else:
            runs.append(Run(site=site, start_s=start_s, end_s=start_s + bucket_s))
    return runs


def longest_of(runs: Sequence[Run], most: int) -> tuple[list[Run], int]:
    """The longest runs (of equal ones the earliest), and how many others there are."""
    ordered = sorted(runs, key=lambda run: (run.start_s - run.end_s, run.start_s, run.site))
    return ordered[:most], max(0, len(ordered) - most)
