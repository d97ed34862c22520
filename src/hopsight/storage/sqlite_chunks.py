"""Chunks: the numbers of five minutes of records, packed: a chart of a day reads 288 rows, not a million.

A chunk is **claimed** by a row without content, and **filled** later with what was read in between. Each
claim has a new mark, and the transaction that adds, prunes or erases any of its records deletes its row, in
whatever process. So in all snapshots of the file that show a mark its records are the same: what was read in
one of them may be written under that mark, or remembered by it, whenever and by whom. It cannot be wrong,
only of no more use.
"""

# ruff: noqa: S608 - what is formatted into statements are names from KINDS, never values

from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple, Self

import apsw
import numpy as np
from numpy.typing import NDArray

CHUNK_S: Final = 300

_VERSION: Final = b"\x01"
# Round within the chunk, dimensions, loss, latency, jitter; in the byte order that nearly all machines have.
_TYPES: Final = tuple(np.dtype(name) for name in ("<u2", "<u4", "<f8", "<f8", "<f8"))
_ROW_BYTES: Final = sum(each.itemsize for each in _TYPES)


class Chunk(NamedTuple):
    """The records of five minutes in order of their rounds; NaN: not measured."""

    start_s: int
    since_s: NDArray[np.uint16]
    dim: NDArray[np.uint32]
    loss_percent: NDArray[np.float64]
    latency_ms: NDArray[np.float64]
    jitter_ms: NDArray[np.float64]

    @classmethod
    def of(cls, start_s: int, rows: Sequence[tuple[Any, ...]]) -> Self:
        """From rows of round, dimensions, loss, latency and jitter."""
        rounds, *others = zip(*rows, strict=True) if rows else ((),) * len(_TYPES)
        since_s = (np.array(rounds, dtype=np.int64) - start_s).astype(_TYPES[0])
        # None becomes NaN.
        return cls(start_s, since_s, *map(np.array, others, _TYPES[1:]))

    @classmethod
    def unpack(cls, start_s: int, packed: bytes) -> Self | None:
        """What ``pack`` has packed; None: it is of a version that is not known here."""
        count, rest = divmod(len(packed) - len(_VERSION), _ROW_BYTES)
        if rest or not packed.startswith(_VERSION):
            return None
        columns = []
        place = len(_VERSION)
        for kind in _TYPES:
            columns.append(np.frombuffer(packed, kind, count, place))
            place += count * kind.itemsize
        return cls(start_s, *columns)

    def pack(self) -> bytes:
        """As bytes."""
        return _VERSION + b"".join(
            np.asarray(column, kind).tobytes() for column, kind in zip(self[1:], _TYPES, strict=True)
        )

    @property
    def size(self) -> int:
        """Bytes in memory."""
        return len(self.dim) * _ROW_BYTES


def start_of(round_id: int) -> int:
    """Where the chunk of a round begins."""
    return round_id // CHUNK_S * CHUNK_S


def drop_chunks(connection: apsw.Connection, table: str, places: Iterable[tuple[int, int]]) -> None:
    """Say that records of these account groups and rounds change; in the transaction that changes them."""
    starts = {(aid, start_of(round_id)) for aid, round_id in places}
    connection.executemany(f"DELETE FROM {table}_chunk WHERE aid = ? AND start_s = ?", starts)


def drop_chunks_before(connection: apsw.Connection, table: str, aid: int, before_round: int) -> None:
    """Say that records of rounds before this one go; in the transaction that removes them."""
    connection.execute(f"DELETE FROM {table}_chunk WHERE aid = ? AND start_s < ?", (aid, before_round))


def claim(connection: apsw.Connection, table: str, aid: int, starts: Iterable[int]) -> None:
    """Have chunks watched from now on."""
    connection.executemany(
        f"INSERT OR IGNORE INTO {table}_chunk (aid, start_s) VALUES (?, ?)", ((aid, each) for each in starts)
    )


def fill(connection: apsw.Connection, table: str, packed: Sequence[tuple[int, bytes]]) -> None:
    """Keep what was read under these marks; of a mark that is gone nothing is kept."""
    connection.executemany(f"UPDATE {table}_chunk SET packed = ?2 WHERE mark = ?1 AND packed IS NULL", packed)


def marks(connection: apsw.Connection, table: str, aid: int, first_s: int, last_s: int) -> dict[int, int]:
    """The mark of each claimed chunk that starts within a range."""
    sql = (
        f"SELECT start_s, mark FROM {table}_chunk INDEXED BY {table}_chunk_by_start"
        " WHERE aid = ? AND start_s BETWEEN ? AND ? ORDER BY start_s"
    )
    rows: list[Any] = connection.execute(sql, (aid, first_s, last_s)).fetchall()
    return dict(rows)


def filled_marks(connection: apsw.Connection, table: str, aid: int, first_s: int, last_s: int) -> set[int]:
    """The marks of those that are filled of them."""
    sql = f"SELECT mark FROM {table}_chunk WHERE aid = ? AND start_s BETWEEN ? AND ? AND packed IS NOT NULL"
    rows: list[Any] = connection.execute(sql, (aid, first_s, last_s)).fetchall()
    return {mark for (mark,) in rows}


def read_filled(connection: apsw.Connection, table: str, start_s: int, mark: int) -> Chunk | None:
    """A chunk that was filled."""
    packed: bytes | None = connection.execute(f"SELECT packed FROM {table}_chunk WHERE mark = ?", (mark,)).get
    return None if packed is None else Chunk.unpack(start_s, packed)


def read_rows(
    connection: apsw.Connection, table: str, aid: int, first_round: int, last_round: int, limit: int = -1
) -> list[tuple[Any, ...]]:
    """Round, dimensions, loss, latency and jitter of records, from the table itself."""
    return connection.execute(
        f"SELECT round_id, dim, loss_percent, latency_ms, jitter_ms FROM {table}"
        " WHERE aid = ? AND round_id BETWEEN ? AND ? AND dim IS NOT NULL ORDER BY round_id LIMIT ?",
        (aid, first_round, last_round, limit),
    ).fetchall()
