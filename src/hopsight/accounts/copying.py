"""From one accounts database to another: all rows with their IDs, in one transaction, read back and compared.

IDs and secrets' digests stay as they are, so agents, tokens and records go on belonging to whom they did. An
ID that was given once is not given again there either.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final

from msgspec import Struct
from sqlalchemy import Connection, Row, Table, func, insert, select, text, tuple_

from hopsight.accounts.alert_tables import alert_rules
from hopsight.accounts.database import Database
from hopsight.accounts.schema import organizations, revision, schema_version
from hopsight.errors import ConflictError, StoreUnavailableError

BATCH_ROWS: Final = 1_000
# Each database's own: they say how it is made and changed, not who there is.
_OWN: Final = {schema_version.name, revision.name}
TABLES: Final = tuple(table for table in alert_rules.metadata.sorted_tables if table.name not in _OWN)
"""What is copied, in an order in which whatever is referred to comes first."""


class CopiedTable(Struct, frozen=True, kw_only=True):
    """What became of one table.

    Args:
        table: its name.
        rows: that were copied, and read back as they were.
    """

    table: str
    rows: int


Progress = Callable[[str, int], None]
"""Told of a table, and how many of its rows were copied so far."""


def copy_accounts(source: Database, target: Database, progress: Progress) -> list[CopiedTable]:
    """Copy everything; the target has all of it afterwards, or nothing.

    Nobody else should write to the source meanwhile: what is written after this began is not copied.

    Args:
        source: read, as it is at one moment.
        target: written; nobody may have used it yet.
        progress: told of every batch.

    Raises:
        ConflictError: the source has no accounts, or the target has some.
        StoreUnavailableError: one of them cannot be used now, or did not keep what it was given.
    """
    with source.read() as theirs, target.write() as ours:
        if not _count(theirs, organizations):
            raise ConflictError("The source holds no accounts: nothing was copied")
        _refuse_used(ours)
        return [_copy_table(theirs, ours, table, progress) for table in TABLES]


def _refuse_used(target: Connection) -> None:
    for table in TABLES:
        if rows := _count(target, table):
            held = f"The target holds accounts already ({rows} in {table.name}): nothing was copied"
            raise ConflictError(f"{held}. Name a new, empty database")


def _count(connection: Connection, table: Table) -> int:
    found: int = connection.execute(select(func.count()).select_from(table)).scalar_one()
    return found


def _copy_table(source: Connection, target: Connection, table: Table, progress: Progress) -> CopiedTable:
    """Batch by batch, by primary key: the connections of neither kind hold back what was read."""
    done, after = 0, None
    while rows := _batch(source, table, after):
        target.execute(insert(table), [dict(row._mapping) for row in rows])  # noqa: SLF001 - its public name
        if _batch(target, table, after) != rows:
            reason = f"The target did not keep {table.name} as it was given: nothing was copied"
            raise StoreUnavailableError(reason)
        after = tuple(rows[-1]._mapping[column] for column in table.primary_key)  # noqa: SLF001 - likewise
        done += len(rows)
        progress(table.name, done)
    if table.dialect_options["sqlite"]["autoincrement"]:
        _set_last_id(target, table, _last_id(source, table))
    # A name of SQLAlchemy's own kind of text.
    return CopiedTable(table=str(table.name), rows=done)


def _batch(connection: Connection, table: Table, after: tuple[Any, ...] | None) -> Sequence[Row[Any]]:
    """The next rows behind a key."""
    key = tuple(table.primary_key)
    wanted = select(table).order_by(*key).limit(BATCH_ROWS)
    return connection.execute(wanted if after is None else wanted.where(tuple_(*key) > after)).all()


def _last_id(connection: Connection, table: Table) -> int:
    """The highest ID that was ever given."""
    if connection.dialect.name == "sqlite":
        sql = "SELECT max(seq) FROM sqlite_sequence WHERE name = :name"
        found = connection.execute(text(sql), {"name": table.name}).scalar_one()
    else:
        found = connection.execute(
            text("SELECT pg_sequence_last_value(CAST(:name AS regclass))"),
            {"name": _sequence(connection, table)},
        ).scalar_one()
    return found or 0


def _set_last_id(connection: Connection, table: Table, last_id: int) -> None:
    """Go on counting behind this."""
    if not last_id:
        return
    if connection.dialect.name == "sqlite":
        named = {"name": table.name, "last_id": last_id}
        connection.execute(text("DELETE FROM sqlite_sequence WHERE name = :name"), named)
        connection.execute(text("INSERT INTO sqlite_sequence (name, seq) VALUES (:name, :last_id)"), named)
    else:
        connection.execute(
            text("SELECT setval(CAST(:name AS regclass), :last_id)"),
            {"name": _sequence(connection, table), "last_id": last_id},
        )


def _sequence(connection: Connection, table: Table) -> str:
    (key,) = table.primary_key
    found: str = connection.execute(
        text("SELECT pg_get_serial_sequence(:table, :column)"), {"table": table.name, "column": key.name}
    ).scalar_one()
    return found
