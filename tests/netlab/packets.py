"""IPv4, IPv6, ICMP and TCP packets of the laboratory: read, answered and built, checksums and all.

RFC 791, 792, 4443, 4884 (extensions), 4950 (MPLS), 8200, 9293.
"""

import socket
import struct
from typing import Final, NamedTuple

ICMP, TCP, ICMP6 = 1, 6, 58
ECHO_REQUESTS: Final = {4: 8, 6: 128}
FIN, SYN, RST, PSH, ACK = 0x01, 0x02, 0x04, 0x08, 0x10
REPLY_TTL: Final = 64

_V4_HEADER: Final = 20
_V6_HEADER: Final = 40
_TCP_HEADER: Final = 20
_QUOTED_V4: Final = 128
"""RFC 4884: what is quoted before extensions is padded to this."""
_QUOTED_V6: Final = 1_232


class Packet(NamedTuple):
    """What the laboratory looks at in a packet that arrived.

    Args:
        version: 4 or 6.
        ttl: as it arrived.
        protocol: ``ICMP`` (for both families) or ``TCP``, or another number.
        source: packed address.
        destination: packed address.
        body: from the ICMP or TCP header on.
        raw: all of it.
    """

    version: int
    ttl: int
    protocol: int
    source: bytes
    destination: bytes
    body: bytes
    raw: bytes

    @property
    def is_echo_request(self) -> bool:
        """Whether it is a ping."""
        return self.protocol == ICMP and bool(self.body) and self.body[0] == ECHO_REQUESTS[self.version]

    @property
    def flow(self) -> bytes:
        """What routers with several equal paths look at: addresses, protocol, first four bytes behind."""
        # Of ICMP these are type, code and checksum: hence Paris traceroute.
        return self.source + self.destination + bytes([self.protocol]) + self.body[:4]


class Segment(NamedTuple):
    """The fields of a TCP header that matter here."""

    source_port: int
    destination_port: int
    sequence: int
    acknowledgement: int
    flags: int
    payload: int


def parse(raw: bytes) -> Packet | None:
    """Read a packet; None: nothing that the laboratory knows."""
    version = raw[0] >> 4 if raw else 0
    if version == 4 and len(raw) >= _V4_HEADER + 8:
        body = raw[(raw[0] & 15) * 4 :]
        return Packet(4, raw[8], raw[9], raw[12:16], raw[16:20], body, raw)
    if version == 6 and len(raw) >= _V6_HEADER + 8:
        protocol = ICMP if raw[6] == ICMP6 else raw[6]
        return Packet(6, raw[7], protocol, raw[8:24], raw[24:40], raw[_V6_HEADER:], raw)
    return None


def segment_of(packet: Packet) -> Segment | None:
    """Read the TCP header; None: it is cut short."""
    if len(packet.body) < _TCP_HEADER:
        return None
    source, destination, sequence, acknowledgement, offset, flags = struct.unpack_from("!HHIIBB", packet.body)
    return Segment(
        source, destination, sequence, acknowledgement, flags, len(packet.body) - (offset >> 4) * 4
    )


def checksum(data: bytes) -> int:
    """The Internet checksum (RFC 1071)."""
    padded = data + b"\0" * (len(data) & 1)
    total: int = sum(struct.unpack(f"!{len(padded) // 2}H", padded))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def ip_packet(version: int, protocol: int, source: bytes, destination: bytes, body: bytes) -> bytes:
    """Put an IP header before ``body``."""
    if version == 6:
        number = ICMP6 if protocol == ICMP else protocol
        return struct.pack("!IHBB", 6 << 28, len(body), number, REPLY_TTL) + source + destination + body
    header = struct.pack(
        "!BBHHHBBH4s4s", 0x45, 0, _V4_HEADER + len(body), 0, 0, REPLY_TTL, protocol, 0, source, destination
    )
    return header[:10] + checksum(header).to_bytes(2, "big") + header[12:] + body


def echo_reply(packet: Packet) -> bytes:
    """Answer a ping."""
    kind = 0 if packet.version == 4 else 129
    return _icmp(packet.version, packet.destination, packet.source, bytes([kind, 0]), packet.body[4:])


def icmp_error(
    packet: Packet, router: bytes, kind: int, code: int, mpls: tuple[tuple[int, int, int], ...] = ()
) -> bytes:
    """An error of ``router`` about a packet, quoting it; ``mpls``: labels, experimental bits, TTLs."""
    quoted = packet.raw[: _QUOTED_V4 if packet.version == 4 else _QUOTED_V6]
    if not mpls:
        return _icmp(packet.version, router, packet.source, bytes([kind, code]), bytes(4) + quoted)
    quoted = packet.raw[:_QUOTED_V4].ljust(_QUOTED_V4, b"\0")
    words = _QUOTED_V4 // (4 if packet.version == 4 else 8)
    # The length stands in the second byte for IPv4, in the first for IPv6 (RFC 4884, 4.1 and 4.3).
    rest = bytes([0, words, 0, 0]) if packet.version == 4 else bytes([words, 0, 0, 0])
    return _icmp(packet.version, router, packet.source, bytes([kind, code]), rest + quoted + _stack(mpls))


def _stack(mpls: tuple[tuple[int, int, int], ...]) -> bytes:
    entries = b"".join(
        struct.pack("!I", label << 12 | bits << 9 | (place == len(mpls) - 1) << 8 | ttl)
        for place, (label, bits, ttl) in enumerate(mpls)
    )
    structure = struct.pack("!BBH", 0x20, 0, 0) + struct.pack("!HBB", 4 + len(entries), 1, 1) + entries
    return structure[:2] + checksum(structure).to_bytes(2, "big") + structure[4:]


def tcp_answer(packet: Packet, segment: Segment, flags: int, sequence: int) -> bytes:
    """Answer a segment: with ``flags``, acknowledging all of it."""
    taken = segment.payload + bool(segment.flags & SYN) + bool(segment.flags & FIN)
    acknowledged = (segment.sequence + taken) & 0xFFFFFFFF
    body = struct.pack(
        "!HHIIBBHHH",
        segment.destination_port,
        segment.source_port,
        sequence,
        acknowledged,
        5 << 4,
        flags,
        65_535,
        0,
        0,
    )
    total = checksum(_pseudo(packet, TCP, len(body)) + body)
    body = body[:16] + total.to_bytes(2, "big") + body[18:]
    return ip_packet(packet.version, TCP, packet.destination, packet.source, body)


def _icmp(version: int, source: bytes, destination: bytes, head: bytes, rest: bytes) -> bytes:
    body = head + b"\0\0" + rest
    covered = body
    if version == 6:
        covered = source + destination + struct.pack("!II", len(body), ICMP6) + body
    body = head + checksum(covered).to_bytes(2, "big") + rest
    return ip_packet(version, ICMP, source, destination, body)


def _pseudo(packet: Packet, protocol: int, length: int) -> bytes:
    if packet.version == 4:
        return packet.destination + packet.source + struct.pack("!BBH", 0, protocol, length)
    return packet.destination + packet.source + struct.pack("!II", length, protocol)


def packed(address: str) -> bytes:
    """An address as it stands in packets."""
    return socket.inet_pton(socket.AF_INET6 if ":" in address else socket.AF_INET, address)


def written(address: bytes) -> str:
    """The same as text."""
    return socket.inet_ntop(socket.AF_INET6 if len(address) == 16 else socket.AF_INET, address)
