"""Name servers' answers: what they say, and what strangers might send instead."""

import socket
import struct

from hypothesis import given
from hypothesis import strategies as st

from hopsight.agent.passive.dns_answers import MAX_ADDRESSES, Answer, parse_answer

POINT_TO_QUESTION = b"\xc0\x0c"


def name(text: str) -> bytes:
    """A name without compression."""
    return b"".join(bytes([len(label)]) + label.encode() for label in text.split(".")) + b"\0"


def record(owner: bytes, kind: int, data: bytes) -> bytes:
    """One record."""
    return owner + struct.pack("!HHIH", kind, 1, 300, len(data)) + data


def message(asked: str, *records: bytes, flags: int = 0x8180, count: int | None = None) -> bytes:
    """An answer to one question."""
    header = struct.pack("!HHHHHH", 7, flags, 1, len(records) if count is None else count, 0, 0)
    return header + name(asked) + struct.pack("!HH", 1, 1) + b"".join(records)


def ipv4(text: str) -> bytes:
    return socket.inet_aton(text)


def test_addresses_of_a_name() -> None:
    """A and AAAA records of the name asked for, in lower case."""
    found = parse_answer(
        message(
            "WWW.Example.com",
            record(POINT_TO_QUESTION, 1, ipv4("192.0.2.1")),
            record(POINT_TO_QUESTION, 28, socket.inet_pton(socket.AF_INET6, "2001:db8::1")),
        )
    )
    assert found == Answer("www.example.com", ("192.0.2.1", "2001:db8::1"))


def test_aliases_lead_to_the_name_that_was_asked_for() -> None:
    """What a person typed is the site, not the name of somebody's delivery network."""
    found = parse_answer(
        message(
            "shop.example",
            record(POINT_TO_QUESTION, 5, name("edge.cdn.example")),
            record(name("edge.cdn.example"), 5, name("node7.cdn.example")),
            record(name("node7.cdn.example"), 1, ipv4("192.0.2.9")),
        )
    )
    assert found == Answer("shop.example", ("192.0.2.9",))


def test_an_address_of_another_name_is_not_believed() -> None:
    """A record that the question does not lead to is left alone."""
    answer = message("good.example", record(name("bank.example"), 1, ipv4("192.0.2.66")))
    assert parse_answer(answer) is None


def test_questions_errors_and_truncated_answers_are_no_answers() -> None:
    """Only a response without error, to one question, with an address, counts."""
    good = record(POINT_TO_QUESTION, 1, ipv4("192.0.2.1"))
    assert parse_answer(message("a.example", good)) is not None
    assert parse_answer(message("a.example", good, flags=0x0100)) is None
    assert parse_answer(message("a.example", good, flags=0x8183)) is None
    assert parse_answer(message("a.example")) is None
    assert parse_answer(message("a.example", good)[:-1]) is None
    assert parse_answer(b"") is None


def test_names_that_are_not_host_names_are_refused() -> None:
    """Nothing but letters, digits, hyphens and underscores gets into records."""
    evil = b"\x05<a\n>b\x00"
    header = struct.pack("!HHHHHH", 7, 0x8180, 1, 1, 0, 0)
    body = evil + struct.pack("!HH", 1, 1) + record(POINT_TO_QUESTION, 1, ipv4("192.0.2.1"))
    assert parse_answer(header + body) is None


def test_pointers_cannot_loop() -> None:
    """A pointer to itself, or forward, ends the reading."""
    for pointer in (b"\xc0\x0c", b"\xc0\x0e", b"\xc0\xff"):
        header = struct.pack("!HHHHHH", 7, 0x8180, 1, 1, 0, 0)
        assert parse_answer(header + pointer + struct.pack("!HH", 1, 1) + bytes(30)) is None


def test_aliases_cannot_loop() -> None:
    """Aliases in a circle lead nowhere."""
    circle = (
        record(name("a.example"), 5, name("b.example")),
        record(name("b.example"), 5, name("a.example")),
    )
    assert parse_answer(message("a.example", *circle)) is None


def test_the_number_of_addresses_is_bounded() -> None:
    """A message with more is read so far."""
    many = [record(POINT_TO_QUESTION, 1, bytes([192, 0, 2, n])) for n in range(200)]
    found = parse_answer(message("a.example", *many))
    assert found is not None
    assert len(found.addresses) == MAX_ADDRESSES


@given(st.binary(max_size=512))
def test_no_bytes_are_too_wild(data: bytes) -> None:
    """Whatever comes is read or refused, and nothing is raised."""
    parse_answer(data)


@given(st.binary(max_size=300), st.integers(1, 65535))
def test_no_records_are_too_wild(data: bytes, count: int) -> None:
    """The same behind a good header and question, where more of the reading is reached."""
    parse_answer(message("a.example", data, count=count))


@given(st.data())
def test_no_damage_is_too_bad(data: st.DataObject) -> None:
    """A good answer with some bytes overwritten gives addresses, or None; names stay names."""
    good = bytearray(
        message(
            "shop.example",
            record(POINT_TO_QUESTION, 5, name("edge.cdn.example")),
            record(name("edge.cdn.example"), 1, ipv4("192.0.2.9")),
        )
    )
    for _ in range(3):
        good[data.draw(st.integers(0, len(good) - 1))] = data.draw(st.integers(0, 255))
    found = parse_answer(bytes(good))
    assert found is None or set(found.name) <= set("abcdefghijklmnopqrstuvwxyz0123456789_-.")
