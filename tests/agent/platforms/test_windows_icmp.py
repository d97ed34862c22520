"""The buffers of Windows' ICMP API: sizes and places as in its headers, and buffers made by hand, read."""

import ctypes
import ipaddress
import struct

import pytest

from hopsight.agent.platforms.windows_icmp import AddressV6, EchoReplyV4, EchoReplyV6, parse_v4, parse_v6

BASE = 0x7FF0_0000_1000


def v4(status: int, payload: bytes, *, points_to: int | None = None) -> bytes:
    """``ICMP_ECHO_REPLY`` and its data, as a 64-bit system leaves them."""
    at = BASE + 40 if points_to is None else points_to
    head = ipaddress.IPv4Address("192.0.2.1").packed + struct.pack("<IIHHQ", status, 12, len(payload), 0, at)
    return head + struct.pack("<BBBBxxxxQ", 57, 0, 0, 0, 0) + payload


def v6(status: int, payload: bytes) -> bytes:
    """``ICMPV6_ECHO_REPLY`` and its data."""
    address = struct.pack("<HI", 0, 0) + ipaddress.IPv6Address("2001:db8::1").packed + struct.pack("<I", 0)
    return address + b"\0\0" + struct.pack("<II", status, 12) + payload


def test_sizes_and_places_are_those_of_the_headers() -> None:
    """40 and 36 bytes; a field that moved would be read from another's place."""
    assert ctypes.sizeof(EchoReplyV4) == 40
    assert EchoReplyV4.data.offset == 16
    assert EchoReplyV4.options.offset == 24
    assert ctypes.sizeof(AddressV6) == 26
    assert EchoReplyV6.status.offset == 28
    assert ctypes.sizeof(EchoReplyV6) == 36


def test_a_reply_gives_its_sender_and_its_payload() -> None:
    """Both families; the payload is by which a probe knows its reply."""
    for echo in (parse_v4(v4(0, b"token"), BASE), parse_v6(v6(0, b"token"))):
        assert echo is not None
        assert echo.answered
        assert (echo.payload, echo.round_trip_ms, echo.reason) == (b"token", 12, None)
        assert echo.host in {"192.0.2.1", "2001:db8::1"}


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (11_003, "host unreachable"),
        (11_010, "no answer"),
        (11_013, "time to live exceeded"),
        (5, "IP_STATUS 5"),
    ],
)
def test_a_refusal_has_a_reason_and_no_payload(status: int, reason: str) -> None:
    """What is no reply is none, whatever stands behind it in the buffer."""
    for echo in (parse_v4(v4(status, b"token"), BASE), parse_v6(v6(status, b"token"))):
        assert echo is not None
        assert (echo.answered, echo.reason, echo.payload, echo.prohibited) == (False, reason, b"", False)


def test_prohibited_is_told_from_silence() -> None:
    """IPv6 has a number for it."""
    echo = parse_v6(v6(11_004, b""))
    assert echo is not None
    assert echo.prohibited


@pytest.mark.parametrize("points_to", [0, BASE - 1, BASE + 1_000, 2**64 - 1])
def test_a_pointer_out_of_the_buffer_is_not_followed(points_to: int) -> None:
    """The payload is empty then, and the reply will not be believed."""
    echo = parse_v4(v4(0, b"token", points_to=points_to), BASE)
    assert echo is not None
    assert echo.payload == b""


def test_a_short_buffer_holds_nothing() -> None:
    """Of either family."""
    assert parse_v4(bytes(39), BASE) is None
    assert parse_v6(bytes(35)) is None
