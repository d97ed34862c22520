"""What the page of a report says, out of the document alone."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs
from tests.server.reports.documents import sample_report

from hopsight.model.aggregates import Bucket, Measures, Summary
from hopsight.server.web.report_page import length_text, minute_text, shown_report
from hopsight.server.web.report_reading import WORST_HOURS, worst_hours

UNITS_S = {"d": 86_400, "h": 3_600, "min": 60, "s": 1}


@settings(deadline=None)
@given(st.integers(0, 10**8))
def test_lengths_are_whole(length_s: int) -> None:
    """What is said in words is the length to the second, the largest unit first."""
    words = length_text(length_s).split()
    counts = list(zip(map(int, words[::2]), words[1::2], strict=True))
    assert sum(count * UNITS_S[unit] for count, unit in counts) == length_s
    units = [unit for _, unit in counts]
    assert units == sorted(set(units), key=list(UNITS_S).index)


@pytest.mark.parametrize(
    ("text", "shown"),
    [("2026-11-23T12:00:00Z", "2026-11-23 12:00"), ("2026-11-23T12:00:01Z", "2026-11-23 12:00:01")],
)
def test_seconds_are_told_where_there_are_any(text: str, shown: str) -> None:
    """A bucket that the period cuts does not look whole."""
    assert minute_text(text) == shown


def test_the_page_has_the_document_s_numbers() -> None:
    """Charts, shares and outages are those of the document; an end on the same day is told as its time."""
    shown = shown_report(sample_report())
    latency = shown.charts[0]
    assert latency.rows == [("2026-11-23 12:00", ["80", "20.5"])]
    assert latency.samples == 118
    assert [(name, count) for name, count, _ in shown.verdicts] == [("provider", 4), ("healthy", 116)]
    assert sum(percent for *_, percent in shown.verdicts) == pytest.approx(100)
    ((outage, start, end, length),) = shown.outages
    assert (outage.site, start, end, length) == ("app.example.com", "2026-11-23 12:10", "12:12", "2 min")
    assert (shown.out_in_all, shown.bucket, shown.outage_stretch) == ("2 min", "1 min", "1 d")


def test_an_end_on_another_day_has_its_day() -> None:
    """Midnight is not hidden."""
    (outage,) = sample_report().outages.periods
    later = structs.replace(outage, end="2026-11-24T00:01:00Z")
    outages = structs.replace(sample_report().outages, periods=(later,))
    ((_, _, end, _),) = shown_report(structs.replace(sample_report(), outages=outages)).outages
    assert end == "2026-11-24 00:01"


def test_the_worst_hours_have_the_most_loss() -> None:
    """Of equal loss the slower is worse; what was not measured is not bad; no more than so many are told."""

    def hour(number: int, loss: float | None, p95: float | None) -> Bucket:
        measures = Measures(
            records=1, agents=1, latency_p50_ms=p95, latency_p95_ms=p95, jitter_p50_ms=None,
            loss_percent=loss, lossy=0, measured=1,
        )  # fmt: skip
        return Bucket(start_s=3_600 * number, measures=measures)

    hours = [hour(0, 0.0, 10.0), hour(1, None, None), hour(2, 5.0, 1.0), hour(3, 0.0, 20.0)]
    summary = Summary(whole=hours[0].measures, buckets=tuple(hours))
    assert [each.start[11:13] for each in worst_hours(summary)] == ["02", "03", "00", "01"]
    many = Summary(whole=hours[0].measures, buckets=tuple(hour(n, 0.0, 1.0) for n in range(30)))
    assert len(worst_hours(many)) == WORST_HOURS
