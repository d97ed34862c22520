"""The Wi-Fi link by nl80211 (``linux/nl80211.h``), over generic netlink (``linux/genetlink.h``).

Only what any user may ask, and only what the kernel knows already: no scan is begun, for a scan takes the
radio off its channel and loses packets.
"""

import socket
import struct
from collections.abc import Iterable
from typing import Final

from msgspec import Struct

from hopsight.agent.sockets.netlink_messages import NLM_F_DUMP, attribute, attributes, exchange, number

_NETLINK_GENERIC: Final = 16  # linux/netlink.h; Python has no name for it
_GENL_ID_CTRL, _CTRL_CMD_GETFAMILY = 16, 3
_CTRL_ATTR_FAMILY_ID, _CTRL_ATTR_FAMILY_NAME = 1, 2
_FAMILY_NAME: Final = b"nl80211\0"
_GENL_HEADER: Final = struct.Struct("=BBH")
_GENL_VERSION: Final = 1
_NUMBER: Final = struct.Struct("=I")

_GET_INTERFACE, _GET_STATION, _GET_SCAN, _GET_SURVEY = 5, 17, 32, 50
_ATTR_IFINDEX: Final = 3
_ATTR_MAC, _ATTR_STA_INFO, _ATTR_WIPHY_FREQ, _ATTR_BSS, _ATTR_SSID, _ATTR_SURVEY_INFO = 6, 21, 38, 47, 52, 84


class Station(Struct, frozen=True, kw_only=True):
    """A peer of the link: ``info`` are its ``NL80211_STA_INFO_...``."""

    mac: bytes
    info: dict[int, bytes]


class WirelessAnswers(Struct, frozen=True, kw_only=True):
    """What the kernel answered, taken apart as far as attributes go.

    Args:
        ssid: of the interface; empty: not told.
        frequency_mhz: of its channel.
        stations: who it talks with: of a client, the access point.
        cells: those seen (``NL80211_BSS_...``).
        surveys: one for each channel (``NL80211_SURVEY_INFO_...``).
    """

    ssid: bytes = b""
    frequency_mhz: int | None = None
    stations: tuple[Station, ...] = ()
    cells: tuple[dict[int, bytes], ...] = ()
    surveys: tuple[dict[int, bytes], ...] = ()


def ask_wireless(interface: str) -> WirelessAnswers | None:
    """Ask for everything about the link of an interface; None: it is none, or there is no nl80211."""
    try:
        index = socket.if_nametoindex(interface)
        family = _family()
        if family is None:
            return None
        return read_answers(
            interface=_ask(family, _GET_INTERFACE, index, dump=False),
            stations=_ask(family, _GET_STATION, index),
            cells=_ask(family, _GET_SCAN, index),
            surveys=_ask(family, _GET_SURVEY, index),
        )
    except OSError:
        return None


def request(command: int, payload: bytes) -> bytes:
    """The body of a generic netlink request."""
    return _GENL_HEADER.pack(command, _GENL_VERSION, 0) + payload


def read_answers(
    *,
    interface: Iterable[bytes],
    stations: Iterable[bytes],
    cells: Iterable[bytes],
    surveys: Iterable[bytes],
) -> WirelessAnswers:
    """Take the bodies of the answers apart; whatever they hold, it never raises."""
    own: dict[int, bytes] = {}
    for body in interface:
        own |= _attributes(body)
    return WirelessAnswers(
        ssid=own.get(_ATTR_SSID, b""),
        frequency_mhz=number(own.get(_ATTR_WIPHY_FREQ)),
        stations=tuple(
            Station(mac=found.get(_ATTR_MAC, b""), info=attributes(found.get(_ATTR_STA_INFO, b"")))
            for found in map(_attributes, stations)
        ),
        cells=_nested(cells, _ATTR_BSS),
        surveys=_nested(surveys, _ATTR_SURVEY_INFO),
    )


def _nested(bodies: Iterable[bytes], kind: int) -> tuple[dict[int, bytes], ...]:
    return tuple(attributes(_attributes(body).get(kind, b"")) for body in bodies)


def _attributes(body: bytes) -> dict[int, bytes]:
    return attributes(body[_GENL_HEADER.size :])


def _family() -> int | None:
    """The number that nl80211 has until the next boot; None: no driver has brought it."""
    body = request(_CTRL_CMD_GETFAMILY, attribute(_CTRL_ATTR_FAMILY_NAME, _FAMILY_NAME))
    for _, answer in exchange(_NETLINK_GENERIC, _GENL_ID_CTRL, 0, body):
        family = number(_attributes(answer).get(_CTRL_ATTR_FAMILY_ID))
        if family is not None:
            return family
    return None


def _ask(family: int, command: int, index: int, *, dump: bool = True) -> list[bytes]:
    body = request(command, attribute(_ATTR_IFINDEX, _NUMBER.pack(index)))
    try:
        answers = exchange(_NETLINK_GENERIC, family, NLM_F_DUMP if dump else 0, body)
        return [answer for kind, answer in answers if kind == family]
    except OSError:
        # A driver need not know all of it: the others are asked all the same.
        return []
