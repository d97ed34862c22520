"""Charts as SVG: gaps are gaps, nothing is invented, and numbers are there for whoever does not see lines."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hopsight.model.times import TimeRange
from hopsight.server.web.charts import Series, draw_chart, path_of, spark_path, time_ticks

DAY = TimeRange(1_600_041_600, 1_600_128_000)
VALUES = st.lists(st.none() | st.floats(0, 1e6), min_size=1, max_size=50)


def test_a_gap_breaks_the_line() -> None:
    """What was not measured is no point and no line; a measurement alone is a dot."""
    assert path_of([0, 1, 2, 3, 4], [5.0, 6.0, None, 7.0, None]) == "M0.0 5.0L1.0 6.0M3.0 7.0h0.1"
    assert path_of([0, 1], [None, None]) == ""


@given(VALUES)
def test_every_run_is_one_stroke(values: list[float | None]) -> None:
    """There are as many strokes as runs of measured buckets."""
    runs = sum(
        value is not None and (index == 0 or values[index - 1] is None) for index, value in enumerate(values)
    )
    assert path_of(list(range(len(values))), values).count("M") == runs
    assert spark_path(values).count("M") == runs


@given(VALUES)
def test_a_chart_holds_its_values(values: list[float | None]) -> None:
    """The axis starts at zero and ends above everything; the table has each bucket that was measured."""
    starts = [DAY.start_s + 60 * index for index in range(len(values))]
    chart = draw_chart("Latency", "ms", [Series(label="a", style="line-a", values=values)], starts, DAY, 1)
    ticks = [float(tick.label) for tick in chart.value_ticks]
    known = [value for value in values if value is not None]
    assert ticks[0] == 0
    assert ticks == sorted(ticks)
    assert ticks[-1] >= max(known, default=0) * 0.999
    assert len(chart.rows) == len(known)
    assert chart.is_empty == (not known)
    assert json.loads(chart.data)["series"][0]["values"] == values


def test_data_cannot_end_its_element() -> None:
    """A name that looks like the end of the script element is only a name."""
    series = [Series(label="</script><script>", style="line-a", values=[1.0])]
    chart = draw_chart("x", "ms", series, [DAY.start_s], DAY, 1)
    assert "<" not in chart.data
    assert json.loads(chart.data)["series"][0]["label"] == "</script><script>"


@pytest.mark.parametrize("length_s", [60, 3_600, 86_400, 7 * 86_400, 30 * 86_400, 366 * 86_400])
def test_time_ticks_are_few_and_round(length_s: int) -> None:
    """At most eight marks, whatever the range."""
    ticks = time_ticks(TimeRange(DAY.start_s + 17, DAY.start_s + 17 + length_s))
    assert 1 <= len(ticks) <= 8
