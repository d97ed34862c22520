"""What the overview shows, out of what a store says. Pure."""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from msgspec import Struct, structs

from hopsight.model.aggregates import Bucket, Group, Measures, Summary
from hopsight.model.times import TimeRange
from hopsight.server.web.charts import Chart, Series, draw_chart, spark_path
from hopsight.server.web.view import View

VERDICTS: Final = (
    "device", "lan", "vpn", "proxy", "provider", "destination", "no-verdict", "healthy",
)  # fmt: skip
"""In the order of the way; what nobody is at fault for last."""


class RankRow(Struct, frozen=True, kw_only=True):
    """One line of a rank, for the macro ``ranks``.

    Args:
        label: what people call it.
        url: where a click leads.
        measures: over the range.
        spark: path of its small line; empty: nothing was measured.
        details_url: a page of its own; None: it has none.
    """

    label: str
    url: str
    measures: Measures
    spark: str
    details_url: str | None = None


class Share(Struct, frozen=True, kw_only=True):
    """A part of a bar: its name, count, percent, and where it lies (percent from the left)."""

    name: str
    count: int
    percent: float
    start_percent: float
    url: str


def bucket_starts(time_range: TimeRange, bucket_s: int) -> list[int]:
    """Every bucket of a range, also those without records."""
    first = time_range.start_s // bucket_s * bucket_s
    return list(range(first, time_range.end_s + 1, bucket_s))


def overview_charts(summary: Summary, time_range: TimeRange, bucket_s: int) -> list[Chart]:
    """Latency, loss, jitter, and how much was measured (that of whole buckets only)."""
    starts = bucket_starts(time_range, bucket_s)
    by_start = {bucket.start_s: bucket for bucket in summary.buckets}

    def line(label: str, style: str, of: Callable[[Measures], float | None]) -> Series:
        return Series(label=label, style=style, values=[_value(by_start.get(each), of) for each in starts])

    def count(label: str, of: Callable[[Measures], float | None]) -> Series:
        counted = line(label, "line-a", of)
        # Part of a bucket would look like a drop.
        return structs.replace(
            counted,
            values=[
                value if is_whole(start_s) else None
                for start_s, value in zip(starts, counted.values, strict=True)
            ],
        )

    def is_whole(start_s: int) -> bool:
        return time_range.start_s <= start_s and start_s + bucket_s <= time_range.end_s + 1

    whole, per_bucket = summary.whole, f"in {bucket_s // 60} min"
    latency = [
        line("p95", "line-b", lambda each: each.latency_p95_ms),
        line("median", "line-a", lambda each: each.latency_p50_ms),
    ]
    return [
        draw_chart("Latency", "ms", latency, starts, time_range, whole.measured),
        draw_chart(
            "Loss", "%", [line("mean", "line-c", lambda each: each.loss_percent)],
            starts, time_range, whole.records,
        ),
        draw_chart(
            "Jitter", "ms", [line("median", "line-a", lambda each: each.jitter_p50_ms)],
            starts, time_range, whole.measured,
        ),
        draw_chart(
            "Sessions", per_bucket, [count("sessions", lambda each: each.records)],
            starts, time_range, whole.records,
        ),
        draw_chart(
            "Agents", per_bucket, [count("agents", lambda each: each.agents)],
            starts, time_range, whole.records,
        ),
    ]  # fmt: skip


def rank_rows(
    groups: Sequence[Group],
    label_of: Callable[[str], str],
    url_of: Callable[[str], str],
    details_url_of: Callable[[str], str] | None = None,
) -> list[RankRow]:
    """A rank, without what has no value (``-``: there is nothing to click on)."""
    return [
        RankRow(
            label=label_of(group.value),
            url=url_of(group.value),
            measures=group.measures,
            spark=spark_path(group.trend),
            details_url=details_url_of(group.value) if details_url_of else None,
        )
        for group in groups
        if group.value is not None
    ]


def verdict_shares(counts: Mapping[str | None, int], view: View, path: str) -> list[Share]:
    """How often each segment was at fault, in the order of the way."""
    total = sum(counts.get(name, 0) for name in VERDICTS)
    shares, start = [], 0.0
    for name in VERDICTS:
        count = counts.get(name, 0)
        if count:
            percent = 100 * count / total
            url = view.with_filter("verdict", name).url(path)
            shares.append(Share(name=name, count=count, percent=percent, start_percent=start, url=url))
            start += percent
    return shares


def _value(bucket: Bucket | None, of: Callable[[Measures], float | None]) -> float | None:
    return None if bucket is None else of(bucket.measures)
