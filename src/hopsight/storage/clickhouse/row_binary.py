"""ClickHouse's ``RowBinary``: rows as bytes, nothing escaped, numbers exact.

Source: https://clickhouse.com/docs/interfaces/formats/RowBinary. Whole numbers and floats are little-endian;
a text has its length in front as LEB128; what may be NULL has a byte in front: 1 for NULL.
"""

import struct
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from typing import Any, Final

from msgspec import structs

from hopsight.model.dimensions import Dimensions
from hopsight.model.query import Record

_INT64: Final = struct.Struct("<q")
_UINT64: Final = struct.Struct("<Q")
_FLOAT64: Final = struct.Struct("<d")
_PLACE: Final = struct.Struct("<qq")
_NULL: Final = b"\x01"
_SHORT: Final = 0x80
"""Lengths below it take one byte."""
_DIMENSIONS_KNOWN: Final = 4_096

Read = Callable[[bytes, int], tuple[Any, int]]
"""Reads a value at a place; returns it and the place behind it."""


def read_int64(data: bytes, at: int) -> tuple[int, int]:
    """An ``Int64``."""
    return _INT64.unpack_from(data, at)[0], at + 8


def read_uint64(data: bytes, at: int) -> tuple[int, int]:
    """A ``UInt64``."""
    return _UINT64.unpack_from(data, at)[0], at + 8


def read_float64(data: bytes, at: int) -> tuple[float, int]:
    """A ``Float64``."""
    return _FLOAT64.unpack_from(data, at)[0], at + 8


def read_bytes(data: bytes, at: int) -> tuple[bytes, int]:
    """A ``String``, as it is."""
    length = data[at]
    at += 1
    if length >= _SHORT:
        length -= _SHORT
        shift = 7
        while True:
            more = data[at]
            at += 1
            length |= (more & 0x7F) << shift
            if more < _SHORT:
                break
            shift += 7
    end = at + length
    return data[at:end], end


def read_text(data: bytes, at: int) -> tuple[str, int]:
    """A ``String`` that is text."""
    value, at = read_bytes(data, at)
    return value.decode("utf-8", "surrogatepass"), at


def nullable(read: Read) -> Read:
    """What may be NULL: None then."""

    def read_nullable(data: bytes, at: int) -> tuple[Any, int]:
        return (None, at + 1) if data[at] else read(data, at + 1)

    return read_nullable


def read_rows(data: bytes, columns: Sequence[Read]) -> Iterator[tuple[Any, ...]]:
    """All rows, a value of each column."""
    at, end = 0, len(data)
    while at < end:
        row = []
        for read in columns:
            value, at = read(data, at)
            row.append(value)
        yield tuple(row)


def write_bytes(value: bytes) -> bytes:
    """A ``String``."""
    length = len(value)
    prefix = bytearray()
    while length >= _SHORT:
        prefix.append(length & 0x7F | _SHORT)
        length >>= 7
    prefix.append(length)
    return bytes(prefix) + value


def write_text(value: str) -> bytes:
    """A ``String`` that is text."""
    return write_bytes(value.encode("utf-8", "surrogatepass"))


def write_uint64(value: int) -> bytes:
    """A ``UInt64``."""
    return _UINT64.pack(value)


def write_record(record: Record, *, has_detail: bool) -> bytes:
    """A record in the order of ``RECORD_COLUMNS``.

    Raises:
        OverflowError: a number is larger than its column.
    """
    try:
        place = _PLACE.pack(record.aid, record.round_id)
    except struct.error as error:
        raise OverflowError(str(error)) from None
    parts = [
        place,
        write_text(record.record_id),
        _write_dimensions(record.dimensions),
        _write_number(record.loss_percent),
        _write_number(record.latency_ms),
        _write_number(record.jitter_ms),
        write_bytes(record.body),
    ]
    if has_detail:
        parts.append(_NULL if record.detail is None else b"\0" + write_bytes(record.detail))
    return b"".join(parts)


DIMENSION_COLUMNS: Final = Dimensions.__struct_fields__
NUMBER_COLUMNS: Final = ("loss_percent", "latency_ms", "jitter_ms")
RECORD_COLUMNS: Final = ("aid", "round_id", "id", *DIMENSION_COLUMNS, *NUMBER_COLUMNS, "body")
READ_DIMENSIONS: Final[tuple[Read, ...]] = (
    read_text,
    *[nullable(read_text)] * (len(DIMENSION_COLUMNS) - 1),
)
READ_NUMBERS: Final[tuple[Read, ...]] = (nullable(read_float64),) * len(NUMBER_COLUMNS)


# The same places come again and again: an agent has a few.
@lru_cache(maxsize=_DIMENSIONS_KNOWN)
def _write_dimensions(dimensions: Dimensions) -> bytes:
    agent_id, *others = structs.astuple(dimensions)
    return write_text(agent_id) + b"".join(
        _NULL if each is None else b"\0" + write_text(each) for each in others
    )


def _write_number(value: float | None) -> bytes:
    return _NULL if value is None else b"\0" + _FLOAT64.pack(value)
