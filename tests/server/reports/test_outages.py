"""Outages: runs of buckets over the limit; a gap is none."""

import itertools
from collections.abc import Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hopsight.model.times import TimeRange
from hopsight.server.reports.outages import (
    MAX_SLICE_BUCKETS,
    Run,
    longest_of,
    outage_bucket_s,
    runs_of,
    slices_of,
)

BUCKET_S = 60
LIMIT = 50.0
LOSSES = st.lists(st.one_of(st.none(), st.sampled_from([0.0, 49.9, 50.0, 100.0])), max_size=40)


def by_start(values: list[float | None]) -> dict[int, float | None]:
    """Losses of buckets one after another."""
    return {index * BUCKET_S: value for index, value in enumerate(values)}


def runs(losses: Mapping[int, float | None]) -> list[Run]:
    """The runs of a site with these losses."""
    return runs_of("a.example", losses, limit_percent=LIMIT, bucket_s=BUCKET_S)


@settings(deadline=None)
@given(LOSSES)
def test_exactly_what_is_over_is_out(values: list[float | None]) -> None:
    """A bucket is in a run if and only if its loss is known and at the limit or over, and in one alone."""
    found = runs(by_start(values))
    covered = [start for run in found for start in range(run.start_s, run.end_s, BUCKET_S)]
    over = [index * BUCKET_S for index, value in enumerate(values) if value is not None and value >= LIMIT]
    assert covered == over


@settings(deadline=None)
@given(LOSSES)
def test_runs_do_not_touch(values: list[float | None]) -> None:
    """Between two runs lies at least one bucket that is below the limit or a gap."""
    found = runs(by_start(values))
    assert all(one.end_s < two.start_s for one, two in itertools.pairwise(found))


@settings(deadline=None)
@given(LOSSES)
def test_gaps_may_be_told_either_way(values: list[float | None]) -> None:
    """A bucket that is None and one that is not there are the same."""
    losses = by_start(values)
    assert runs(losses) == runs({start: loss for start, loss in losses.items() if loss is not None})


def test_a_gap_ends_an_outage() -> None:
    """Two bad buckets around a gap are two outages, and the gap is in neither."""
    assert [(run.start_s, run.end_s) for run in runs({0: 100.0, 60: None, 120: 100.0})] == [
        (0, 60),
        (120, 180),
    ]


@settings(deadline=None)
@given(st.integers(0, 10**9), st.integers(1, 40 * 86_400), st.sampled_from([60, 300]))
def test_slices_are_the_range(start_s: int, length_s: int, bucket_s: int) -> None:
    """They follow each other without overlap, none is too long, and buckets are cut by the range alone."""
    time_range = TimeRange(start_s, start_s + length_s)
    pieces = list(slices_of(time_range, bucket_s))
    assert (pieces[0].start_s, pieces[-1].end_s) == (time_range.start_s, time_range.end_s)
    for one, two in itertools.pairwise(pieces):
        assert two.start_s == one.end_s + 1
        assert two.start_s % bucket_s == 0
    for piece in pieces:
        assert piece.end_s // bucket_s - piece.start_s // bucket_s < MAX_SLICE_BUCKETS


def test_the_longest_stay() -> None:
    """Of too many runs the longest are kept, of equal ones the earliest, and the others are counted."""
    given_runs = [Run(site="a", start_s=start, end_s=end) for start, end in ((0, 1), (5, 9), (20, 21))]
    assert longest_of(given_runs, 2) == ([given_runs[1], given_runs[0]], 1)


@pytest.mark.parametrize(("length_s", "bucket_s"), [(3_600, 60), (86_400, 60), (86_401, 300)])
def test_a_day_is_told_to_the_minute(length_s: int, bucket_s: int) -> None:
    """Up to a day buckets are a minute long, beyond it five."""
    assert outage_bucket_s(TimeRange(0, length_s)) == bucket_s
