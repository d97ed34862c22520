"""What the writer's thread does to the tables: storing records, and removing old ones."""

# ruff: noqa: S608 - what is formatted into statements are names from KINDS and Dimensions, never values

import hashlib
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any, Final

import apsw
import msgspec

from hopsight.model.dimensions import Dimensions
from hopsight.model.kinds import KINDS
from hopsight.model.query import Record
from hopsight.storage.sqlite_chunks import drop_chunks, drop_chunks_before
from hopsight.storage.sqlite_details import Details, Key
from hopsight.storage.sqlite_erase import erase_some, mark_erased, refuse, refuse_erased
from hopsight.storage.store import Added

DIMENSION_COLUMNS: Final = Dimensions.__struct_fields__
PRUNED_ROWS: Final = 2_000
"""Most rows that one transaction of a prune removes."""

_ROW_COLUMNS: Final = "aid, round_id, id, dim, loss_percent, latency_ms, jitter_ms, body"
_ROW_VALUES: Final = 8
# A statement lets go of the GIL and has to win it back: once for so many rows, not for each.
_ROWS_A_STATEMENT: Final = 100
_DIMS_KNOWN: Final = 16_384


class Rows:
    """Writes to the tables through one connection, inside transactions that the caller holds."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection
        self._details = Details(connection)
        self._dims: OrderedDict[tuple[str, bytes], int] = OrderedDict()

    def forget(self) -> None:
        """Drop what is remembered of the file: it may have changed."""
        self._dims.clear()

    def mark_erased(self, agent_id: str) -> None:
        """Have nothing more of an agent stored."""
        mark_erased(self._connection, agent_id)
        self.forget()

    def refuse(self, digests: Sequence[bytes]) -> None:
        """Have nothing more of some agents stored."""
        refuse(self._connection, digests)
        self.forget()

    def erase_some(self, kind: str, agent_id: str) -> int:
        """Remove some of an agent's rows; how many, 0 when nothing is left."""
        return erase_some(self._connection, KINDS[kind], agent_id)

    def add(self, kind: str, records: Sequence[Record]) -> Added:
        """Store records whose IDs are not known yet, and with them their details, if the kind has any."""
        table = KINDS[kind].table
        rows = self._bindings(table, records)
        stored = 0
        if KINDS[kind].detail is None:
            while chunk := list(islice(rows, _ROWS_A_STATEMENT)):
                self._connection.execute(_insert_sql(table, len(chunk)), _flat(chunk))
                stored += self._connection.changes()
            if stored:
                drop_chunks(self._connection, table, ((each.aid, each.round_id) for each in records))
            return Added(stored=stored, duplicates=len(records) - stored)
        keys: list[Key] = []
        while chunk := list(islice(rows, _ROWS_A_STATEMENT)):
            sql = f"{_insert_sql(table, len(chunk))} RETURNING aid, round_id, id"
            rows_stored: list[Any] = self._connection.execute(sql, _flat(chunk)).fetchall()
            keys += rows_stored
        drop_chunks(self._connection, table, ((aid, round_id) for aid, round_id, _ in keys))
        self._details.add(table, records, keys)
        return Added(stored=len(keys), duplicates=len(records) - len(keys))

    def prune_rows(self, kind: str, before_round: int) -> int:
        """Remove up to ``PRUNED_ROWS`` rows of rounds before ``before_round``; returns how many went."""
        table = KINDS[kind].table
        removed = 0
        for aid in self._account_groups(table):
            bindings = (aid, before_round, PRUNED_ROWS - removed)
            drop_chunks_before(self._connection, table, aid, before_round)
            if KINDS[kind].detail is not None:
                self._details.prune(table, _oldest_sql(table), bindings)
            self._connection.execute(_prune_sql(table), bindings)
            removed += self._connection.changes()
            if removed >= PRUNED_ROWS:
                break
        return removed

    def prune_dims(self, kind: str, behind: int) -> int | None:
        """Remove those of the next ``PRUNED_ROWS`` dimension rows that no record uses.

        Returns:
            the last one looked at, to go on behind it; None when there are no more.
        """
        table = KINDS[kind].table
        last: int | None = self._connection.execute(
            f"SELECT max(dim) FROM (SELECT dim FROM {table}_dim WHERE dim > ? ORDER BY dim LIMIT ?)",
            (behind, PRUNED_ROWS),
        ).get
        if last is None:
            return None
        self._connection.execute(_prune_dims_sql(table), (behind, last))
        self.forget()
        return last

    def _account_groups(self, table: str) -> Iterator[int]:
        # One seek a group, where DISTINCT would walk the whole table.
        sql = f"SELECT min(aid) FROM {table} WHERE aid > ?"
        aid: int | None = -1
        while (aid := self._connection.execute(sql, (aid,)).get) is not None:
            yield aid

    def _bindings(self, table: str, records: Sequence[Record]) -> Iterator[tuple[Any, ...]]:
        known: dict[tuple[int, Dimensions], int] = {}
        for record in records:
            key = (record.aid, record.dimensions)
            dim = known.get(key)
            if dim is None:
                dim = known[key] = self._dim(table, *key)
            yield (
                record.aid,
                record.round_id,
                record.record_id,
                dim,
                record.loss_percent,
                record.latency_ms,
                record.jitter_ms,
                record.body,
            )

    def _dim(self, table: str, aid: int, dimensions: Dimensions) -> int:
        digest = _digest(aid, dimensions)
        dim = self._dims.get((table, digest))
        if dim is None:
            # Only here: to be erased is to have no dimensions, and what is remembered of them is dropped.
            refuse_erased(self._connection, dimensions.agent_id)
            dim = self._find_dim(table, digest) or self._make_dim(table, aid, digest, dimensions)
            self._dims[table, digest] = dim
            if len(self._dims) > _DIMS_KNOWN:
                self._dims.popitem(last=False)
        else:
            self._dims.move_to_end((table, digest))
        return dim

    def _find_dim(self, table: str, digest: bytes) -> int | None:
        found: int | None = self._connection.execute(
            f"SELECT dim FROM {table}_dim WHERE digest = ?", (digest,)
        ).get
        return found

    def _make_dim(self, table: str, aid: int, digest: bytes, dimensions: Dimensions) -> int:
        self._connection.execute(
            _insert_dim_sql(table), (aid, digest, *(getattr(dimensions, name) for name in DIMENSION_COLUMNS))
        )
        return self._connection.last_insert_rowid()


