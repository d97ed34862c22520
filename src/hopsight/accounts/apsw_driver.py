"""A DB-API driver over apsw, as small as SQLAlchemy Core lets it be.

SQLAlchemy ships a dialect for the interpreter's own ``sqlite3`` only. That library's SQLite may be one whose
WAL can be corrupted when several processes write (fixed in 3.51.3), and two copies of SQLite in one process
must never open the same file: closing one drops the locks of the other. apsw brings a fixed SQLite, and is
what the store uses as well.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Final

import apsw

apilevel: Final = "2.0"
threadsafety: Final = 1
paramstyle: Final = "qmark"
sqlite_version_info: Final = tuple(int(part) for part in apsw.sqlite_lib_version().split("."))
version: Final = apsw.apsw_version()


class Error(Exception):
    """Whatever SQLite refuses."""


class DatabaseError(Error):
    """As DB-API names it."""


class InterfaceError(Error):
    """As DB-API names it; not used."""


class OperationalError(DatabaseError):
    """Busy, full, unreadable."""


class DataError(DatabaseError):
    """A value is none that can be kept."""


class IntegrityError(DatabaseError):
    """A constraint does not hold."""


class ProgrammingError(DatabaseError):
    """The statement or the use of the driver is wrong."""


def Binary(value: bytes) -> bytes:  # noqa: N802 - the name that DB-API gives
    """Bytes are stored as they are."""
    return value


def connect(path: str, *, busy_timeout_ms: int) -> "Connection":
    """Open (and create) a database file.

    Raises:
        OperationalError: it cannot be opened.
    """
    try:
        raw = apsw.Connection(path)
    except apsw.Error as error:
        raise _translated(error) from error
    raw.set_busy_timeout(busy_timeout_ms)
    return Connection(raw)


class Connection:
    """One connection; nothing begins by itself: SQLAlchemy's hook says ``BEGIN``."""

    def __init__(self, raw: apsw.Connection) -> None:
        self.raw = raw

    def cursor(self) -> "Cursor":
        """A cursor over this connection."""
        return Cursor(self.raw)

    def commit(self) -> None:
        """End the transaction, if there is one, and keep what it did."""
        self._end("COMMIT")

    def rollback(self) -> None:
        """End the transaction, if there is one, and undo what it did."""
        self._end("ROLLBACK")

    def _end(self, statement: str) -> None:
        if self.raw.in_transaction:
            self.cursor().execute(statement)

    def sweep(self) -> None:
        """Write the file anew without its free pages, and empty the WAL: what was deleted is in neither then.

        Raises:
            OperationalError: somebody else holds on to the file, or the disk is full.
        """
        try:
            self.raw.execute("VACUUM").fetchall()
            busy, *_ = self.raw.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()[0]
        except apsw.Error as error:
            raise _translated(error) from error
        if busy:
            raise OperationalError("its log is in use, and could not be emptied")

    def close(self) -> None:
        """Let go of the file."""
        self.raw.close()


class Cursor:
    """Runs a statement and holds its rows: they are read at once, so that no read stays open."""

    arraysize = 1

    def __init__(self, raw: apsw.Connection) -> None:
        self._raw = raw
        self._rows: list[tuple[Any, ...]] = []
        self._next = 0
        self.description: tuple[tuple[Any, ...], ...] | None = None
        self.lastrowid: int | None = None
        self.rowcount = -1

    def execute(self, statement: str, parameters: Sequence[Any] = ()) -> "Cursor":
        """Run one statement."""
        cursor = self._raw.cursor()
        # The columns are to be had at the start only: an empty answer has none left at its end.
        cursor.exec_trace = self._note_columns
        try:
            rows = cursor.execute(statement, _checked(parameters)).fetchall()
        except (apsw.Error, OverflowError) as error:
            raise _translated(error) from error
        self._take(rows)
        return self

    def executemany(self, statement: str, parameters: Iterable[Sequence[Any]]) -> "Cursor":
        """Run one statement for each row of parameters."""
        try:
            self._raw.executemany(statement, [_checked(row) for row in parameters])
        except (apsw.Error, OverflowError) as error:
            raise _translated(error) from error
        self._take([])
        return self

    def _note_columns(self, cursor: apsw.Cursor, _statement: str, _parameters: object) -> bool:
        columns = cursor.get_description()
        self.description = tuple((column[0], *[None] * 6) for column in columns) or None
        return True

    def _take(self, rows: list[tuple[Any, ...]]) -> None:
        self._rows, self._next = rows, 0
        self.lastrowid = self._raw.last_insert_rowid()
        self.rowcount = self._raw.changes()

    def fetchone(self) -> tuple[Any, ...] | None:
        """The next row."""
        if self._next >= len(self._rows):
            return None
        self._next += 1
        return self._rows[self._next - 1]

    def fetchmany(self, size: int | None = None) -> list[tuple[Any, ...]]:
        """The next rows."""
        first, self._next = self._next, self._next + (size or self.arraysize)
        return self._rows[first : self._next]

    def fetchall(self) -> list[tuple[Any, ...]]:
        """All rows that are left."""
        first, self._next = self._next, len(self._rows)
        return self._rows[first:]

    def close(self) -> None:
        """Forget the rows."""
        self._rows = []


def _checked(parameters: Sequence[Any]) -> tuple[Any, ...]:
    # As PostgreSQL does; SQLite would keep such a text, and many of its functions see half of it.
    if any(isinstance(value, str) and "\0" in value for value in parameters):
        raise DataError("a text holds a NUL character")
    return tuple(parameters)


def _translated(error: apsw.Error | OverflowError) -> Error:
    if isinstance(error, OverflowError):
        return DataError(str(error))
    if isinstance(error, apsw.ConstraintError):
        return IntegrityError(str(error))
    if isinstance(error, apsw.SQLError | apsw.BindingsError | apsw.ConnectionClosedError):
        return ProgrammingError(str(error))
    return OperationalError(str(error))
