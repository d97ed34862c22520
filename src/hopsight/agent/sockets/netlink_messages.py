"""Netlink messages (``linux/netlink.h``): how they are put together, taken apart and exchanged.

Written out by hand: a netlink library costs the idle agent 10 MB for a handful of questions.
"""

import socket
import struct
import sys
from collections.abc import Iterator
from typing import Final

NLM_F_REQUEST: Final = 0x1
NLM_F_DUMP: Final = 0x300
NLMSG_ERROR: Final = 2
NLMSG_DONE: Final = 3

_HEADER: Final = struct.Struct("=IHHII")
_ATTRIBUTE: Final = struct.Struct("=HH")
_TYPE_MASK: Final = 0x3FFF
"""The two highest bits say "nested" and "network byte order"."""
_TIMEOUT_S: Final = 1.0
_MAX_DATAGRAMS: Final = 1_000
_DATAGRAM_BYTES: Final = 65_536


def exchange(protocol: int, kind: int, flags: int, body: bytes) -> Iterator[tuple[int, bytes]]:
    """Ask the kernel one question; kind and body of each message of its answer, errors left out.

    Args:
        protocol: ``NETLINK_ROUTE``, ``NETLINK_GENERIC``.
        kind: the message's type: what is asked.
        flags: ``NLM_F_DUMP``, or 0: one message is the whole answer.
        body: all that follows the netlink header.

    Raises:
        OSError: it cannot be asked, or does not answer.
    """
    if sys.platform != "linux":
        return
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, protocol) as asking:
        asking.settimeout(_TIMEOUT_S)
        header = _HEADER.pack(_HEADER.size + len(body), kind, NLM_F_REQUEST | flags, 1, 0)
        asking.send(header + body)
        for _ in range(_MAX_DATAGRAMS):
            for answer, message in messages(asking.recv(_DATAGRAM_BYTES)):
                if answer in {NLMSG_DONE, NLMSG_ERROR}:
                    return
                yield answer, message
            if not flags & NLM_F_DUMP:
                return


def messages(datagram: bytes) -> Iterator[tuple[int, bytes]]:
    """Kind and body of each message; what is cut short ends it."""
    position = 0
    while position + _HEADER.size <= len(datagram):
        length, kind, _, _, _ = _HEADER.unpack_from(datagram, position)
        if length < _HEADER.size:
            return
        yield kind, datagram[position + _HEADER.size : position + length]
        position += (length + 3) & ~3


def attributes(data: bytes) -> dict[int, bytes]:
    """Attributes by their type; of those that come twice the last, and none that is cut short."""
    return dict(listed(data))


def listed(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Type and payload of each attribute, in order: an array's types are its indexes."""
    position = 0
    while position + _ATTRIBUTE.size <= len(data):
        length, kind = _ATTRIBUTE.unpack_from(data, position)
        if length < _ATTRIBUTE.size or position + length > len(data):
            return
        yield kind & _TYPE_MASK, data[position + _ATTRIBUTE.size : position + length]
        position += (length + 3) & ~3


def attribute(kind: int, payload: bytes) -> bytes:
    """One attribute, padded."""
    packed = _ATTRIBUTE.pack(_ATTRIBUTE.size + len(payload), kind) + payload
    return packed + b"\0" * (-len(packed) % 4)


def number(payload: bytes | None) -> int | None:
    """An unsigned number of one, two, four or eight bytes; None: it is none."""
    if payload is None or len(payload) not in {1, 2, 4, 8}:
        return None
    return int.from_bytes(payload, sys.byteorder)


def signed(payload: bytes | None) -> int | None:
    """The same, signed: powers in dBm come so."""
    if payload is None or len(payload) not in {1, 2, 4, 8}:
        return None
    return int.from_bytes(payload, sys.byteorder, signed=True)


def text(payload: bytes | None) -> str | None:
    """A string that ends with a zero byte; None: it is empty."""
    return (payload or b"").partition(b"\0")[0].decode("utf-8", "replace") or None
