"""The ICMP socket of path traces on Linux: unprivileged datagram first, raw second."""

import asyncio
import socket
import struct
import sys
from collections.abc import Callable
from typing import Final, Literal

from hopsight.agent.network import IPV4, Address, EchoReply, Family, HopAnswer, PathEvent, SendStamp
from hopsight.agent.path import errors as path_errors
from hopsight.agent.path.packets import checksum, mpls_labels
from hopsight.agent.sockets.icmp import unprivileged_else_raw
from hopsight.errors import ProbeUnavailableError

_HEADER: Final = struct.Struct("!BBHHH")
_REQUEST: Final = {4: 8, 6: 128}
_REPLY: Final = {4: 0, 6: 129}
_RAW_FILTER: Final = {4: (255, 1), 6: (socket.IPPROTO_ICMPV6, 1)}
_IPV4_MIN_HEADER: Final = 20
_STAMPS: Final = (
    path_errors.TX_SOFTWARE | path_errors.RX_SOFTWARE | path_errors.SOFTWARE | path_errors.OPT_TSONLY
)
_MAX_EVENTS: Final = 256
_RECEIVE_BUFFER: Final = 1 << 20

_HOW_TO_GET_IT: Final = (
    "paths cannot be traced by ICMP here. Allow unprivileged ICMP sockets: "
    'sysctl -w net.ipv4.ping_group_range="0 2147483647"; or give the program CAP_NET_RAW'
)


class SystemPathSocket:
    """One socket for all traces of a family (``PathSocket``)."""

    def __init__(
        self, opened: socket.socket, family: Family, kind: Literal["datagram", "raw"], identifier: int
    ) -> None:
        self.kind: Literal["datagram", "raw"] = kind
        self._socket = opened
        self._family = family
        self._identifier = identifier
        self._generation = 0
        self._sends = 0
        self._ttl = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._configure()

    def listen(self, on_ready: Callable[[], None]) -> None:
        """Have ``on_ready`` called whenever there is something to receive."""
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._socket.fileno(), on_ready)

    def send(self, address: Address, ttl: int, sequence: int, payload: bytes) -> int:
        """Send an echo request that lives for ``ttl`` hops, and return the key of its send stamp.

        Raises:
            OSError: the kernel did not accept it.
        """
        if ttl != self._ttl:
            path_errors.set_ttl(self._socket, self._family, ttl)
            self._ttl = ttl
        # Every answer of a router leaves an error behind that the next send would fail with.
        self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        try:
            self._socket.sendto(self._request(sequence, payload), path_errors.sockaddr(address))
        except OSError:
            # Whether the kernel counted this one is anybody's guess: count from zero again.
            self._restart_keys()
            raise
        key = self._generation << 32 | self._sends
        self._sends = (self._sends + 1) & 0xFFFFFFFF
        return key

    def receive(self) -> list[PathEvent]:
        """Everything that is waiting, up to a bound."""
        events: list[PathEvent] = []
        self._read(path_errors.MSG_ERRQUEUE, self._queued_event, events)
        self._read(0, self._reply_event, events)
        return events

    def close(self) -> None:
        """Stop listening and close."""
        if self._loop is not None:
            self._loop.remove_reader(self._socket.fileno())
            self._loop = None
        self._socket.close()

    def _configure(self) -> None:
        self._socket.setblocking(False)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER)
        path_errors.report_errors(self._socket, self._family)
        if self.kind == "raw":
            # A raw socket would see all ICMP of the machine; errors come by the queue in any case.
            reply = _REPLY[self._family]
            words = [0xFFFFFFFF] * (1 if self._family == IPV4 else 8)
            words[reply >> 5] ^= 1 << (reply & 31)
            self._socket.setsockopt(*_RAW_FILTER[self._family], struct.pack(f"={len(words)}I", *words))
        self._restart_keys()

    def _restart_keys(self) -> None:
        self._generation += 1
        self._sends = 0
        path_errors.stamp_packets(self._socket, _STAMPS)
        path_errors.stamp_packets(self._socket, _STAMPS | path_errors.OPT_ID)

    def _request(self, sequence: int, payload: bytes) -> bytes:
        # The kernel writes the checksum, but not into raw IPv4; it gives datagram sockets their identifier.
        kind = _REQUEST[self._family]
        packet = _HEADER.pack(kind, 0, 0, self._identifier, sequence) + payload
        if self.kind == "datagram" or self._family != IPV4:
            return packet
        return _HEADER.pack(kind, 0, checksum(packet), self._identifier, sequence) + payload

    def _read(
        self,
        flags: int,
        parse: Callable[[bytes, path_errors.Ancillary, tuple[str, int]], PathEvent | None],
        events: list[PathEvent],
    ) -> None:
        receive = self._socket.recvmsg
        for _ in range(_MAX_EVENTS):
            try:
                data, ancillary, _, source = receive(path_errors.MAX_PACKET, path_errors.MAX_ANCILLARY, flags)
            except BlockingIOError:
                return
            except OSError:
                continue  # an ICMP error: it waits in the error queue as well, with the details
            event = parse(data, ancillary, source)
            if event is not None:
                events.append(event)

    def _reply_event(
        self, data: bytes, ancillary: path_errors.Ancillary, source: tuple[str, int]
    ) -> EchoReply | None:
        if self.kind == "raw" and self._family == IPV4:
            if len(data) < _IPV4_MIN_HEADER:
                return None
            data = data[(data[0] & 0x0F) * 4 :]
        if not self._is_own(data, _REPLY[self._family]):
            return None
        sequence = int.from_bytes(data[6:8], "big")
        stamp = path_errors.arrival_ns(ancillary)
        return EchoReply(path_errors.address_of(source), sequence, data[_HEADER.size :], stamp)

    def _queued_event(
        self, data: bytes, ancillary: path_errors.Ancillary, source: tuple[str, int]
    ) -> SendStamp | HopAnswer | None:
        queued = path_errors.read_ancillary(self._family, ancillary)
        if isinstance(queued, path_errors.QueuedStamp):
            return SendStamp(self._generation << 32 | queued.key, queued.kernel_ns)
        if queued is None or not source or not self._is_own(data, _REQUEST[self._family]):
            return None
        destination = path_errors.address_of(source)
        local = (
            not queued.expired and queued.offender != destination and path_errors.is_local(queued.offender)
        )
        return HopAnswer(
            destination=destination,
            sequence=int.from_bytes(data[6:8], "big"),
            payload=data[_HEADER.size :],
            router=None if local else queued.offender,
            expired=queued.expired,
            reason=queued.reason,
            mpls=mpls_labels(data, self._family, queued.extension_at),
            kernel_ns=queued.kernel_ns,
        )

    def _is_own(self, data: bytes, kind: int) -> bool:
        if len(data) < _HEADER.size or data[0] != kind:
            return False
        return self.kind == "datagram" or int.from_bytes(data[4:6], "big") == self._identifier


def open_path_socket(family: Family, identifier: int) -> SystemPathSocket:
    """Open an ICMP socket for traces: unprivileged, else raw with ``identifier`` (16 bits).

    Raises:
        ProbeUnavailableError: neither is to be had; says how to get it.
    """
    if sys.platform != "linux":
        raise ProbeUnavailableError("tracing paths is built for Linux only as yet")
    opened, kind = unprivileged_else_raw(family, _HOW_TO_GET_IT)
    return SystemPathSocket(opened, family, kind, identifier)
