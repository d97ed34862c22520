"""ICMP sockets of the system: unprivileged datagram first, raw second; kernel timestamps on Linux.

Linux has neither names for all of this in Python's ``socket`` nor other documentation than its headers:
``asm-generic/socket.h``, ``linux/net_tstamp.h``, ``linux/errqueue.h``, ``linux/icmp.h``, ``linux/icmpv6.h``.
"""

import asyncio
import errno
import os
import socket
import struct
import sys
from collections.abc import Callable
from typing import Any, Final, Literal

from hopsight.agent.network import IPV4, Address, EchoReply, Family, IcmpEvent, Refusal, SendStamp
from hopsight.agent.sockets.refusals import refusal_reason
from hopsight.errors import ProbeUnavailableError

_SO_TIMESTAMPING_NEW: Final = 65
_TX_SOFTWARE, _RX_SOFTWARE, _SOFTWARE, _OPT_ID, _OPT_TSONLY = 1 << 1, 1 << 3, 1 << 4, 1 << 7, 1 << 11
_STAMPS: Final = _TX_SOFTWARE | _RX_SOFTWARE | _SOFTWARE | _OPT_TSONLY
_IP_RECVERR, _IPV6_RECVERR = 11, 25
_MSG_ERRQUEUE: Final = getattr(socket, "MSG_ERRQUEUE", 0)
_SOL_RAW, _ICMP_FILTER, _ICMPV6_FILTER = 255, 1, 1
_ORIGIN_ICMP, _ORIGIN_ICMP6, _ORIGIN_TIMESTAMPING = 2, 3, 4

_TIMESPEC: Final = struct.Struct("=qq")
_EXTENDED_ERROR: Final = struct.Struct("=IBBBxII")
_HEADER: Final = struct.Struct("!BBHHH")

_REQUEST: Final = {4: 8, 6: 128}
_ECHO_REPLY, _ECHO_REPLY_V6 = 0, 129
_REPLY: Final = {4: _ECHO_REPLY, 6: _ECHO_REPLY_V6}
_MAX_EVENTS: Final = 256
_MAX_PACKET: Final = 2048
_MAX_ANCILLARY: Final = 256
_RECEIVE_BUFFER: Final = 1 << 20
_IPV4_MIN_HEADER: Final = 20
_IPV6_SOURCE: Final = 4

_HOW_TO_GET_IT: Final = (
    "ICMP is not allowed here. Allow unprivileged ICMP sockets: "
    'sysctl -w net.ipv4.ping_group_range="0 2147483647"; or give the program CAP_NET_RAW. '
    "Until then only TCP can be measured"
)


