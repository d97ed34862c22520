"""Answering questions from the tables: SQL that reads, and the choice among ways to apply filters.

A filter first becomes a set of ``dim`` numbers. With m of the account group's M combinations of dimensions
matching, the keys of the page are found by one of:

- **merge** (m is small): the index holds each combination's records in order; merge them, stop at the limit.
- **walk** (a good share of M): go through the records in order and leave out what does not match.
- **sort** (otherwise): collect the matching keys from the index, keep the first.

Only merge costs the same whatever the range is; the others are why filtered questions are asked in a thread.
"""

# ruff: noqa: S608 - what is formatted into statements are names from KINDS and Dimensions, never values

import array
from typing import Any, Final

import apsw

from hopsight.model.dimensions import Dimensions
from hopsight.model.kinds import KINDS
from hopsight.model.query import Cursor, Filter, PageOf, Query, Record
from hopsight.storage.sqlite_details import unpack_detail
from hopsight.storage.sqlite_rows import DIMENSION_COLUMNS, dimension_columns

MERGED_DIMS: Final = 16
WALKED_SHARE: Final = 8
"""Walk when at least one in so many combinations matches."""

_LARGEST: Final = (1 << 63) - 1

Bindings = dict[str, Any]


def read_page(connection: apsw.Connection, query: Query) -> PageOf:
    """Answer a question."""
    if not query.filters:
        sql, bindings = _walk_sql(query), _range(query)
        return _page(connection.execute(sql, bindings).fetchall(), query.limit)
    with connection:  # dims found in one statement must hold in the next
        plan = filter_plan(connection, query)
        rows = connection.execute(*plan).fetchall() if plan else []
    return _page(rows, query.limit)


def read_last_round(connection: apsw.Connection, kind: str, aid: int) -> int | None:
    """The newest round that holds records."""
    sql = f"SELECT max(round_id) FROM {KINDS[kind].table} WHERE aid = ?"
    newest: int | None = connection.execute(sql, (aid,)).get
    return newest


