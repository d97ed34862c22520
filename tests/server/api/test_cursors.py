"""Tests of the opaque place in a list."""

import base64
import contextlib
import re
import zlib

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hopsight.errors import InvalidValueError
from hopsight.server.api.cursors import PagePlace, format_page_place, parse_page_place
from hopsight.server.api.filters import SearchFilter

FILTERS = st.lists(
    st.builds(SearchFilter, st.text(max_size=20), st.lists(st.text(max_size=60), min_size=1).map(tuple)),
    max_size=20,
)
PLACES = st.builds(
    PagePlace,
    of=st.just("network-sessions"),
    page=st.integers(2, 10**9),
    round_id=st.integers(0, 2**53),
    item_id=st.from_regex("[0-9A-Za-z:-]{1,128}", fullmatch=True),
    pinned_round=st.none() | st.integers(0, 2**53),
    filters=FILTERS.map(tuple),
)
PLACE = PagePlace("network-sessions", 2, 60, "07625:60:aVDViw0i", 60)


@given(PLACES)
def test_a_place_comes_back_from_a_url(place: PagePlace) -> None:
    """Written, it needs no escaping in a URL; read, it is what it was."""
    text = format_page_place(place)
    assert re.fullmatch("[0-9A-Za-z_-]+", text)
    assert parse_page_place(text, place.of) == place


@given(st.text(max_size=60) | st.binary(max_size=60).map(lambda raw: base64.urlsafe_b64encode(raw).decode()))
def test_any_other_text_is_refused(text: str) -> None:
    """Made-up places are named as such, whatever they are made of."""
    with pytest.raises(InvalidValueError, match=r"pages\.next"):
        parse_page_place(text, "network-sessions")


@given(st.data())
def test_a_place_with_one_character_changed_is_a_place_or_refused(data: st.DataObject) -> None:
    """Tampering ends in nothing worse."""
    text = format_page_place(PLACE)
    position = data.draw(st.integers(0, len(text) - 1))
    changed = text[:position] + data.draw(st.characters()) + text[position + 1 :]
    with contextlib.suppress(InvalidValueError):
        assert isinstance(parse_page_place(changed, PLACE.of), PagePlace)


def test_a_place_belongs_to_its_list() -> None:
    """The place in one list means nothing in another."""
    with pytest.raises(InvalidValueError, match="pageId"):
        parse_page_place(format_page_place(PLACE), "endpoint-agents")


def test_a_place_that_unpacks_to_too_much_is_refused() -> None:
    """A few kilobytes that inflate to many megabytes are not inflated."""
    bomb = b"z" + zlib.compress(b"[" + b" " * (64 << 20) + b"]", 9)
    text = base64.urlsafe_b64encode(bomb[:40_000]).decode().rstrip("=")
    with pytest.raises(InvalidValueError, match="pageId"):
        parse_page_place(text, "network-sessions")


@pytest.mark.parametrize(
    "place",
    [
        ["network-sessions", 1, 60, "a", 60, []],
        ["network-sessions", 2, -60, "a", 60, []],
        ["network-sessions", 2, 60, "", 60, []],
        ["network-sessions", 2, 60, "a'b", 60, []],
        ["network-sessions", 2, 60, "a", 1e300, []],
        ["network-sessions", 2, 60, "a", 60, [{"key": "ssid", "values": []}]],
        ["network-sessions", 2, 2**64, "a", 60, []],
        {"of": "network-sessions"},
    ],
)
def test_a_place_out_of_bounds_is_refused(place: object) -> None:
    """Well-formed is not enough."""
    text = base64.urlsafe_b64encode(b"p" + msgspec.json.encode(place)).decode().rstrip("=")
    with pytest.raises(InvalidValueError, match="pageId"):
        parse_page_place(text, "network-sessions")
