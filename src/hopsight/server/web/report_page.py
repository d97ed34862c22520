"""What the page of a report shows, out of the document alone, so that page and file are the same. Pure."""

from msgspec import Struct

from hopsight.model.aggregates import Bucket, Measures, Summary
from hopsight.model.times import TimeRange, parse_instant
from hopsight.server.reports.document import Figures, Outage, Report
from hopsight.server.web.charts import Chart
from hopsight.server.web.overview_numbers import overview_charts


class ShownReport(Struct, frozen=True, kw_only=True):
    """A document with what is drawn and counted out of it.

    Args:
        report: the document.
        charts: latency, loss, jitter, sessions and agents over time.
        verdicts: segment, sessions, percent.
        outages: each with its start, end and length in words, in the order of the document.
        out_in_all: their lengths together.
        bucket: length of the charts' buckets in words.
        outage_bucket: that of the buckets in which outages were looked for.
        outage_stretch: the stretches in which sites were chosen for that.
    """

    report: Report
    charts: list[Chart]
    verdicts: list[tuple[str, int, float]]
    outages: list[tuple[Outage, str, str, str]]
    out_in_all: str
    bucket: str
    outage_bucket: str
    outage_stretch: str


def shown_report(report: Report) -> ShownReport:
    """Draw and count.

    Raises:
        ValueError: the document has times that are none.
    """
    time_range = TimeRange(_seconds(report.start), _seconds(report.end))
    buckets = tuple(
        Bucket(start_s=_seconds(each.start), measures=_measures(each.figures)) for each in report.over_time
    )
    summary = Summary(whole=_measures(report.whole), buckets=buckets)
    judged = sum(report.verdicts.values())
    return ShownReport(
        report=report,
        charts=overview_charts(summary, time_range, report.bucket_s),
        verdicts=[(name, count, 100 * count / judged) for name, count in report.verdicts.items()],
        outages=[_outage(each) for each in report.outages.periods],
        out_in_all=length_text(sum(each.length_s for each in report.outages.periods)),
        bucket=length_text(report.bucket_s),
        outage_bucket=length_text(report.outages.bucket_s),
        outage_stretch=length_text(report.outages.stretch_s),
    )


def moment_text(text: str) -> str:
    """An instant of a document as people read it; that it is UTC is said beside it."""
    return text.replace("T", " ").removesuffix("Z")


def minute_text(text: str) -> str:
    """The same without seconds where there are none."""
    return moment_text(text).removesuffix(":00")


def length_text(length_s: int) -> str:
    """A length of time in days, hours, minutes and seconds; no more of them than there are."""
    parts = []
    for unit, unit_s in (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1)):
        count, length_s = divmod(length_s, unit_s)
        if count:
            parts.append(f"{count} {unit}")
    return " ".join(parts) or "0 s"


def _outage(outage: Outage) -> tuple[Outage, str, str, str]:
    start, end = minute_text(outage.start), minute_text(outage.end)
    day = start.partition(" ")[0] + " "
    return outage, start, end.removeprefix(day), length_text(outage.length_s)


def _seconds(text: str) -> int:
    found = parse_instant(text)
    if found is None:
        raise ValueError(text)
    return found


def _measures(figures: Figures) -> Measures:
    return Measures(
        records=figures.sessions,
        agents=figures.agents,
        latency_p50_ms=figures.latency_p50_ms,
        latency_p95_ms=figures.latency_p95_ms,
        jitter_p50_ms=figures.jitter_p50_ms,
        loss_percent=figures.loss_percent,
        lossy=figures.sessions_with_loss,
        measured=figures.sessions_with_latency,
    )
