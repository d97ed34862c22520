"""Columns of numbers out of the tables, for charts and ranks."""

# ruff: noqa: S608 - what is formatted into statements are names from KINDS and Dimensions, never values

from typing import Any

import apsw
import numpy as np

from hopsight.model.aggregates import Group, GroupOrder, Measurement, Summary
from hopsight.model.dimensions import Dimensions
from hopsight.model.kinds import KINDS
from hopsight.model.query import Query
from hopsight.storage.aggregates import (
    Columns,
    Dims,
    check_buckets,
    check_limit,
    columns_of,
    rank,
    summarize,
)
from hopsight.storage.sqlite_query import bounded, matching
from hopsight.storage.sqlite_rows import DIMENSION_COLUMNS


def read_summary(connection: apsw.Connection, query: Query, bucket_s: int) -> Summary:
    """Answer ``Store.summarize``."""
    check_buckets(query, bucket_s)
    return summarize(*_columns(connection, query, None), query, bucket_s)


def read_ranks(
    connection: apsw.Connection, query: Query, column: str, bucket_s: int, order: GroupOrder, limit: int
) -> list[Group]:
    """Answer ``Store.rank``."""
    if column not in DIMENSION_COLUMNS:
        raise LookupError(f"{column} is no field of Dimensions")
    check_buckets(query, bucket_s)
    check_limit(limit)
    return rank(*_columns(connection, query, column), query, bucket_s, order, limit)


def read_measurements(connection: apsw.Connection, query: Query) -> list[Measurement]:
    """Answer ``Store.measurements``."""
    table = KINDS[query.kind].table
    with connection:  # dims found in one statement must hold in the next
        rows: list[Any] = connection.execute(
            f"SELECT dim, loss_percent, latency_ms, jitter_ms FROM {table}"
            " WHERE aid = ? AND round_id BETWEEN ? AND ?",
            (query.aid, bounded(query.first_round), bounded(query.last_round)),
        ).fetchall()
        needed = {row[0] for row in rows}
        places = {
            dim: Dimensions(**dict(zip(DIMENSION_COLUMNS, values, strict=True)))
            for dim, *values in matching(connection, table, query, DIMENSION_COLUMNS)
            if dim in needed
        }
    return [Measurement(places[dim], *numbers) for dim, *numbers in rows if dim in places]


def _columns(connection: apsw.Connection, query: Query, column: str | None) -> tuple[Columns, Dims]:
    table = KINDS[query.kind].table
    with connection:  # dims found in one statement must hold in the next
        rows: list[Any] = connection.execute(
            f"SELECT round_id, dim, loss_percent, latency_ms, jitter_ms FROM {table}"
            " WHERE aid = ? AND round_id BETWEEN ? AND ?",
            (query.aid, bounded(query.first_round), bounded(query.last_round)),
        ).fetchall()
        columns = columns_of(rows)
        columns.dim, dims = _dims(connection, table, query, column, columns.dim)
    return columns, dims


def _dims(
    connection: apsw.Connection, table: str, query: Query, column: str | None, used: Any
) -> tuple[Any, Dims]:
    """What is asked about the combinations that a question admits; and the records' numbers in that."""
    found = matching(connection, table, query, ("agent_id", column or "agent_id"))
    lowest = int(used.min()) if len(used) else 0
    size = int(used.max()) - lowest + 1 if len(used) else 0
    values: dict[str | None, int] = {}
    agents: dict[str, int] = {}
    agent = np.zeros(size, dtype=np.int64)
    group = np.full(size, -1, dtype=np.int64)
    for dim, agent_id, value in found:
        if lowest <= dim < lowest + size:
            agent[dim - lowest] = agents.setdefault(agent_id, len(agents))
            group[dim - lowest] = values.setdefault(value, len(values)) if column is not None else 0
    return (used - lowest).astype(np.int32), Dims(agent, group, list(values))
