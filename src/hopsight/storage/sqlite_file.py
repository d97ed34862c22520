"""Opening the data file: how each connection is set up, and bringing the schema up to date."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from importlib import resources
from pathlib import Path
from typing import Final, NamedTuple

import apsw

from hopsight.errors import ConfigError, StoreUnavailableError
from hopsight.locks import alone_with
from hopsight.model.kinds import KINDS, Kind

WRITER_CACHE_KIB: Final = 16_384
READER_CACHE_KIB: Final = 4_096
_BUSY_MS: Final = 5_000
_WAL_KEPT_BYTES: Final = 64 << 20
_READ_WRITE: Final = apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE


_DETAILS_ONLY: Final = "-- only: kinds with a detail\n"


class Migration(NamedTuple):
    """A numbered step of the schema: SQL with ``{table}`` where the name of a kind's table belongs.

    One that begins with ``-- only: kinds with a detail`` is about ``{table}_detail``, which other kinds lack.
    """

    number: int
    sql: str

    @property
    def details_only(self) -> bool:
        """Whether it is for kinds with a detail alone."""
        return self.sql.startswith(_DETAILS_ONLY)


def open_writer(path: Path) -> apsw.Connection:
    """Open the file, creating it or bringing its schema up to date: the one connection that writes.

    Raises:
        ConfigError: the file is not ours, or is of a newer version.
        StoreUnavailableError: it cannot be opened.
    """
    try:
        # SQLite cannot wait when it changes to its WAL: who opens a new file does it alone.
        with unavailable(), alone_with(path):
            return _open_writer(path)
    except OSError as error:
        raise StoreUnavailableError(f"Store {path} cannot be opened: {error.strerror}") from error
    except StoreUnavailableError as error:
        if isinstance(error.__cause__, apsw.NotADBError):
            raise ConfigError("store", path, "an SQLite file of Hopsight's") from None
        raise


def open_reader(path: Path) -> apsw.Connection:
    """Open a file that exists, for reading only.

    Raises:
        StoreUnavailableError: it cannot be opened.
    """
    with unavailable():
        connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)
        connection.set_busy_timeout(_BUSY_MS)
        _set(connection, f"cache_size = -{READER_CACHE_KIB}", "query_only = ON", "temp_store = MEMORY")
    return connection


@contextmanager
def unavailable() -> Iterator[None]:
    """Turn SQLite's errors into ours.

    Raises:
        StoreUnavailableError: instead of any ``apsw.Error``, which is its cause.
    """
    try:
        yield
    except apsw.Error as error:
        raise StoreUnavailableError(f"The store cannot do this now: {error}") from error


def migrations() -> list[Migration]:
    """The steps of the schema, in order."""
    folder = resources.files("hopsight.storage") / "schema" / "sqlite"
    files = sorted(
        (file for file in folder.iterdir() if file.name.endswith(".sql")), key=lambda file: file.name
    )
    return [Migration(int(file.name.split("_")[0]), file.read_text("utf-8")) for file in files]


def migrate(connection: apsw.Connection, steps: list[Migration]) -> None:
    """Apply what the file lacks, all or nothing.

    A kind that is new to the file gets every step; one that has a detail from now on, every step of those.

    Raises:
        ConfigError: the file is of a newer version than the last of ``steps``.
    """
    newest = steps[-1].number
    with connection:
        version = int(connection.pragma("user_version"))
        if version > newest:
            raise ConfigError(
                "store",
                connection.filename,
                f"schema version {newest} or older, not {version}; update Hopsight",
            )
        for kind in KINDS.values():
            for step in _lacking(connection, kind, version, steps):
                connection.execute(step.sql.replace("{table}", kind.table))
        if version != newest:
            connection.pragma("user_version", newest)


def _lacking(
    connection: apsw.Connection, kind: Kind, version: int, steps: list[Migration]
) -> list[Migration]:
    """The steps that a kind's tables have not seen yet."""
    done = version if _has_table(connection, kind.table) else 0
    details_done = version if _has_table(connection, f"{kind.table}_detail") else 0
    lacking = []
    for step in steps:
        if step.details_only:
            if kind.detail is not None and step.number > details_done:
                lacking.append(step)
        elif step.number > done:
            lacking.append(step)
    return lacking


def _has_table(connection: apsw.Connection, table: str) -> bool:
    # Not `table_exists`: that knows the tables that there were before another process made them.
    sql = "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = ?"
    return bool(connection.execute(sql, (table,)).get)


def _open_writer(path: Path) -> apsw.Connection:
    connection = apsw.Connection(str(path), flags=_READ_WRITE)
    with ExitStack() as on_error:
        on_error.callback(connection.close)
        _set_up_writer(connection)
        migrate(connection, migrations())
        on_error.pop_all()
    return connection


def _set_up_writer(connection: apsw.Connection) -> None:
    connection.set_busy_timeout(_BUSY_MS)
    # Waiting to write happens at BEGIN, where the busy timeout can help, never in mid-transaction.
    connection.transaction_mode = "IMMEDIATE"
    _set(
        connection,
        "page_size = 16384",
        "journal_mode = WAL",
        "synchronous = FULL",
        f"cache_size = -{WRITER_CACHE_KIB}",
        "wal_autocheckpoint = 4000",
        f"journal_size_limit = {_WAL_KEPT_BYTES}",
        "temp_store = MEMORY",
    )


def _set(connection: apsw.Connection, *pragmas: str) -> None:
    for pragma in pragmas:
        connection.execute(f"PRAGMA {pragma}").fetchall()