def dimension_columns(prefix: str = "") -> str:
    """The columns of a dimension table that hold ``Dimensions``, in the order of its fields."""
    return ", ".join(f'{prefix}"{name}"' for name in DIMENSION_COLUMNS)


def _digest(aid: int, dimensions: Dimensions) -> bytes:
    # Only what is known counts: a field that Dimensions gains later leaves the digests of old rows valid.
    known = {name: value for name in DIMENSION_COLUMNS if (value := getattr(dimensions, name)) is not None}
    return hashlib.blake2b(msgspec.json.encode([aid, known]), digest_size=16).digest()


def _flat(rows: list[tuple[Any, ...]]) -> list[Any]:
    return [value for row in rows for value in row]


def _insert_sql(table: str, rows: int) -> str:
    one = f"({', '.join('?' * _ROW_VALUES)})"
    return f"INSERT OR IGNORE INTO {table} ({_ROW_COLUMNS}) VALUES {', '.join([one] * rows)}"


def _insert_dim_sql(table: str) -> str:
    marks = ", ".join("?" * (2 + len(DIMENSION_COLUMNS)))
    return f"INSERT INTO {table}_dim (aid, digest, {dimension_columns()}) VALUES ({marks})"


def _oldest_sql(table: str) -> str:
    return f"SELECT round_id, id FROM {table} WHERE aid = ?1 AND round_id < ?2 ORDER BY round_id, id LIMIT ?3"


def _prune_sql(table: str) -> str:
    return f"DELETE FROM {table} WHERE aid = ?1 AND (round_id, id) IN ({_oldest_sql(table)})"


def _prune_dims_sql(table: str) -> str:
    used = f"SELECT 1 FROM {table} r WHERE r.aid = d.aid AND r.dim = d.dim"
    return f"DELETE FROM {table}_dim AS d WHERE dim > ? AND dim <= ? AND NOT EXISTS ({used})"
