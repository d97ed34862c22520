"""Dates as the API writes them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hopsight.model.times import format_utc, parse_utc


@given(st.integers(min_value=0, max_value=253_402_300_799))
def test_a_date_comes_back_as_it_went(time_s: int) -> None:
    """Parsing what was written gives the same second."""
    assert parse_utc(format_utc(time_s)) == time_s


@pytest.mark.parametrize(
    "text",
    [
        "2017-03-26T11:58:00",
        "2017-03-26 11:58:00",
        "2017-03-26+11:58:00",
        "2017-03-26T11:58:00Z",
        "2017-03-26T11:58:00.999",
        "2017-03-26T11:58:00.123456Z",
    ],
)
def test_the_separators_of_real_clients_are_read(text: str) -> None:
    """T, a space or + between date and time; a fraction and Z at the end are accepted."""
    assert parse_utc(text) == 1_490_529_480


@pytest.mark.parametrize(
    "text",
    [
        "",
        "now",
        "1490529480",
        "2017-03-26",
        "2017-3-26T11:58:00",
        "2017-02-29T00:00:00",
        "2017-03-26T24:00:00",
        "2017-03-26T11:58:60",
        "2017-03-26T11:58:00+02:00",
        "2017-03-26T11:58:00.",
        "0000-01-01T00:00:00",
        "2017-03-26T11:58:00 ",
        "٢٠١٧-03-26T11:58:00",
    ],
)
def test_what_is_no_date_is_none(text: str) -> None:
    """Malformed dates, and dates that do not exist, are not read as something near."""
    assert parse_utc(text) is None
