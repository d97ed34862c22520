"""The ``cursor`` parameter: where the next page starts, and the time range of the first.

A client that pages (the official SDK among them) sends its own parameters again and again, ``window`` too:
what the cursor says of time counts, so that pages do not shift.
"""

from typing import Annotated, Final

import msgspec
from msgspec import Meta, Struct

from hopsight.errors import InvalidValueError
from hopsight.model.times import TimeRange
from hopsight.server.api.cursors import PagePlace, pack, unpack

PARAMETER: Final = "cursor"

_Moment = Annotated[int, Meta(ge=0, le=2**40)]


class Cursor(Struct, frozen=True, array_like=True):
    """What a page link carries: the place, and epoch seconds of the range (None: none was asked for)."""

    place: PagePlace
    start_s: _Moment | None = None
    end_s: _Moment | None = None

    @property
    def time_range(self) -> TimeRange | None:
        """The range of the first page."""
        if self.start_s is None or self.end_s is None:
            return None
        return TimeRange(self.start_s, self.end_s)


_DECODER: Final = msgspec.json.Decoder(Cursor)


def format_cursor(place: PagePlace, time_range: TimeRange | None = None) -> str:
    """Write a cursor, URL-safe."""
    start_s, end_s = (None, None) if time_range is None else (time_range.start_s, time_range.end_s)
    return pack(msgspec.json.encode(Cursor(place, start_s, end_s)))


def parse_cursor(text: str, of: str) -> Cursor:
    """Read a cursor in the list ``of``.

    Raises:
        InvalidValueError: it is not one that this server wrote for this list.
    """
    cursor = unpack(text, _DECODER)
    if (
        cursor is None
        or cursor.place.of != of
        or (cursor.start_s is None) != (cursor.end_s is None)
        or (cursor.start_s is not None and cursor.place.pinned_round is not None)
    ):
        raise InvalidValueError(PARAMETER, text, "the one in _links.next of an earlier answer, unchanged")
    return cursor
