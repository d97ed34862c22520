"""Tests of the body of a filtered POST."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hopsight.errors import InvalidValueError
from hopsight.model.dimensions import FILTERS, NETWORK_SESSIONS
from hopsight.model.kinds import KINDS
from hopsight.model.query import Filter
from hopsight.server.api.filters import (
    MAX_FILTERS,
    MAX_VALUES,
    SearchFilter,
    parse_search_filters,
    resolve_filters,
)

JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
)


@pytest.mark.parametrize("body", [b"", b" \r\n", b"{}", b"[]", b'{"searchFilters": []}'])
def test_nothing_means_no_filter(body: bytes) -> None:
    """Empty bodies of every kind that clients send."""
    assert parse_search_filters(body) == ()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("key", FILTERS)
def test_every_key_of_the_table_is_taken(key: str, kind: str) -> None:
    """The table of filters is all that there is to know: a kind takes its own keys and refuses the others."""
    body = json.dumps({"searchFilters": [{"key": key, "values": ["a", "b"]}]}).encode()
    given = parse_search_filters(body)
    if kind in FILTERS[key].kinds:
        assert resolve_filters(kind, given) == (Filter(FILTERS[key].column, ("a", "b")),)
    else:
        with pytest.raises(InvalidValueError, match="filter key"):
            resolve_filters(kind, given)


def test_values_are_brought_to_the_stored_spelling() -> None:
    """Enumerated values compare without regard to case."""
    resolved = resolve_filters(NETWORK_SESSIONS, [SearchFilter("connection", ("wireless", "ETHERNET"))])
    assert resolved == (Filter("connection", ("Wireless", "Ethernet")),)


@pytest.mark.parametrize("key", ["", "Connection", "type", "searchFilters", "\x00", "aid"])
def test_a_key_that_is_not_taken_is_refused_with_those_that_are(key: str) -> None:
    """Unknown keys, and keys of other resources."""
    with pytest.raises(InvalidValueError, match="agentId, location, connection"):
        resolve_filters(NETWORK_SESSIONS, [SearchFilter(key, ("x",))])


BAD = [
    b"{",
    b"null",
    b"1",
    b'"x"',
    b"true",
    b"[1]",
    b"[[]]",
    b"{]",
    b"\xff\xfe{}",
    b"\xef\xbb\xbf{}",
    b"{} {}",
    b"NaN",
    b'{"searchFilters": null}',
    b'{"searchFilters": {}}',
    b'{"searchFilters": "x"}',
    b'{"searchFilters": [1]}',
    b'{"searchFilters": [{}]}',
    b'{"searchFilters": [{"key": "agentId"}]}',
    b'{"searchFilters": [{"values": ["x"]}]}',
    b'{"searchFilters": [{"key": "agentId", "values": null}]}',
    b'{"searchFilters": [{"key": "agentId", "values": "x"}]}',
    b'{"searchFilters": [{"key": "agentId", "values": []}]}',
    b'{"searchFilters": [{"key": "agentId", "values": [1]}]}',
    b'{"searchFilters": [{"key": 1, "values": ["x"]}]}',
    b'{"searchFilters": [{"key": "agentId", "values": [NaN]}]}',
    b'{"searchFilters": [{"key": "agentId", "values": ["\\ud800"]}]}',
    b'{"searchFilters": [{"key": "agentId", "values": ["x"], "operator": "not"}]}',
    b'{"searchFilters": [], "searchFilters": []}',
    b'{"searchfilters": []}',
    b'{"agentId": ["x"]}',
    b'{"searchFilters": [{"key": "agentId", "key": "ssid", "values": ["x"]}]}',
    b"[" * 60_000,
    b'{"searchFilters":' * 3_000,
    b'{"searchFilters": [' + b"[" * 50_000,
    b'{"x":' * 10_000,
    b'{"searchFilters": ' + b"9" * 60_000 + b"}",
    json.dumps({"searchFilters": [{"key": "ssid", "values": ["x"]}] * (MAX_FILTERS + 1)}).encode(),
    json.dumps({"searchFilters": [{"key": "ssid", "values": ["x"] * (MAX_VALUES + 1)}]}).encode(),
    json.dumps({"searchFilters": [{"key": "ssid", "values": ["x" * 2_000]}]}).encode(),
]


@pytest.mark.parametrize("body", BAD, ids=lambda body: body[:60].decode("latin-1"))
def test_any_other_body_is_refused_with_the_right_form(body: bytes) -> None:
    """Malformed, mistyped, doubled, too deep or too much: the answer shows what is accepted."""
    with pytest.raises(InvalidValueError, match="body"):
        parse_search_filters(body)


@given(st.binary(max_size=200) | JSON_VALUES.map(lambda value: json.dumps(value).encode()))
def test_any_bytes_are_filters_or_refused(body: bytes) -> None:
    """Nothing that a client posts is an error of ours."""
    try:
        filters = parse_search_filters(body)
    except InvalidValueError:
        return
    assert all(isinstance(filter_, SearchFilter) for filter_ in filters)
