"""Which name led to which addresses, by a name server's answer (RFC 1035): A, AAAA, and CNAME between them.

The message comes from the network: nothing in it is believed, everything is bounded, nothing is raised.
"""

import re
import socket
import struct
from typing import Final

from msgspec import Struct

_HEADER: Final = struct.Struct("!HHHHHH")
_QUESTION_END: Final = struct.Struct("!HH")
_RECORD: Final = struct.Struct("!HHIH")
_RESPONSE_BIT: Final = 0x8000
_OPCODE_AND_STATUS: Final = 0x780F
_A, _CNAME, _AAAA, _INTERNET = 1, 5, 28, 1
_ADDRESS_BYTES: Final = {_A: 4, _AAAA: 16}
_POINTER: Final = 0xC0

MAX_MESSAGE_BYTES: Final = 4_096
MAX_ADDRESSES: Final = 64
_MAX_RECORDS: Final = 96
_MAX_ALIASES: Final = 16
_MAX_NAME_CHARS: Final = 253
_MAX_JUMPS: Final = 64
_LABEL: Final = re.compile(rb"[A-Za-z0-9_-]{1,63}")


class Answer(Struct, frozen=True):
    """What was asked for, in lower case, and the addresses that the answer leads to."""

    name: str
    addresses: tuple[str, ...]


class _BadMessageError(ValueError):
    """Not a message that can be read."""


def parse_answer(message: bytes) -> Answer | None:
    """Read an answer; None: it is none, it is broken, or it has no address."""
    try:
        return _answer(message)
    except _BadMessageError:
        return None


def _answer(message: bytes) -> Answer | None:
    if not _HEADER.size < len(message) <= MAX_MESSAGE_BYTES:
        return None
    _, flags, questions, records, _, _ = _HEADER.unpack_from(message)
    if not flags & _RESPONSE_BIT or flags & _OPCODE_AND_STATUS or questions != 1:
        return None
    asked, position = _name(message, _HEADER.size)
    position += _QUESTION_END.size
    aliases: dict[str, str] = {}
    found: list[tuple[str, str]] = []
    for _ in range(min(records, _MAX_RECORDS)):
        owner, position = _name(message, position)
        kind, data, position = _record(message, position)
        if kind == _CNAME:
            aliases[owner] = _name(message, data)[0]
        elif kind in _ADDRESS_BYTES:
            packed = message[data : data + _ADDRESS_BYTES[kind]]
            family = socket.AF_INET if kind == _A else socket.AF_INET6
            found.append((owner, socket.inet_ntop(family, packed)))
    names = _led_to(asked, aliases)
    addresses = dict.fromkeys(address for owner, address in found if owner in names)
    return Answer(asked, tuple(addresses)[:MAX_ADDRESSES]) if asked and addresses else None


def _record(message: bytes, position: int) -> tuple[int, int, int]:
    """Kind (0: of no interest), where its data begins, and where the next record does."""
    data = position + _RECORD.size
    if data > len(message):
        raise _BadMessageError
    kind, record_class, _, length = _RECORD.unpack_from(message, position)
    if data + length > len(message):
        raise _BadMessageError
    wanted = record_class == _INTERNET and _ADDRESS_BYTES.get(kind, length) == length
    return kind if wanted else 0, data, data + length


def _led_to(asked: str, aliases: dict[str, str]) -> set[str]:
    names = {asked}
    for _ in range(_MAX_ALIASES):
        target = aliases.get(asked)
        if target is None or target in names:
            break
        names.add(target)
        asked = target
    return names


def _name(message: bytes, position: int) -> tuple[str, int]:
    """A name in lower case, and the position behind it. Pointers lead backwards only, so none can loop."""
    labels: list[str] = []
    behind: int | None = None
    earliest = position
    for _ in range(_MAX_NAME_CHARS + _MAX_JUMPS):
        if position >= len(message):
            raise _BadMessageError
        length = message[position]
        if length == 0:
            return _joined(labels), position + 1 if behind is None else behind
        if length & _POINTER == _POINTER:
            if position + 1 >= len(message):
                raise _BadMessageError
            behind = position + 2 if behind is None else behind
            position = (length & ~_POINTER) << 8 | message[position + 1]
            if position >= earliest:
                raise _BadMessageError
            earliest = position
            continue
        label = message[position + 1 : position + 1 + length]
        if len(label) != length or not _LABEL.fullmatch(label):
            raise _BadMessageError
        labels.append(label.decode("ascii").lower())
        position += 1 + length
    raise _BadMessageError


def _joined(labels: list[str]) -> str:
    name = ".".join(labels)
    if len(name) > _MAX_NAME_CHARS:
        raise _BadMessageError
    return name
