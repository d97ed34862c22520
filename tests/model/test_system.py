"""Six numbers over samples."""

import math
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hopsight.model.system import summarize

samples = st.lists(st.floats(min_value=0, max_value=2**45), min_size=1, max_size=50)


@given(samples)
def test_the_summary_is_what_the_definitions_say(values: list[float]) -> None:
    """Mean, median and population deviation agree with an exact reference."""
    found = summarize(values)
    assert found is not None
    assert (found.min, found.max, found.count) == (min(values), max(values), len(values))
    assert found.median == pytest.approx(statistics.median(values), rel=1e-12)
    assert found.mean == pytest.approx(statistics.fmean(values), rel=1e-12)
    exact = math.sqrt(float(statistics.pvariance(map(int, (v * 2**20 for v in values))))) / 2**20
    assert found.std_dev == pytest.approx(exact, rel=1e-6, abs=1e-4)


@given(samples)
def test_the_middle_lies_between_the_ends(values: list[float]) -> None:
    """Rounding never puts mean or median outside the samples."""
    found = summarize(values)
    assert found is not None
    assert found.min <= found.mean <= found.max
    assert found.min <= found.median <= found.max


def test_digits_survive_large_numbers() -> None:
    """Memory readings of 1e10 that differ by a page keep their deviation (one pass would lose it)."""
    found = summarize([1e10, 1e10 + 4096.0])
    assert found is not None
    assert found.std_dev == 2048.0


def test_nothing_measured_is_no_summary() -> None:
    """No samples give no numbers, rather than zeros."""
    assert summarize([]) is None
