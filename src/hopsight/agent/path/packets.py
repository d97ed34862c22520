"""What a path trace reads and writes in packets: payloads of one checksum, and labels in what routers quote.

Routers that balance load choose a branch by a hash over addresses, ports and, for ICMP, often the checksum.
So all probes of a trace have the same checksum: what the sequence number adds, two bytes of the payload
take away (the idea of Paris traceroute). Extensions: RFC 4884; MPLS label stacks in them: RFC 4950.
"""

import struct
from typing import Final

PAYLOAD_BYTES: Final = 56
TOKEN_BYTES: Final = 16
_PADDING: Final = bytes(PAYLOAD_BYTES - TOKEN_BYTES - 2)
_ONES: Final = 0xFFFF
"""Sums of 16-bit words in ones' complement are sums modulo this."""

_QUOTED_DATAGRAM_BYTES: Final = 128
_EXTENSION_HEADER: Final = struct.Struct("!BxH")
_OBJECT_HEADER: Final = struct.Struct("!HBB")
_VERSION: Final = 2
_MPLS_CLASS, _INCOMING_STACK = 1, 1
_LABEL_BYTES: Final = 4
_MAX_LABELS: Final = 16
_IP_HEADER_BYTES: Final = {4: 20, 6: 40}


def flow_payload(sequence: int, token: bytes, flow: int) -> bytes:
    """The payload of a probe: token, two bytes that make up for the sequence number, padding.

    Args:
        sequence: of the echo request.
        token: ``TOKEN_BYTES`` bytes, the same for all probes of a trace.
        flow: 0..65534; one flow, one checksum.
    """
    compensation = (flow - sequence - int.from_bytes(token, "big")) % _ONES
    return token + compensation.to_bytes(2, "big") + _PADDING


def checksum(packet: bytes) -> int:
    """The Internet checksum (RFC 1071) of a packet whose checksum field is zero."""
    total = int.from_bytes(packet + b"\0" * (len(packet) & 1), "big")
    # 65535 and 0 are the same sum, but as a checksum the first is only for a packet of nothing but zeros.
    return _ONES - (total % _ONES or (_ONES if total else 0))


def mpls_labels(quoted: bytes, family: int, extension_at: int | None) -> tuple[str, ...]:
    """MPLS labels from what an ICMP error quotes; any bytes will do, and empty means none.

    Args:
        quoted: from the transport header of the quoted probe to the end of the error.
        family: 4 or 6.
        extension_at: where the kernel says that the extensions begin. None: it does not say, or the router
            does not; then where routers older than RFC 4884 put them, after 128 bytes of datagram.
    """
    start = extension_at or _QUOTED_DATAGRAM_BYTES - _IP_HEADER_BYTES[family]
    extensions = quoted[start:]
    if len(extensions) < _EXTENSION_HEADER.size + _OBJECT_HEADER.size:
        return ()
    version, given = _EXTENSION_HEADER.unpack_from(extensions)
    # Only with the right checksum are these extensions and not the probe's own bytes. Zero: not computed.
    unsummed = extensions[:2] + b"\0\0" + extensions[4:]
    if version >> 4 != _VERSION or (given != checksum(unsummed) if given else extension_at is None):
        return ()
    return tuple(_labels(extensions))[:_MAX_LABELS]


def _labels(extensions: bytes) -> list[str]:
    labels: list[str] = []
    position = _EXTENSION_HEADER.size
    while position + _OBJECT_HEADER.size <= len(extensions):
        length, class_number, kind = _OBJECT_HEADER.unpack_from(extensions, position)
        if length < _OBJECT_HEADER.size or position + length > len(extensions):
            break
        if (class_number, kind) == (_MPLS_CLASS, _INCOMING_STACK):
            stack = extensions[position + _OBJECT_HEADER.size : position + length]
            whole = range(0, len(stack) - _LABEL_BYTES + 1, _LABEL_BYTES)
            labels += [_label(int.from_bytes(stack[at : at + _LABEL_BYTES], "big")) for at in whole]
        position += length
    return labels


def _label(entry: int) -> str:
    return f"L={entry >> 12},E={entry >> 9 & 7},S={entry >> 8 & 1},T={entry & 0xFF}"
