"""What there is of one agent, and seeing to it that what was erased is gone from the file, too."""

# ruff: noqa: S608 - what is formatted into statements are names from KINDS, never values

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import apsw

from hopsight.errors import StoreUnavailableError
from hopsight.model.dimensions import Dimensions
from hopsight.model.kinds import KINDS, Kind
from hopsight.model.query import Record
from hopsight.storage.sqlite_details import unpack_detail
from hopsight.storage.sqlite_erase import of_agent
from hopsight.storage.sqlite_file import unavailable
from hopsight.storage.sqlite_rows import DIMENSION_COLUMNS, dimension_columns
from hopsight.storage.store import STRETCH_S, Stretch

EXPORTED_ROWS: Final = 200
"""Records read at a time: each may have a detail of megabytes."""
PLAIN_ROWS: Final = 2_000
"""And of kinds without details."""
SWEEP_WAIT_MS: Final = 60_000


class Span(NamedTuple):
    """Where in a table an agent's records are: so that what is left of them can be looked for."""

    kind: str
    aid: int
    first_round: int
    last_round: int


class Place(NamedTuple):
    """How far an export has come in one combination of dimensions."""

    dim: int
    round_id: int
    record_id: str


def count_rows(connection: apsw.Connection, agent_id: str) -> dict[str, int]:
    """How many rows each table has of an agent."""
    counts: dict[str, int] = {}
    for kind in KINDS.values():
        joined = of_agent(kind)
        counts[kind.table] = _number(
            connection, f"SELECT count(*) FROM {joined} WHERE d.agent_id = ?", agent_id
        )
        if kind.detail is not None:
            sql = f"SELECT count(*) FROM {joined} {_detail_join(kind, 'JOIN')} WHERE d.agent_id = ?"
            counts[f"{kind.table}_detail"] = _number(connection, sql, agent_id)
        counts[f"{kind.table}_dim"] = _number(
            connection, f"SELECT count(*) FROM {kind.table}_dim WHERE agent_id = ?", agent_id
        )
    return counts


def spans_of(connection: apsw.Connection, agent_id: str) -> list[Span]:
    """The account groups and rounds in which an agent has records."""
    spans = []
    for kind in KINDS.values():
        sql = (
            f"SELECT d.aid, min(r.round_id), max(r.round_id) FROM {of_agent(kind)}"
            " WHERE d.agent_id = ? GROUP BY d.aid"
        )
        rows: list[Any] = connection.execute(sql, (agent_id,)).fetchall()
        spans += [Span(kind.name, *row) for row in rows]
    return spans


def count_orphans(connection: apsw.Connection, spans: list[Span]) -> dict[str, int]:
    """Details without their record, by table: an agent's, once its records are gone."""
    counts: dict[str, int] = {}
    for span in spans:
        table = KINDS[span.kind].table
        if KINDS[span.kind].detail is None:
            continue
        sql = (
            f"SELECT count(*) FROM {table}_detail x WHERE x.aid = ? AND x.round_id BETWEEN ? AND ?"
            f" AND NOT EXISTS (SELECT 1 FROM {table} r"
            " WHERE r.aid = x.aid AND r.round_id = x.round_id AND r.id = x.id)"
        )
        name = f"{table}_detail"
        counts[name] = counts.get(name, 0) + _number(connection, sql, *span[1:])
    return counts


def read_dims(connection: apsw.Connection, kind: Kind, agent_id: str) -> list[int]:
    """The combinations of dimensions that an agent's records of a kind have."""
    sql = f"SELECT dim FROM {kind.table}_dim WHERE agent_id = ? ORDER BY aid, dim"
    return [int(row[0]) for row in connection.execute(sql, (agent_id,))]


def read_some(connection: apsw.Connection, kind: Kind, place: Place) -> list[Record]:
    """The next ``EXPORTED_ROWS`` records with one combination of dimensions, whole, behind a place."""
    detail, join = ("NULL", "") if kind.detail is None else ("x.detail", _detail_join(kind, "LEFT JOIN"))
    sql = (
        "SELECT r.aid, r.round_id, r.id, r.loss_percent, r.latency_ms, r.jitter_ms, r.body,"
        f" {detail}, {dimension_columns('d.')} FROM {of_agent(kind)} {join}"
        " WHERE d.dim = ? AND (r.round_id, r.id) > (?, ?) ORDER BY r.round_id, r.id LIMIT ?"
    )
    return list(_records(connection.execute(sql, (*place, EXPORTED_ROWS))))


def read_stretches(connection: apsw.Connection, kind: Kind) -> list[Stretch]:
    """Where there are records of a kind: by the index alone, no body is read."""
    sql = (
        f"SELECT aid, round_id / {STRETCH_S} * {STRETCH_S} AS first, count(*)"
        f" FROM {kind.table} INDEXED BY {kind.table}_by_dim GROUP BY aid, first ORDER BY aid, first"
    )
    return [Stretch(*row) for row in connection.execute(sql)]


def read_between(
    connection: apsw.Connection, kind: Kind, aid: int, place: tuple[int, str], last_round: int
) -> list[Record]:
    """The next records of an account group behind a round and ID, whole, in order."""
    detail, join = ("NULL", "") if kind.detail is None else ("x.detail", _detail_join(kind, "LEFT JOIN"))
    sql = (
        "SELECT r.aid, r.round_id, r.id, r.loss_percent, r.latency_ms, r.jitter_ms, r.body,"
        f" {detail}, {dimension_columns('d.')} FROM {kind.table} r"
        f" CROSS JOIN {kind.table}_dim d ON d.dim = r.dim {join}"
        " WHERE r.aid = ? AND (r.round_id, r.id) > (?, ?) AND r.round_id <= ?"
        " ORDER BY r.round_id, r.id LIMIT ?"
    )
    rows = EXPORTED_ROWS if kind.detail else PLAIN_ROWS
    return list(_records(connection.execute(sql, (aid, *place, last_round, rows))))


def sweep(path: Path) -> None:
    """Write the file anew without its free pages, and empty the WAL: what was deleted is in neither then.

    Takes time and free space in proportion to the file; who wants to write waits, or is told to come again.

    Raises:
        StoreUnavailableError: somebody else holds on to the file, or the disk is full.
    """
    with unavailable():
        connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)
        try:
            connection.set_busy_timeout(SWEEP_WAIT_MS)
            connection.execute("VACUUM").fetchall()
            busy, *_ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()[0]
        finally:
            connection.close()
    if busy:
        raise StoreUnavailableError(f"The log beside {path.name} is in use, and could not be emptied")


def _records(rows: Iterator[Any]) -> Iterator[Record]:
    for aid, round_id, record_id, loss_percent, latency_ms, jitter_ms, body, packed, *dimensions in rows:
        yield Record(
            aid=aid,
            round_id=round_id,
            record_id=record_id,
            dimensions=Dimensions(**dict(zip(DIMENSION_COLUMNS, dimensions, strict=True))),
            loss_percent=loss_percent,
            latency_ms=latency_ms,
            jitter_ms=jitter_ms,
            body=body,
            detail=unpack_detail(packed),
        )


def _detail_join(kind: Kind, how: str) -> str:
    return f"{how} {kind.table}_detail x ON x.aid = r.aid AND x.round_id = r.round_id AND x.id = r.id"


def _number(connection: apsw.Connection, sql: str, *values: object) -> int:
    found: int = connection.execute(sql, values).get
    return found
