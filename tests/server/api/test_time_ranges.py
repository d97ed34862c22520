"""Tests of ``window``, ``from`` and ``to``."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hopsight.errors import InvalidValueError
from hopsight.model.times import TimeRange
from hopsight.server.api.parameters import Parameters
from hopsight.server.api.time_ranges import parse_time_range

NOW_S = 1_490_529_480.75
WHOLE_S = 1_490_529_480


def parsed(query: str) -> TimeRange | None:
    """The range of a query string."""
    return parse_time_range(Parameters(query.encode()), NOW_S)


@pytest.mark.parametrize(
    ("window", "seconds"),
    [("1", 1), ("90s", 90), ("15m", 900), ("12h", 43_200), ("2d", 172_800), ("1w", 604_800), ("007m", 420)],
)
def test_a_window_ends_now(window: str, seconds: int) -> None:
    """A number with a unit, or seconds when there is none, counted back from now."""
    assert parsed(f"window={window}") == TimeRange(WHOLE_S - seconds, WHOLE_S)


@pytest.mark.parametrize(
    "window", ["999999999999999w", "9" * 5_000, "9" * 5_000 + "w", "0" * 60_000 + "9" * 20]
)
def test_a_huge_window_starts_in_1970(window: str) -> None:
    """However many digits, it reaches back to where no data is, and no further."""
    assert parsed(f"window={window}") == TimeRange(0, WHOLE_S)


@pytest.mark.parametrize(
    "query",
    ["from=2017-03-26T11:00:00", "from=2017-03-26+11:00:00", "from=2017-03-26%2B11:00:00",
     "from=2017-03-26%2011:00:00", "from=2017-03-26T11:00:00Z", "from=2017-03-26T11:00:00.123Z",
     "from=2017-03-26T11%3A00%3A00&to=2017-03-26T11:58:00", "window="[:0] + "from=2017-03-26T11:00:00"],
)  # fmt: skip
def test_from_runs_to_now_or_to_to(query: str) -> None:
    """Every spelling that clients send means the same moment."""
    assert parsed(query) == TimeRange(1_490_526_000, WHOLE_S)


def test_no_parameters_mean_no_range() -> None:
    """Then the last round is meant."""
    assert parsed("aid=1&windows=5") is None


BAD = [
    "window=", "window=0", "window=000", "window=0h", "window=-1", "window=1.5h", "window=h", "window=1y",
    "window=1H", "window=1%20h", "window=%D9%A1h", "window=1hh", "window=1h&from=2017-03-26T11:00:00",
    "window=1h&to=2017-03-26T11:00:00", "to=2017-03-26T11:00:00", "from=", "from=2017-03-26",
    "from=2017-13-26T11:00:00", "from=2017-02-29T11:00:00", "from=2017-03-26T24:00:00", "from=now",
    "from=2017-03-26T11:00:00%2B01:00", "from=1490526000", "from=2017-03-26T11:00:00&to=",
    "from=2017-03-26T11:00:00&to=2017-03-26T11:00:00", "from=2017-03-26T11:00:00&to=2017-03-26T10:59:59",
    "from=2999-01-01T00:00:00", "from=20170-03-26T11:00:00", "window=1h&window=2h",
]  # fmt: skip


@pytest.mark.parametrize("query", BAD)
def test_every_broken_rule_is_refused(query: str) -> None:
    """A range that is not one is named, with what would be."""
    with pytest.raises(InvalidValueError, match="accepted"):
        parsed(query)


@given(st.text(max_size=20), st.sampled_from(["window", "from", "to"]))
def test_any_text_is_a_range_or_refused(text: str, name: str) -> None:
    """Nothing that a client sends is an error of ours."""
    try:
        range_ = parse_time_range(Parameters(name.encode() + b"=" + text.encode("utf-8", "replace")), NOW_S)
    except InvalidValueError:
        return
    assert range_ is not None
    assert range_.start_s < range_.end_s
