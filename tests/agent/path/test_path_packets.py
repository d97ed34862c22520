"""What a path trace writes into packets, and reads out of what routers quote."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hopsight.agent.network import Family
from hopsight.agent.path import errors as path_errors
from hopsight.agent.path.packets import PAYLOAD_BYTES, TOKEN_BYTES, checksum, flow_payload, mpls_labels

TOKENS = st.binary(min_size=TOKEN_BYTES, max_size=TOKEN_BYTES)
SEQUENCES = st.integers(0, 65_535)
FLOWS = st.integers(0, 65_534)
STACK = (301472 << 12 | 0 << 9 | 1 << 8 | 1).to_bytes(4, "big")


def request(sequence: int, token: bytes, flow: int, kind: int = 8, identifier: int = 4711) -> bytes:
    return struct.pack("!BBHHH", kind, 0, 0, identifier, sequence) + flow_payload(sequence, token, flow)


def extension(stack: bytes = STACK, *, summed: bool = True, class_number: int = 1) -> bytes:
    """An RFC 4884 extension with one object."""
    body = struct.pack("!HBB", 4 + len(stack), class_number, 1) + stack
    bare = b"\x20\0\0\0" + body
    return b"\x20\0" + (checksum(bare) if summed else 0).to_bytes(2, "big") + body


def test_every_sequence_number_has_the_same_checksum() -> None:
    """All 65,536 probes of one flow have one checksum, and their payloads one length."""
    token = bytes(range(TOKEN_BYTES))
    packets = [request(sequence, token, 12_345) for sequence in range(65_536)]
    assert len({checksum(packet) for packet in packets}) == 1
    assert {len(packet) for packet in packets} == {8 + PAYLOAD_BYTES}


@given(TOKENS, TOKENS, FLOWS, SEQUENCES, SEQUENCES, st.sampled_from([8, 128]), SEQUENCES)
def test_the_checksum_is_the_flows_alone(
    one: bytes, other: bytes, flow: int, first: int, second: int, kind: int, identifier: int
) -> None:
    """Neither token nor sequence number changes it, in either family."""
    assert checksum(request(first, one, flow, kind, identifier)) == checksum(
        request(second, other, flow, kind, identifier)
    )


@given(TOKENS, FLOWS, FLOWS)
def test_flows_differ_in_their_checksum(token: bytes, one: int, other: int) -> None:
    """Two flows are two checksums."""
    same = checksum(request(1, token, one)) == checksum(request(1, token, other))
    assert same == (one == other)


@given(st.binary(max_size=200))
def test_the_checksum_is_that_of_rfc_1071(packet: bytes) -> None:
    """Word by word, with the carry added at each step, comes to the same."""
    total = 0
    padded = packet + b"\0" * (len(packet) % 2)
    for (word,) in struct.iter_unpack("!H", padded):
        total += word
        total = (total & 0xFFFF) + (total >> 16)
    assert checksum(packet) == total ^ 0xFFFF


@pytest.mark.parametrize(("family", "start"), [(4, 108), (6, 88)])
@pytest.mark.parametrize("told", [True, False])
def test_labels_are_read_where_the_kernel_says_and_at_the_old_place(
    family: int, start: int, told: bool
) -> None:
    """With or without the length of RFC 4884 the labels are found."""
    quoted = request(1, bytes(16), 1).ljust(start, b"\0") + extension(STACK + b"\x00\x01\x0e\xff")
    found = mpls_labels(quoted, family, start if told else None)
    assert found == ("L=301472,E=0,S=1,T=1", "L=16,E=7,S=0,T=255")


def test_what_only_looks_like_an_extension_is_none() -> None:
    """A wrong checksum, another version, or no checksum at a place that nobody named: no labels."""
    quoted = bytes(108)
    good = extension()
    assert mpls_labels(quoted + good, 4, None)
    assert mpls_labels(quoted + good[:-1] + b"\x02", 4, None) == ()
    assert mpls_labels(quoted + b"\x10" + good[1:], 4, None) == ()
    assert mpls_labels(quoted + extension(summed=False), 4, None) == ()
    assert mpls_labels(quoted + extension(summed=False), 4, 108) == ("L=301472,E=0,S=1,T=1",)
    assert mpls_labels(quoted + extension(class_number=2), 4, 108) == ()
    assert mpls_labels(b"", 4, None) == ()


@given(
    st.binary(max_size=400),
    st.sampled_from([4, 6]),
    st.none() | st.integers(0, 65_535),
    st.binary(max_size=120),
)
def test_no_bytes_break_the_reader(quoted: bytes, family: int, place: int | None, tail: bytes) -> None:
    """Whatever a router quotes, the answer is a bounded list of labels."""
    assert len(mpls_labels(quoted, family, place)) <= 16
    dressed = b"\x20\0" + b"\0\0" + tail
    summed = dressed[:2] + checksum(dressed).to_bytes(2, "big") + tail
    assert len(mpls_labels(bytes(108) + summed, 4, 108)) <= 16


@given(
    st.sampled_from([4, 6]),
    st.lists(
        st.tuples(st.sampled_from([0, 1, 41]), st.sampled_from([11, 25, 65]), st.binary(max_size=60)),
        max_size=4,
    ),
)
def test_no_ancillary_data_breaks_the_reader(family: Family, ancillary: list[tuple[int, int, bytes]]) -> None:
    """Messages of the error queue that are cut short, or of another kind, say nothing."""
    path_errors.read_ancillary(family, ancillary)


def error(family: int, kind: int, code: int, offender: bytes) -> list[tuple[int, int, bytes]]:
    where = {4: (0, 11), 6: (41, 25)}[family]
    body = struct.pack("=IBBBxIHBx", 113, 2 if family == 4 else 3, kind, code, 0, 0, 0)
    return [(*where, body + offender)]


def test_errors_of_the_queue_are_told_apart() -> None:
    """Expiry goes on, a refusal ends the path; a redirect or a packet too big is neither."""
    router = struct.pack("=H2x4s", 2, bytes([192, 0, 2, 9])) + bytes(8)
    expired = path_errors.read_ancillary(4, error(4, 11, 0, router))
    assert isinstance(expired, path_errors.QueuedError)
    assert (expired.offender.host, expired.expired) == ("192.0.2.9", True)
    refused = path_errors.read_ancillary(4, error(4, 3, 13, router))
    assert isinstance(refused, path_errors.QueuedError)
    assert (refused.expired, refused.reason) == (False, "administratively prohibited")
    assert path_errors.read_ancillary(4, error(4, 3, 4, router)) is None
    assert path_errors.read_ancillary(4, error(4, 5, 0, router)) is None
    assert path_errors.read_ancillary(4, error(4, 11, 0, bytes(16))) is None
    six = struct.pack("=H6x16sI", 10, b"\xfd" + bytes(14) + b"\x01", 0)
    expired = path_errors.read_ancillary(6, error(6, 3, 0, six))
    assert isinstance(expired, path_errors.QueuedError)
    assert expired.offender.host == "fd00::1"