def read_record(
    connection: apsw.Connection, kind: str, aid: int, round_id: int, record_id: str
) -> Record | None:
    """One record, whole."""
    table = KINDS[kind].table
    detail, join = _detail_sql(kind)
    sql = (
        f"SELECT r.loss_percent, r.latency_ms, r.jitter_ms, r.body, {detail}, {dimension_columns('d.')}"
        f" FROM {table} r JOIN {table}_dim d ON d.dim = r.dim {join}"
        " WHERE r.aid = ? AND r.round_id = ? AND r.id = ?"
    )
    row = connection.execute(sql, (aid, round_id, record_id)).fetchone()
    if row is None:
        return None
    loss_percent, latency_ms, jitter_ms, body, packed, *dimensions = row
    return Record(
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


def read_counts(connection: apsw.Connection, question: Query, column: str) -> dict[str | None, int]:
    """How many records there are of each value of a dimension: by the index alone, no body is read."""
    table = KINDS[question.kind].table
    if column not in DIMENSION_COLUMNS:
        raise LookupError(f"{column} is no field of Dimensions")
    conditions, values = _conditions(question)
    counted = (
        f"SELECT count(*) FROM {table} INDEXED BY {table}_by_dim"
        " WHERE aid = :aid AND dim = d.dim AND round_id BETWEEN :first AND :last"
    )
    sql = (
        f'SELECT value, sum(records) AS total FROM (SELECT d."{column}" AS value, ({counted}) AS records'
        f" FROM {table}_dim d WHERE d.aid = :aid{conditions}) GROUP BY value HAVING total > 0"
    )
    bindings = {
        "aid": question.aid,
        "first": bounded(question.first_round),
        "last": bounded(question.last_round),
    }
    rows: list[Any] = connection.execute(sql, bindings | values).fetchall()
    return dict(rows)


def filter_plan(connection: apsw.Connection, query: Query) -> tuple[str, Bindings] | None:
    """The statement that answers a filtered question, and its bindings; None: nothing can match."""
    table = KINDS[query.kind].table
    dims = _matching_dims(connection, table, query)
    if not dims:
        return None
    bindings = _range(query)
    if len(dims) <= MERGED_DIMS:
        bindings |= {f"dim{place}": dim for place, dim in enumerate(dims)}
        return _bodies_sql(table, _merge_sql(table, len(dims))), bindings
    bindings["dims"] = apsw.carray(dims)
    all_dims = connection.execute(f"SELECT count(*) FROM {table}_dim WHERE aid = ?", (query.aid,)).get
    if len(dims) * WALKED_SHARE >= all_dims:
        return _walk_sql(query, "AND +dim IN carray(:dims)"), bindings
    return _bodies_sql(table, _sort_sql(table)), bindings


def _page(rows: list[tuple[Any, ...]], limit: int) -> PageOf:
    """Cut off the row that was read only to know whether there is more."""
    more = len(rows) > limit
    if more:
        del rows[limit:]
    place = Cursor(rows[-1][0], rows[-1][1]) if more and rows else None
    return PageOf([row[2] for row in rows], place)


def _matching_dims(connection: apsw.Connection, table: str, query: Query) -> "array.array[int]":
    conditions, bindings = _conditions(query)
    sql = f"SELECT dim FROM {table}_dim WHERE aid = :aid{conditions}"
    return array.array("q", (row[0] for row in connection.execute(sql, bindings | {"aid": query.aid})))


def matching(
    connection: apsw.Connection, table: str, query: Query, columns: tuple[str, ...], *, behind: int = -1
) -> list[tuple[Any, ...]]:
    """The combinations of dimensions that a question admits: their numbers, then these columns of theirs.

    Those with a number above ``behind`` alone.
    """
    conditions, bindings = _conditions(query)
    named = ", ".join(f'"{column}"' for column in columns)
    sql = f"SELECT dim, {named} FROM {table}_dim WHERE aid = :aid AND dim > :behind{conditions}"
    return connection.execute(sql, bindings | {"aid": query.aid, "behind": behind}).fetchall()


def _conditions(query: Query) -> tuple[str, Bindings]:
    """The filters as conditions on a dimension table."""
    conditions = "".join(f" AND {_condition(place, one)}" for place, one in enumerate(query.filters))
    bindings: Bindings = {
        f"values{place}": apsw.carray(tuple(value.encode("utf-8", "surrogatepass") for value in one.values))
        for place, one in enumerate(query.filters)
        if one.values
    }
    return conditions, bindings


def _detail_sql(kind: str) -> tuple[str, str]:
    """What is selected for the detail, and the join that it needs."""
    if KINDS[kind].detail is None:
        return "NULL", ""
    join = (
        f"LEFT JOIN {KINDS[kind].table}_detail x ON x.aid = r.aid AND x.round_id = r.round_id AND x.id = r.id"
    )
    return "x.detail", join


def _condition(place: int, one: Filter) -> str:
    if one.column not in DIMENSION_COLUMNS:
        raise LookupError(f"{one.column} is no field of Dimensions")
    # As bytes: an array of text cannot hold a NUL, and a client may ask for one.
    return f'CAST("{one.column}" AS BLOB) IN carray(:values{place})' if one.values else "FALSE"


def _range(query: Query) -> Bindings:
    after = query.after
    if after is None or after.round_id < query.first_round:
        after = Cursor(query.first_round, "")
    return {
        "aid": query.aid,
        "round": bounded(after.round_id),
        "id": after.record_id,
        "last": bounded(query.last_round),
        "limit": bounded(query.limit + 1),
        "skip": bounded(query.skip),
    }


def bounded(number: int) -> int:
    """The nearest number that SQLite can hold: a range may be as wide as its asker likes."""
    return max(-_LARGEST, min(number, _LARGEST))


# One lower bound as a row value: given two, SQLite may seek by the looser one and walk half a round.
_IN_RANGE: Final = "aid = :aid AND (round_id, id) > (:round, :id) AND round_id <= :last"
_ORDER: Final = "ORDER BY round_id, id"
_LIMIT: Final = "LIMIT :limit OFFSET :skip"


def _walk_sql(query: Query, condition: str = "") -> str:
    table = KINDS[query.kind].table
    return f"SELECT round_id, id, body FROM {table} WHERE {_IN_RANGE} {condition} {_ORDER} {_LIMIT}"


def _merge_sql(table: str, dims: int) -> str:
    each = (
        f"SELECT round_id, id FROM {table} INDEXED BY {table}_by_dim WHERE dim = :dim{place} AND {_IN_RANGE}"
        for place in range(dims)
    )
    return f"{' UNION ALL '.join(each)} {_ORDER} {_LIMIT}"


def _sort_sql(table: str) -> str:
    return (
        f"SELECT round_id, id FROM {table} INDEXED BY {table}_by_dim"
        f" WHERE dim IN carray(:dims) AND {_IN_RANGE} {_ORDER} {_LIMIT}"
    )


def _bodies_sql(table: str, keys_sql: str) -> str:
    """Bodies last: only those of the keys that are on the page."""
    return (
        f"SELECT k.round_id, k.id, r.body FROM ({keys_sql}) k CROSS JOIN {table} r"
        " ON r.aid = :aid AND r.round_id = k.round_id AND r.id = k.id ORDER BY k.round_id, k.id"
    )
