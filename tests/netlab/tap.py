"""A packet capture beside the link: when the kernel handed each packet over, whoever reads it and when.

A program reads a packet when it is woken up; the kernel had it before. Captures have the kernel's time, as
``tcpdump`` shows it (packet(7); ``asm-generic/socket.h``, ``linux/if_ether.h``, ``linux/if_packet.h``).
"""

import socket
import struct
from collections import defaultdict, deque
from typing import Final

_ALL_PROTOCOLS: Final = 0x0003
_OUTGOING: Final = 4
_SO_RCVBUFFORCE: Final = 33
_SO_TIMESTAMPNS_NEW: Final = 64
_BUFFER: Final = 64 << 20
_TIMESPEC: Final = struct.Struct("=qq")
_MAX_ANCILLARY: Final = 64
IDENTITY: Final = 72
"""Leading bytes that tell one packet from another: headers, and a part of what they carry."""


class Tap:
    """Captures one device; in its namespace. Nothing is read before somebody has the time to."""

    def __init__(self, device: str) -> None:
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
        self._socket.setblocking(False)
        self._socket.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _BUFFER)
        self._socket.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS_NEW, 1)
        self._socket.bind((device, _ALL_PROTOCOLS))
        self._seen: list[tuple[bool, bytes, int]] = []

    def read(self, most: int) -> bool:
        """Take in up to so many packets; whether there may be more."""
        for _ in range(most):
            try:
                data, ancillary, _, source = self._socket.recvmsg(IDENTITY, _MAX_ANCILLARY)
            except BlockingIOError:
                return False
            except OSError:  # the device is down: said once
                continue
            for _, what, value in ancillary:
                if what == _SO_TIMESTAMPNS_NEW:
                    seconds, nanoseconds = _TIMESPEC.unpack_from(value)
                    self._seen.append((source[2] == _OUTGOING, data, seconds * 1_000_000_000 + nanoseconds))
        return True

    def stamps(self) -> "Stamps":
        """All that was captured."""
        while self.read(1_000):
            pass
        return Stamps(self._seen)


class Stamps:
    """Kernel times by packet, ns since the epoch; equal packets in their order."""

    def __init__(self, seen: list[tuple[bool, bytes, int]]) -> None:
        self._stamps: defaultdict[tuple[bool, bytes], deque[int]] = defaultdict(deque)
        for sent, identity, stamp_ns in seen:
            self._stamps[sent, identity].append(stamp_ns)

    def take(self, raw: bytes, *, sent: bool) -> int:
        """When the next such packet was sent by the machine that measures, or received; 0: nobody knows."""
        waiting = self._stamps.get((sent, raw[:IDENTITY]))
        return waiting.popleft() if waiting else 0
