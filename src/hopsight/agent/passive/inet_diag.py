"""What the kernel says of TCP sockets by sock_diag (``linux/inet_diag.h``), taken apart.

A socket that goes is announced with the header below, its protocol and its ``tcp_info``; ``docs/passive.md``
says what is in them then, and what is not. Written out by hand, as ``agent.netlink`` is, and for its reason.
"""

import socket
import struct
from collections.abc import Iterator
from typing import Final

from hopsight.agent.network import ClosedSocket

_ANNOUNCEMENT: Final = 20
"""``SOCK_DIAG_BY_FAMILY``."""
_ERROR, _DONE = 2, 3
_REQUEST_DUMP: Final = 0x301
_ATTRIBUTE_INFO: Final = 2
_TCP: Final = 6
_LISTEN_STATE_BIT: Final = 1 << 10

_HEADER: Final = struct.Struct("=IHHII")
_ATTRIBUTE: Final = struct.Struct("=HH")
_PORTS: Final = struct.Struct("!HH")
_COOKIE: Final = struct.Struct("=Q")
_MESSAGE_BYTES: Final = 72
_PORTS_AT, _LOCAL_AT, _REMOTE_AT, _COOKIE_AT = 4, 8, 24, 44
_REQUEST: Final = struct.Struct("=BBBBI48x")

# Of struct tcp_info (linux/tcp.h): rtt, total_retrans, bytes_acked, bytes_received, segs_out, min_rtt,
# bytes_sent, bytes_retrans. Fields were only ever added behind the others.
_INFO: Final = struct.Struct("=68xI28xI16xQQI8xI48xQQ")
_RETRANSMITS_END, _BYTES_END, _SEGMENTS_END, _MIN_RTT_END, _INFO_END = 104, 136, 140, 152, 216
_NO_RTT: Final = 0xFFFFFFFF
_US_PER_MS: Final = 1000
_MAPPED: Final = b"\0" * 10 + b"\xff\xff"


def closed_sockets(datagram: bytes) -> Iterator[ClosedSocket]:
    """Every TCP socket that a datagram announces as closed; what cannot be read is passed over."""
    for kind, message in _messages(datagram):
        if kind == _ANNOUNCEMENT and len(message) >= _MESSAGE_BYTES:
            found = _closed_socket(message)
            if found is not None:
                yield found


def listening_request(family: int) -> bytes:
    """Ask for all listening TCP sockets of an address family."""
    body = _REQUEST.pack(family, _TCP, 0, 0, _LISTEN_STATE_BIT)
    return _HEADER.pack(_HEADER.size + len(body), _ANNOUNCEMENT, _REQUEST_DUMP, 1, 0) + body


def listening_ports(datagram: bytes) -> tuple[list[int], bool]:
    """Ports in one datagram of the answer, and whether it was the last.

    Raises:
        OSError: the kernel refuses.
    """
    ports: list[int] = []
    for kind, message in _messages(datagram):
        if kind == _ERROR:
            code = -struct.unpack_from("=i", message)[0] if len(message) >= _ATTRIBUTE.size else 0
            raise OSError(code, "the kernel does not tell its sockets")
        if kind == _DONE:
            return ports, True
        if kind == _ANNOUNCEMENT and len(message) >= _MESSAGE_BYTES:
            ports.append(_PORTS.unpack_from(message, _PORTS_AT)[0])
    return ports, False


def _messages(datagram: bytes) -> Iterator[tuple[int, bytes]]:
    position = 0
    while position + _HEADER.size <= len(datagram):
        length, kind, _, _, _ = _HEADER.unpack_from(datagram, position)
        if length < _HEADER.size:
            return
        yield kind, datagram[position + _HEADER.size : position + length]
        position += (length + 3) & ~3


def _closed_socket(message: bytes) -> ClosedSocket | None:
    info = _info(message)
    family = message[0]
    if info is None or family not in {socket.AF_INET, socket.AF_INET6}:
        return None
    length = 4 if family == socket.AF_INET else 16
    local_port, remote_port = _PORTS.unpack_from(message, _PORTS_AT)
    fields = _INFO.unpack_from(info if len(info) >= _INFO_END else info.ljust(_INFO_END, b"\0"))
    rtt_us, retransmits, acked, received, segments, min_rtt_us, sent, sent_again = fields
    has_min_rtt = len(info) >= _MIN_RTT_END and min_rtt_us != _NO_RTT
    # Disconnecting sets all counters to zero; the lowest RTT alone survives it.
    counted = len(info) if remote_port else 0
    return ClosedSocket(
        cookie=_COOKIE.unpack_from(message, _COOKIE_AT)[0],
        local=_address(message[_LOCAL_AT : _LOCAL_AT + length]),
        local_port=local_port,
        remote=_address(message[_REMOTE_AT : _REMOTE_AT + length]),
        remote_port=remote_port,
        # The answer to our SYN is counted as a byte acknowledged.
        established=has_min_rtt or acked > 0 or rtt_us > 0,
        min_rtt_ms=min_rtt_us / _US_PER_MS if has_min_rtt else None,
        smoothed_rtt_ms=rtt_us / _US_PER_MS if rtt_us else None,
        retransmits=retransmits if counted >= _RETRANSMITS_END else None,
        segments_sent=segments if counted >= _SEGMENTS_END else None,
        bytes_sent=_data_acknowledged(counted, acked, sent - sent_again),
        bytes_received=received if counted >= _BYTES_END else None,
    )


def _data_acknowledged(known: int, acknowledged: int, sent_once: int) -> int | None:
    """Bytes of data that the other end has; SYN and FIN are acknowledged as bytes, and are none."""
    if known < _BYTES_END:
        return None
    data = max(acknowledged - 1, 0)
    return min(data, max(sent_once, 0)) if known >= _INFO_END else data


def _info(message: bytes) -> bytes | None:
    position = _MESSAGE_BYTES
    while position + _ATTRIBUTE.size <= len(message):
        length, kind = _ATTRIBUTE.unpack_from(message, position)
        if length < _ATTRIBUTE.size:
            return None
        if kind == _ATTRIBUTE_INFO:
            return message[position + _ATTRIBUTE.size : position + length]
        position += (length + 3) & ~3
    return None


def _address(packed: bytes) -> str:
    if packed.startswith(_MAPPED) and len(packed) > len(_MAPPED):
        packed = packed[len(_MAPPED) :]
    return socket.inet_ntop(socket.AF_INET if len(packed) == 4 else socket.AF_INET6, packed)  # noqa: PLR2004
