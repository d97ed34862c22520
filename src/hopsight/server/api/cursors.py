"""The ``pageId`` parameter: where the next page starts, and all that the first page knew.

Opaque to clients, but not secret and not trusted: a made-up one that passes here can only ask for what
its sender might have asked for anyway.
"""

import base64
import binascii
import zlib
from typing import Annotated, Final, TypeVar

import msgspec
from msgspec import Meta, Struct

from hopsight.errors import InvalidValueError
from hopsight.server.api.filters import MAX_FILTERS, SearchFilter

PARAMETER: Final = "pageId"

_Packed = TypeVar("_Packed")

_SHORT_BYTES: Final = 256
_MAX_TEXT: Final = 64 << 10
_MAX_BYTES: Final = 256 << 10


class PagePlace(Struct, frozen=True, array_like=True):
    """What a page link carries.

    Args:
        of: the kind of record (or resource) that is listed.
        page: number of the page that starts here.
        round_id: the last item before it: its round (0 where items have none).
        item_id: and its ID.
        pinned_round: the last round when the first page was made; None: the request has a time range.
        filters: those of the first page's body, so that a GET goes on where a POST began.
    """

    of: str
    page: Annotated[int, Meta(ge=2, le=10**9)]
    round_id: Annotated[int, Meta(ge=0, le=2**53)]
    item_id: Annotated[str, Meta(min_length=1, max_length=128, pattern=r"^[0-9A-Za-z:_-]+$(?!\n)")]
    pinned_round: Annotated[int, Meta(ge=0, le=2**53)] | None = None
    filters: Annotated[tuple[SearchFilter, ...], Meta(max_length=MAX_FILTERS)] = ()


_DECODER: Final = msgspec.json.Decoder(PagePlace)


def format_page_place(place: PagePlace) -> str:
    """Write a place, URL-safe."""
    return pack(msgspec.json.encode(place))


def parse_page_place(text: str, of: str) -> PagePlace:
    """Read a place in the list ``of``.

    Raises:
        InvalidValueError: it is not one that this server wrote for this list.
    """
    place = unpack(text, _DECODER)
    if place is None or place.of != of:
        raise InvalidValueError(PARAMETER, text, "the one in pages.next of an earlier answer, unchanged")
    return place


def pack(plain: bytes) -> str:
    """Write JSON so that it fits into a URL as it is."""
    packed = b"p" + plain if len(plain) <= _SHORT_BYTES else b"z" + zlib.compress(plain, 9)
    return base64.urlsafe_b64encode(packed).decode().rstrip("=")


def unpack(text: str, decoder: msgspec.json.Decoder[_Packed]) -> _Packed | None:
    """Read what ``pack`` wrote; None: it did not write this."""
    try:
        return decoder.decode(_unpacked(text))
    except (binascii.Error, zlib.error, ValueError, msgspec.MsgspecError, RecursionError):
        return None


def _unpacked(text: str) -> bytes:
    if len(text) > _MAX_TEXT:
        raise ValueError("too long")
    packed = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    if packed[:1] == b"p":
        return packed[1:]
    inflater = zlib.decompressobj()
    plain = inflater.decompress(packed[1:], _MAX_BYTES) if packed[:1] == b"z" else b""
    if not inflater.eof:
        raise ValueError("not whole")
    return plain