class SystemIcmpSocket:
    """One socket for all targets of a family (``IcmpSocket``)."""

    def __init__(
        self, opened: socket.socket, family: Family, kind: Literal["datagram", "raw"], identifier: int
    ) -> None:
        self.kind: Literal["datagram", "raw"] = kind
        self._socket = opened
        self._family = family
        self._identifier = identifier
        self._own_identifier = kind == "raw" or sys.platform != "linux"
        self._has_ip_header = family == IPV4 and self._own_identifier
        self._generation = 0
        self._sends = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._configure()

    def listen(self, on_ready: Callable[[], None]) -> None:
        """Have ``on_ready`` called whenever there is something to receive."""
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._socket.fileno(), on_ready)

    def send(self, address: Address, sequence: int, payload: bytes) -> int:
        """Send an echo request, and return the key of its send stamp.

        Raises:
            OSError: the kernel did not accept it.
        """
        packet = self._request(sequence, payload)
        destination: Any = (
            (address.host, 0) if self._family == IPV4 else (address.host, 0, 0, address.scope_id)
        )
        try:
            self._socket.sendto(packet, destination)
        except OSError:
            # Whether the kernel counted this one is anybody's guess: count from zero again.
            self._restart_keys()
            raise
        key = self._generation << 32 | self._sends
        self._sends = (self._sends + 1) & 0xFFFFFFFF
        return key

    def receive(self) -> list[IcmpEvent]:
        """Everything that is waiting, up to a bound."""
        events: list[IcmpEvent] = []
        if _MSG_ERRQUEUE:
            self._read(_MSG_ERRQUEUE, self._error_event, events)
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
        if sys.platform != "linux":
            return
        if self._family == IPV4:
            self._socket.setsockopt(socket.IPPROTO_IP, _IP_RECVERR, 1)
        else:
            self._socket.setsockopt(socket.IPPROTO_IPV6, _IPV6_RECVERR, 1)
        if self.kind == "raw":
            self._admit_only_replies()
        self._restart_keys()

    def _admit_only_replies(self) -> None:
        # A raw socket would see all ICMP of the machine, on loopback its own requests too.
        if self._family == IPV4:
            self._socket.setsockopt(_SOL_RAW, _ICMP_FILTER, struct.pack("=I", 0xFFFFFFFF ^ 1 << _ECHO_REPLY))
            return
        words = [0xFFFFFFFF] * 8
        words[_ECHO_REPLY_V6 >> 5] ^= 1 << (_ECHO_REPLY_V6 & 31)
        self._socket.setsockopt(socket.IPPROTO_ICMPV6, _ICMPV6_FILTER, struct.pack("=8I", *words))

    def _restart_keys(self) -> None:
        self._generation += 1
        self._sends = 0
        if sys.platform != "linux":
            return
        try:
            self._socket.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPING_NEW, _STAMPS)
            self._socket.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPING_NEW, _STAMPS | _OPT_ID)
        except OSError as error:
            if error.errno != errno.ENOPROTOOPT:  # before Linux 5.1: user-space time, and flagged
                raise

    def _request(self, sequence: int, payload: bytes) -> bytes:
        # The kernel writes the checksum, but not into raw IPv4; it gives datagram sockets their identifier.
        kind = _REQUEST[self._family]
        packet = _HEADER.pack(kind, 0, 0, self._identifier, sequence) + payload
        if not self._has_ip_header:
            return packet
        checksum = 0xFFFF - int.from_bytes(packet + b"\0" * (len(packet) & 1), "big") % 0xFFFF
        return _HEADER.pack(kind, 0, checksum, self._identifier, sequence) + payload

    def _read(
        self,
        flags: int,
        parse: Callable[[bytes, list[tuple[int, int, bytes]], Any], IcmpEvent | None],
        events: list[IcmpEvent],
    ) -> None:
        receive = self._socket.recvmsg
        for _ in range(_MAX_EVENTS):
            try:
                data, ancillary, _, source = receive(_MAX_PACKET, _MAX_ANCILLARY, flags)
            except BlockingIOError:
                return
            except OSError:
                # An ICMP error waits in the error queue as well, with the details.
                continue
            event = parse(data, ancillary, source)
            if event is not None:
                events.append(event)

    def _reply_event(
        self, data: bytes, ancillary: list[tuple[int, int, bytes]], source: Any
    ) -> EchoReply | None:
        if self._has_ip_header:
            if len(data) < _IPV4_MIN_HEADER:
                return None
            data = data[(data[0] & 0x0F) * 4 :]
        if len(data) < _HEADER.size:
            return None
        kind, _, _, identifier, sequence = _HEADER.unpack_from(data)
        if kind != _REPLY[self._family] or (self._own_identifier and identifier != self._identifier):
            return None
        stamp = next(
            (_nanoseconds(value) for _, what, value in ancillary if what == _SO_TIMESTAMPING_NEW), None
        )
        return EchoReply(_address(source), sequence, data[_HEADER.size :], stamp)

    def _error_event(
        self, data: bytes, ancillary: list[tuple[int, int, bytes]], source: Any
    ) -> SendStamp | Refusal | None:
        stamp: int | None = None
        error: tuple[int, ...] | None = None
        for level, what, value in ancillary:
            if level == socket.SOL_SOCKET and what == _SO_TIMESTAMPING_NEW:
                stamp = _nanoseconds(value)
            elif len(value) >= _EXTENDED_ERROR.size:
                error = _EXTENDED_ERROR.unpack_from(value)
        if error is None:
            return None
        _, origin, kind, code, _, key = error
        if origin == _ORIGIN_TIMESTAMPING:
            return None if stamp is None else SendStamp(self._generation << 32 | key, stamp)
        refused = refusal_reason(self._family, kind, code)
        if origin not in {_ORIGIN_ICMP, _ORIGIN_ICMP6} or refused is None:
            return None
        return self._refusal(data, source, *refused)

    def _refusal(self, data: bytes, source: Any, reason: str, prohibited: bool) -> Refusal | None:
        if len(data) < _HEADER.size or not source:
            return None
        kind, _, _, identifier, sequence = _HEADER.unpack_from(data)
        if kind != _REQUEST[self._family] or (self._own_identifier and identifier != self._identifier):
            return None
        return Refusal(_address(source), sequence, data[_HEADER.size :], reason, prohibited)


def open_icmp_socket(family: Family, identifier: int) -> SystemIcmpSocket:
    """Open an ICMP socket: unprivileged, else raw with ``identifier`` (16 bits).

    Raises:
        ProbeUnavailableError: neither is to be had; says how to get it.
    """
    if os.name == "nt":
        raise ProbeUnavailableError("ICMP is not built for this system yet: only TCP can be measured")
    opened, kind = unprivileged_else_raw(family, _HOW_TO_GET_IT)
    return SystemIcmpSocket(opened, family, kind, identifier)


def unprivileged_else_raw(
    family: Family, how_to_get_it: str
) -> tuple[socket.socket, Literal["datagram", "raw"]]:
    """An ICMP socket as the system gives it, and which kind that is.

    Raises:
        ProbeUnavailableError: neither is allowed (says ``how_to_get_it``), or the family is not there.
    """
    domain = socket.AF_INET if family == IPV4 else socket.AF_INET6
    number = socket.IPPROTO_ICMP if family == IPV4 else socket.IPPROTO_ICMPV6
    reason: OSError | None = None
    kinds: tuple[tuple[Literal["datagram", "raw"], socket.SocketKind], ...] = (
        ("datagram", socket.SOCK_DGRAM),
        ("raw", socket.SOCK_RAW),
    )
    for kind, system_kind in kinds:
        try:
            return socket.socket(domain, system_kind, number), kind
        except OSError as error:
            reason = error
    if isinstance(reason, PermissionError):
        raise ProbeUnavailableError(how_to_get_it) from None
    raise ProbeUnavailableError(f"ICMP over IPv{family} is not to be had: {reason}")


def _nanoseconds(value: bytes) -> int | None:
    seconds, nanoseconds = _TIMESPEC.unpack_from(value)
    stamp = seconds * 1_000_000_000 + nanoseconds
    return stamp or None


def _address(source: Any) -> Address:
    host, _, *scope = source if len(source) == _IPV6_SOURCE else (*source, 0)
    return Address(host.partition("%")[0], scope[-1])
