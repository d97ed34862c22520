"""The kernel's announcements of closed TCP sockets, and its list of listening ones, by sock_diag."""

import asyncio
import errno
import socket
import struct
import sys
from collections.abc import Callable
from typing import Final

from hopsight.agent.network import ClosedSocket
from hopsight.agent.passive.inet_diag import closed_sockets, listening_ports, listening_request
from hopsight.agent.sockets.own import OwnSockets
from hopsight.agent.sockets.packet_filter import (
    ACCEPT,
    DROP,
    JUMP_IF_EQUAL,
    LOAD_BYTE,
    LOAD_WORD,
    RETURN,
    Step,
    attach_filter,
)
from hopsight.errors import ProbeUnavailableError

_SOCK_DIAG: Final = 4
_SOL_NETLINK, _ADD_MEMBERSHIP = 270, 1
_GROUPS: Final = (1, 3)
"""``SKNLGRP_INET_TCP_DESTROY`` and ``SKNLGRP_INET6_TCP_DESTROY``."""
_SO_MEMINFO, _DROPS = 55, struct.Struct("=32xI")
_RECEIVE_BUFFER: Final = 1 << 20
_MAX_DATAGRAM: Final = 65_536
_MAX_EVENTS: Final = 1_024
_GATHER_S: Final = 0.05
"""At the kernel's usual limit its queue holds about 300 announcements: 6,000 a second are no overrun."""
_TIMEOUT_S: Final = 1.0
_MAX_DATAGRAMS: Final = 1_000

_LOOPBACK_NET: Final = 127
# A connection to loopback wakes nobody. Offsets: netlink header 16 bytes, in its message the family at 0 and
# the remote address at 24.
_NOT_LOOPBACK: Final = (
    Step(LOAD_BYTE, 16),
    Step(JUMP_IF_EQUAL, socket.AF_INET, matched=9),
    Step(LOAD_WORD, 40),
    Step(JUMP_IF_EQUAL, 0, unmatched=11),
    Step(LOAD_WORD, 44),
    Step(JUMP_IF_EQUAL, 0, unmatched=9),
    Step(LOAD_WORD, 48),
    Step(JUMP_IF_EQUAL, 0xFFFF, matched=5),  # IPv4 in an IPv6 socket
    Step(JUMP_IF_EQUAL, 0, unmatched=6),
    Step(LOAD_WORD, 52),
    Step(JUMP_IF_EQUAL, 1, matched=5, unmatched=4),
    Step(LOAD_BYTE, 40),
    Step(JUMP_IF_EQUAL, _LOOPBACK_NET, matched=3, unmatched=2),
    Step(LOAD_BYTE, 52),
    Step(JUMP_IF_EQUAL, _LOOPBACK_NET, matched=1),
    Step(RETURN, ACCEPT),
    Step(RETURN, DROP),
)

_HOW_TO_GET_IT: Final = "passive sessions need a kernel with CONFIG_INET_DIAG that lets this program ask it"


class SystemWatchSocket:
    """Announcements of closed sockets (``WatchSocket``), without the agent's own.

    The kernel's queue is bounded: what does not fit is lost, and counted.
    """

    def __init__(self, opened: socket.socket, own: OwnSockets) -> None:
        self._socket = opened
        self._own = own
        self._loop: asyncio.AbstractEventLoop | None = None
        self._on_ready: Callable[[], None] = lambda: None
        self._waiting: asyncio.TimerHandle | None = None
        self._overruns = 0

    @property
    def lost(self) -> int:
        """Announcements that the kernel had no room for, ever."""
        try:
            counted: int = _DROPS.unpack_from(
                self._socket.getsockopt(socket.SOL_SOCKET, _SO_MEMINFO, _DROPS.size)
            )[0]
        except (OSError, struct.error):
            # Before Linux 4.12 only that it happened is known, not how often.
            return self._overruns
        return max(counted, self._overruns)

    def listen(self, on_ready: Callable[[], None]) -> None:
        """Have ``on_ready`` called whenever there is something to receive."""
        self._loop = asyncio.get_running_loop()
        self._on_ready = on_ready
        self._loop.add_reader(self._socket.fileno(), self._first_came)

    def receive(self) -> list[ClosedSocket]:
        """Everything that is waiting, up to a bound."""
        found: list[ClosedSocket] = []
        for _ in range(_MAX_EVENTS):
            try:
                datagram = self._socket.recv(_MAX_DATAGRAM)
            except BlockingIOError:
                break
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    raise
                self._overruns += 1
                continue
            found += [one for one in closed_sockets(datagram) if not self._own.closed(one.cookie)]
        return found

    def close(self) -> None:
        """Stop listening and close."""
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None
        if self._loop is not None:
            self._loop.remove_reader(self._socket.fileno())
            self._loop = None
        self._own.forget()
        self._socket.close()

    def _first_came(self) -> None:
        """Wait for those that come right behind: waking up costs ten times what reading one does."""
        loop = asyncio.get_running_loop()
        loop.remove_reader(self._socket.fileno())
        self._waiting = loop.call_later(_GATHER_S, self._gathered)

    def _gathered(self) -> None:
        self._waiting = None
        asyncio.get_running_loop().add_reader(self._socket.fileno(), self._first_came)
        self._on_ready()


def open_watch_socket(own: OwnSockets, receive_buffer: int = _RECEIVE_BUFFER) -> SystemWatchSocket:
    """Begin to hear of closed sockets; ``own`` is told to remember ours from now on.

    Raises:
        ProbeUnavailableError: the system does not tell; says what is missing.
    """
    if sys.platform != "linux":
        raise ProbeUnavailableError("passive sessions are built for Linux alone")
    try:
        # Asked first: it makes the kernel load what announces.
        read_listening_ports()
        opened = _subscribed(receive_buffer)
    except OSError as error:
        raise ProbeUnavailableError(f"{_HOW_TO_GET_IT}: {error}") from None
    own.watch()
    return SystemWatchSocket(opened, own)


def _subscribed(receive_buffer: int) -> socket.socket:
    opened = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _SOCK_DIAG)
    try:
        opened.setblocking(False)
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        attach_filter(opened, _NOT_LOOPBACK)
        opened.bind((0, 0))
        for group in _GROUPS:
            opened.setsockopt(_SOL_NETLINK, _ADD_MEMBERSHIP, group)
    except OSError:
        opened.close()
        raise
    return opened


def read_listening_ports() -> frozenset[int]:
    """Local ports that somebody on this machine accepts TCP connections on.

    Raises:
        OSError: the kernel does not tell.
    """
    return frozenset(port for family in (socket.AF_INET, socket.AF_INET6) for port in _listening(family))


def _listening(family: int) -> list[int]:
    found: list[int] = []
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _SOCK_DIAG) as asking:
        asking.settimeout(_TIMEOUT_S)
        asking.send(listening_request(family))
        for _ in range(_MAX_DATAGRAMS):
            ports, last = listening_ports(asking.recv(_MAX_DATAGRAM))
            found += ports
            if last:
                break
    return found
