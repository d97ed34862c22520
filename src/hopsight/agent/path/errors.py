"""The error queue of a socket on Linux: who sent which ICMP error about what we sent, and when it came.

Neither Python's ``socket`` nor its documentation has this: ``linux/errqueue.h``, ``linux/in.h``,
``linux/in6.h``, ``asm-generic/socket.h``; the extension offset is there from Linux 5.9 on.
"""

import contextlib
import errno
import socket
import struct
from typing import Final, NamedTuple

from hopsight.agent.network import IPV4, Address, Family

TIMESTAMPING: Final = 65  # SO_TIMESTAMPING_NEW
TX_SOFTWARE, RX_SOFTWARE, SOFTWARE, OPT_ID, OPT_TSONLY = 1 << 1, 1 << 3, 1 << 4, 1 << 7, 1 << 11
MSG_ERRQUEUE: Final = getattr(socket, "MSG_ERRQUEUE", 0)
MAX_PACKET: Final = 2048
MAX_ANCILLARY: Final = 512

_RECVERR: Final = {4: (socket.IPPROTO_IP, 11), 6: (socket.IPPROTO_IPV6, 25)}
_RECVERR_RFC4884: Final = {4: (socket.IPPROTO_IP, 26), 6: (socket.IPPROTO_IPV6, 31)}
_TTL: Final = {4: (socket.IPPROTO_IP, socket.IP_TTL), 6: (socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS)}
_IPV6_AUTOFLOWLABEL: Final = 70

_ORIGIN_ICMP, _ORIGIN_ICMP6, _ORIGIN_TIMESTAMPING = 2, 3, 4
_TIMESPEC: Final = struct.Struct("=qq")
_EXTENDED_ERROR: Final = struct.Struct("=4xBBBxIHBx")
_STAMP_KEY: Final = struct.Struct("=12xI")
_OFFENDER_AT: Final = 16
_OFFENDER_V4: Final = struct.Struct("=H2x4s")
_OFFENDER_V6: Final = struct.Struct("=H6x16sI")
_IPV6_SOURCE: Final = 4

# RFC 792, RFC 1812 5.2.7.1; RFC 4443 3.1, 3.3.
_EXPIRED: Final = {(4, 11, 0), (6, 3, 0)}
_REFUSED_TYPES: Final = {4: {3, 12}, 6: {1, 4}}
_TOO_BIG: Final = (4, 3, 4)
_REASONS: Final = {
    (4, 3, 0): "network unreachable",
    (4, 3, 1): "host unreachable",
    (6, 1, 0): "no route to destination",
    (6, 1, 3): "address unreachable",
}
_PROHIBITED: Final = {(4, 3, 9), (4, 3, 10), (4, 3, 13), (6, 1, 1), (6, 1, 5), (6, 1, 6)}

Ancillary = list[tuple[int, int, bytes]]


class QueuedError(NamedTuple):
    """An ICMP error about a packet of ours.

    Args:
        offender: who sent it.
        expired: the time to live ran out on the way; else the packet was refused.
        reason: for a person.
        kernel_ns: when it arrived, by the kernel.
        extension_at: offset of its extensions in the quoted bytes; None: the kernel names none.
    """

    offender: Address
    expired: bool
    reason: str
    kernel_ns: int | None
    extension_at: int | None


class QueuedStamp(NamedTuple):
    """When the kernel sent the packet with this key."""

    key: int
    kernel_ns: int


def report_errors(opened: socket.socket, family: Family) -> None:
    """Have ICMP errors put into the socket's error queue, and keep the flow label of IPv6 at zero.

    Raises:
        OSError: this system has no such queue.
    """
    opened.setsockopt(*_RECVERR[family], 1)
    with contextlib.suppress(OSError):  # before Linux 5.9: extensions are looked for at the old place
        opened.setsockopt(*_RECVERR_RFC4884[family], 1)
    if family != IPV4:
        # A label of the kernel's own choosing is another for each socket: another flow.
        opened.setsockopt(socket.IPPROTO_IPV6, _IPV6_AUTOFLOWLABEL, 0)


