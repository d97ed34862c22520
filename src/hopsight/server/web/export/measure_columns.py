"""Columns that many tables have: what some sessions come to, at once or over time. Pure."""

from collections.abc import Sequence
from typing import Final

from hopsight.model.aggregates import Group, Measures, Summary
from hopsight.model.times import TimeRange
from hopsight.server.web.export.csv_writing import Cell, Table, instant
from hopsight.server.web.overview_numbers import bucket_starts

MEASURES: Final = (
    "sessions", "agents", "latency_p50_ms", "latency_p95_ms", "jitter_p50_ms", "loss_percent",
    "sessions_with_loss", "sessions_with_latency",
)  # fmt: skip


def cells_of(measures: Measures | None) -> list[Cell]:
    """The cells of ``MEASURES``; None: nothing was measured, all are empty."""
    if measures is None:
        return [None] * len(MEASURES)
    return [
        measures.records,
        measures.agents,
        measures.latency_p50_ms,
        measures.latency_p95_ms,
        measures.jitter_p50_ms,
        measures.loss_percent,
        measures.lossy,
        measures.measured,
    ]


def series_table(summary: Summary, time_range: TimeRange, bucket_s: int) -> Table:
    """Every bucket of a range, those without sessions too; those that are cut by its ends say so."""
    known = {bucket.start_s: bucket.measures for bucket in summary.buckets}
    return Table(
        columns=("from", "to", "bucket", *MEASURES),
        rows=[
            [*_span(start_s, time_range, bucket_s), *cells_of(known.get(start_s))]
            for start_s in bucket_starts(time_range, bucket_s)
        ],
    )


def counts_table(name: str, counts: Sequence[tuple[str, int]]) -> Table:
    """Values and how many sessions have each, with their share of all of these."""
    total = sum(count for _, count in counts)
    return Table(
        columns=(name, "sessions", "share_percent"),
        rows=[[value, count, 100 * count / total] for value, count in counts],
    )


def rank_table(groups: Sequence[Group], labels: dict[str, str]) -> Table:
    """A rank, without what has no value, as on the page."""
    return Table(
        columns=("value", "name", *MEASURES),
        rows=[
            [group.value, labels.get(group.value, group.value), *cells_of(group.measures)]
            for group in groups
            if group.value is not None
        ],
    )


def _span(start_s: int, time_range: TimeRange, bucket_s: int) -> list[Cell]:
    is_whole = time_range.start_s <= start_s and start_s + bucket_s <= time_range.end_s + 1
    return [instant(start_s), instant(start_s + bucket_s), "whole" if is_whole else "part"]
