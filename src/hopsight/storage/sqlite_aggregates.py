"""Columns of numbers out of the tables, for charts and ranks."""

# ruff: noqa: S608 - what is formatted into statements are names from KINDS and Dimensions, never values

from typing import Any

import apsw
import numpy as np

from hopsight.model.aggregates import Group, GroupOrder, Measurement, Summary
from hopsight.model.dimensions import Dimensions
from hopsight.model.kinds import KINDS
from hopsight.model.query import Query
from hopsight.storage.aggregates import Columns, check_buckets, rank, summarize
from hopsight.storage.sqlite_query import bounded, matching
from hopsight.storage.sqlite_rows import DIMENSION_COLUMNS


def read_summary(connection: apsw.Connection, query: Query, bucket_s: int) -> Summary:
    """Answer ``Store.summarize``."""
    check_buckets(query, bucket_s)
    columns, _ = _columns(connection, query, None)
    return summarize(columns, bucket_s)


def read_ranks(
    connection: apsw.Connection, query: Query, column: str, bucket_s: int, order: GroupOrder, limit: int
) -> list[Group]:
    """Answer ``Store.rank``."""
    if column not in DIMENSION_COLUMNS:
        raise LookupError(f"{column} is no field of Dimensions")
    check_buckets(query, bucket_s)
    columns, values = _columns(connection, query, column)
    return rank(columns, values, query, bucket_s, order, limit)


def read_measurements(connection: apsw.Connection, query: Query) -> list[Measurement]:
    """Answer ``Store.measurements``."""
    table = KINDS[query.kind].table
    with connection:  # as below
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


def _columns(
    connection: apsw.Connection, query: Query, column: str | None
) -> tuple[Columns, list[str | None]]:
    table = KINDS[query.kind].table
    with connection:  # dims found in one statement must hold in the next
        values: dict[str | None, int] = {}
        agents: dict[str, int] = {}
        # Of each combination of dimensions: the number of its value, and that of its agent.
        numbers: dict[int, tuple[int, int]] = {}
        for dim, agent_id, value in matching(connection, table, query, ("agent_id", column or "agent_id")):
            group = values.setdefault(value, len(values)) if column is not None else 0
            numbers[dim] = group, agents.setdefault(agent_id, len(agents))
        rows: list[Any] = connection.execute(
            f"SELECT dim, round_id, loss_percent, latency_ms, jitter_ms FROM {table}"
            " WHERE aid = ? AND round_id BETWEEN ? AND ?",
            (query.aid, bounded(query.first_round), bounded(query.last_round)),
        ).fetchall()
    kept = [row for row in rows if row[0] in numbers]
    made = np.array([row[1:] for row in kept], dtype=np.float64).reshape(len(kept), 4)
    places = np.array([numbers[row[0]] for row in kept], dtype=np.int64).reshape(len(kept), 2)
    columns = Columns(
        made[:, 0].astype(np.int64), places[:, 0], places[:, 1], made[:, 1], made[:, 2], made[:, 3]
    )
    return columns, list(values)
