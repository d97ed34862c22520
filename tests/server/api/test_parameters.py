"""Tests of query parameters as they were sent."""

from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hopsight.errors import InvalidValueError
from hopsight.server.api.parameters import Parameters


@given(
    st.text().filter(lambda text: text.isprintable() or "\n" in text), st.sampled_from([quote, quote_plus])
)
def test_a_value_comes_back_as_it_was(value: str, encode: object) -> None:
    """Percent-encoding and plus signs are undone."""
    assert callable(encode)
    assert Parameters(f"x=1&name={encode(value)}".encode()).one("name") == value


@pytest.mark.parametrize(
    ("query", "value"),
    [
        (b"", None),
        (b"other=1", None),
        (b"a", ""),
        (b"a=", ""),
        (b"a=1&a=1", "1"),
        (b"%61=1", "1"),
        (b"&&a=1&", "1"),
    ],
)
def test_absent_empty_and_repeated(query: bytes, value: str | None) -> None:
    """Absent is not empty; the same value twice is one value."""
    assert Parameters(query).one("a") == value


@pytest.mark.parametrize("query", [b"a=1&a=2", b"a=%zz", b"a=%", b"a=%f", b"a=%ff", b"a=\xff", b"a=%c3%28"])
def test_what_cannot_be_understood_is_refused(query: bytes) -> None:
    """Two values, half a percent sign and what is not UTF-8 are named as wrong."""
    with pytest.raises(InvalidValueError, match="parameter a"):
        Parameters(query).one("a")


def test_unknown_parameters_are_never_looked_into() -> None:
    """What would be wrong in a known parameter is nothing in an unknown one."""
    parameters = Parameters(b"x=%zz&x=%ff&a=1")
    assert parameters.one("a") == "1"
    assert parameters.without(frozenset({"a"})) == [b"x=%zz", b"x=%ff"]
