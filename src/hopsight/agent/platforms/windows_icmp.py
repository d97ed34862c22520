"""Windows' ICMP API (``iphlpapi.dll``): its buffers and status codes. Not run on hardware.

Written after ``ipexport.h`` and ``icmpapi.h``; not joined to the probes yet. The whole milliseconds of
``RoundTripTime`` are too coarse for us: the monotonic clock around the call is to be used, and flagged.
"""

import ctypes
import ipaddress
from typing import Final

from msgspec import Struct

IP_SUCCESS: Final = 0
IP_REQ_TIMED_OUT: Final = 11_010
REASONS: Final = {
    11_002: "network unreachable",
    11_003: "host unreachable",
    11_004: "protocol unreachable",
    11_005: "port unreachable",
    11_009: "packet too big",
    11_010: "no answer",
    11_013: "time to live exceeded",
}
"""``IP_STATUS`` as a person reads it; ICMPv6 uses the same numbers."""
_PROHIBITED_V6: Final = 11_004
"""``IP_DEST_PROHIBITED``: for IPv6 this number means that somebody does not want us."""


class OptionInformation(ctypes.Structure):
    """``IP_OPTION_INFORMATION`` of a 64-bit process."""

    _fields_ = (
        ("ttl", ctypes.c_uint8),
        ("tos", ctypes.c_uint8),
        ("flags", ctypes.c_uint8),
        ("options_size", ctypes.c_uint8),
        ("options_data", ctypes.c_uint64),
    )


class EchoReplyV4(ctypes.Structure):
    """``ICMP_ECHO_REPLY`` of a 64-bit process; the address is in network order."""

    _fields_ = (
        ("address", ctypes.c_uint8 * 4),
        ("status", ctypes.c_uint32),
        ("round_trip_ms", ctypes.c_uint32),
        ("data_size", ctypes.c_uint16),
        ("reserved", ctypes.c_uint16),
        ("data", ctypes.c_uint64),
        ("options", OptionInformation),
    )


class AddressV6(ctypes.Structure):
    """``IPV6_ADDRESS_EX``: packed, without the family that ``sockaddr_in6`` begins with."""

    _pack_ = 1
    _layout_ = "ms"
    _fields_ = (
        ("port", ctypes.c_uint16),
        ("flow_info", ctypes.c_uint32),
        ("address", ctypes.c_uint8 * 16),
        ("scope_id", ctypes.c_uint32),
    )


class EchoReplyV6(ctypes.Structure):
    """``ICMPV6_ECHO_REPLY``; the data follow it."""

    _fields_ = (("address", AddressV6), ("status", ctypes.c_uint32), ("round_trip_ms", ctypes.c_uint32))


class Echo(Struct, frozen=True):
    """What one call found.

    Args:
        host: who answered.
        answered: an echo reply came, and not an error or nothing.
        reason: why not; None: it came.
        prohibited: somebody said that he does not want us.
        payload: what came back with a reply.
        round_trip_ms: whole milliseconds.
    """

    host: str
    answered: bool
    reason: str | None
    prohibited: bool
    payload: bytes
    round_trip_ms: int


def parse_v4(buffer: bytes, buffer_address: int) -> Echo | None:
    """The first reply of ``IcmpSendEcho2``; None: the buffer holds none.

    Args:
        buffer: as the call left it.
        buffer_address: where it stood in memory: ``data`` points into it.
    """
    if len(buffer) < ctypes.sizeof(EchoReplyV4):
        return None
    reply = EchoReplyV4.from_buffer_copy(buffer)
    start = reply.data - buffer_address
    inside = reply.status == IP_SUCCESS and 0 <= start <= len(buffer) - reply.data_size
    payload = buffer[start : start + reply.data_size] if inside else b""
    host = str(ipaddress.IPv4Address(bytes(reply.address)))
    return _echo(host, reply.status, payload, reply.round_trip_ms, prohibited=False)


def parse_v6(buffer: bytes) -> Echo | None:
    """The reply of ``Icmp6SendEcho2``; None: the buffer holds none."""
    size = ctypes.sizeof(EchoReplyV6)
    if len(buffer) < size:
        return None
    reply = EchoReplyV6.from_buffer_copy(buffer)
    payload = buffer[size:] if reply.status == IP_SUCCESS else b""
    host = str(ipaddress.IPv6Address(bytes(reply.address.address)))
    prohibited = reply.status == _PROHIBITED_V6
    return _echo(host, reply.status, payload, reply.round_trip_ms, prohibited=prohibited)


def _echo(host: str, status: int, payload: bytes, round_trip_ms: int, *, prohibited: bool) -> Echo:
    if status == IP_SUCCESS:
        return Echo(host, True, None, False, payload, round_trip_ms)
    reason = "prohibited" if prohibited else REASONS.get(status, f"IP_STATUS {status}")
    return Echo(host, False, reason, prohibited, payload, round_trip_ms)
