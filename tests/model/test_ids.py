"""Record IDs and rounds."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hopsight.errors import InvalidValueError
from hopsight.model.ids import new_session_id, parse_session_id, round_of


@given(
    aid=st.integers(min_value=1, max_value=10**12),
    round_number=st.integers(min_value=0, max_value=10**8),
    seed=st.integers(),
)
def test_an_id_comes_back_as_it_went(aid: int, round_number: int, seed: int) -> None:
    """Parsing what was written gives the same parts."""
    made = new_session_id(aid, round_number * 60, random.Random(seed))
    assert parse_session_id(str(made)) == made


def test_the_account_group_is_padded_to_five_digits() -> None:
    """The vendor's sample has 07625, and a longer number is not cut."""
    assert str(parse_session_id("07625:1490529480:aVDViw0i")) == "07625:1490529480:aVDViw0i"
    assert str(new_session_id(1234567, 60, random.Random(1))).startswith("1234567:60:")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "7625:1490529480:aVDViw0i",
        "007625:1490529480:aVDViw0i",
        "07625:01490529480:aVDViw0i",
        "07625:1490529480:aVDViw0",
        "07625:1490529480:aVDViw0i0",
        "07625:1490529480:aVDViw0_",
        "07625:-60:aVDViw0i",
        "٠٧٦٢٥:1490529480:aVDViw0i",
        "07625:1490529480:aVDViw0i\n",
    ],
)
def test_an_id_has_one_spelling(text: str) -> None:
    """Anything but the one spelling is refused, so that one record cannot be stored under two names."""
    with pytest.raises(InvalidValueError, match="userSessionId"):
        parse_session_id(text)


@given(time_s=st.floats(min_value=0, max_value=1e11), length_s=st.sampled_from([60, 300]))
def test_a_round_contains_its_moment(time_s: float, length_s: int) -> None:
    """A round starts at a multiple of its length, at or before the moment and less than a length away."""
    start_s = round_of(time_s, length_s)
    assert start_s % length_s == 0
    assert start_s <= time_s < start_s + length_s
