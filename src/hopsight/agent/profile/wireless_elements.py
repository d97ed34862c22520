"""Elements of beacons and probe responses: what an access point says of itself (IEEE 802.11, 9.4.2)."""

from collections.abc import Iterator
from typing import Final

_VENDOR_ELEMENT: Final = 221
_WPS: Final = bytes.fromhex("0050f204")
"""Wi-Fi Protected Setup: the one element in which an access point may name its maker."""
_WPS_MANUFACTURER: Final = 0x1021


def element(data: bytes, kind: int) -> bytes | None:
    """The first element of a kind."""
    return next((payload for found, payload in _elements(data) if found == kind), None)


def manufacturer(data: bytes) -> bytes | None:
    """Who made the access point, in its own words; None: it does not say."""
    for kind, payload in _elements(data):
        if kind == _VENDOR_ELEMENT and payload.startswith(_WPS):
            for found, value in _wps(payload[len(_WPS) :]):
                if found == _WPS_MANUFACTURER:
                    return value.strip(b"\0 ") or None
    return None


def _elements(data: bytes) -> Iterator[tuple[int, bytes]]:
    position = 0
    while position + 2 <= len(data):
        end = position + 2 + data[position + 1]
        if end > len(data):
            return
        yield data[position], data[position + 2 : end]
        position = end


def _wps(data: bytes) -> Iterator[tuple[int, bytes]]:
    position = 0
    while position + 4 <= len(data):
        end = position + 4 + int.from_bytes(data[position + 2 : position + 4], "big")
        if end > len(data):
            return
        yield int.from_bytes(data[position : position + 2], "big"), data[position + 4 : end]
        position = end
