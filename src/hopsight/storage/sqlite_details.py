"""Details of records in their own table: compressed, written with their records, gone with them."""

# ruff: noqa: S608 - what is formatted into statements are names from KINDS, never values

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Final

import apsw
import zstandard

from hopsight.model.query import Record

LEVEL: Final = 3
MAX_DETAIL_BYTES: Final = 32 << 20
"""Most that a detail may come to when it is unpacked: more than an upload may hold."""

_COLUMNS: Final = "aid, round_id, id, detail"
_VALUES: Final = 4
_ROWS_A_STATEMENT: Final = 100

Key = tuple[int, int, str]
"""Account group, round, ID."""


class Details:
    """Writes details through one connection, inside transactions that the caller holds."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection
        self._compressor = zstandard.ZstdCompressor(level=LEVEL)

    def add(self, table: str, records: Sequence[Record], stored: Iterable[Key]) -> None:
        """Keep the details of those records that were stored just now.

        Of two records with one key the first was stored, and so its detail is kept, if it has one.
        """
        rows = self._bindings(records, set(stored))
        while chunk := list(islice(rows, _ROWS_A_STATEMENT)):
            values = [value for row in chunk for value in row]
            self._connection.execute(_insert_sql(table, len(chunk)), values)

    def prune(self, table: str, oldest_sql: str, bindings: Sequence[int]) -> None:
        """Remove the details of the records that ``oldest_sql`` selects (``round_id, id``) in a group."""
        self._connection.execute(
            f"DELETE FROM {table}_detail WHERE aid = ?1 AND (round_id, id) IN ({oldest_sql})", bindings
        )

    def _bindings(self, records: Sequence[Record], stored: set[Key]) -> Iterator[tuple[int, int, str, bytes]]:
        for record in records:
            key = (record.aid, record.round_id, record.record_id)
            if key in stored:
                stored.remove(key)
                if record.detail is not None:
                    yield (*key, self._compressor.compress(record.detail))


def unpack_detail(packed: bytes | None) -> bytes | None:
    """A detail as it was given."""
    if packed is None:
        return None
    return zstandard.ZstdDecompressor().decompress(packed, max_output_size=MAX_DETAIL_BYTES)


def _insert_sql(table: str, rows: int) -> str:
    one = f"({', '.join('?' * _VALUES)})"
    return f"INSERT INTO {table}_detail ({_COLUMNS}) VALUES {', '.join([one] * rows)}"
