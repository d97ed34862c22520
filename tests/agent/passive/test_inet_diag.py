"""Announcements of closed sockets as the kernel writes them, and as it might."""

import socket
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hopsight.agent.network import ClosedSocket
from hopsight.agent.passive.inet_diag import closed_sockets, listening_ports

INFO_BYTES = 280


def info(**fields: int) -> bytes:
    """A tcp_info as of Linux 6.18."""
    places = {
        "rtt_us": (68, "=I"),
        "retransmits": (100, "=I"),
        "acked": (120, "=Q"),
        "received": (128, "=Q"),
        "segments": (136, "=I"),
        "min_rtt_us": (148, "=I"),
        "sent": (200, "=Q"),
        "sent_again": (208, "=Q"),
    }
    packed = bytearray(INFO_BYTES)
    for name, value in fields.items():
        offset, form = places[name]
        struct.pack_into(form, packed, offset, value)
    return bytes(packed)


def announced(
    tcp_info: bytes,
    remote: str = "192.0.2.7",
    family: int = socket.AF_INET,
    ports: tuple[int, int] = (40000, 443),
    cookie: int = 77,
) -> bytes:
    """One datagram with one announcement."""
    local = "192.0.2.1" if family == socket.AF_INET else "2001:db8::1"
    addresses = b"".join(socket.inet_pton(family, text).ljust(16, b"\0") for text in (local, remote))
    body = bytes([family, 7, 0, 0]) + struct.pack("!HH", *ports) + addresses
    body += struct.pack("=IQ", 0, cookie) + bytes(20)
    body += struct.pack("=HHBxxx", 5, 10, 6) + struct.pack("=HH", len(tcp_info) + 4, 2) + tcp_info
    return struct.pack("=IHHII", len(body) + 16, 20, 0, 0, 0) + body


def only(datagram: bytes) -> ClosedSocket:
    (found,) = closed_sockets(datagram)
    return found


FULL = info(
    rtt_us=5_109, retransmits=3, acked=102, received=50, segments=9, min_rtt_us=1_500, sent=140, sent_again=40
)


def test_all_fields_are_read() -> None:
    """Times come in ms, and SYN and FIN, which the kernel counts as bytes, are no data."""
    assert only(announced(FULL)) == ClosedSocket(
        cookie=77,
        local="192.0.2.1",
        local_port=40000,
        remote="192.0.2.7",
        remote_port=443,
        established=True,
        min_rtt_ms=1.5,
        smoothed_rtt_ms=5.109,
        retransmits=3,
        segments_sent=9,
        bytes_sent=100,
        bytes_received=50,
    )


def test_an_ipv4_connection_of_an_ipv6_socket_is_ipv4() -> None:
    """A mapped address is written as what it is; IPv6 stays IPv6."""
    assert only(announced(FULL, "::ffff:192.0.2.7", socket.AF_INET6)).remote == "192.0.2.7"
    assert only(announced(FULL, "2001:db8::7", socket.AF_INET6)).remote == "2001:db8::7"


@pytest.mark.parametrize(
    ("length", "absent"),
    [
        (280, set()),
        (200, set()),
        (148, {"min_rtt_ms"}),
        (136, {"min_rtt_ms", "segments_sent"}),
        (104, {"min_rtt_ms", "segments_sent", "bytes_sent", "bytes_received"}),
        (72, {"min_rtt_ms", "segments_sent", "bytes_sent", "bytes_received", "retransmits"}),
    ],
)
def test_what_an_older_kernel_does_not_say_is_absent(length: int, absent: set[str]) -> None:
    """A shorter tcp_info gives what it has, and None for the rest, never zero."""
    found = only(announced(FULL[:length]))
    optional = ("min_rtt_ms", "segments_sent", "bytes_sent", "bytes_received", "retransmits")
    assert {name for name in optional if getattr(found, name) is None} == absent
    assert (found.smoothed_rtt_ms, found.established) == (5.109, True)


def test_a_longer_tcp_info_of_a_later_kernel_is_read() -> None:
    """Fields are added behind the others."""
    assert only(announced(FULL + bytes(64))) == only(announced(FULL))


def test_a_handshake_that_failed_is_not_established() -> None:
    """Neither an RTT nor an acknowledged SYN: nobody answered, or somebody refused."""
    found = only(announced(info(retransmits=2, min_rtt_us=0xFFFFFFFF, segments=3)))
    assert (found.established, found.min_rtt_ms, found.smoothed_rtt_ms) == (False, None, None)
    assert found.retransmits == 2


def test_a_handshake_without_an_rtt_sample_is_established() -> None:
    """After a retransmitted SYN the kernel may have no sample: the acknowledged SYN tells."""
    found = only(announced(info(acked=1, min_rtt_us=0xFFFFFFFF, retransmits=1)))
    assert (found.established, found.min_rtt_ms, found.bytes_sent) == (True, None, 0)


def test_counters_of_a_disconnected_socket_are_absent() -> None:
    """Disconnecting sets them to zero, which would say that nothing was sent."""
    found = only(announced(info(min_rtt_us=30), ports=(40000, 0)))
    assert (found.established, found.min_rtt_ms, found.retransmits, found.bytes_sent) == (
        True,
        0.03,
        None,
        None,
    )


def test_several_announcements_in_one_datagram() -> None:
    """Each is found, whatever stands between them."""
    other = struct.pack("=IHHII", 20, 99, 0, 0, 0) + bytes(4)
    datagram = announced(FULL, cookie=1) + other + announced(FULL, cookie=2)
    assert [found.cookie for found in closed_sockets(datagram)] == [1, 2]


@given(st.binary(max_size=600))
def test_no_bytes_are_too_wild(datagram: bytes) -> None:
    """Whatever comes is read or passed over."""
    list(closed_sockets(datagram))


@given(st.integers(min_value=0, max_value=380), st.data())
def test_no_damage_is_too_bad(cut: int, data: st.DataObject) -> None:
    """A real announcement cut short or overwritten anywhere raises nothing."""
    datagram = bytearray(announced(FULL))
    for _ in range(4):
        datagram[data.draw(st.integers(0, len(datagram) - 1))] = data.draw(st.integers(0, 255))
    list(closed_sockets(bytes(datagram)))
    list(closed_sockets(bytes(datagram[:cut])))


def test_a_kernel_that_refuses_to_tell_its_listeners_is_an_error() -> None:
    """The answer's error number comes through."""
    refused = struct.pack("=IHHIIi", 36, 2, 0, 1, 0, -2) + bytes(16)
    with pytest.raises(OSError, match="does not tell") as raised:
        listening_ports(refused)
    assert raised.value.errno == 2
