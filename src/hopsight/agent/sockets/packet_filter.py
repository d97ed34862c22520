"""Classic packet filters (``linux/filter.h``): the kernel drops what we would drop, without waking us."""

import array
import socket
import struct
from collections.abc import Sequence
from typing import Final, NamedTuple

_SO_ATTACH_FILTER: Final = 26
_INSTRUCTION: Final = struct.Struct("=HBBI")

LOAD_WORD: Final = 0x20
LOAD_HALF: Final = 0x28
LOAD_BYTE: Final = 0x30
LOAD_IPV4_HEADER_LENGTH: Final = 0xB1
LOAD_HALF_BEHIND_HEADER: Final = 0x48
JUMP_IF_EQUAL: Final = 0x15
JUMP_IF_ANY_BIT: Final = 0x45
RETURN: Final = 0x06
DROP: Final = 0
ACCEPT: Final = 0xFFFFFFFF


class Step(NamedTuple):
    """One instruction; ``matched`` and ``unmatched`` are how many to skip."""

    code: int
    value: int
    matched: int = 0
    unmatched: int = 0


def attach_filter(opened: socket.socket, steps: Sequence[Step]) -> None:
    """Have the kernel run ``steps`` on all that comes to a socket from now on.

    Raises:
        OSError: it does not take them.
    """
    packed = b"".join(
        _INSTRUCTION.pack(step.code, step.matched, step.unmatched, step.value) for step in steps
    )
    program = array.array("B", packed)
    described = struct.pack("@HP", len(steps), program.buffer_info()[0])
    opened.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, described)
