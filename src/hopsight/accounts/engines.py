"""From a URL to an engine: SQLite through apsw, or PostgreSQL through psycopg; what begins transactions."""

import os
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.dialects import registry
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from hopsight.errors import ConfigError, StoreUnavailableError

FILE_NAME: Final = "accounts.db"
ACCEPTED: Final = "sqlite:///PATH or postgresql://USER:PASSWORD@HOST:PORT/DATABASE"
BUSY_TIMEOUT_MS: Final = 10_000
"""How long a transaction waits for others; on PostgreSQL, also how long a statement may take."""
IDLE_TIMEOUT_MS: Final = 60_000
"""PostgreSQL ends a transaction of which it hears nothing for so long: others may be waiting for it."""
MIGRATION_TIMEOUT_MS: Final = 600_000
"""How long a server that starts waits for another one that brings the tables up to date."""
CONNECT_TIMEOUT_S: Final = 3
SILENCE_TIMEOUT_MS: Final = 10_000
"""For so long what was sent may go unacknowledged by PostgreSQL's machine."""
PATIENCE_S: Final = 2.0
"""PostgreSQL says within these that a statement took too long; one that does not stands still."""
POOL_TIMEOUT_S: Final = 10
WRITERS_LOCK: Final = 0x686F7073
"""The advisory lock that those who write hold: "hops". Locks are of one database, so it is ours alone."""

registry.register("sqlite.apsw", "hopsight.accounts.apsw_dialect", "ApswDialect")
registry.register("postgresql.hopsight", "hopsight.accounts.postgresql_dialect", "PostgresqlDialect")


def create(url: str | None, data: Path) -> Engine:
    """An engine for the database at ``url``, or for ``accounts.db`` in ``data``.

    Connections that are to write have the execution option ``writes``: True, or "tables".

    Raises:
        ConfigError: no database is to be had at ``url``.
        StoreUnavailableError: the file cannot be made.
    """
    parsed = _parse(url, data)
    if parsed.get_backend_name() == "sqlite":
        return _sqlite(parsed)
    return _postgresql(parsed)


def database_file(url: str | None, data: Path) -> Path | None:
    """The file that ``create`` would open or make; None: it is on a server.

    Raises:
        ConfigError: as ``create`` does.
    """
    parsed = _parse(url, data)
    return Path(str(parsed.database)) if parsed.get_backend_name() == "sqlite" else None


def _parse(url: str | None, data: Path) -> URL:
    """The URL, with the driver that we use. No message repeats it: it may hold a password."""
    if url is None:
        return URL.create("sqlite+apsw", database=str(data / FILE_NAME))
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        raise ConfigError("accounts URL", "(not shown)", ACCEPTED) from None
    kind, _, driver = parsed.drivername.partition("+")
    if kind == "sqlite" and driver in {"", "apsw"}:
        if parsed.database in {None, "", ":memory:"}:
            raise ConfigError("accounts URL", "one without a path", "an SQLite file: sqlite:///PATH")
        return parsed.set(drivername="sqlite+apsw")
    if kind in {"postgresql", "postgres"} and driver in {"", "psycopg"}:
        if not parsed.database:
            raise ConfigError("accounts URL", "one without a database", ACCEPTED)
        return parsed.set(drivername="postgresql+hopsight")
    raise ConfigError("accounts URL", f"{parsed.drivername}://...", ACCEPTED)


def _sqlite(url: URL) -> Engine:
    assert url.database is not None  # noqa: S101 - _parse has seen to it
    _create_private(Path(url.database))
    engine = create_engine(url, connect_args={"busy_timeout_ms": BUSY_TIMEOUT_MS})
    event.listen(engine, "connect", _set_pragmas)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _create_private(path: Path) -> None:
    # SQLite gives the WAL beside it the mode of the database. Only a new file: closing one drops the locks
    # that SQLite holds on it, in the whole process.
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    except FileExistsError:
        return
    except OSError as error:
        raise StoreUnavailableError(f"Accounts database {path} cannot be opened: {error.strerror}") from error


def _set_pragmas(connection: Any, _record: object) -> None:
    if connection.raw.pragma("journal_mode") != "wal":
        connection.raw.pragma("journal_mode", "wal")
    connection.raw.pragma("synchronous", "FULL")
    connection.raw.pragma("foreign_keys", "ON")


def _begin_sqlite(connection: Connection) -> None:
    # A transaction that reads first and wants to write later can find that it may not: so it says so at once.
    writes = connection.get_execution_options().get("writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _postgresql(url: URL) -> Engine:
    options = {
        "client_encoding": "utf8",
        "application_name": "hopsight",
        "connect_timeout": CONNECT_TIMEOUT_S,
        # A machine that is gone without a word is noticed: when something was sent, and when nothing was.
        "tcp_user_timeout": SILENCE_TIMEOUT_MS,
        "keepalives_idle": 15,
        "keepalives_interval": 5,
        "keepalives_count": 3,
    }
    given = {name: value for name, value in options.items() if name not in url.query}
    try:
        engine = create_engine(url, pool_pre_ping=True, pool_timeout=POOL_TIMEOUT_S, connect_args=given)
    except ImportError:
        accepted = "an installation with its driver: pip install 'hopsight[server,postgresql]'"
        raise ConfigError("accounts URL", "postgresql://...", accepted) from None
    _check_options(engine)
    event.listen(engine, "connect", _set_timeouts)
    event.listen(engine, "begin", _begin_postgresql)
    return engine


def _check_options(engine: Engine) -> None:
    from psycopg import ProgrammingError  # noqa: PLC0415 - an extra: only those who use PostgreSQL have it
    from psycopg.conninfo import make_conninfo  # noqa: PLC0415

    _, options = engine.dialect.create_connect_args(engine.url)
    # SQLAlchemy's own, for psycopg; the others are for libpq.
    options.pop("context", None)
    try:
        make_conninfo(**options)
    except ProgrammingError:
        raise ConfigError("accounts URL", "(not shown)", "options that libpq knows after the ?") from None


def _set_timeouts(connection: Any, _record: object) -> None:
    connection.patience_s = BUSY_TIMEOUT_MS / 1_000 + PATIENCE_S
    with connection.cursor() as cursor:
        cursor.execute(
            f"SET statement_timeout = {BUSY_TIMEOUT_MS}; SET lock_timeout = {BUSY_TIMEOUT_MS}; "
            f"SET idle_in_transaction_session_timeout = {IDLE_TIMEOUT_MS}"
        )
    connection.commit()


def _begin_postgresql(connection: Connection) -> None:
    # One writer at a time, as with SQLite: so what it looked up first (a limit, a name that is free) holds
    # until it has written. Those who write are few, and done at once.
    writes = connection.get_execution_options().get("writes", False)
    longest_ms = MIGRATION_TIMEOUT_MS if writes == "tables" else BUSY_TIMEOUT_MS
    raw: Any = connection.connection.driver_connection
    raw.patience_s = longest_ms / 1_000 + PATIENCE_S
    if writes == "tables":
        connection.exec_driver_sql(
            f"SET LOCAL statement_timeout = {MIGRATION_TIMEOUT_MS}; "
            f"SET LOCAL lock_timeout = {MIGRATION_TIMEOUT_MS}"
        )
    if writes:
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({WRITERS_LOCK})")
