"""Columns of numbers out of the tables, for charts and ranks."""

# ruff: noqa: S608 - what is formatted into statements are names from KINDS and Dimensions, never values

from collections import OrderedDict
from collections.abc import Callable
from typing import Any, Final, TypeVar

import apsw

from hopsight.model.aggregates import Group, GroupOrder, Measurement, Summary
from hopsight.model.dimensions import Dimensions
from hopsight.model.kinds import KINDS
from hopsight.model.query import Query
from hopsight.storage.aggregates import (
    Asked,
    check_buckets,
    check_limit,
    count,
    rank,
    summarize,
)
from hopsight.storage.sqlite_columns import ColumnReader
from hopsight.storage.sqlite_dims import DimsReader
from hopsight.storage.sqlite_query import bounded, matching
from hopsight.storage.sqlite_rows import DIMENSION_COLUMNS

ANSWERS: Final = 64
"""Most answers that are remembered, until anybody writes."""

T = TypeVar("T")


class Aggregates:
    """Answers questions about many records through one connection, in one thread.

    Args:
        connection: for reading.
        columns: reads columns through it.
    """

    def __init__(self, connection: apsw.Connection, columns: ColumnReader) -> None:
        self._connection = connection
        self._columns = columns
        self._dims = DimsReader(connection)
        self._known: OrderedDict[tuple[Any, ...], Any] = OrderedDict()
        self._version = -1

    def summary(self, query: Query, bucket_s: int) -> Summary:
        """Answer ``Store.summarize``."""
        check_buckets(query, bucket_s)
        return self._answer(query, None, lambda asked: summarize(asked, query, bucket_s), bucket_s)

    def ranks(self, query: Query, column: str, bucket_s: int, order: GroupOrder, limit: int) -> list[Group]:
        """Answer ``Store.rank``."""
        if column not in DIMENSION_COLUMNS:
            raise LookupError(f"{column} is no field of Dimensions")
        check_buckets(query, bucket_s)
        check_limit(limit)
        return self._answer(
            query, column, lambda asked: rank(asked, query, bucket_s, order, limit), bucket_s, order, limit
        )

    def counts(self, query: Query, column: str) -> dict[str | None, int] | None:
        """Answer ``Store.count_by`` from what is in memory; None: that is not."""
        table = KINDS[query.kind].table
        place = table, query.aid, bounded(query.first_round), bounded(query.last_round)
        found = None
        with self._connection:
            asked = self._columns.range(*place)
            if column in DIMENSION_COLUMNS and self._columns.has(asked):
                view = self._columns.read(asked)
                found = count(Asked(view, self._dims.read(table, query, column), None))
        return found

    def _answer(
        self, query: Query, column: str | None, answer: Callable[[Asked], T], bucket_s: int, *more: object
    ) -> T:
        table = KINDS[query.kind].table
        place = table, query.aid, bounded(query.first_round), bounded(query.last_round)
        self._columns.prepare(self._columns.range(*place))
        with self._connection:  # dims found in one statement must hold in the next
            place_now = self._columns.range(*place)
            view = self._columns.read(place_now)
            version = self._columns.version()
            if version != self._version:
                self._known.clear()
                self._version = version
            asked_for = table, query.aid, query.filters, column
            buckets = query.first_round // bucket_s, query.last_round // bucket_s, bucket_s
            key = (*asked_for, place_now, buckets, *more)
            if key not in self._known:
                dims = self._dims.read(table, query, column)
                self._known[key] = answer(Asked(view, dims, asked_for))
                if len(self._known) > ANSWERS:
                    self._known.popitem(last=False)
            known: T = self._known[key]
        return known


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