def stamp_packets(opened: socket.socket, flags: int) -> None:
    """Ask for kernel stamps; before Linux 5.1 there are none of this kind, and that is no error."""
    try:
        opened.setsockopt(socket.SOL_SOCKET, TIMESTAMPING, flags)
    except OSError as error:
        if error.errno != errno.ENOPROTOOPT:
            raise


def set_ttl(opened: socket.socket, family: Family, ttl: int) -> None:
    """Let what is sent from now on live for so many hops."""
    opened.setsockopt(*_TTL[family], ttl)


def read_ancillary(family: Family, ancillary: Ancillary) -> QueuedError | QueuedStamp | None:
    """What a message of the error queue says; None: nothing about the way."""
    kernel_ns = arrival_ns(ancillary)
    for level, what, value in ancillary:
        if (level, what) != _RECVERR[family] or len(value) < _OFFENDER_AT:
            continue
        origin, kind, code, _, extension_at, _ = _EXTENDED_ERROR.unpack_from(value)
        if origin == _ORIGIN_TIMESTAMPING:
            return None if kernel_ns is None else QueuedStamp(_STAMP_KEY.unpack_from(value)[0], kernel_ns)
        if origin not in {_ORIGIN_ICMP, _ORIGIN_ICMP6}:
            return None
        offender = _offender(family, value)
        told = (family, kind, code)
        expired = told in _EXPIRED
        if offender is None or not (expired or (kind in _REFUSED_TYPES[family] and told != _TOO_BIG)):
            return None
        return QueuedError(offender, expired, _reason(told), kernel_ns, extension_at or None)
    return None


def arrival_ns(ancillary: Ancillary) -> int | None:
    """The kernel's software stamp, ns since the epoch."""
    for level, what, value in ancillary:
        if (level, what) == (socket.SOL_SOCKET, TIMESTAMPING) and len(value) >= _TIMESPEC.size:
            seconds, nanoseconds = _TIMESPEC.unpack_from(value)
            return seconds * 1_000_000_000 + nanoseconds or None
    return None


def is_local(address: Address) -> bool:
    """Whether an address is this machine's own: it speaks for itself when a neighbour does not answer."""
    kind = socket.AF_INET if address.family == IPV4 else socket.AF_INET6
    with socket.socket(kind, socket.SOCK_DGRAM) as opened:
        try:
            opened.bind(sockaddr(address))
        except OSError:
            return False
    return True


def sockaddr(address: Address, port: int = 0) -> tuple[str, int] | tuple[str, int, int, int]:
    """An address as sockets want it."""
    if address.family == IPV4:
        return (address.host, port)
    return (address.host, port, 0, address.scope_id)


def address_of(source: tuple[str, int] | tuple[str, int, int, int]) -> Address:
    """An address as sockets give it."""
    host = source[0].partition("%")[0]
    return Address(host, source[3]) if len(source) == _IPV6_SOURCE else Address(host)


def _offender(family: Family, value: bytes) -> Address | None:
    layout = _OFFENDER_V4 if family == IPV4 else _OFFENDER_V6
    if len(value) < _OFFENDER_AT + layout.size:
        return None
    told, packed, *scope = layout.unpack_from(value, _OFFENDER_AT)
    kind = socket.AF_INET if family == IPV4 else socket.AF_INET6
    if told != kind:
        return None  # the kernel names nobody: an error of its own
    return Address(socket.inet_ntop(kind, packed), *scope)


def _reason(told: tuple[int, int, int]) -> str:
    if told in _EXPIRED:
        return "time to live exceeded"
    if told in _PROHIBITED:
        return "administratively prohibited"
    return _REASONS.get(told, f"unreachable (ICMP type {told[1]}, code {told[2]})")
