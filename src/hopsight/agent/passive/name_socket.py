"""Name servers' answers as they arrive here: packet sockets, and a filter that passes nothing else.

``man 7 packet``. Sockets for one protocol each, and not for all: those would have the kernel copy everything
that the machine sends.
"""

import asyncio
import socket
import sys
from collections.abc import Callable
from typing import Final

from hopsight.agent.passive.dns_answers import MAX_MESSAGE_BYTES
from hopsight.agent.sockets.packet_filter import (
    DROP,
    JUMP_IF_ANY_BIT,
    JUMP_IF_EQUAL,
    LOAD_BYTE,
    LOAD_HALF,
    LOAD_HALF_BEHIND_HEADER,
    LOAD_IPV4_HEADER_LENGTH,
    LOAD_WORD,
    RETURN,
    Step,
    attach_filter,
)
from hopsight.errors import ProbeUnavailableError

_IPV4_TYPE, _IPV6_TYPE = 0x0800, 0x86DD
_PACKET_TYPE: Final = 0xFFFFF000 + 4
"""``SKF_AD_OFF + SKF_AD_PKTTYPE``; 0 is a packet to this machine."""
_TO_THIS_MACHINE: Final = 0
_UDP, _DNS_PORT = 17, 53
_FRAGMENT_OFFSET: Final = 0x1FFF
_IPV6_HEADER, _UDP_HEADER = 40, 8
_MAX_PACKET: Final = 60 + _UDP_HEADER + MAX_MESSAGE_BYTES
_MAX_PACKETS: Final = 1_024
_RECEIVE_BUFFER: Final = 256 << 10

_IPV4_ANSWERS: Final = (
    Step(LOAD_WORD, _PACKET_TYPE),
    Step(JUMP_IF_EQUAL, _TO_THIS_MACHINE, unmatched=8),
    Step(LOAD_BYTE, 9),
    Step(JUMP_IF_EQUAL, _UDP, unmatched=6),
    Step(LOAD_HALF, 6),
    Step(JUMP_IF_ANY_BIT, _FRAGMENT_OFFSET, matched=4),
    Step(LOAD_IPV4_HEADER_LENGTH, 0),
    Step(LOAD_HALF_BEHIND_HEADER, 0),
    Step(JUMP_IF_EQUAL, _DNS_PORT, unmatched=1),
    Step(RETURN, _MAX_PACKET),
    Step(RETURN, DROP),
)
_IPV6_ANSWERS: Final = (
    Step(LOAD_WORD, _PACKET_TYPE),
    Step(JUMP_IF_EQUAL, _TO_THIS_MACHINE, unmatched=5),
    Step(LOAD_BYTE, 6),
    Step(JUMP_IF_EQUAL, _UDP, unmatched=3),
    Step(LOAD_HALF, _IPV6_HEADER),
    Step(JUMP_IF_EQUAL, _DNS_PORT, unmatched=1),
    Step(RETURN, _MAX_PACKET),
    Step(RETURN, DROP),
)

_HOW_TO_GET_IT: Final = (
    "name servers' answers cannot be seen without CAP_NET_RAW: "
    "sites are named by reverse look-up, or by their address"
)


class SystemNameSocket:
    """DNS messages that came over UDP from port 53 (``NameSocket``)."""

    def __init__(self, sockets: list[socket.socket]) -> None:
        self._sockets = sockets
        self._loop: asyncio.AbstractEventLoop | None = None

    def listen(self, on_ready: Callable[[], None]) -> None:
        """Have ``on_ready`` called whenever there is something to receive."""
        self._loop = asyncio.get_running_loop()
        for one in self._sockets:
            self._loop.add_reader(one.fileno(), on_ready)

    def receive(self) -> list[bytes]:
        """Everything that is waiting, up to a bound."""
        ipv4, ipv6 = self._sockets
        found = [packet[(packet[0] & 0x0F) * 4 + _UDP_HEADER :] for packet in _waiting(ipv4)]
        found += [packet[_IPV6_HEADER + _UDP_HEADER :] for packet in _waiting(ipv6)]
        return found

    def close(self) -> None:
        """Stop listening and close."""
        for one in self._sockets:
            if self._loop is not None:
                self._loop.remove_reader(one.fileno())
            one.close()
        self._loop = None


def open_name_socket() -> SystemNameSocket:
    """Begin to see name servers' answers.

    Raises:
        ProbeUnavailableError: it is not allowed; says what is missing.
    """
    if sys.platform != "linux":
        raise ProbeUnavailableError("name servers' answers are watched on Linux alone")
    opened: list[socket.socket] = []
    try:
        for kind, steps in ((_IPV4_TYPE, _IPV4_ANSWERS), (_IPV6_TYPE, _IPV6_ANSWERS)):
            one = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(kind))
            opened.append(one)
            one.setblocking(False)
            one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER)
            attach_filter(one, steps)
            # What came between opening and filter is let go unread.
            _waiting(one)
    except OSError as error:
        for one in opened:
            one.close()
        reason = _HOW_TO_GET_IT if isinstance(error, PermissionError) else f"{_HOW_TO_GET_IT} ({error})"
        raise ProbeUnavailableError(reason) from None
    return SystemNameSocket(opened)


def _waiting(opened: socket.socket) -> list[bytes]:
    found = []
    for _ in range(_MAX_PACKETS):
        try:
            packet = opened.recv(_MAX_PACKET)
        except BlockingIOError:
            break
        except OSError:
            # An interface that went away is told here; the socket goes on with the others.
            continue
        if packet:
            found.append(packet)
    return found
